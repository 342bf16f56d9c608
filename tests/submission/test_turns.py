"""Waiting for a place after a 429, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from batch.register.answers import Kind, Meaning
from batch.run_settings import RateLimit
from batch.submission.paced_client import Turns
from batch.submission.pacing import Pacer
from batch.submission.stopping import Stopping
from tests.support.virtual_time import VirtualClock, VirtualLoop


async def seconds_held(retry_after: float | None, *, at_most: float) -> float:
    """Return how long the next request waits after a 429, where patience ends after `at_most`."""
    loop, turns = asyncio.get_running_loop(), Turns(Pacer(RateLimit(100, 60.0)), Stopping())
    slot = await turns.take("info")
    sent = turns.start(slot)
    turns.end(slot, sent, Meaning(Kind.THROTTLED, retry_after_seconds=retry_after))
    turns.hold_at_most_until(sent + at_most)
    told = turns.seconds_until_next(sent)
    await turns.take("info")
    assert told == pytest.approx(loop.time() - sent, abs=0.01)
    return loop.time() - sent


@pytest.mark.parametrize(("patience", "held"), [(5.0, 5.0), (120.0, 60.0)])
def test_a_429_that_asks_for_no_wait_holds_nobody_beyond_the_patience(
    patience: float, held: float
) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(VirtualClock(), None)) as runner:
        assert runner.run(seconds_held(None, at_most=patience)) == pytest.approx(held, abs=0.01)
