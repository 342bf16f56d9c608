"""Before anything is sent: whether Register accepts this token and this version."""

from __future__ import annotations

import asyncio

from batch.register.meanings import Kind, Meaning
from batch.submission.health import PROBE_WAITS_SECONDS
from batch.submission.service import Service
from batch.submission.stopping import Stopping

KNOWN_VERSION = "v2026.1"
"""A version that the live service serves (API.md, "Where")."""


async def preflight(
    service: Service, stopping: Stopping, *, api_version: str, give_up_after_seconds: float
) -> str | None:
    """Ask /info; give a warning for people, or None. Sets `stopping` where no row could succeed."""
    meaning = await _info_or_nothing(service, stopping, give_up_after_seconds)
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
            stopping(f"Register does not serve {api_version}: say --api-version {served}.")
        case Kind.WRONG_PATH:
            return "This server has no /info, so token and version could not be asked beforehand."
        case _:
            stopping(f"Register {meaning.words}: nothing was sent.")
    return None


async def _info_or_nothing(
    service: Service, stopping: Stopping, give_up_after_seconds: float
) -> Meaning | None:
    waits = iter(PROBE_WAITS_SECONDS)
    try:
        async with asyncio.timeout(give_up_after_seconds):
            while True:
                meaning = await service.info()
                if stopping.reason is not None:
                    return None
                if meaning.kind is Kind.THROTTLED:
                    continue
                if not meaning.is_service_failure:
                    return meaning
                await asyncio.sleep(next(waits, PROBE_WAITS_SECONDS[-1]))
    except TimeoutError:
        stopping(f"Register gave no good answer for {give_up_after_seconds:g} seconds.")
        return None


async def _version_served(service: Service) -> str:
    meaning = await service.info(KNOWN_VERSION)
    return meaning.latest_version or KNOWN_VERSION
