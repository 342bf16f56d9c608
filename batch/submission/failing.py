"""Rows that Register fails at every time: told from what the journal holds of the attempts. Pure.

Source: issue "Find the trainee", "No dead ends". A stretch of a run is one `run` or `resume`. Only
stretches in which Register dealt with somebody else count: before an outage all rows are alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from batch.codes import Code
from batch.record.records import AttemptRecord
from batch.register.answers import Kind
from batch.register.api import DEFERRABLE
from batch.rows import Settled
from batch.submission.settling import MOST_SENDS

STRETCHES = 2
"""In how many stretches a row must have failed before it is given up for good."""

_DEALT_WITH = frozenset(
    {Kind.DEFERRED, Kind.NO_DATE, Kind.DIFFERS, Kind.STATE_REFUSED, Kind.REFUSED}
)
"""What a defer request's 200 or 422 means, where Register itself gave it."""


class _Stretch(Struct):
    """What one stretch shows: rows by number."""

    failures: Counter[int] = field(default_factory=Counter)
    not_deferred: set[int] = field(default_factory=set)
    """Rows whose last read, after their last request, shows a trainee who is not deferred."""
    dealt_with: set[int] = field(default_factory=set)

    def add(self, row: int, attempt: AttemptRecord) -> None:
        match attempt.kind, attempt.meaning:
            case "defer", Kind.LOST:
                self.failures[row] += 1
                self.not_deferred.discard(row)
            case "defer", meaning if meaning in _DEALT_WITH and attempt.http_status in {200, 422}:
                self.dealt_with.add(row)
            case "read", Kind.FOUND if attempt.state in DEFERRABLE:
                self.not_deferred.add(row)
            case _:
                pass

    def failed_at(self) -> set[int]:
        """Return the rows that Register failed at, while it dealt with another."""
        return {
            row
            for row, failures in self.failures.items()
            if failures >= MOST_SENDS and row in self.not_deferred and self.dealt_with - {row}
        }


def register_cannot(
    attempts: Iterable[AttemptRecord], resumed_at: Sequence[str]
) -> dict[int, Settled]:
    """Return, by number, the rows that Register failed at in stretches enough, as settled.

    `attempts` are all of the run, in their order; `resumed_at` is when it was resumed, in order.
    """
    stretches = [_Stretch() for _ in range(len(resumed_at) + 1)]
    for attempt in attempts:
        if attempt.row_number is not None:
            stretch = stretches[bisect_right(resumed_at, attempt.intended_at)]
            stretch.add(attempt.row_number, attempt)
    times = Counter(row for stretch in stretches for row in stretch.failed_at())
    return {row: _settled(count) for row, count in times.items() if count >= STRETCHES}


def _settled(stretches: int) -> Settled:
    words = (
        f"Sent {MOST_SENDS * stretches} times over {stretches} starts of this run, and Register "
        "failed each time while it answered about others; reading shows no deferral."
    )
    return Settled(Code.REGISTER_CANNOT, words)
