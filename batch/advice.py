"""What to do about each code: one sentence for people, the same on the terminal and the page."""

from __future__ import annotations

from pathlib import Path

from batch import systems
from batch.rows import Code

DEFAULT_REPORTS_DIR = "reports"

_ADVICE = {
    Code.DEFERRED: "Nothing.",
    Code.CONFIRMED_BY_READ_BACK: "Nothing: reading the trainee showed the deferral.",
    Code.DEFERRED_EARLIER: "Nothing: an earlier run deferred the trainee; --again sends it anew.",
    Code.ANSWER_DIFFERS: "Look the trainee up in Register before anything else.",
    Code.TRAINEE_NOT_FOUND: "Check the id, and that the trainee belongs to this provider.",
    Code.WRONG_NUMBER_OF_VALUES: "Quote the value with the separator, or do as the message says.",
    Code.MISSING_TRAINEE_ID: "Fill in the id from Register's export.",
    Code.MALFORMED_TRAINEE_ID: "Copy the id again from Register's export.",
    Code.MISSING_DEFER_DATE: "Fill in the date, as YYYY-MM-DD.",
    Code.INVALID_DEFER_DATE: "Write the date as YYYY-MM-DD, or do as the message says.",
    Code.UNUSUAL_DEFER_DATE: "Correct the date, or say --allow-unusual-dates if it is meant.",
    Code.REASON_TOO_LONG: "Shorten the reason to 500 characters.",
    Code.CONFLICTING_ROWS: "Keep the row that is meant, delete the others, and run it again.",
    Code.DUPLICATE_ROW: "Nothing, if the first of them is sent: it speaks for all.",
    Code.REFUSED_BY_REGISTER: "Look the trainee up in Register; the message says why.",
    Code.ALREADY_DEFERRED: "Nothing, if Register's date is right; else correct it there.",
    Code.STATE_NOT_DEFERRABLE: "Look the trainee up in Register: only trainees in training defer.",
    Code.REINSTATED_SINCE: "Nothing, unless the trainee is to be deferred again on another date.",
    Code.NOT_SENT: "`defer-batch resume` carries on.",
    Code.ANSWER_LOST: "`defer-batch resume` asks Register what became of it.",
    Code.REGISTER_KEEPS_FAILING: "`defer-batch resume` later; if it stays, ask Register's support.",
}

FOR_INFORMATION = frozenset({Code.DUPLICATE_ROW, Code.ALREADY_DEFERRED, Code.REINSTATED_SINCE})
"""Codes of rows that are not deferred by this run, and most often should not be."""


def resume_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that carries on with a run, wherever its reports folder is."""
    return _command("resume", run_id, reports_dir)


def verify_command(run_id: str, reports_dir: Path) -> str:
    """Return the command that proves a run's files, wherever its reports folder is."""
    return _command("verify", run_id, reports_dir)


def _command(name: str, run_id: str, reports_dir: Path) -> str:
    command = f"defer-batch {name} {run_id}"
    if reports_dir == Path(DEFAULT_REPORTS_DIR):
        return command
    return f"{command} --reports-dir {systems.as_argument(reports_dir)}"


def advice(code: Code) -> str:
    """Return what to do about rows with this code."""
    return _ADVICE[code]
