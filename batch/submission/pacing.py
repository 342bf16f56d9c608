"""When the next request may start: as early as the server's windows allow, and not refused.

The server counts in fixed windows of its own clock (API.md, "Throttling"). Until that clock is
known well, a rolling window keeps any such window from overflowing. Every answer's `Date` narrows
the clock; once it is known, requests are counted in the window in which they may have arrived,
and in both where that is uncertain. A 429 holds everyone until its window ends. If it
contradicts the clock, the rolling window stays for good; if not, others spend from the same
budget, and the share that got through becomes the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NewType

from batch.run_settings import RateLimit
from batch.submission.server_clock import ServerClock
from batch.submission.windows import Arrivals, RollingWindow

Slot = NewType("Slot", int)
"""One request's place, from `reserve` to its answer."""

KEPT_BACK = 10
"""How many requests of a window wait for the moments in which the server's second may tick."""

PROBES_AT_ONCE = 2
"""How many requests are in flight beyond the share that got through before."""

REGISTERS_PERIOD_SECONDS = 60.0
"""The period of Register's windows (API.md, "Throttling"), where no other is named."""

LATE_SECONDS = 2.0
"""How long after its start a killed run's request may still have reached the server."""


class Pacer:
    """Says when requests may start, and learns from their answers. Seconds, clock passed in.

    For each request: `next_start` until it gives a time that has come, `reserve`, then `started`
    as it leaves (or `release`, if it never does), then `answered` or `throttled`.
    `rate_limit` None switches pacing off; holds after a 429 (`held_until`) still apply.
    `recent` are the start times of requests that an earlier, killed run sent.
    `tick_seconds` is how far the clock may be behind the true time: it shows its last tick, and
    what has happened is reckoned as late as it may have been. A start is early by nobody's clock.
    """

    def __init__(
        self,
        rate_limit: RateLimit | None,
        *,
        recent: Iterable[float] = (),
        tick_seconds: float = 0.0,
    ) -> None:
        limit = None if rate_limit is None else rate_limit.requests
        period_seconds = (rate_limit or RateLimit(1, REGISTERS_PERIOD_SECONDS)).period_seconds
        counted_seconds = period_seconds if rate_limit else 0.0  # without a limit nobody asks
        recent = sorted(recent)
        self._tick = tick_seconds
        self._limit = limit
        self._period = period_seconds
        self._rolling = RollingWindow(
            limit or 1, counted_seconds, recent=recent, tick_seconds=tick_seconds
        )
        self._clock = ServerClock(period_seconds)
        self._arrivals = Arrivals(3 * counted_seconds, recent=(at + LATE_SECONDS for at in recent))
        self._refusals = Arrivals(3 * counted_seconds)
        self._open: set[Slot] = set()
        self._last_slot = 0
        self._last_reserved = -math.inf
        self.held_until = -math.inf
        self._share: int | None = None
        self._refused_edge = 0.0
        self._shortest = math.inf
        self._latency = 0.0
        self._most_open = 1

    @property
    def is_limited(self) -> bool:
        """Whether a limit paces at all."""
        return self._limit is not None

    def next_start(self, now: float) -> float:
        """Return the earliest time at which one more request may start; `now` means at once.

        Infinity means: ask again when a request was started, released, answered or throttled.
        Other times may come closer with an answer too.
        """
        at = max(now, self.held_until)
        if self._limit is None:
            return at
        used = self._used(at)
        if used >= self._limit:
            return self._next_room(at)
        if self._share is not None:
            return self._within_share(self._share, at)
        left = self._limit - used
        if left <= min(KEPT_BACK, self._limit // 4) and self._worth_narrowing(at):
            return self._near_a_tick(at, left)
        return at

    def reserve(self, now: float) -> Slot:
        """Take the place of one request; it counts until started and answered, or released."""
        self._last_slot += 1
        slot = Slot(self._last_slot)
        self._open.add(slot)
        self._most_open = max(self._most_open, len(self._open))
        self._last_reserved = now
        self._rolling.take()
        return slot

    def started(self, slot: Slot, now: float) -> None:
        """Count the slot's request, which leaves at `now`."""
        assert slot in self._open
        self._rolling.start(now)

    def release(self, slot: Slot) -> None:
        """Free the place of a request that never left."""
        self._open.discard(slot)
        self._rolling.release()

    def answered(self, slot: Slot, *, sent: float, received: float, date: float | None) -> None:
        """End the slot's request, with an answer other than 429 or with none.

        `sent` is when it started, `received` when it ended; `date` is the second in the answer's
        `Date` (Unix time), None where there is no such answer.
        """
        received += self._tick
        second = self._ended(slot, sent=sent, received=received, date=date)
        self._arrivals.add(received, second)
        if self._share is not None:
            self._share = max(self._share, self._through(received))
            if self._limit is None or self._share >= self._limit:
                self._share = None

    def throttled(
        self,
        slot: Slot,
        *,
        sent: float,
        received: float,
        retry_after_seconds: float | None,
        date: float | None,
    ) -> None:
        """End a request that was refused with a 429: nobody starts until its window ends.

        `retry_after_seconds` is what the answer said, None where it said nothing. The windows
        begin where the server's whole second divides by the period, so a 429 that says N was
        answered in the second N before the next window.
        """
        received += self._tick
        second = self._ended(slot, sent=sent, received=received, date=date)
        if retry_after_seconds is not None:
            second = self._clock.observe_wait(retry_after_seconds, sent=sent, received=received)
        self._arrivals.add(received, second)
        self._refusals.add(received, second)
        edge = self._end_of_refusal(received, retry_after_seconds)
        self.held_until = max(self.held_until, edge)
        self._refused_edge = edge
        self._share = self._through(received)

    def hold_at_most_until(self, at: float) -> None:
        """Hold nobody longer than that because of a 429 that did not say how long to wait."""
        self.held_until = min(self.held_until, at)

    def seconds_for(self, requests: int, now: float) -> float:
        """Estimate the time until that many more requests have been started, answers included.

        Follows from the windows as known at `now`, the share that gets through, and how fast
        answers came so far.
        """
        each = self._latency / self._most_open
        at = max(now, self.held_until)
        if requests <= 0:
            return 0.0
        if self._limit is None:
            return at - now + requests * each
        cap = max(1, self._limit if self._share is None else self._share)
        if self._learnt(at) or self._share is not None:
            begins, last = self._by_windows(requests, cap, at)
        else:
            begins, last = self._rolling.start_of(requests, at), (requests - 1) % cap + 1
        return max(begins - now + min(last, requests) * each, requests * each)

    def _ended(
        self, slot: Slot, *, sent: float, received: float, date: float | None
    ) -> float | None:
        """Close the slot, learn from the answer, and give the server's second where known."""
        self._open.discard(slot)
        took = received - sent
        self._latency += (took - self._latency) / (10 if self._latency else 1)
        if date is None:
            return None
        self._shortest = min(self._shortest, took)
        return self._clock.observe(date, sent=sent, received=received)

    def _learnt(self, at: float) -> bool:
        """Whether the windows' edges are known well enough to count by them."""
        return self._clock.width(at) <= self._period / 3

    def _end(self, at: float) -> float:
        """Return the time from which on the window that stands at `at` has surely ended."""
        if self._learnt(at):
            return self._clock.surely((self._window(at) + 1) * self._period)
        return self._begin(at) + self._period

    def _begin(self, at: float) -> float:
        """Return when the window of `at` began, reckoned from where the last refusal's ended."""
        return at - (at - self._refused_edge) % self._period

    def _window(self, at: float) -> int:
        """Return the number of the earliest window in which a request of now may arrive."""
        return math.floor(self._clock.at_least(at) / self._period)

    def _in_window(self, at: float) -> int:
        """Count the requests that may have arrived, or may yet arrive, in the window of `at`."""
        return len(self._open) + self._answered(self._arrivals, at)

    def _answered(self, arrivals: Arrivals, at: float) -> int:
        if not self._learnt(at):
            return arrivals.since(self._begin(at))
        edge = self._window(at) * self._period
        return arrivals.since(self._clock.perhaps(edge, at), edge)

    def _used(self, at: float) -> int:
        return self._in_window(at) if self._learnt(at) else self._rolling.used(at)

    def _next_room(self, at: float) -> float:
        return self._end(at) if self._learnt(at) else self._rolling.next_start(at)

    def _within_share(self, share: int, at: float) -> float:
        """Send the share that got through before at full speed, then probe for more."""
        probing = self._in_window(at) >= share and len(self._open) >= PROBES_AT_ONCE
        return math.inf if probing else at

    def _worth_narrowing(self, at: float) -> bool:
        """Whether answers around a tick would tell the server's clock better than now."""
        return self._clock.known and self._clock.width(at) > 0.1 + 2 * self._shortest

    def _near_a_tick(self, at: float, left: int) -> float:
        """Spread the requests that are left over the time in which the server's second may tick."""
        apart = min(self._clock.width(at), 1.0) / left
        return self._clock.next_tick(max(at, self._last_reserved + apart))

    def _through(self, at: float) -> int:
        return self._answered(self._arrivals, at) - self._answered(self._refusals, at)

    def _end_of_refusal(self, received: float, wait: float | None) -> float:
        """Return when the window that refused a request has ended: what the answer says, first."""
        if wait is not None:
            return received + max(wait, 1.0)
        return self._end(received) if self._learnt(received) else received + self._period

    def _by_windows(self, requests: int, cap: int, at: float) -> tuple[float, int]:
        """Return when the last window that `requests` more need begins, and how many it gets."""
        more = requests - max(0, cap - self._in_window(at))
        if more <= 0:
            return at, requests
        windows, last = divmod(more - 1, cap)
        return self._end(at) + windows * self._period, last + 1
