"""Commands that a person can copy as they stand, wherever the reports folder is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batch import systems

DEFAULT_REPORTS_DIR = "reports"


def resume_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that continues a run."""
    return _command(f"resume {run_id}", reports_dir)


def resume_newest_command(reports_dir: Path) -> str:
    """Return the command that continues whatever is unfinished."""
    return _command("resume", reports_dir)


def report_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that writes a run's report again."""
    return _command(f"report {run_id}", reports_dir)


def deliver_command(run_id: str, reports_dir: Path, to: Path) -> str:
    """Return the command that delivers a run's report again."""
    return f"{report_command(run_id, reports_dir)} --deliver-to {systems.as_argument(to)}"


def verify_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that proves a run's files."""
    return _command(f"verify {run_id}", reports_dir)


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


def _command(words: str, reports_dir: Path) -> str:
    command = f"defer-batch {words}"
    if reports_dir == Path(DEFAULT_REPORTS_DIR):
        return command
    return f"{command} --reports-dir {systems.as_argument(reports_dir)}"
