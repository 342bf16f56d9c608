"""The real submission code on a virtual clock, against the model of Register, with seeded faults.

One history is: rows staged, processes that crash at any step and resume until nothing is left,
perhaps the same file run again. `python -m tests.support.simulation SEED` replays one and tells it.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from batch.codes import Code, Outcome
from batch.emulator.model import Actor, Begun, Deed, Register, Request
from batch.emulator.trainees import Trainee
from batch.record import database
from batch.record.journal import Journal
from batch.record.records import RowRecord, RunRecord
from batch.register.api import Answer, NoReply, Reply
from batch.rows import Deferral, Row, Settled
from batch.run_settings import RateLimit
from batch.submission.paced_client import PacedClient
from batch.submission.pacing import Pacer
from batch.submission.staging import set_aside_remembered
from batch.submission.stopping import Stopping
from batch.submission.worker import Workers

EPOCH = 1_790_000_000.0
LOST_ANSWER_WAIT = 60.0
TIMEOUT = 30.0
LATEST_ARRIVAL = 50.0
DATES = ("2026-10-01", "2026-10-02")
DEFER_FAULTS = (
    "lost before",
    "never left",
    "lost after",
    "late",
    "begun early, committed late",
    "500 after",
    "502",
    "503 after",
    "429",
    "slow",
    "html 200",
    "html 200 after",
    "other defers",
    "other reinstates after",
)


class Crash(Exception):
    """The process is gone."""


class VirtualClock(selectors.DefaultSelector):
    """A selector that never waits: the time it was asked to wait has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everyone waits for ever")
        self.now += max(timeout, 1e-9)  # or a wait shorter than the loop counts would spin
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock, which crashes at a given step."""

    def __init__(self, clock: VirtualClock, crash_at: int | None) -> None:
        super().__init__(clock)
        self._clock = clock
        self._steps_left = crash_at

    def time(self) -> float:
        return self._clock.now

    def _run_once(self) -> None:
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise Crash
        super()._run_once()  # type: ignore[misc]


@dataclass
class World:
    """Register, the network to it, and everybody else; all of it from one seed."""

    rng: random.Random
    clock: VirtualClock = field(default_factory=VirtualClock)
    fault_rate: float = 0.3
    jump: float = 0.0
    told: list[str] = field(default_factory=list)
    journal: Journal | None = None
    held_until: float = -1.0
    asked_while_held: int = 0
    run_id: str = ""
    done_for: dict[int, str] = field(default_factory=dict)
    """The run whose request did it, by the place of the event in Register's history."""

    def __post_init__(self) -> None:
        self.ids = [f"Trainee{number}" for number in range(self.rng.randint(2, 5))]
        states = ("trn_received", "trn_received", "trn_received", "submitted_for_trn", "withdrawn")
        trainees = [Trainee(i, state=self.rng.choice(states)) for i in self.ids]
        if self.rng.random() < 0.2:
            trainees[0] = Trainee(self.ids[0], state="deferred", defer_date=DATES[0])
        self.register = Register(trainees, clock=self.server_time)
        self.started_deferred = {t.trainee_id: t.defer_date for t in trainees}
        self.events: list[tuple[float, int, Callable[[], object]]] = []
        self.outage_until = -1.0

    def state_of(self, trainee_id: str) -> str:
        trainee = self.register.trainee(trainee_id)
        return "" if trainee is None else trainee.state

    def server_time(self) -> float:
        return EPOCH + self.clock.now

    def wall(self) -> float:
        return EPOCH + self.clock.now + self.jump

    def later(self, seconds: float, happens: Callable[[], object]) -> None:
        heapq.heappush(self.events, (self.clock.now + seconds, len(self.told), happens))
        self.told.append("")

    def done(self, run_id: str, does: Callable[[], Any]) -> Any:
        """Let a run's request do what it does, late ones included, and note whose it was."""
        before = len(self.register.history)
        answer = does()
        self.done_for |= dict.fromkeys(range(before, len(self.register.history)), run_id)
        return answer

    def catch_up(self) -> None:
        while self.events and self.events[0][0] <= self.clock.now:
            heapq.heappop(self.events)[2]()

    def tell(self, words: str) -> None:
        self.told.append(f"{self.clock.now:9.3f} {words}")


class Network:
    """What the run asks, in place of the HTTP client: each request may meet a fault."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._run_id = world.run_id

    async def defer(self, deferral: Deferral) -> Answer:
        body = f'{{"data": {{"defer_date": "{deferral.defer_date}"}}}}'.encode()
        path = f"/api/v2025.0/trainees/{self._spelt(deferral.trainee_id)}/defer"
        request = Request("POST", path, body=body)
        fault = self._fault(DEFER_FAULTS)
        self._world.tell(f"defer {deferral.trainee_id} {deferral.defer_date}: {fault or 'well'}")
        answer = await self._deferred(request, deferral, fault)
        self._world.tell(f"  -> {_shown(answer)}")
        return answer

    async def trainee(self, trainee_id: str) -> Answer:
        request = Request("GET", f"/api/v2025.0/trainees/{trainee_id}")
        answer = await self._asked(request, self._fault(("502", "lost before", "slow", "429")))
        self._world.tell(f"read {trainee_id} -> {_shown(answer)}")
        return answer

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        request = Request("GET", f"/api/v2025.0/trainees?{urlencode(query)}")
        return await self._asked(request, self._fault(("502", "lost before", "slow", "429")))

    async def info(self, api_version: str | None = None) -> Answer:  # noqa: ARG002
        return await self._asked(Request("GET", "/api/v2025.0/info"), self._fault(("502",)))

    async def _deferred(self, request: Request, deferral: Deferral, fault: str | None) -> Answer:
        world, rng = self._world, self._world.rng
        trainee_id = deferral.trainee_id
        match fault:
            case "lost after" | "500 after" | "503 after" | "html 200 after":
                await self._travel()
                self._answered(request)
                await self._travel()
                return _trouble(fault)
            case "late":
                world.later(rng.uniform(0, LATEST_ARRIVAL), lambda: self._reply_to(request))
                await asyncio.sleep(rng.choice((0.5, TIMEOUT)))
                return NoReply(left=True, why="gave no answer in time")
            case "begun early, committed late":
                begun = world.register.begin(request)
                if isinstance(begun, Begun):
                    wait = rng.uniform(0, LATEST_ARRIVAL)
                    world.later(
                        wait, lambda: world.done(self._run_id, lambda: world.register.commit(begun))
                    )
                await asyncio.sleep(rng.choice((0.5, TIMEOUT)))
                return NoReply(left=True, why="gave no answer in time")
            case "other defers":
                date = rng.choice(DATES)
                if world.state_of(trainee_id) in {
                    "trn_received",
                    "submitted_for_trn",
                }:
                    world.register.defer(trainee_id, date)
                return await self._asked(request, None)
            case "other reinstates after":
                answer = await self._asked(request, None)
                if world.state_of(trainee_id) == "deferred":
                    world.register.reinstate(trainee_id)
                return _trouble("lost after") if rng.random() < 0.7 else answer
            case _:
                return await self._asked(request, fault)

    def _throttled(self) -> Answer:
        self._world.held_until = self._world.clock.now + 3.0
        return _trouble("429")

    async def _asked(self, request: Request, fault: str | None) -> Answer:
        if self._world.clock.now < self._world.outage_until:
            return NoReply(left=False, why="could not be reached")
        if fault == "slow":
            await asyncio.sleep(self._world.rng.uniform(1, TIMEOUT - 1))
        elif fault is not None:
            await self._travel()
            return self._throttled() if fault == "429" else _trouble(fault)
        await self._travel()
        answer = self._answered(request)
        await self._travel()
        return answer

    def _answered(self, request: Request) -> Reply:
        self._world.catch_up()
        reply = self._reply_to(request)
        return Reply(reply.status, reply.headers, reply.body)

    def _reply_to(self, request: Request) -> Any:
        register = self._world.register
        return self._world.done(
            self._run_id,
            lambda: register.answer(request.method, request.target, body=request.body),
        )

    async def _travel(self) -> None:
        await asyncio.sleep(self._world.rng.uniform(0.01, 0.2))

    def _fault(self, faults: tuple[str, ...]) -> str | None:
        self._world.catch_up()
        self._world.asked_while_held += self._world.clock.now < self._world.held_until - 0.001
        rng = self._world.rng
        if rng.random() < self._world.fault_rate * 0.03:
            self._world.outage_until = self._world.clock.now + rng.uniform(1, 200)
        return rng.choice(faults) if rng.random() < self._world.fault_rate else None

    def _spelt(self, trainee_id: str) -> str:
        return trainee_id


def _trouble(fault: str) -> Answer:
    match fault:
        case "never left":
            return NoReply(left=False, why="could not be reached")
        case "500 after":
            return Reply(500, {}, b'{"error": "Internal server error"}')
        case "502":
            return Reply(502, {}, b"<html>Bad gateway</html>")
        case "503 after":
            return Reply(503, {}, b"<html>Unavailable</html>")
        case "429":
            return Reply(429, {"retry-after": "3"}, b"Retry later\n")
        case "html 200" | "html 200 after":
            return Reply(200, {}, b"<html>Sign in to the network</html>")
        case _:
            return NoReply(left=True, why="broke off the connection")


def _shown(answer: Answer) -> str:
    return answer.why if isinstance(answer, NoReply) else f"{answer.status} {answer.body[-90:]!r}"


@dataclass(frozen=True)
class Observer:
    """Tells the world what became of each row."""

    world: World

    def answered(self, *_: object) -> None:
        """Keep nothing: the network has told it."""

    def warn(self, words: str) -> None:
        self.world.tell(words)

    def settled(self, row_number: int, settled: Settled) -> None:
        self.world.tell(f"row {row_number}: {settled.code}")


@dataclass(frozen=True)
class History:
    """One seed's history, told to its end."""

    world: World
    rows: dict[str, list[RowRecord]]
    """What the journal says of each run's rows."""

    def complaints(self) -> list[str]:
        """Give every law that was broken."""
        found = [
            f"{trainee_id} was deferred by us more than once between reinstatements"
            for trainee_id in self.world.ids
            if max(self.world.register.deferrals_by_api(trainee_id)) > 1
        ]
        if self.world.asked_while_held:
            found.append("asked while a 429 held everyone back")
        for run_id, rows in self.rows.items():
            for row in rows:
                found += [
                    f"{run_id}, row {row.row_number}: {words}"
                    for words in self._of_row(run_id, row)
                ]
        return found

    def _of_row(self, run_id: str, row: RowRecord) -> Iterator[str]:
        if row.outcome == Outcome.UNRESOLVED and row.code != Code.REGISTER_KEEPS_FAILING:
            yield f"unresolved at the end: {row.code}"
        if row.outcome == Outcome.SUCCEEDED and not self._was_deferred_on(row):
            yield f"{row.code}, but Register never held that deferral"
        refused = row.outcome in {Outcome.UNPROCESSABLE, Outcome.NOT_FOUND}
        if refused and row.code != Code.REINSTATED_SINCE and self._stands_by(run_id, row):
            yield f"{row.code}, but our request deferred the trainee"

    def _was_deferred_on(self, row: RowRecord) -> bool:
        trainee_id = row.trainee_id.capitalize()
        return self.world.started_deferred.get(trainee_id) == row.defer_date or any(
            event.deed is Deed.DEFERRED
            and event.trainee_id == trainee_id
            and event.defer_date == row.defer_date
            for event in self.world.register.history
        )

    def _stands_by(self, run_id: str, row: RowRecord) -> bool:
        """Whether what last happened to the trainee was our deferral on that date.

        Ours: this run's or an earlier one's. A later run may well have deferred the trainee since,
        after a reinstatement.
        """
        trainee_id = row.trainee_id.capitalize()
        events = [
            (place, event)
            for place, event in enumerate(self.world.register.history)
            if event.trainee_id == trainee_id
        ]
        if not events:
            return False
        place, last = events[-1]
        deferral = (Actor.API, Deed.DEFERRED, row.defer_date)
        is_deferral = (last.who, last.deed, last.defer_date) == deferral
        runs = list(self.rows)
        so_far = runs[: runs.index(run_id) + 1]
        return is_deferral and self.world.done_for.get(place) in so_far


def tell_history(seed: int) -> History:
    """Run one seed's history to its end."""
    world = World(random.Random(seed))
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database._migrate(connection)
    rows: dict[str, list[RowRecord]] = {}
    try:
        for run_id in ("first", "second")[: world.rng.choice((1, 1, 2))]:
            world.run_id = run_id
            run_no = _stage(world, connection, run_id)
            _until_settled(world, connection, run_no)
            rows[run_id] = list(Journal(connection, wall=world.wall).ledger.rows(run_id))
        world.clock.now += 1000
        world.catch_up()
    finally:
        connection.close()
    return History(world, rows)


def _stage(world: World, connection: sqlite3.Connection, run_id: str) -> int:
    journal = Journal(connection, wall=world.wall)
    run_no = journal.stage(_run_record(run_id, len(world.ids)), origin="https://register.example")
    dates = [world.rng.choice(DATES) if run_id == "second" else DATES[0] for _ in world.ids]
    spelt = [i.upper() if world.rng.random() < 0.3 and run_id == "second" else i for i in world.ids]
    journal.add_rows(
        run_no,
        [
            Row(number, (), trainee_id, Deferral(trainee_id, date, None))
            for number, (trainee_id, date) in enumerate(zip(spelt, dates, strict=True), 2)
        ],
    )
    set_aside_remembered(journal, run_no, "https://register.example", again=False)
    journal.start(run_no)
    return run_no


def _until_settled(world: World, connection: sqlite3.Connection, run_no: int) -> None:
    for attempt in range(40):
        if attempt == 12:
            world.fault_rate = 0.0
        _process(world, connection, run_no)
        journal = Journal(connection, wall=world.wall)
        journal.settle_the_rest(run_no)
        left = connection.execute(
            "SELECT count(*) FROM rows WHERE run_no=? AND outcome='unresolved'"
            " AND code<>'register_keeps_failing'",
            (run_no,),
        ).fetchone()[0]
        if not left:
            return
        journal.reopen(run_no)
        set_aside_remembered(journal, run_no, "https://register.example", again=False)


def _process(world: World, connection: sqlite3.Connection, run_no: int) -> None:
    """One process of the real submission code, which may crash at any step."""
    crash_at = world.rng.choice((None, world.rng.randint(1, 400)))
    if world.fault_rate == 0.0:
        crash_at = None
    elif world.rng.random() < 0.2:
        world.jump += world.rng.choice((-3600.0, 3600.0, 86_400.0))
    with _virtual_loop(world, crash_at) as loop:
        try:
            loop.run_until_complete(_submit(world, connection, run_no))
        except Crash:
            world.tell("crash")
    world.clock.now += world.rng.uniform(0, 5)


async def _submit(world: World, connection: sqlite3.Connection, run_no: int) -> None:
    async def commit(call: Callable[[], object]) -> None:
        before = world.rng.random() < 0.5
        await asyncio.sleep(0.005 if before else 0)
        if journal is not world.journal:
            raise asyncio.CancelledError
        call()
        await asyncio.sleep(0 if before else 0.005)

    journal = world.journal = Journal(connection, wall=world.wall, commit=commit)
    stopping = Stopping()
    observer = Observer(world)
    register = PacedClient(
        Network(world),
        journal,
        Pacer(world.rng.choice((RateLimit(20, 60.0), None))),
        stopping,
        observer,
        run_no=run_no,
        give_up_after_seconds=120.0,
    )
    workers = Workers(
        journal,
        register,
        stopping,
        observer,
        run_no=run_no,
        max_at_once=3,
        lost_answer_wait_seconds=LOST_ANSWER_WAIT,
        timeout_seconds=TIMEOUT,
    )
    await workers.settle_rows()


@contextmanager
def _virtual_loop(world: World, crash_at: int | None) -> Iterator[VirtualLoop]:
    world.clock = _fresh(world.clock)
    world.held_until = -1.0
    loop = VirtualLoop(world.clock, crash_at)
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        _bury(loop, world)
        asyncio.set_event_loop(None)
        loop.close()


def _fresh(clock: VirtualClock) -> VirtualClock:
    fresh = VirtualClock()
    fresh.now = clock.now
    return fresh


def _bury(loop: VirtualLoop, world: World) -> None:
    """Let what a crash left behind run its `finally`, cut off from the journal: it is dead."""
    if world.journal is not None:
        connection, world.journal._connection = (
            world.journal._connection,
            sqlite3.connect(":memory:"),
        )
        world.journal._commits._connection = world.journal._connection
        if connection.in_transaction:
            connection.rollback()
        world.journal._connection.close()
    loop._steps_left = None
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    world.journal = None


def _run_record(run_id: str, rows: int) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        rehearsal=False,
        input_name="list.csv",
        input_sha256="0" * 64,
        input_size=1,
        input_rows=rows,
        columns=(),
        separator=",",
        base_url="https://register.example",
        api_version="v2025.0",
        settings={},
        token_fingerprint=None,
        operator="someone",
        operator_name=None,
        host="here",
        tool_version="0",
        python_version="3",
        command=(),
        started_at="2026-11-24T10:00:00.000Z",
    )


def main(seeds: range) -> int:
    """Tell every seed's history; print the broken laws; give how many seeds broke one."""
    broken = 0
    for seed in seeds:
        history = tell_history(seed)
        if complaints := history.complaints():
            broken += 1
            print(f"seed {seed}: {complaints}")
            if len(seeds) == 1:
                print("\n".join(line for line in history.world.told if line))
    return broken


if __name__ == "__main__":
    first, *more = (int(argument) for argument in sys.argv[1:])
    sys.exit(main(range(first, more[0]) if more else range(first, first + 1)) > 0)
