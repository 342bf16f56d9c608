"""A run, or a stretch of it, has ended: its reports are written and checked, its end is told."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

from batch.errors import SelfCheckFailed
from batch.record import report
from batch.record.journal import Journal
from batch.rows import Code, Outcome, counts_of
from batch.submission.terms import Finished

ROWS_SHOWN = 10


def write_and_check(journal: Journal, run_id: str, folder: Path, *, tool_version: str) -> Finished:
    """Write a run's reports from the journal, and check them against it. Raises SelfCheckFailed."""
    gc.enable()
    written = report.write_report(journal, run_id, folder, tool_version=tool_version)
    disagreements = report.self_check(journal, run_id, written.folder)
    if disagreements:
        raise SelfCheckFailed(
            f"the reports of {run_id} disagree with the journal: do not trust them",
            notes=tuple(disagreements[:ROWS_SHOWN]),
            hint="keep the folder and journal.db, and tell the maintainers",
        )
    ended = finished(
        journal,
        run_id,
        written.folder,
        manifest_sha256=written.manifest_sha256,
    )
    code = ended.exit_code or int(bool(written.warnings))
    return replace(ended, warnings=written.warnings, exit_code=code)


def finished(journal: Journal, run_id: str, folder: Path, *, manifest_sha256: str = "") -> Finished:
    """Tell how a run ended, from the journal."""
    codes = journal.counts(run_id)
    run = journal.run(run_id)
    return Finished(
        run=run,
        folder=folder,
        counts=counts_of(codes),
        codes=codes,
        exit_code=run.exit_code or 0,
        manifest_sha256=manifest_sha256,
        problems=tuple(journal.problems(run_id, ROWS_SHOWN)),
    )


def exit_code_of(codes: dict[str, int], *, interrupted: int = 0) -> int:
    """Give the exit code that a run's counts by code mean (interface.md, "Exit codes")."""
    counts = counts_of(codes)
    if counts[Outcome.UNRESOLVED]:
        return interrupted or 3
    needs_attention = counts[Outcome.NOT_FOUND] + counts[Outcome.UNPROCESSABLE]
    return 1 if needs_attention or codes.get(Code.ANSWER_DIFFERS) else 0
