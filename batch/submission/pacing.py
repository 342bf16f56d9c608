"""When the next request may start: as early as the server's windows allow, and not refused.

The server counts in fixed windows of its own clock (API.md, "Throttling"). Until that clock is
known well, a rolling window keeps any such window from overflowing. Every answer's `Date` narrows
the clock; once it is known, requests are counted in the window in which they may have arrived,
and in both where that is uncertain. A 429 holds everyone until its window ends; if it
contradicts the clock, the rolling window stays for good; if not, others spend from the same
budget, and the share that got through becomes the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NewType

from batch.submission.clocks import ServerClock
from batch.submission.windows import Arrivals, RollingWindow

Slot = NewType("Slot", int)
"""One request's place, from `reserve` to its answer."""

KEPT_BACK = 10
"""How many requests of a window wait for the moments in which the server's second may tick."""

PROBES_AT_ONCE = 2
"""How many requests are in flight beyond the share that got through before."""

LATE_SECONDS = 2.0
"""How long after its start a killed run's request may still have reached the server."""


class Pacer:
    """Says when requests may start, and learns from their answers. Seconds, clock passed in.

    For each request: `next_start` until it gives a time that has come, `reserve`, then `started`
    as it leaves (or `release`, if it never does), then `answered` or `throttled`.
    `limit` None switches pacing off; holds after a 429 still apply.
    `recent` are the start times of requests that an earlier, killed run sent.
    """

    def __init__(
        self, limit: int | None, period_seconds: float, *, recent: Iterable[float] = ()
    ) -> None:
        recent = sorted(recent)
        self._limit = math.inf if limit is None else limit
        self._period = period_seconds
        self._rolling = (
            None if limit is None else RollingWindow(limit, period_seconds, recent=recent)
        )
        whole = limit is not None and period_seconds >= 2 and float(period_seconds).is_integer()
        self._clock = ServerClock(int(period_seconds)) if whole else None
        self._arrivals = Arrivals(
            3 * period_seconds, recent=(start + LATE_SECONDS for start in recent)
        )
        self._open: set[Slot] = set()
        self._slots = 0
        self._last_start = -math.inf
        self._held_until = -math.inf
