"""`report`: a run's report, written again from the journal."""

from __future__ import annotations

import time
from pathlib import Path

from batch.codes import exit_code_of
from batch.commands.execute import Finished, write_and_check
from batch.errors import JournalProblem, UnknownRun
from batch.record.database import JOURNAL
from batch.record.journal import Journal, writing
from batch.record.records import iso

CUT_OFF = "The run was cut off: it was killed, or the machine went down."


def write_again(reports_dir: Path, run_id: str, *, tool_version: str) -> Finished:
    """Write a run's report again from the journal."""
    path = reports_dir / JOURNAL
    if not path.exists():
        raise JournalProblem(
            f"there is no journal at {path}", hint="name its folder with --reports-dir"
        )
    with writing(path, run_id=run_id, since=iso(time.time()), wall=time.time) as journal:
        if journal.ledger.run(run_id).is_purged:
            raise UnknownRun(
                f"no report of {run_id}: it was purged, its rows are gone",
                hint="`defer-batch runs` lists what is still known of it",
            )
        _end_if_cut_off(journal, run_id)
        return write_and_check(
            journal,
            run_id,
            reports_dir / run_id,
            tool_version=tool_version,
        )


def _end_if_cut_off(journal: Journal, run_id: str) -> None:
    """Say of a run that was killed how it ended; its rows without an outcome are unresolved."""
    journal.settle_the_rest(journal.ledger.run_number(run_id))
    if journal.ledger.run(run_id).finished_at is None:
        code = exit_code_of(journal.ledger.counts(run_id))
        because = CUT_OFF if journal.ledger.unsettled(run_id) else None
        journal.note_cut_off(run_id, exit_code=code, stopped_because=because)
