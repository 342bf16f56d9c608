"""Waiting for Register to be well: before anything is sent, and whenever it fails in between.

One probe serves both: `/info`, which says whether token and version are accepted.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet

from batch.register.answers import Kind, Meaning
from batch.submission.stopping import Stopping

FAILURES_BEFORE_PAUSE = 3
PROBE_WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long to wait before each probe; the last one repeats."""

WARN_EVERY_SECONDS = 30.0

_TELLS_NOTHING = frozenset({Kind.UNCLEAR, Kind.REDIRECTED, Kind.FORBIDDEN})
"""Answers that something else than Register may have given: neither a failure nor a success."""

_WELL = frozenset({Kind.SERVES, Kind.WRONG_PATH})
"""What a good answer to /info means: Register's own, or that of a server without /info."""


class Patience:
    """How long no request has got through, but for the time that a 429 asked to wait.

    Times are seconds of one clock, passed in.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: float | None = None
        self._held_until = -math.inf

    def got_through(self) -> None:
        """Begin anew: Register looked at a request."""
        self._until = None

    def failed(self, now: float) -> None:
        """Count from the first request that did not get through."""
        self._until = self.deadline(now)

    def held(self, now: float, seconds: float) -> None:
        """Wait longer by what a 429 asked for, as far as no other one asked for the same time."""
        until = self.deadline(now)
        asked_until = now + seconds
        self._until = until + max(0.0, asked_until - max(now, self._held_until))
        self._held_until = max(self._held_until, asked_until)

    def deadline(self, now: float) -> float:
        """Return when it ends if nothing gets through until then."""
        return now + self.seconds if self._until is None else self._until


class Health:
    """Counts service failures in a row, and lets nobody ask while Register is down.

    `probe` asks /info once. Where no request gets through for `give_up_after_seconds`, the run
    ends. `warn` is told when a pause begins, now and then while it lasts, and when it ends.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[Meaning]],
        stopping: Stopping,
        *,
        give_up_after_seconds: float,
        warn: Callable[[str], None],
    ) -> None:
        self._probe = probe
        self._stopping = stopping
        self._patience = Patience(give_up_after_seconds)
        self._warn = warn
        self._warned_at = -math.inf
        self._up = asyncio.Event()
        self._up.set()
        self._failures = 0
        self._prober: asyncio.Task[None] | None = None
        self._asks_at = 0.0

    async def until_up(self, kind: str) -> None:
        """Wait until Register is up, or the run ends. Raises Stopped."""
        self._stopping.refuse(kind)
        while not self._up.is_set():
            await self._stopping.or_until(self._up)
            self._stopping.refuse(kind)
            if self._stopping.reason is not None:
                return

    def deadline(self) -> float:
        """Return when the run ends if nothing gets through until then, in the loop's seconds."""
        return self._patience.deadline(asyncio.get_running_loop().time())

    def probe_seconds(self, now: float) -> float | None:
        """Return how long until Register is asked again, None where it is not known to fail."""
        return None if self._up.is_set() else max(0.0, self._asks_at - now)

    async def first_answer(self) -> Meaning:
        """Return what /info answers, as soon as that is no failure; the last failure otherwise."""
        return await self._until(set(Kind), waits=itertools.chain((0.0,), _waits()))

    def note(self, meaning: Meaning) -> None:
        """Count a request about a row, whatever came back; pause everyone after three failures."""
        now = asyncio.get_running_loop().time()
        if meaning.kind is Kind.THROTTLED:
            self._throttled(meaning, now)
        elif meaning.is_service_failure:
            self._failed(meaning, now)
        elif meaning.kind not in _TELLS_NOTHING:
            self._failures = 0
            self._patience.got_through()

    async def close(self) -> None:
        """End what is still probing."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    def _throttled(self, meaning: Meaning, now: float) -> None:
        """End the run where nothing but 429 comes: a front door may block a client for ever."""
        self._patience.held(now, meaning.retry_after_seconds or 0.0)
        if now >= self._patience.deadline(now):
            self._stopping(
                "Register has answered nothing but 429, too many requests, for "
                f"{self._patience.seconds:g} seconds."
            )

    def _failed(self, meaning: Meaning, now: float) -> None:
        self._patience.failed(now)
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_PAUSE and self._up.is_set():
            self._up.clear()
            self._warn(
                f"Register {meaning.words}, {self._failures} times in a row. Waiting up to "
                f"{self._patience.seconds:g} seconds for it to recover."
            )
            self._prober = asyncio.ensure_future(self._until_well_or_given_up())

    async def _until_well_or_given_up(self) -> None:
        try:
            meaning = await self._until(_WELL | {Kind.UNAUTHORISED}, waits=_waits())
            if meaning.kind is Kind.UNAUTHORISED:
                self._stopping(f"Register {meaning.words}.")
            elif meaning.kind in _WELL:
                self._failures = 0
                self._warn("Register is responding again; continuing.")
            elif self._stopping.reason is None:
                self._stopping(
                    f"Register kept failing for {self._patience.seconds:g} seconds: "
                    f"it {meaning.words}."
                )
        finally:
            self._up.set()

    async def _until(self, enough: AbstractSet[Kind], *, waits: itertools.chain[float]) -> Meaning:
        """Probe until an answer is no failure and one of `enough`, for as long as patience lasts.

        The last probe is made when it ends, so that an outage of just that length is survived.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait in waits:
            seconds = max(0.0, min(wait, self._patience.deadline(now) - now))
            self._asks_at = loop.time() + seconds
            await asyncio.sleep(seconds)
            meaning, now = await self._probe(), loop.time()
            if meaning.kind is Kind.THROTTLED:
                self._patience.held(now, meaning.retry_after_seconds or 0.0)
            elif not meaning.is_service_failure and meaning.kind in enough:
                self._patience.got_through()
                return meaning
            else:
                self._patience.failed(now)
            if now >= self._patience.deadline(now) or self._stopping.reason is not None:
                return meaning
            self._warn_of_waiting(meaning, now)
        raise AssertionError("the waits never end")

    def _warn_of_waiting(self, meaning: Meaning, now: float) -> None:
        if now - self._warned_at < WARN_EVERY_SECONDS:
            return
        self._warned_at = now
        if meaning.kind is Kind.THROTTLED:
            self._warn("Too many requests from this address (429). Waiting as Register asks.")
        else:
            left = self._patience.deadline(now) - now
            self._warn(f"Register {meaning.words}. Trying again for up to {left:.0f} seconds.")


def _waits() -> itertools.chain[float]:
    return itertools.chain(PROBE_WAITS_SECONDS, itertools.repeat(PROBE_WAITS_SECONDS[-1]))
