"""Before anything is sent: whether Register accepts this token and this version."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from batch.register.meanings import Kind, Meaning
from batch.submission.health import PROBE_WAITS_SECONDS
from batch.submission.service import Service
from batch.submission.stopping import Stopping

TELL_EVERY_SECONDS = 30.0
KNOWN_VERSION = "v2026.1"
"""A version that the live service serves (API.md, "Where")."""


async def preflight(
    service: Service,
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
        _info_or_nothing(service, stopping, give_up_after_seconds, warn)
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
            served = await _version_served(service)
            stopping(f"Register does not serve {api_version}{_instead(served, api_version)}.")
        case Kind.WRONG_PATH:
            return "This server has no /info, so token and version could not be asked beforehand."
        case _:
            stopping(f"Register {meaning.words}: nothing was sent.")
    return None


async def _info_or_nothing(
    service: Service, stopping: Stopping, give_up_after_seconds: float, warn: Callable[[str], None]
) -> Meaning | None:
    """Ask until there is a good answer, or Register has failed for too long.

    Waiting for a turn, or for a 429's window to end, is no failing of Register's.
    """
    loop = asyncio.get_running_loop()
    waits = iter(PROBE_WAITS_SECONDS)
    give_up_at, told_at = None, -math.inf
    while True:
        meaning = await service.info()
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


async def _version_served(service: Service) -> str:
    meaning = await service.info(KNOWN_VERSION)
    return meaning.latest_version or KNOWN_VERSION


def _instead(served: str, asked: str) -> str:
    return "" if served == asked else f": say --api-version {served}"
