"""Looks up every pinned dependency with pip-audit: `make audit` runs it.

pip-audit alone says "No known vulnerabilities found" and exits 0 where its database answered for
no package at all. Here what was not looked up is no success.

exit 0: every package was looked up, and nothing is known against any
exit 1: something is known against some
exit 3: some could not be looked up, most often because the database cannot be reached
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements.lock"
OPTIONS = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]


def main(pip_audit: str) -> int:
    command = [pip_audit, "--requirement", str(LOCK), *OPTIONS]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    code, words = verdict(ran.stdout)
    if not ran.stdout:
        sys.stderr.write("".join(ran.stderr.splitlines(keepends=True)[-1:]))
    print(words)
    return code


def verdict(report: str) -> tuple[int, str]:
    """Return the exit code and what to say of pip-audit's report, which is empty if it failed."""
    if not report:
        return 3, "pip-audit could not ask its database: nothing was looked up"
    packages = json.loads(report)["dependencies"]
    known = [line for package in packages for line in known_against(package)]
    if known:
        return 1, "\n".join(known)
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        some = ", ".join(skipped[:3])
        return 3, f"{len(skipped)} of {len(packages)} packages could not be looked up: {some} …"
    return 0, f"{len(packages)} packages looked up: nothing is known against any"


def known_against(package: dict[str, Any]) -> Iterator[str]:
    for vulnerability in package.get("vulns", ()):
        mended = ", ".join(vulnerability["fix_versions"]) or "no version"
        yield f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
