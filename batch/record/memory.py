"""The memory of earlier runs: what is already known of a staged run's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct

from batch.codes import Code, Outcome
from batch.record.ledger import Ledger
from batch.record.purging import Purge
from batch.rows import Settled


class Remembered(Struct, frozen=True):
    """What earlier runs know of one row; `settled` is None where only another date is known."""

    row_number: int
    settled: Settled | None


def digest_of(origin: str, folded_id: str, defer_date: str) -> str:
    """Return the hash under which a purged deferral is remembered."""
    return hashlib.sha256(f"{origin}\n{folded_id}\n{defer_date}".encode()).hexdigest()


def remembered(ledger: Ledger, run_no: int, origin: str) -> Iterator[Remembered]:
    """Yield what earlier runs know of the run's unsettled rows: at most one for each row.

    What a run saw, rather than did, says nothing of a row for whose trainee a request may have
    arrived: what it saw may be the deferral that this one asked for.
    """
    known = list(_known_of_rows(ledger, run_no, origin))
    doubtful = frozenset[int]() if all(map(_is_ours, known)) else ledger.open_rows(run_no)
    yield from (line for line in known if _is_ours(line) or line.row_number not in doubtful)


def _is_ours(line: Remembered) -> bool:
    return line.settled is None or line.settled.outcome is Outcome.SUCCEEDED


def _known_of_rows(ledger: Ledger, run_no: int, origin: str) -> Iterator[Remembered]:
    another_date: set[int] = set()
    done: set[int] = set()
    for number, code, run_id, register_date, asked, date in ledger.settled_earlier(run_no):
        if number in done:
            continue
        if date == _date_known(code, register_date, asked):
            done.add(number)
            yield Remembered(number, _known(Code(code), run_id, date))
        else:
            another_date.add(number)
    yield from _of_purged_runs(ledger, run_no, origin, done)
    for number in sorted(another_date - done):
        yield Remembered(number, None)


def _date_known(code: str, register_date: str | None, asked: str) -> str | None:
    """Return the date on which an earlier run knows the trainee to be, or have been, deferred.

    Of one that was already deferred only Register knows the date, whatever that run asked for.
    """
    return register_date if code == Code.ALREADY_DEFERRED else asked


def _known(code: Code, run_id: str, date: str) -> Settled:
    words = {
        Code.DEFERRED_EARLIER: f"Deferred on {date} by run {run_id}",
        Code.ALREADY_DEFERRED: f"Run {run_id} found this trainee already deferred, since {date}",
        Code.REINSTATED_SINCE: (
            f"Run {run_id} found this trainee deferred on {date} and reinstated since"
        ),
    }
    return Settled(code, f"{words[code]}; not sent again.", date)


def _of_purged_runs(
    ledger: Ledger, run_no: int, origin: str, done: set[int]
) -> Iterator[Remembered]:
    if not ledger.remembers_any():
        return
    for number, folded_id, date in ledger.unsettled_deferrals(run_no):
        kept = ledger.remembered(digest_of(origin, folded_id, date))
        if kept is not None and number not in done:
            done.add(number)
            yield Remembered(number, _known(Code(kept[0]), kept[1], date))


def known_meanwhile(ledger: Ledger, run_no: int, origin: str) -> int:
    """Count the run's unsettled rows that other runs have settled since it stopped."""
    return sum(line.settled is not None for line in remembered(ledger, run_no, origin))


def remember_for_good(purge: Purge, run_id: str) -> None:
    """Keep what a run knows of deferrals as hashes: its purge takes nothing from the memory."""
    run = purge.ledger.run(run_id)
    if run.rehearsal:
        return
    purge.remember(
        [
            (digest_of(run.base_url, folded_id, date), run_id, code)
            for folded_id, date, register_date, code in purge.ledger.to_remember(run_id)
            if date == _date_known(code, register_date, date)
        ]
    )
