"""What the server's clock says, as far as its answers prove it: bounds that narrow with each one.

A clock that shows whole seconds says `second` while its true reading lies in [second, second + 1).
An answer shows it somewhere between the request's start and the answer's arrival, so that

    at the arrival the reading was at least `second`, and
    at the start it was less than `second + 1`.

Each bound is a line over our own clock; the best of all lines stand. Between observations they
spread by the drift that two honest clocks may have.
"""

from __future__ import annotations

import math

DRIFT = 0.001
"""How far two clocks may part, in seconds a second: twice what clock discipline may slew."""

SLACK_SECONDS = 0.02
"""How far apart the clocks of one service's machines may be without any of them being wrong."""

MICROSECOND = 1e-6
"""Added to a time at which a reading is due, so that rounding cannot put it before."""

SHORTEST_PERIOD_SECONDS = 2
"""The shortest period within which whole seconds tell anything."""


class ServerClock:
    """Bounds on the server's clock, counted modulo a period, by our monotonic clock.

    Readings grow past the period like any clock; only their place within the period means
    something, since that is all that a `Retry-After` tells. Seconds throughout.
    `contradicted` is true for good once two observations cannot both be right, and from the
    start for a period that whole seconds cannot tell.
    """

    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._low = -math.inf
        self._high = math.inf
        self.contradicted = period_seconds < SHORTEST_PERIOD_SECONDS or period_seconds % 1 != 0

    @property
    def known(self) -> bool:
        """Whether anything was observed, and nothing contradicted it."""
        return self._low > -math.inf and not self.contradicted

    def observe(self, second: float, *, sent: float, received: float) -> float | None:
        """Take in that a request sent and answered at these times met `second` (modulo period).

        Gives the reading that this was, None where the clock is not to be trusted.
        """
        if self.contradicted:
            return None
        second = self.nearest(second, received)
        low = second - SLACK_SECONDS - received * (1 - DRIFT)
        high = second + 1 + SLACK_SECONDS - sent * (1 + DRIFT)
        self._low, self._high = max(self._low, low), min(self._high, high)
        self.contradicted = self.at_least(received) > self.at_most(received)
        return None if self.contradicted else second

    def nearest(self, second: float, now: float) -> float:
        """Return the reading nearest to what is known that has this place within the period."""
        second %= self._period
        if not self.known:
            return second
        middle = (self.at_least(now) + self.at_most(now) - 1) / 2
        return second + self._period * round((middle - second) / self._period)

    def observe_wait(self, wait_seconds: float, *, sent: float, received: float) -> float | None:
        """Take in a refusal's `Retry-After`: the whole seconds to the next window. As `observe`.

        A wait longer than a period says that the windows are not those that we know.
        """
        if wait_seconds > self._period:
            self.contradicted = True
        if wait_seconds < 1 or wait_seconds % 1 != 0:
            return None
        return self.observe(-wait_seconds, sent=sent, received=received)

    def at_least(self, now: float) -> float:
        """Return the least that the server's clock can say at `now`."""
        return self._low + now * (1 - DRIFT)

    def at_most(self, now: float) -> float:
        """Return the most that the server's clock can say at `now`."""
        return self._high + now * (1 + DRIFT)

    def width(self, now: float) -> float:
        """Return how uncertain the reading at `now` is; infinite where nothing is known."""
        return self.at_most(now) - self.at_least(now) if self.known else math.inf

    def surely(self, reading: float) -> float:
        """Return the time from which on the server's clock is past `reading`, whatever it is."""
        return (reading - self._low) / (1 - DRIFT) + MICROSECOND

    def perhaps(self, reading: float, now: float) -> float:
        """Return the earliest time at which the server's clock may show `reading`, past or not."""
        ahead = reading - self.at_most(now)
        return now + ahead / ((1 + DRIFT) if ahead > 0 else (1 - DRIFT))

    def next_tick(self, now: float) -> float:
        """Return the earliest time, not before `now`, at which the server's second may change."""
        if math.floor(self.at_least(now)) < math.floor(self.at_most(now)):
            return now
        return self.perhaps(math.floor(self.at_most(now)) + 1, now) + MICROSECOND
