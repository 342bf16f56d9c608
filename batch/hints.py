"""Commands that a person can copy as they stand, wherever the reports folder is."""

from __future__ import annotations

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


def verify_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that proves a run's files."""
    return _command(f"verify {run_id}", reports_dir)


def _command(words: str, reports_dir: Path) -> str:
    command = f"defer-batch {words}"
    if reports_dir == Path(DEFAULT_REPORTS_DIR):
        return command
    return f"{command} --reports-dir {systems.as_argument(reports_dir)}"
