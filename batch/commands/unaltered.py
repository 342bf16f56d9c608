"""Whether the journal's record of a run is the run's own, before it is reported or sent on.

A journal can be edited by hand, and a disk can flip a bit. A report made from that would present it
as what happened, and a resumed run would send it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from batch import __version__, columns
from batch.codes import Code
from batch.errors import SelfCheckFailed
from batch.hints import verify_command
from batch.intake.derived import Derived, derived
from batch.intake.raw_rows import SUFFIXES
from batch.record.journal import Journal
from batch.record.ledger import STAGES, Ledger
from batch.record.manifest import was_altered_since
from batch.record.records import AskedRow, RunRecord
from batch.register.answers import Kind
from batch.rows import folded
from batch.run_settings import RunSettings
from batch.words import row_list

_ROWS_SHOWN = 10
_MOST_LETTERS = 40
_OF_ROWS = {(None, None), *((code.outcome, code) for code in Code)}
_KINDS = frozenset({"info", "preview", "defer", "read", "final_check"})
_MEANINGS = {None, *Kind}
_HOW_TO_GO_ON = (
    "keep the folder and journal.db as they are; restore journal.db from a backup, then resume the "
    "run; without a backup, `run` its list with --start-over"
)


def refuse_altered(journal: Journal, run_id: str, folder: Path) -> None:
    """Raise SelfCheckFailed where a run was altered in the journal since its report.

    A report written now would present what was altered as the run's own.
    """
    with _what_no_version_writes(run_id):
        unknown = tuple(_unknown_words(journal.ledger, run_id))
        is_altered = was_altered_since(journal.ledger, run_id, folder)
    if unknown:
        raise _altered(run_id, f"it holds {', '.join(unknown)}, which no version writes")
    if is_altered:
        raise SelfCheckFailed(
            f"what journal.db holds of {run_id} was altered after the run had stopped: nothing was"
            " sent, and no report was written",
            hint="keep the folder and journal.db as they are; restore journal.db from a backup, "
            f"then run `{verify_command(run_id, folder.parent)}`",
        )


@contextlib.contextmanager
def _what_no_version_writes(run_id: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _altered(run_id, "it holds what no version writes") from error


def refuse_other_rows(journal: Journal, run: RunRecord) -> None:
    """Raise SelfCheckFailed where a run would send what its file did not ask for.

    Also where it would send it to another Register than the one that it began with. Each row is
    made again from its own values, and all of them are held against the digest that was noted
    before the first was sent.
    """
    with _what_no_version_writes(run.run_id):
        _refuse_other_rows(journal.ledger, run)


def _refuse_other_rows(ledger: Ledger, run: RunRecord) -> None:
    settings = RunSettings.from_json(run.settings)
    origins = {settings.origin, run.base_url, ledger.origin(run.run_id)}
    if len(origins) > 1:
        raise _altered(run.run_id, "it names more than one Register")
    if not ledger.is_whole():
        raise _altered(run.run_id, "the file is damaged")
    noted, run_no = run.asked_sha256, ledger.run_number(run.run_id)
    # another version may read a file otherwise: where it noted what was asked, that holds
    is_read_alike = noted is None or run.tool_version == __version__
    others = tuple(_other_rows(ledger, run, settings)) if is_read_alike else ()
    if others:
        rows = row_list(others[:_ROWS_SHOWN], len(others))
        raise _altered(run.run_id, f"what it would send is not what the file asked for: {rows}")
    if noted is not None and noted != ledger.asked_sha256(run_no):
        raise _altered(run.run_id, "its rows are not those that it began with")


def _altered(run_id: str, why: str) -> SelfCheckFailed:
    return SelfCheckFailed(
        f"what journal.db holds of {run_id} was altered: {why}. Nothing was sent",
        hint=_HOW_TO_GO_ON,
    )


def _unknown_words(ledger: Ledger, run_id: str) -> Iterator[str]:
    """Yield the words of a run that no version writes: an outcome that is not its code's is one."""
    if (stage := ledger.stage_of(run_id)) not in STAGES:
        yield repr(stage[:_MOST_LETTERS])
    for holder, first, second in ledger.words(run_id):
        if holder == "row":
            is_known = (first, second) in _OF_ROWS
        else:
            is_known = first in _KINDS and second in _MEANINGS
        if not is_known:
            yield repr(f"{first} {second}"[:_MOST_LETTERS])


def _other_rows(ledger: Ledger, run: RunRecord, settings: RunSettings) -> Iterator[int]:
    """Yield the rows to be sent that are not what their own values make."""
    is_by_id = settings.match_by in {None, columns.TRAINEE_ID}
    made = derived(
        ((row.row_number, row.values) for row in ledger.unsent(run.run_id)),
        _places(run),
        date_format=run.date_format,
        with_formulas=not run.input_name.lower().endswith(tuple(SUFFIXES)),
    )
    for row, again in zip(ledger.unsent(run.run_id), made, strict=True):
        if not _is_same(row, again, is_by_id=is_by_id):
            yield row.row_number


def _is_same(row: AskedRow, again: Derived, *, is_by_id: bool) -> bool:
    """Whether a row asks what its values do; of one that was matched, its id is not in them."""
    is_its_id = row.trainee_id == again.trainee_id and again.is_id
    is_matched = not (is_by_id and again.trainee_id)
    return (
        (is_its_id or is_matched)
        and row.folded_id == folded(row.trainee_id)
        and (row.defer_date, row.defer_reason) == (again.defer_date, again.defer_reason)
    )


def _places(run: RunRecord) -> Mapping[str, int]:
    """Return where the known columns stand; runs of 0.1.0 noted no choice, names alone told."""
    if run.held_in:
        return {name: run.columns.index(header) for name, header in run.held_in.items()}
    named = {columns.known_column(header): at for at, header in enumerate(run.columns)}
    return {name: at for name, at in named.items() if name is not None}
