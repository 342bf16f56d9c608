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


def report_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that writes a run's report again."""
    return _command(f"report {run_id}", reports_dir)


def deliver_command(run_id: str, reports_dir: Path, to: Path) -> str:
    """Return the command that delivers a run's report again."""
    return f"{report_command(run_id, reports_dir)} --deliver-to {systems.as_argument(to)}"


def verify_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that proves a run's files."""
    return _command(f"verify {run_id}", reports_dir)


def completed(advice: str, run_id: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    """Return advice about a run's rows with the commands in it made complete."""
    return advice.replace(_RESUME, resume_command(run_id, reports_dir, given)).replace(
        _CLOSE, close_command(run_id, reports_dir, given)
    )


_KEPT_OF_A_RUN = frozenset(
    {
        *("--register", "--api-token-file", "--api-version", "--rate-limit", "--max-at-once"),
        *("--timeout", "--lost-answer-wait", "--give-up-after", "--reports-dir", "--deliver-to"),
        *("--operator", "--date-format", "--column", "--match-by"),
    }
)
"""Options with a value that a run of the same list's corrections takes as well."""

_KEPT_FLAGS = frozenset({"--no-preview", "--no-final-check", "--allow-unusual-dates"})


def corrections_command(command: Sequence[str], path: Path) -> str:
    """Return the command that runs the corrections of a run, given the words that began that."""
    words = ["run", str(path)]
    for place, word in enumerate(command):
        if word in _KEPT_FLAGS or ("=" in word and word.partition("=")[0] in _KEPT_OF_A_RUN):
            words.append(word)
        elif word in _KEPT_OF_A_RUN:
            words += command[place : place + 2]
    return f"defer-batch {systems.as_command(words)}"


def completed_in(words: str, reports_dir: Path, given: Sequence[str]) -> str:
    """Return a message with the commands that name no run made complete."""
    newest = resume_newest_command(reports_dir, given)
    return words.replace(f"`{_RESUME}`", f"`{newest}`").replace(
        "`defer-batch runs`", f"`{_command('runs', reports_dir)}`"
    )


def _command(words: str, reports_dir: Path, given: Sequence[str] = ()) -> str:
    command = f"defer-batch {words}"
    if reports_dir != Path(DEFAULT_REPORTS_DIR):
        command += f" --reports-dir {systems.as_argument(reports_dir)}"
    for name in _KEPT:
        value = _value_of(name, given)
        command += "" if value is None else f" {systems.as_command((name, value))}"
    return command


def _value_of(name: str, given: Sequence[str]) -> str | None:
    """Return the last value that an option was given, None where it was not given."""
    value = None
    for place, word in enumerate(given):
        if word == name and place + 1 < len(given):
            value = given[place + 1]
        elif word.startswith(f"{name}="):
            value = word.removeprefix(f"{name}=")
    return value
