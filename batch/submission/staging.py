"""A file becomes a staged run: every row checked and in the journal before the first is sent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from batch.errors import UnfinishedRun
from batch.hints import close_command, resume_command
from batch.record.journal import Journal
from batch.record.memory import Remembered, remembered
from batch.record.records import RunRecord
from batch.rows import Settled

if TYPE_CHECKING:
    from batch.intake.checked_file import InputFile
    from batch.intake.cleaning import Repair

MOST_REPAIRS_TOLD = 100_000
"""How many repairs `run.log` lists by row, and says how many more; the summary counts them all."""


class Staged(Struct, frozen=True):
    """A run whose rows are in the journal, none of them sent."""

    run_no: int
    input_rows: int
    input_sha256: str
    again: tuple[int, ...]
    known_under_another_date: tuple[int, ...]
    repairs: tuple[Repair, ...]
    repairs_not_listed: int


def stage_rows(
    journal: Journal, run_no: int, input_file: InputFile, *, origin: str, again: bool
) -> Staged:
    """Check every row into the journal; set aside what earlier runs settle; find conflicts.

    Raises UnusableFile; the caller then discards the run.
    """
    repairs: list[Repair] = []
    for chunk in input_file.chunks():
        journal.add_rows(run_no, chunk.rows())
        repairs += chunk.repairs[: MOST_REPAIRS_TOLD - len(repairs)]
    set_aside, another_date = set_aside_remembered(journal, run_no, origin, again=again)
    settled = () if again else set_aside
    journal.add_problems(run_no, input_file.problems_of_the_whole(settled, before_matching=True))
    reading = input_file.reading()
    journal.describe(
        run_no,
        input_rows=input_file.row_count,
        input_sha256=input_file.sha256,
        input_size=input_file.size,
        notices=list(reading.notices),
        reading=reading.as_json(),
        reading_lines=[line for line in reading.lines() if not line.startswith("notice: ")],
        repairs=dict(input_file.repair_counts),
        blank_rows=input_file.blank_row_count,
        follows=journal.ledger.origins(run_no, input_file.columns),
    )
    return Staged(
        run_no,
        input_file.row_count,
        input_file.sha256,
        tuple(sorted(set_aside)) if again else (),
        tuple(another_date),
        tuple(repairs),
        input_file.repair_counts.total() - len(repairs),
    )


def set_aside_remembered(
    journal: Journal, run_no: int, origin: str, *, again: bool
) -> tuple[frozenset[int], list[int]]:
    """Settle rows that earlier runs settle (unless `again`); return those and the doubtful ones."""
    found = list(remembered(journal.ledger, run_no, origin))
    settled = _by_row(found)
    if not again:
        journal.settle_now(run_no, settled)
    another_date = [line.row_number for line in found if line.settled is None]
    return frozenset(settled), another_date


def settled_earlier(journal: Journal, run: RunRecord) -> dict[int, Settled]:
    """Return what other runs make of a run's unsettled rows, by row number; nothing is written."""
    run_no = journal.ledger.run_number(run.run_id)
    return _by_row(remembered(journal.ledger, run_no, run.base_url))


def _by_row(found: Iterable[Remembered]) -> dict[int, Settled]:
    return {line.row_number: line.settled for line in found if line.settled is not None}


def superseded(
    journal: Journal, run: RunRecord, *, start_over: bool, reports_dir: Path
) -> tuple[int, ...]:
    """Return the runs that this one ends for good once it begins.

    Raises UnfinishedRun where a run of this content, which sent something, can be resumed, unless
    `start_over`.
    """
    in_the_way = journal.ledger.unfinished_with_sends(run.base_url, run.input_sha256)
    if in_the_way and not start_over:
        run_id = in_the_way[0][1]
        raise UnfinishedRun(
            f"an unfinished run of this file is in the way: {run_id}",
            hint=f"to continue it, run: {resume_command(run_id, reports_dir, run.command)}\n"
            f"to end it for good, run: {close_command(run_id, reports_dir, run.command)}\n"
            "(--start-over begins anew; that run can then no longer be resumed)",
        )
    return tuple(run_no for run_no, _ in in_the_way)
