"""What a limit counts: requests in a rolling window, and answers by when they came."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable


class RollingWindow:
    """At most `limit` requests in any `period_seconds`, wherever that period begins.

    A request counts from its start until `period_seconds` after it; a place that is taken but
    not yet started counts too. Works alone: `next_start`, then `take`, then `start` or `release`.
    Times are seconds on any one clock, which may be `tick_seconds` behind the true time.
    """

    def __init__(
        self,
        limit: int,
        period_seconds: float,
        *,
        recent: Iterable[float] = (),
        tick_seconds: float = 0.0,
    ) -> None:
        self._limit = limit
        self._period = period_seconds
        self._tick = tick_seconds
        self._starts = sorted(recent)
        self._taken = 0

    def used(self, now: float) -> int:
        """Return how many places are occupied at `now`."""
        return self._taken + len(self._starts) - self._expired(now)

    def next_start(self, now: float) -> float:
        """Return the earliest time for one more; infinity while all places wait for their start."""
        over = self.used(now) - self._limit
        if over < 0:
            return now
        freed = self._expired(now) + over
        return self._starts[freed] + self._period if freed < len(self._starts) else math.inf

    def take(self) -> None:
        """Occupy a place for a request that is about to start."""
        self._taken += 1

    def start(self, now: float) -> None:
        """Start the request of a taken place at `now`."""
        self._taken -= 1
        insort(self._starts, now + self._tick)
        del self._starts[: self._expired(now)]

    def release(self) -> None:
        """Free a taken place whose request never started."""
        self._taken -= 1

    def start_of(self, number: int, now: float) -> float:
        """Return when the `number`th further request (from 1) may start, if all start on time.

        Taken places are reckoned as if they started at `now`.
        """
        starts = self._starts[self._expired(now) :]
        line = [*starts, *[now] * (self._limit - len(starts))][-self._limit :]
        ahead = number - 1 - max(0, self._limit - self.used(now))
        rounds, place = divmod(ahead, self._limit)  # round -1: there is room now
        return max(now, line[place] + self._period * (rounds + 1))

    def _expired(self, now: float) -> int:
        """Count the starts that lie `period_seconds` or more before `now`."""
        return bisect_right(self._starts, now, key=lambda start: start + self._period)


class Arrivals:
    """Requests that were answered, countable by the window in which they may have arrived.

    A request arrived before it was answered: before our time of that, and, where the answer
    says it, before the end of the second that the server's clock showed.
    Keeps `keep_seconds` of them.
    """

    def __init__(self, keep_seconds: float, *, recent: Iterable[float] = ()) -> None:
        self._keep = keep_seconds
        self._times = sorted(recent)
        self._undated = list(self._times)
        self._seconds: list[float] = []

    def add(self, received: float, second: float | None) -> None:
        """Count an answer of our time `received`, in the server's `second` where it is known."""
        insort(self._times, received)
        del self._times[: bisect_right(self._times, received - self._keep)]
        if second is None:
            insort(self._undated, received)
            del self._undated[: bisect_right(self._undated, received - self._keep)]
        else:
            insort(self._seconds, second)
            del self._seconds[: bisect_right(self._seconds, second - self._keep)]

    def since(self, begin: float, edge: float | None = None) -> int:
        """Count those that may have arrived since our time `begin`.

        `edge` is the server's reading at that time, where it is known: what was answered in an
        earlier second then surely arrived before.
        """
        if edge is None:
            return _after(self._times, begin)
        return _after(self._seconds, edge - 0.5) + _after(self._undated, begin)


def _after(times: list[float], begin: float) -> int:
    return len(times) - bisect_right(times, begin)
