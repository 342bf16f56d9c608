"""How long a run waits for a Register that is down, on a virtual clock."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from batch.register.answers import Kind, Meaning
from batch.submission.health import FAILURES_BEFORE_PAUSE, Health
from batch.submission.stopping import Stopped, Stopping
from tests.support.virtual_time import VirtualClock, VirtualLoop

LOST = Meaning(Kind.LOST, "answered 503")


async def after_an_outage_of(seconds: float) -> str | None:
    """Return why a run of `--give-up-after 120` stopped, None where it went on."""
    loop, stopping = asyncio.get_running_loop(), Stopping()
    down_until = loop.time() + seconds

    async def probe() -> Meaning:
        return LOST if loop.time() < down_until else Meaning(Kind.SERVES)

    health = Health(probe, stopping, give_up_after_seconds=120, warn=lambda _: None)
    for _ in range(FAILURES_BEFORE_PAUSE):
        health.note(LOST)
    with contextlib.suppress(Stopped):
        await health.until_up("defer")
    await health.close()
    return stopping.reason


@pytest.mark.parametrize("seconds", [92, 95, 105, 119, 119.99])
def test_an_outage_that_ends_by_the_deadline_is_survived(seconds: float) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(VirtualClock(), None)) as runner:
        assert runner.run(after_an_outage_of(seconds)) is None


def test_an_outage_that_outlasts_the_deadline_ends_the_run() -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(VirtualClock(), None)) as runner:
        assert "120 seconds" in str(runner.run(after_an_outage_of(121)))
