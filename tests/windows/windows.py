"""`make windows`: the sample's rehearsal, and every test that makes sense there, under Wine.

With arguments, only those tests. pytest's own options go with them.

exit 0: the rehearsal ended as it should, and no test failed
exit 1: something failed
exit 3: what it takes is not installed
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.windows import wine
from tests.windows.leaving_out import reasons

_ONLY_THERE = Path("tests", "windows", "test_on_windows.py")
_AT_A_CONSOLE = Path("tests", "windows", "test_console.py")
_PATIENCE_SECONDS = 900
_VERSIONS = "import sqlite3, sys; print(sys.version.split()[0], sqlite3.sqlite_version)"


@dataclass(slots=True)
class Result:
    """What became of the tests: how many of each kind, and why the skipped ones were."""

    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def read(self, junit: Path) -> None:
        """Add what pytest wrote down; nothing is there where it ended before its tests did."""
        if not junit.exists():
            self.failed.append(f"pytest itself: {junit.name}")
            return
        for case in ET.parse(junit).iter("testcase"):
            self.take(case)

    def take(self, case: ET.Element) -> None:
        """Count one test; one that failed and could not be tidied up is one."""
        kinds = {child.tag: child for child in case if child.tag in {"failure", "error", "skipped"}}
        kind = "failed" if kinds.keys() & {"failure", "error"} else "".join(kinds) or "passed"
        self.counts[kind] += 1
        if kind == "failed":
            self.failed.append(f"{case.get('classname')}::{case.get('name')}")
        if kind == "skipped":
            self.skipped[kinds["skipped"].get("message") or ""] += 1

    def lines(self) -> list[str]:
        """Return the result for people."""
        counted = ", ".join(
            f"{self.counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")
        )
        why = [f"  {count} skipped: {reason}" for reason, count in self.skipped.most_common()]
        return [*(f"failed: {name}" for name in self.failed), *why, counted]


def main(arguments: list[str]) -> int:
    if packages := wine.missing():
        print(f"make windows takes: apt-get install --no-install-recommends {' '.join(packages)}")
        return 3
    began = time.monotonic()
    wine.prepare()
    print(f"Wine, Windows's Python and its SQLite: {_versions()}")
    result = Result()
    if arguments:
        _test(result, arguments)
    else:
        _rehearse(result)
        _test_at_a_console(result)
        _test(result, ["tests"])
        _test(result, [str(_ONLY_THERE)])  # pytest leaves out a file of a folder that is left out
        stale = {*reasons().values()} - result.skipped.keys()
        result.failed += [f"left_out.toml names no test: {reason}" for reason in sorted(stale)]
    print("\n".join(result.lines()))
    print(f"{time.monotonic() - began:.0f} seconds")
    return int(bool(result.failed) or not result.counts["passed"])


def _versions() -> str:
    ours = subprocess.run(
        [wine.command()[0], "--version"], capture_output=True, text=True, check=True
    )
    _, told = wine.call("-c", _VERSIONS, cwd=wine.BUILT, is_shown=False)
    return f"{ours.stdout.strip()}, {told}"


def _rehearse(result: Result) -> None:
    demo = wine.as_windows(wine.ROOT / "sample_data" / "demo.py")
    code, _ = wine.call(demo, cwd=wine.BUILT)
    if code:
        result.failed.append("the sample's rehearsal")


def _test_at_a_console(result: Result) -> None:
    """Run the tests that sit at a console: here, for Wine makes it of a pseudo-terminal."""
    junit = wine.BUILT / "console.xml"
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={junit}", str(_AT_A_CONSOLE))
    junit.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=wine.ROOT, check=False)
    result.read(junit)


def _test(result: Result, tests: list[str]) -> None:
    """Run tests there, two at once; they end where one hangs."""
    junit = wine.BUILT / "junit.xml"
    options = (
        *("-q", "-n", "2", "--color=no", "--tb=short", "-p", "no:cacheprovider"),
        *("-p", "tests.windows.leaving_out", f"--junitxml={wine.as_windows(junit)}"),
        *("-o", f"faulthandler_timeout={_PATIENCE_SECONDS}"),
        *("-o", "faulthandler_exit_on_timeout=true"),
    )
    junit.unlink(missing_ok=True)
    wine.call("-m", "pytest", *options, *tests, cwd=wine.ROOT)
    result.read(junit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
