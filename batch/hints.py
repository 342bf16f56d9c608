"""Commands that a person can copy as they stand: in the folder and settings of the one before.

`given` are the words behind `defer-batch` of the command that worked with the run: whoever named a
token's file then has to name it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batch import systems

DEFAULT_REPORTS_DIR = "reports"
_KEPT = ("--api-token-file", "--api-version")
_KEPT_FOR_A_FILE = ("--register", *_KEPT, "--column", "--match-by", "--date-format")
_RESUME, _CLOSE = "defer-batch resume", "defer-batch close"


def resume_command(run_id: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return the command that continues a run."""
    return _command(f"resume {run_id}", reports_dir, given)


def close_command(run_id: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return the command that ends a run for good."""
    return _command(f"close {run_id}", reports_dir, given)


def reconcile_command(run_id: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return the command that asks Register whether what a run reported stands."""
    return _command(f"reconcile {run_id}", reports_dir, given)


def resume_newest_command(reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return the command that continues whatever is unfinished."""
    return _command("resume", reports_dir, given)


def run_again_command(file: Path, reports_dir: Path, given: Sequence[str]) -> str:
    """Return the command that runs a file as the one before was run."""
    return _command(f"run {systems.as_argument(file)}", reports_dir, given, kept=_KEPT_FOR_A_FILE)


def report_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that writes a run's report again."""
    return _command(f"report {run_id}", reports_dir)


def verify_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that proves a run's files."""
    return _command(f"verify {run_id}", reports_dir)


def completed(advice: str, run_id: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return advice about a run's rows with the commands in it made complete."""
    return advice.replace(_RESUME, resume_command(run_id, reports_dir, given)).replace(
        _CLOSE, close_command(run_id, reports_dir, given)
    )


def _command(
    words: str, reports_dir: Path, given: Sequence[str] = (), *, kept: Sequence[str] = _KEPT
) -> str:
    command = f"defer-batch {words}"
    if reports_dir != Path(DEFAULT_REPORTS_DIR):
        command += f" --reports-dir {systems.as_argument(reports_dir)}"
    for name in kept:
        values = _values_of(name, given)
        for value in values if name == "--column" else values[-1:]:
            command += f" {systems.as_command((name, value))}"
    return command


def _values_of(name: str, given: Sequence[str]) -> list[str]:
    """Return the values that an option was given, the one that counts last."""
    values = []
    for place, word in enumerate(given):
        if word == name and place + 1 < len(given):
            values.append(given[place + 1])
        elif word.startswith(f"{name}="):
            values.append(word.removeprefix(f"{name}="))
    return values
