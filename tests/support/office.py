"""The command as a user runs it, in a working folder of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.calling import called, can_be_called
from tests.support.preloaded import Process

SENDING_ALONE = ("--no-preview", "--no-final-check")
"""For tests of sending and settling: nothing is looked up before, or read back at the end."""

STATE_HOMES = ("XDG_STATE_HOME", "LOCALAPPDATA")
"""What names the folder for what outlives a command, on one system or another."""

TOKEN = "s3cret-token-of-the-provider"


def keep_state_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process keep there what outlives a command."""
    for name in STATE_HOMES:
        monkeypatch.setenv(name, str(folder))


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

    def start(
        self, *arguments: str, through: tuple[str, ...] = (), anew: bool = False, **streams: Any
    ) -> subprocess.Popen[str]:
        """Start the command, by way of the program and options in `through`.

        `anew`: Python's own start is part of what is tried.
        """
        usual: dict[str, Any] = {"stdin": subprocess.DEVNULL} | dict.fromkeys(
            ("stdout", "stderr"), subprocess.PIPE
        )
        is_usual = not through and not anew and can_be_called(self.environment)
        return (Process if is_usual else subprocess.Popen)(
            [*through, sys.executable, "-m", "batch", *arguments],
            cwd=self.folder,
            env=self._environment(),
            text=True,
            encoding="utf-8",
            **(usual | streams),
        )

    def run(self, *arguments: str) -> Ran:
        """Run the command, within this process where nothing asks for one of its own."""
        if not can_be_called(self.environment):
            return self.run_apart(*arguments)
        return Ran(*called(self.folder, self._environment(), arguments), self.reports)

    def run_apart(self, *arguments: str, through: tuple[str, ...] = ()) -> Ran:
        """Run the command in a process of its own, by way of the program in `through`."""
        with self.start(*arguments, through=through) as process:
            out, err = process.communicate(timeout=600)
        return Ran(process.returncode, out, err, self.reports)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "DEFER_BATCH" not in name}
        kept.pop("COLUMNS", None)  # or it would count for more than a test's terminal
        state = dict.fromkeys(STATE_HOMES, str(self.folder / "state"))
        return kept | state | {"PYTHONIOENCODING": "utf-8"} | self.environment
