"""What many tests ask for: the command as a user runs it, and a Register of their own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from reading import TODAY, Read, Reading

from batch.intake.checking import open_input
from batch.register.emulator import serve
from batch.register.gateway import Emulator
from batch.register.rehearsal import rehearsal_register
from batch.register.trainees import Trainee

TOKEN = "s3cret-token-of-the-provider"


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str
    reports: Path

    @property
    def folder(self) -> Path:
        written = self.reports.glob("2*/summary.json")  # ids of one second differ by chance
        return max(written, key=lambda path: path.stat().st_mtime_ns).parent

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "summary.json").read_text(encoding="utf-8")))

    def rows(self, outcome: str) -> list[dict[str, str]]:
        with (self.folder / f"{outcome}.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def codes(self) -> dict[int, str]:
        return {
            int(row["row"]): row["code"]
            for outcome in ("succeeded", "not_found", "unprocessable", "unresolved")
            for row in self.rows(outcome)
        }


@dataclass
class Office:
    """A working folder in which the command is run, as a user would."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "batch", *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> Ran:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err, self.reports)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "DEFER_BATCH" not in name}
        state = dict.fromkeys(("XDG_STATE_HOME", "LOCALAPPDATA"), str(self.folder / "state"))
        return kept | state | {"PYTHONIOENCODING": "utf-8"} | self.environment


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def register() -> Iterator[Callable[..., Emulator]]:
    """Serve Registers: `register(abc="trn_received", faults=[...])` gives one that runs."""
    with ExitStack() as stack:

        def serving(
            *, faults: Any = (), rate_limit: tuple[int, float] | None = None, **states: str
        ) -> Emulator:
            known = [
                Trainee(name, state=state, defer_date="2026-01-01" if state == "deferred" else None)
                for name, state in states.items()
            ]
            model = rehearsal_register(known, rate_limit=rate_limit, token=TOKEN)
            return stack.enter_context(serve(model, faults=faults))

        yield serving


@pytest.fixture
def submit(office: Office) -> Callable[..., Ran]:
    """Run a file against a Register: `submit(emulator, csv, "--option")`."""

    def submitted(emulator: Emulator, content: str | bytes, *options: str) -> Ran:
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        office.write("list.csv", content)
        target = ("--register", emulator.base_url, "--rate-limit", "none")
        return office.run("run", "list.csv", *target, *options)

    return submitted


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Read a file: `read(content, "list.csv", date_format="dmy")` gives its rows and repairs."""

    def reading(content: str | bytes, name: str = "list.csv", **options: object) -> Read:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_input(path, today=TODAY, **options) as input_file:  # type: ignore[arg-type]
            return Read(input_file)

    return reading
