"""Runs through the real Pacer against a server with aligned windows, on a clock of numbers."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from batch.run_settings import RateLimit
from batch.submission.pacing import Pacer, Slot

EPOCH = 1_790_000_040.0


@dataclass
class Server:
    """Counts in windows of its own clock; says `Date` by its gateway's, where it has one."""

    limit: int = 100
    period: int = 60
    phase: float = 0.0
    drift: float = 0.0
    gateway_ahead: float | None = 0.0
    others: Callable[[int], int] = lambda _: 0
    counts: Counter[int] = field(default_factory=Counter)

    def reading(self, now: float) -> float:
        return EPOCH - EPOCH % self.period + self.phase + now * (1 + self.drift)

    def window(self, now: float) -> int:
        return math.floor(self.reading(now) / self.period)

    def edge(self, window: int) -> float:
        return (window * self.period - self.reading(0)) / (1 + self.drift)

    def arrive(self, now: float) -> float | None:
        """Count a request; give None, or the `Retry-After` of its refusal."""
        window = self.window(now)
        self.counts[window] += 1
        if self.counts[window] + self.others(window) <= self.limit:
            return None
        return float(self.period - math.floor(self.reading(now)) % self.period)

    def date(self, now: float) -> float | None:
        if self.gateway_ahead is None:
            return None
        return float(math.floor(self.reading(now) + self.gateway_ahead))


class Paces(Protocol):
    @property
    def held_until(self) -> float: ...

    def next_start(self, now: float, /) -> float: ...

    def reserve(self, now: float, /) -> Slot: ...

    def started(self, slot: Slot, now: float, /) -> None: ...

    def answered(self, slot: Slot, *, sent: float, received: float, date: float | None) -> None: ...

    def throttled(
        self,
        slot: Slot,
        *,
        sent: float,
        received: float,
        retry_after_seconds: float | None,
        date: float | None,
    ) -> None: ...


@dataclass(frozen=True)
class Takes:
    """How long one request takes, in seconds: its intent to the disk, there, work, back."""

    written: float
    there: float
    work: float
    back: float


class Latency:
    """Draws how long requests take; `upcoming` is the next draw."""

    def __init__(self, rng: random.Random, shortest: float = 0.05, longest: float = 0.3) -> None:
        self._rng = rng
        self._range = shortest, longest
        self.draw()

    def draw(self) -> Takes:
        drawn = getattr(self, "upcoming", None)
        cuts = sorted((self._rng.random(), self._rng.random()))
        takes = self._rng.uniform(*self._range)
        self.upcoming = Takes(
            self._rng.uniform(0.001, 0.003),
            takes * cuts[0],
            takes * (cuts[1] - cuts[0]),
            takes * (1 - cuts[1]),
        )
        return drawn or self.upcoming


@dataclass
class Run:
    """One run of this tool: its rows, its pacer, and afterwards what became of it."""

    pacer: Paces
    rows: int
    latency: Latency
    begins: float = 0.0
    max_at_once: int = 10
    in_flight: int = 0
    finished: float = 0.0
    starts: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    estimates: list[tuple[float, float]] = field(default_factory=list)
    wakes_at: float = math.inf
    tick_seconds: float = 0.0
    """How coarse this machine's clock is: it shows the last tick that has passed."""

    def seen(self, now: float) -> float:
        """Return what this machine's clock shows."""
        return now // self.tick_seconds * self.tick_seconds if self.tick_seconds else now

    def shows(self, at: float, now: float) -> float:
        """Return when, not before `now`, its clock shows that time or a later one."""
        if not self.tick_seconds or self.seen(now) >= at:
            return max(at, now)
        return math.ceil(at / self.tick_seconds) * self.tick_seconds


class World:
    """Plays runs against one server, event by event, until all rows are through."""

    def __init__(self, server: Server, runs: Iterable[Run]) -> None:
        self.server = server
        self.runs = list(runs)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        for run in self.runs:
            self._at(run.begins, lambda now, run=run: self._send(run, now))  # type: ignore[misc]

    def play(self) -> None:
        while self._events:
            now, _, event = heapq.heappop(self._events)
            event(now)
        assert all(run.rows == 0 and run.in_flight == 0 for run in self.runs)

    def _at(self, time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def _send(self, run: Run, now: float) -> None:
        while run.rows and run.in_flight < run.max_at_once:
            start = run.pacer.next_start(run.seen(now))
            if start > run.seen(now):
                assert start < math.inf or run.in_flight, "nothing will ever start"
                return self._wake(run, start if start == math.inf else run.shows(start, now))
            slot = run.pacer.reserve(run.seen(now))
            run.rows -= 1
            run.in_flight += 1
            takes = run.latency.draw()
            self._at(
                now + takes.written,
                lambda now, slot=slot, takes=takes: self._start(run, slot, takes, now),  # type: ignore[misc]
            )
        return None

    def _wake(self, run: Run, start: float) -> None:
        if start < run.wakes_at:
            run.wakes_at = start
            self._at(start, lambda now: self._woken(run, now))

    def _woken(self, run: Run, now: float) -> None:
        run.wakes_at = math.inf
        self._send(run, now)

    def _start(self, run: Run, slot: Slot, takes: Takes, now: float) -> None:
        if run.pacer.held_until > run.seen(now):
            again = run.shows(run.pacer.held_until, now)
            self._at(again, lambda now: self._start(run, slot, takes, now))
            return
        run.pacer.started(slot, run.seen(now))
        run.starts.append(now)
        if isinstance(run.pacer, Pacer) and len(run.starts) % 10 == 1:
            run.estimates.append((now, run.pacer.seconds_for(run.rows, now)))
        self._at(now + takes.there, lambda at: self._arrive(run, slot, takes, now, at))
        self._send(run, now)

    def _arrive(self, run: Run, slot: Slot, takes: Takes, sent: float, now: float) -> None:
        wait = self.server.arrive(now)
        run.arrivals.append(now)
        answers = now + takes.work
        date = self.server.date(answers)
        self._at(answers + takes.back, lambda now: self._answer(run, slot, sent, now, wait, date))

    def _answer(
        self,
        run: Run,
        slot: Slot,
        sent: float,
        now: float,
        wait: float | None,
        date: float | None,
    ) -> None:
        run.in_flight -= 1
        seen = {"sent": run.seen(sent), "received": run.seen(now)}
        if wait is None:
            run.pacer.answered(slot, **seen, date=date)
            run.finished = now
        else:
            run.refused.append(now)
            run.rows += 1
            run.pacer.throttled(slot, **seen, retry_after_seconds=wait, date=date)
        self._send(run, now)


class Oracle:
    """Paces by the server's own clock and count: the least time that its windows allow.

    It even knows when each request will arrive, and starts none that would be refused.
    """

    held_until = -math.inf

    def __init__(self, server: Server, latency: Latency) -> None:
        self._server = server
        self._latency = latency
        self._sent: Counter[int] = Counter()

    def next_start(self, now: float) -> float:
        window = self._server.window(now + self._travel())
        if self._sent[window] < self._server.limit:
            return now
        return max(now + 1e-6, self._server.edge(window + 1) - self._travel() + 1e-6)

    def reserve(self, now: float) -> Slot:
        self._sent[self._server.window(now + self._travel())] += 1
        return Slot(0)

    def _travel(self) -> float:
        return self._latency.upcoming.written + self._latency.upcoming.there

    def started(self, slot: Slot, now: float) -> None: ...

    def answered(self, slot: Slot, **when: float | None) -> None: ...

    def throttled(self, slot: Slot, **when: float | None) -> None: ...


def least_seconds(server: Server, rows: int, *, seed: int, longest: float = 0.3) -> float:
    """Return the wall time of that many rows if the windows were known from the start."""
    fresh = Server(server.limit, server.period, server.phase, server.drift)
    latency = Latency(random.Random(seed), longest=longest)
    run = Run(Oracle(fresh, latency), rows, latency)
    World(fresh, [run]).play()
    assert not run.refused
    return run.finished


def played(
    server: Server, rows: int, *, seed: int, longest: float = 0.3, tick_seconds: float = 0.0
) -> Run:
    """Return one run of the real Pacer, through."""
    latency = Latency(random.Random(seed), longest=longest)
    limit = RateLimit(server.limit, float(server.period))
    pacer = Pacer(limit, tick_seconds=tick_seconds)
    run = Run(pacer, rows, latency, tick_seconds=tick_seconds)
    World(server, [run]).play()
    return run
