"""The memory of earlier runs: what is already known of a staged run's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from batch.codes import Code
from batch.record.ledger import Ledger
from batch.record.purge import Purge
from batch.rows import Settled

_IS_UNSETTLED = "coalesce(r.outcome, 'unresolved')='unresolved'"
_EARLIER = (
    "SELECT r.row_number, e.code, x.run_id, e.register_date, e.defer_date = r.defer_date,"
    " r.defer_date FROM rows r"
    " JOIN runs m ON m.run_no=r.run_no"
    " JOIN rows e ON e.folded_id=r.folded_id AND e.defer_date IS NOT NULL"
    " JOIN runs x ON x.run_no=e.run_no AND x.origin=m.origin AND x.run_no<>m.run_no"
    " AND NOT x.rehearsal"
    f" WHERE r.run_no=? AND {_IS_UNSETTLED} AND r.defer_date IS NOT NULL"
    " AND (e.outcome='succeeded' AND e.code<>'answer_differs'"
    " OR e.code IN ('already_deferred', 'reinstated_since'))"
    " ORDER BY r.row_number, e.outcome<>'succeeded', x.run_no"
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier runs say of one row: settled by it, or only known `under_another_date`."""

    row_number: int
    settled: Settled | None


def digest_of(origin: str, folded_id: str, defer_date: str) -> str:
    """Return the hash under which a purged deferral is remembered."""
    return hashlib.sha256(f"{origin}\n{folded_id}\n{defer_date}".encode()).hexdigest()


def deferrals_known(ledger: Ledger, origin: str) -> int:
    """Count the earlier deferrals that the journal knows for a Register."""
    found = ledger.select(
        "SELECT (SELECT count(*) FROM rows JOIN runs USING (run_no) WHERE origin=?"
        " AND NOT rehearsal AND outcome='succeeded'"
        " AND code NOT IN ('answer_differs', 'deferred_earlier'))"
        " + (SELECT count(*) FROM remembered_deferrals JOIN runs USING (run_id) WHERE origin=?"
        " AND code='deferred_earlier')",
        (origin, origin),
    )
    return int(next(found)[0])


def remembered(ledger: Ledger, run_no: int, origin: str) -> Iterator[Remembered]:
    """Yield what earlier runs say of the run's unsettled rows: at most one line a row."""
    another_date: set[int] = set()
    done: set[int] = set()
    for number, code, run_id, register_date, same, date in ledger.select(_EARLIER, (run_no,)):
        if number in done:
            continue
        settled = _settled(code, run_id, register_date, date, is_same_date=bool(same))
        if settled is None:
            another_date.add(number)
        else:
            done.add(number)
            yield Remembered(number, settled)
    yield from _forgotten(ledger, run_no, origin, done)
    for number in sorted(another_date - done):
        yield Remembered(number, None)


def _settled(
    code: str, run_id: str, register_date: str | None, date: str, *, is_same_date: bool
) -> Settled | None:
    match code:
        case Code.ALREADY_DEFERRED:
            return _known(Code(code), run_id, date) if register_date == date else None
        case Code.REINSTATED_SINCE:
            return _known(Code(code), run_id, date) if is_same_date else None
        case _:
            return _known(Code.DEFERRED_EARLIER, run_id, date) if is_same_date else None


def _known(code: Code, run_id: str, date: str) -> Settled:
    words = {
        Code.DEFERRED_EARLIER: f"Deferred on {date} by run {run_id}",
        Code.ALREADY_DEFERRED: f"Run {run_id} found this trainee already deferred, since {date}",
        Code.REINSTATED_SINCE: (
            f"Run {run_id} found this trainee deferred on {date} and reinstated since"
        ),
    }
    return Settled(code, f"{words[code]}; not sent again.", date)


def _forgotten(ledger: Ledger, run_no: int, origin: str, done: set[int]) -> Iterator[Remembered]:
    if not next(ledger.select("SELECT EXISTS (SELECT 1 FROM remembered_deferrals)"))[0]:
        return
    rows = ledger.select(
        "SELECT row_number, folded_id, defer_date FROM rows r WHERE run_no=?"
        f" AND {_IS_UNSETTLED} AND defer_date IS NOT NULL ORDER BY row_number",
        (run_no,),
    )
    for number, folded_id, date in rows:
        digest = digest_of(origin, folded_id, date)
        kept = ledger.select(
            "SELECT code, run_id FROM remembered_deferrals WHERE digest=?", (digest,)
        )
        for code, run_id in kept:
            if number not in done:
                done.add(number)
                yield Remembered(number, _known(Code(code), run_id, date))


def known_meanwhile(ledger: Ledger, run_no: int, origin: str) -> int:
    """Count the run's unsettled rows that other runs have settled since it stopped."""
    return sum(line.settled is not None for line in remembered(ledger, run_no, origin))


def remember_for_good(journal: Purge, run_id: str) -> None:
    """Keep what a run knows of deferrals as hashes: its purge takes nothing from the memory."""
    origin = journal.run(run_id).base_url
    if journal.run(run_id).rehearsal:
        return
    rows = journal.select(
        "SELECT folded_id, defer_date, iif(outcome='succeeded', 'deferred_earlier', code)"
        " FROM rows WHERE run_no=? AND defer_date IS NOT NULL"
        " AND (outcome='succeeded' AND code<>'answer_differs' OR code='reinstated_since'"
        " OR code='already_deferred' AND register_date=defer_date)",
        (journal.run_number(run_id),),
    )
    journal.forget([(digest_of(origin, i, date), run_id, code) for i, date, code in rows])
