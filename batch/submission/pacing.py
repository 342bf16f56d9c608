"""When the next request may start: a rolling window, and holds after a refusal."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Slot:
    """One request's place under the limit; `start` is None until it has really left."""

    start: float | None = None


class RollingWindow:
    """At most `limit` requests in any `period_seconds`, each counted from start to start + period.

    A reserved place counts until it is started or released.
    """

    def __init__(self, limit: int, period_seconds: float) -> None:
        self._limit = limit
        self._period_seconds = period_seconds
        self._starts: list[float] = []
        self._reserved = 0

    def next_start(self, now: float) -> float:
        """Give the earliest time for one more request; infinite while only places stand."""
        while self._starts and self._starts[0] + self._period_seconds <= now:
            heapq.heappop(self._starts)
        if len(self._starts) + self._reserved < self._limit:
            return now
        return self._starts[0] + self._period_seconds if self._starts else math.inf

    def reserve(self) -> None:
        """Take a place."""
        self._reserved += 1

    def started(self, start: float) -> None:
        """Turn a place into a request that left at `start`."""
        self._reserved -= 1
        self.remember(start)

    def release(self) -> None:
        """Give a place back."""
        self._reserved -= 1

    def remember(self, start: float) -> None:
        """Count a request that left at `start`."""
        heapq.heappush(self._starts, start)


class Pacer:
    """What the run asks before each request; `limit` None switches pacing off, holds aside."""

    def __init__(
        self, limit: int | None, period_seconds: float, *, recent: Iterable[float] = ()
    ) -> None:
        self._limit = limit
        self._period_seconds = period_seconds
        self._window = RollingWindow(limit, period_seconds) if limit else None
        self._held_until = -math.inf
        for start in recent if self._window else ():
            self._window.remember(start)  # type: ignore[union-attr]

    def next_start(self, now: float) -> float:
        """Give the earliest time at which one more request may start; `now` or before: now."""
        start = self._window.next_start(now) if self._window else now
        return max(start, self._held_until)

    def reserve(self, now: float) -> Slot:  # noqa: ARG002
        """Take a place; only where `next_start` is not later than now."""
        if self._window:
            self._window.reserve()
        return Slot()

    def started(self, slot: Slot, now: float) -> None:
        """Note that the request leaves now."""
        slot.start = now
        if self._window:
            self._window.started(now)

    def release(self, slot: Slot) -> None:
        """Note that the request never left."""
        if self._window and slot.start is None:
            self._window.release()

    def answered(self, slot: Slot, *, sent: float, received: float, date: float | None) -> None:
        """Note an answer that was not a refusal."""

    def throttled(
        self,
        slot: Slot,  # noqa: ARG002
        *,
        sent: float,  # noqa: ARG002
        received: float,
        retry_after_seconds: float | None,
        date: float | None,  # noqa: ARG002
    ) -> None:
        """Note a 429: nobody starts until it says so, or until the rest of the period is over."""
        wait = self._period_seconds if retry_after_seconds is None else retry_after_seconds
        self._held_until = max(self._held_until, received + wait)

    def seconds_for(self, requests: int, now: float) -> float:  # noqa: ARG002
        """Estimate the time until that many more requests have started."""
        if self._limit is None:
            return 0.0
        return max(0, math.ceil(requests / self._limit) - 1) * self._period_seconds
