"""A term: what its runs have done, trainee by trainee, and what they still wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum

from msgspec import Struct

from batch.codes import CORRECTABLE, TABLE, Attention, Code, Outcome
from batch.record.ledger import Ledger
from batch.record.records import RunRecord
from batch.roster.standing import Held

_OURS = (Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK, Code.ANSWER_DIFFERS)


class TraineeStanding(IntEnum):
    """How a trainee stands after a run; of several rows about one, the greatest counts."""

    NOTHING_TO_DO = 0
    TO_CORRECT = 1
    REFUSED = 2
    NO_ANSWER = 3
    DEFERRED = 4


class _Line(Struct, frozen=True):
    """A row as the first list had it, whatever was corrected since: that list's bytes, its row."""

    input_sha256: str
    row_number: int


class _Trainee(Struct, frozen=True):
    """How one trainee stands after one run, and which rows say so; `who` is unique in a term."""

    who: str
    standing: TraineeStanding
    lines: frozenset[_Line]


def trainees_of_term(ledger: Ledger, runs: Sequence[RunRecord]) -> dict[str, dict[str, int]]:
    """Return for each run, by its id, how many trainees stand how after it.

    Each trainee counts once: with the newest run that deferred them, or else the newest that named
    them, by id or as the correction of an earlier row. So sums over runs are totals by trainee.
    `runs` come newest first; rehearsals have none, and of purged ones only what they corrected.
    """
    sha256_of = {run.run_id: run.input_sha256 for _, run in ledger.runs()}
    found = {
        run.run_id: list(_trainees(ledger, run, sha256_of))
        for run in runs
        if not run.rehearsal and not run.is_purged
    }
    deferred_by: dict[str, str] = {}
    for run_id, trainees in found.items():
        for one in trainees:
            if one.standing is TraineeStanding.DEFERRED:
                deferred_by.setdefault(one.who, run_id)
    dealt_with: set[str] = set()
    lines = {
        _Line(sha256_of[run_id], row)
        for run in runs
        for run_id, rows in (run.corrected or {}).items()
        for row in rows
        if run_id in sha256_of
    }
    counts = {}
    for run_id, trainees in found.items():
        counts[run_id] = _counts(
            one.standing
            for one in trainees
            if deferred_by.get(one.who) == run_id
            or not (one.who in deferred_by or one.who in dealt_with or one.lines & lines)
        )
        dealt_with.update(one.who for one in trainees)
        lines.update(*(one.lines for one in trainees))
    return counts


def confirmed_of(ledger: Ledger, run: RunRecord) -> int:
    """Return how many of a run's deferrals Register was last seen to hold."""
    later = ledger.last_reconciliation(run.run_id)
    if later is not None:
        return later[1].get(Held.STANDS, 0)
    return int(str((run.final_check or {}).get("confirmed", 0)))


def _counts(standings: Iterable[TraineeStanding]) -> dict[str, int]:
    counted = Counter(standings)
    return {one.name.lower(): counted[one] for one in reversed(TraineeStanding)}


def _trainees(ledger: Ledger, run: RunRecord, sha256_of: dict[str, str]) -> Iterator[_Trainee]:
    """Yield the trainees of a run; a row that names nobody for certain is one of its own."""
    standings: dict[str, TraineeStanding] = {}
    lines: dict[str, set[_Line]] = {}
    for number, folded_id, code, original_row, original_run in ledger.lines(run):
        line = _Line(run.input_sha256, number)
        if original_run in sha256_of and original_row and original_row.isdecimal():
            line = _Line(sha256_of[original_run], int(original_row))
        who = f"{run.base_url} {folded_id}" if folded_id else f"{run.run_id} row {number}"
        standings[who] = max(standings.get(who, TraineeStanding.NOTHING_TO_DO), _standing(code))
        lines.setdefault(who, set()).add(line)
    for who, standing in standings.items():
        yield _Trainee(who, standing, frozenset(lines[who]))


def _standing(word: str | None) -> TraineeStanding:
    code = Code(word or Code.NOT_SENT)
    if code in _OURS:
        return TraineeStanding.DEFERRED
    if code.outcome is Outcome.UNRESOLVED:
        return TraineeStanding.NO_ANSWER
    if TABLE[code].attention is not Attention.TO_DO:
        return TraineeStanding.NOTHING_TO_DO
    return TraineeStanding.TO_CORRECT if code in CORRECTABLE else TraineeStanding.REFUSED
