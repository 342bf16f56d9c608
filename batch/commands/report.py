"""`report`: a run's report, written again from the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from batch.codes import exit_code_of
from batch.commands.execute import Finished, delivered, write_and_check
from batch.commands.unaltered import refuse_altered
from batch.errors import JournalProblem, UnknownRun
from batch.record.database import JOURNAL
from batch.record.journal import Journal, writing
from batch.record.records import ReportRecord, iso

CUT_OFF = "The run was cut off: it was killed, or the machine went down."


def write_again(
    reports_dir: Path, run_id: str, *, tool_version: str, deliver_to: Path | None = None
) -> Finished:
    """Write a run's report again from the journal; the exit code is 0, whatever the run's was.

    Where it is finished it is delivered again too.

    Raises JournalProblem, UnknownRun, SelfCheckFailed.
    """
    path = reports_dir / JOURNAL
    if not path.exists():
        raise JournalProblem(
            f"{path}, the record of runs, is not there", hint="name its folder with --reports-dir"
        )
    folder = reports_dir / run_id
    with writing(path, run_id=run_id, since=iso(time.time()), wall=time.time) as journal:
        if journal.ledger.run(run_id).is_purged:
            raise UnknownRun(
                f"no report of {run_id}: it was purged, its rows are gone",
                hint="`defer-batch runs` lists what is still known of it",
            )
        refuse_altered(journal, run_id, folder)
        _end_if_cut_off(journal, run_id)
        known = journal.ledger.reported(run_id)
        finished = write_and_check(journal, run_id, folder, tool_version=tool_version)
        finished = delivered(finished, deliver_to)
    warnings = (*finished.warnings, *_replaced(known, tool_version))
    return replace(finished, exit_code=0, warnings=warnings)


def _replaced(known: ReportRecord | None, tool_version: str) -> Iterator[str]:
    """Yield what was replaced, where another version had written the report."""
    if known is not None and known.tool_version != tool_version:
        yield (
            f"this report replaces the one that version {known.tool_version} wrote; its manifest's"
            f" SHA-256 was {known.manifest_sha256}, and the new manifest says so"
        )


def _end_if_cut_off(journal: Journal, run_id: str) -> None:
    """Write down how a run ended that was killed; its rows without an outcome are unresolved."""
    journal.settle_the_rest(journal.ledger.run_number(run_id))
    if journal.ledger.run(run_id).finished_at is None:
        code = exit_code_of(journal.ledger.counts(run_id))
        because = CUT_OFF if journal.ledger.unsettled(run_id) else None
        journal.note_cut_off(run_id, exit_code=code, stopped_because=because)
