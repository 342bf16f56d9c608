"""Asking for what the roster wants to know: how often, while Register is not there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

import pytest

from batch.record import database
from batch.record.journal import Journal
from batch.register.api import NoReply
from batch.roster.listing import Look, cycles_from
from batch.submission.looking import look_up
from batch.submission.paced_client import PacedClient
from batch.submission.pacing import Pacer
from batch.submission.stopping import Stopping
from tests.support.journals import RUN
from tests.support.virtual_time import VirtualClock, VirtualLoop

SOUGHT = [f"trainee-{number}" for number in range(30)]


class NobodyThere:
    """An address at which nothing answers; it counts who asks."""

    asked = 0

    async def anything(self, *_: object) -> NoReply:
        self.asked += 1
        await asyncio.sleep(0.01)
        return NoReply(left=False, why="could not be reached")

    defer = trainee = trainees = info = anything

    def hear(self, *_: object) -> None: ...

    answered = warn = hear


async def looked_up(there: NobodyThere, *, is_matching: bool) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    database._migrate(connection)

    async def at_once(call: Callable[[], object]) -> None:
        call()

    journal = Journal(connection, wall=lambda: 0.0, commit=at_once)
    run_no, stopping = journal.stage(RUN, origin="register"), Stopping()
    register = PacedClient(
        there, journal, Pacer(None), stopping, there, run_no=run_no, give_up_after_seconds=120
    )
    look = Look(SOUGHT, lambda *_: None, cycles=cycles_from(2026), is_matching=is_matching)
    asking = look_up(look, register, kind="preview", at_once=3)
    await stopping.unless_ending(asking)
    await register.health.close()
    connection.close()


@pytest.mark.parametrize("is_matching", [True, False])
def test_a_look_does_not_hammer_an_address_that_nothing_answers_at(*, is_matching: bool) -> None:
    there = NobodyThere()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(VirtualClock(), None)) as runner:
        runner.run(looked_up(there, is_matching=is_matching))
    assert there.asked <= 20
