"""Whether Register is up: after failures in a row everyone pauses and /info is probed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from batch.register.meanings import Kind, Meaning
from batch.submission.stopping import Stopping

FAILURES_BEFORE_PAUSE = 3
PROBE_WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long to wait before each probe; the last one goes on."""

_WELL = frozenset({Kind.SERVES, Kind.WRONG_PATH})
"""What a good answer to /info means: Register's own, or that of a server without /info."""


class Health:
    """Counts service failures in a row, and lets nobody ask while Register is down.

    `probe` asks /info once. Without a good answer for `give_up_after_seconds` the run ends.
    `warn` is told when a pause begins, and when Register is well again.
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
        self._give_up_after_seconds = give_up_after_seconds
        self._warn = warn
        self._up = asyncio.Event()
        self._up.set()
        self._failures = 0
        self._failing_since = 0.0
        self._seen = ""
        self._prober: asyncio.Task[None] | None = None

    async def until_up(self, kind: str) -> None:
        """Wait until Register is up, or the run ends. Raises Stopped."""
        self._stopping.refuse(kind)
        while not self._up.is_set():
            await self._stopping.or_until(self._up)
            self._stopping.refuse(kind)
            if self._stopping.reason is not None:
                return

    def note(self, meaning: Meaning) -> None:
        """Count a failure, or end the count; what Register did not say tells nothing of either."""
        if meaning.kind in {Kind.THROTTLED, Kind.UNCLEAR, Kind.REDIRECTED, Kind.FORBIDDEN}:
            return
        if not meaning.is_service_failure:
            self._failures = 0
            return
        if self._failures == 0:
            self._failing_since = asyncio.get_running_loop().time()
        self._failures += 1
        self._seen = meaning.words
        if self._failures >= FAILURES_BEFORE_PAUSE and self._up.is_set():
            self._up.clear()
            self._warn(
                f"Register {meaning.words}, {self._failures} failures in a row: everything waits "
                f"until it is well again, for {self._give_up_after_seconds:g} s at most"
            )
            self._prober = asyncio.ensure_future(self._until_well_or_given_up())

    async def close(self) -> None:
        """End what is still probing."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    async def _until_well_or_given_up(self) -> None:
        try:
            async with asyncio.timeout_at(self._failing_since + self._give_up_after_seconds):
                await self._until_well()
            self._failures = 0
            if self._stopping.reason is None:
                self._warn("Register is well again: the run goes on")
        except TimeoutError:
            seconds = f"{self._give_up_after_seconds:g}"
            self._stopping(f"Register kept failing for {seconds} seconds: it {self._seen}.")
        finally:
            self._up.set()

    async def _until_well(self) -> None:
        waits = iter(PROBE_WAITS_SECONDS)
        while True:
            await asyncio.sleep(next(waits, PROBE_WAITS_SECONDS[-1]))
            meaning = await self._probe()
            if meaning.kind is Kind.UNAUTHORISED:
                self._stopping(f"Register {meaning.words}.")
                return
            if meaning.kind in _WELL:
                return
