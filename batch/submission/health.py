"""Before anything is sent: whether Register accepts this token and this version."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from batch.register.answers import Kind, Meaning
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


Info = Callable[[str | None], Awaitable[Meaning]]
"""Asks /info, of a version or of the run's own."""

TELL_EVERY_SECONDS = 30.0
KNOWN_VERSION = "v2026.1"
"""A version that the live service serves (API.md, "Where")."""


async def preflight(
    info: Info,
    stopping: Stopping,
    *,
    api_version: str,
    give_up_after_seconds: float,
    warn: Callable[[str], None],
) -> str | None:
    """Ask /info; give a warning for people, or None. Sets `stopping` where no row could succeed.

    `warn` is told now and then while no good answer comes.
    """
    meaning = await stopping.unless_ending(
        _info_or_nothing(info, stopping, give_up_after_seconds, warn)
    )
    if meaning is None or stopping.reason is not None:
        return None
    match meaning.kind:
        case Kind.SERVES:
            return None
        case Kind.UNAUTHORISED:
            stopping(
                "Register refused the token (401): it is wrong, has expired, or belongs to "
                "another environment."
            )
        case Kind.VERSION_NOT_SERVED:
            served = await _version_served(info)
            stopping(f"Register does not serve {api_version}{_instead(served, api_version)}.")
        case Kind.WRONG_PATH:
            return "This server has no /info, so token and version could not be asked beforehand."
        case _:
            stopping(f"Register {meaning.words}: nothing was sent.")
    return None


async def _info_or_nothing(
    info: Info, stopping: Stopping, give_up_after_seconds: float, warn: Callable[[str], None]
) -> Meaning | None:
    """Ask until there is a good answer, or Register has failed for too long.

    Waiting for a turn, or for a 429's window to end, is no failing of Register's.
    """
    loop = asyncio.get_running_loop()
    waits = iter(PROBE_WAITS_SECONDS)
    give_up_at, told_at = None, -math.inf
    while True:
        meaning = await info(None)
        if meaning.kind is Kind.THROTTLED:
            give_up_at = None
            warn("Register has had too many requests from this address (429): waiting")
            continue
        if not meaning.is_service_failure:
            return meaning
        now = loop.time()
        give_up_at = give_up_at or now + give_up_after_seconds
        if now >= give_up_at:
            seconds = f"{give_up_after_seconds:g} seconds"
            stopping(f"Register gave no good answer for {seconds}: it {meaning.words}.")
            return None
        if now - told_at >= TELL_EVERY_SECONDS:
            told_at = now
            warn(f"Register {meaning.words}: asking again, for {give_up_at - now:.0f} s at most")
        await asyncio.sleep(min(give_up_at - now, next(waits, PROBE_WAITS_SECONDS[-1])))


async def _version_served(info: Info) -> str:
    meaning = await info(KNOWN_VERSION)
    return meaning.latest_version or KNOWN_VERSION


def _instead(served: str, asked: str) -> str:
    return "" if served == asked else f": say --api-version {served}"
