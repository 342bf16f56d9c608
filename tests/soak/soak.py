"""`make soak`: 100,000 rows at the rate limit, on the virtual clock, and how much of it was used.

The real submission code asks a Register that counts in aligned windows of a drifting clock, loses
answers, refuses requests of its own accord and is gone for minutes. `soak.py ROWS SEED` replays.
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[2]))

from batch.emulator.model import Register
from batch.emulator.trainees import Trainee
from batch.record import database
from batch.record.journal import Journal
from batch.register.api import Answer, NoReply, Reply
from batch.rows import Deferral, Row, Settled
from batch.run_settings import RateLimit
from batch.submission.paced_client import PacedClient
from batch.submission.pacing import Pacer
from batch.submission.stopping import Stopping
from batch.submission.worker import Workers
from tests.support.simulation import (
    EPOCH,
    LOST_ANSWER_WAIT,
    TIMEOUT,
    VirtualClock,
    VirtualLoop,
    _run_record,
)

LIMIT, PERIOD = 100, 60.0
DATE = "2026-10-01"
DRIFT_MOST = 1e-4
OUTAGE_EVERY_SECONDS = 6 * 3600.0
OUTAGE_SECONDS = (5.0, 100.0)
LOST = 0.002
REFUSED = 0.0002
OTHERS_EVERY_WINDOWS = 200
ROWS_A_BATCH = 5000


@dataclass
class World:
    """Register and the network to it: a clock that drifts, outages, answers that are lost."""

    rng: random.Random
    rows: int
    clock: VirtualClock = field(default_factory=VirtualClock)
    through: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    outage_seconds: float = 0.0
    ahead: float = 0.0
    drift: float = 0.0
    drift_since: float = 0.0

    def __post_init__(self) -> None:
        trainees = (Trainee(trainee_id_of(number)) for number in range(self.rows))
        self.register = Register(trainees, clock=self.server_time, rate_limit=(LIMIT, PERIOD))
        self.ahead = self.rng.uniform(-60, 60)
        self.next_outage = self.rng.uniform(0.5, 1.5) * OUTAGE_EVERY_SECONDS
        self.outage_until = -1.0
        self._turned = 0

    def server_time(self) -> float:
        gone = self.clock.now - self.drift_since
        return EPOCH + self.clock.now + self.ahead + self.drift * gone

    def wall(self) -> float:
        return EPOCH + self.clock.now

    @property
    def window(self) -> int:
        return math.floor(self.server_time() / PERIOD)

    def turn(self) -> None:
        """Let the clock drift otherwise each hour, outages begin, and others spend a window."""
        now = self.clock.now
        if now - self.drift_since > 3600:
            self.ahead += self.drift * (now - self.drift_since)
            self.drift, self.drift_since = self.rng.uniform(-DRIFT_MOST, DRIFT_MOST), now
        if now >= self.next_outage:
            seconds = self.rng.uniform(*OUTAGE_SECONDS)
            self.outage_seconds += seconds
            self.outage_until = now + seconds
            self.next_outage = now + self.rng.uniform(0.5, 1.5) * OUTAGE_EVERY_SECONDS
        if self.window != self._turned:
            self._turned = self.window
            if self._turned % OTHERS_EVERY_WINDOWS == 0:
                for _ in range(LIMIT // 4):
                    self.register.answer("GET", "/api/v2025.0/info")


class Network:
    """What the run asks, in place of the HTTP client."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def defer(self, deferral: Deferral) -> Answer:
        body = f'{{"data": {{"defer_date": "{deferral.defer_date}"}}}}'.encode()
        path = f"/api/v2025.0/trainees/{deferral.trainee_id}/defer"
        return await self._asked("POST", path, body)

    async def trainee(self, trainee_id: str) -> Answer:
        return await self._asked("GET", f"/api/v2025.0/trainees/{trainee_id}")

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        return await self._asked("GET", f"/api/v2025.0/trainees?{urlencode(query)}")

    async def info(self, api_version: str | None = None) -> Answer:  # noqa: ARG002
        return await self._asked("GET", "/api/v2025.0/info")

    async def _asked(self, method: str, path: str, body: bytes = b"") -> Answer:
        world, rng = self._world, self._world.rng
        await asyncio.sleep(rng.uniform(0.02, 0.15))
        world.turn()
        if world.clock.now < world.outage_until:
            return NoReply(left=True, why="broke off the connection")
        lost = rng.random()
        if lost < LOST / 2:
            world.lost += 1
            return NoReply(left=True, why="broke off the connection")
        reply = self._answered(method, path, body)
        await asyncio.sleep(rng.uniform(0.02, 0.15))
        if lost < LOST:
            world.lost += 1
            return NoReply(left=True, why="broke off the connection")
        return reply

    def _answered(self, method: str, path: str, body: bytes) -> Reply:
        world = self._world
        date = {"date": formatdate(world.server_time(), usegmt=True)}
        if world.rng.random() < REFUSED:
            world.refused["out of turn"] += 1
            return Reply(429, {**date, "retry-after": "5"}, b"Retry later\n")
        reply = world.register.answer(method, path, body=body)
        if reply.status == 429:
            world.refused["over the limit"] += 1
        else:
            world.through[world.window] += 1
        return Reply(reply.status, {**reply.headers, **date}, reply.body)


def trainee_id_of(number: int) -> str:
    return f"Soak{number:08}"


async def submit(world: World, connection: sqlite3.Connection) -> Counter[str]:
    """Take every row through the real submission; give the rows by code."""

    async def commit(call: Callable[[], object]) -> None:
        call()
        await asyncio.sleep(0.003)

    journal = Journal(connection, wall=world.wall, commit=commit)
    run_no = journal.stage(_run_record("soak", world.rows), origin="https://register.example")
    rows = (
        Row(number + 2, (), trainee_id, Deferral(trainee_id, DATE, None))
        for number, trainee_id in enumerate(map(trainee_id_of, range(world.rows)))
    )
    while part := list(islice(rows, ROWS_A_BATCH)):
        journal.add_rows(run_no, part)
    journal.start(run_no)
    stopping = Stopping()
    register = PacedClient(
        Network(world),
        journal,
        Pacer(RateLimit(LIMIT, PERIOD)),
        stopping,
        Silent(),
        run_no=run_no,
        give_up_after_seconds=1800.0,
    )
    workers = Workers(
        journal,
        register,
        stopping,
        Silent(),
        run_no=run_no,
        max_at_once=10,
        lost_answer_wait_seconds=LOST_ANSWER_WAIT,
        timeout_seconds=TIMEOUT,
    )
    await workers.settle_rows()
    journal.settle_the_rest(run_no)
    return Counter(journal.ledger.counts("soak"))


class Silent:
    """Hears everything and says nothing."""

    def answered(self, *_: object) -> None: ...

    def warn(self, words: str) -> None: ...

    def settled(self, row_number: int, settled: Settled) -> None: ...


def main(rows: int, seed: int) -> int:
    """Run one soak; print what was used of the limit; give how many laws were broken."""
    world, began = World(random.Random(seed), rows), time.perf_counter()
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database._migrate(connection)
    loop = VirtualLoop(world.clock, None)
    try:
        codes = loop.run_until_complete(submit(world, connection))
    finally:
        loop.close()
        connection.close()
    windows = max(world.through) - min(world.through) + 1
    sent = sum(world.through.values())
    usable = (windows - world.outage_seconds / PERIOD) * LIMIT
    print(f"{rows} rows, seed {seed}: {world.clock.now / 3600:.1f} hours in {windows} windows")
    print(
        f"  utilisation of the limit: {sent / usable:.1%}, {world.outage_seconds:.0f} s of outage"
    )
    print(f"  aside; {sent} requests got through, {world.lost} answers were lost")
    print(f"  refused: {dict(world.refused)}, {sum(world.refused.values()) / sent:.2%}")
    print(f"  rows by code: {dict(codes)}; took {time.perf_counter() - began:.0f} s")
    broken = complaints(world, codes)
    print("\n".join(f"  BROKEN: {words}" for words in broken) or "  no law broken")
    return len(broken)


def complaints(world: World, codes: Counter[str]) -> list[str]:
    """Give every law that was broken: rows lost, deferred twice, refusals beyond 2 %."""
    found = []
    if sum(codes.values()) != world.rows:
        found.append(f"{sum(codes.values())} of {world.rows} rows reported")
    twice = Counter(event.trainee_id for event in world.register.history)
    if again := sum(count > 1 for count in twice.values()):
        found.append(f"{again} trainees deferred more than once")
    done = codes["deferred"] + codes["confirmed_by_read_back"]
    if done != len(twice):
        found.append(f"{done} rows reported as deferred, Register holds {len(twice)}")
    if sum(world.refused.values()) > 0.02 * sum(world.through.values()):
        found.append("more than 2 % of the requests were refused")
    return found


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    rows, seed = (*given, *(100_000, 1)[len(given) :])
    sys.exit(main(rows, seed) > 0)
