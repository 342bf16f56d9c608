"""Register, the way to it, and everybody else, all of it from one seed: for the simulation.

Faults happen to requests; lies are answers that look like Register's own and are not true.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from msgspec.structs import replace

from batch.emulator.model import Begun, Register, Request
from batch.emulator.replies import Response
from batch.emulator.trainees import DEFERRABLE, Trainee, as_seen
from batch.register.api import Answer, NoReply, Reply
from batch.rows import Deferral, Row, folded
from tests.support.virtual_time import VirtualClock

EPOCH = 1_790_000_000.0
LOST_ANSWER_WAIT = 60.0
TIMEOUT = 30.0
LATEST_ARRIVAL = 50.0
DATES = ("2026-10-01", "2026-10-02")
REASONS = (None, None, "a reason")
STARTS = (None, "2026-09-07", "2025-09-08", "2023-09-04")
STATES = ("trn_received",) * 12 + ("submitted_for_trn", "withdrawn", "draft", "deferred")
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
    "other acts",
    "other reinstates after",
)
DEFER_LIES = ("200 for nothing", "404 after", "404 before")
ASK_FAULTS = ("502", "lost before", "lost after", "slow", "429", "odd 404", "html 200", "cut")
ASK_LIES = ("shows another state", "shows it deferred", "leaves some out", "counts wrongly")


@dataclass
class World:
    """What is true, what was told of it, and what has yet to happen."""

    rng: random.Random
    fault_rate: float = 0.3
    lie_rate: float = 0.0
    act_rate: float = 0.05
    clock: VirtualClock = field(default_factory=VirtualClock)
    jump: float = 0.0
    told: list[str] = field(default_factory=list)
    run_id: str = ""
    is_checking: bool = False
    """Whether the run's final check is being made: of that nobody lies."""
    shown: dict[str, str] = field(default_factory=dict)
    """The state in which the last answer of this stretch showed a trainee, "gone" for none."""
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    """Run, trainee and date of every defer request that left, in their order."""
    done_for: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Run and number of the request that did it, by the place in Register's history."""
    deferred_by: dict[str, list[str]] = field(default_factory=dict)
    """The runs whose requests deferred a trainee, by folded id."""
    held_until: float = -1.0
    broken: list[str] = field(default_factory=list)
    """Laws that a request broke as it left."""
    on_send: Callable[[Deferral], None] = lambda _: None
    sizes_of_a_page: tuple[int, ...] = (3, 5, 250)
    read_unasked: tuple[int, ...] = (0, 0, 20)

    def __post_init__(self) -> None:
        rng = self.rng
        self.people = [_records(rng, number) for number in range(rng.randint(2, 4))]
        others = [Trainee(f"Other{n}", updated_at=_some_day(rng)) for n in range(rng.randint(0, 5))]
        self.listed_otherwise = rng.random() < 0.1
        self.register = Register(
            [*(record for records in self.people for record in records), *others],
            clock=self.server_time,
            versions=rng.choice((("v2025.0", "v2026.1"), ("v2026.1",))),
        )
        self.at_first = {folded(t.trainee_id): t for t in self.register.trainees()}
        self.events: list[tuple[float, int, Callable[[], object]]] = []
        self.outage_until = -1.0

    @property
    def ids(self) -> list[str]:
        return [record.trainee_id for records in self.people for record in records]

    def server_time(self) -> float:
        return EPOCH + self.clock.now

    def wall(self) -> float:
        return EPOCH + self.clock.now + self.jump

    def tell(self, words: str) -> None:
        self.told.append(f"{self.clock.now:9.3f} {words}")

    def breaks(self, law: str) -> None:
        self.broken.append(law)
        self.tell(f"BROKEN: {law}")

    def later(self, seconds: float, happens: Callable[[], object]) -> None:
        heapq.heappush(self.events, (self.clock.now + seconds, len(self.told), happens))
        self.told.append("")

    def catch_up(self) -> None:
        while self.events and self.events[0][0] <= self.clock.now:
            heapq.heappop(self.events)[2]()

    def done(self, by: tuple[str, int], does: Callable[[], Any]) -> Any:
        """Let a run's request do what it does, late ones included, and note whose it was."""
        before = len(self.register.history)
        answer = does()
        for place in range(before, len(self.register.history)):
            self.done_for[place] = by
            trainee_id = folded(self.register.history[place].trainee_id)
            self.deferred_by.setdefault(trainee_id, []).append(by[0])
        return answer

    def network(self, api_version: str) -> Network:
        """Return what a process asks, in place of the HTTP client."""
        return Network(self, api_version=api_version)

    def state_of(self, trainee_id: str) -> str:
        trainee = self.register.trainee(trainee_id)
        return "gone" if trainee is None else trainee.state

    def holds(self, deferral: Deferral) -> bool:
        """Whether Register holds the deferral, on its date and with its reason."""
        trainee = self.register.trainee(deferral.trainee_id)
        if trainee is None or trainee.state != "deferred":
            return False
        held = trainee.defer_date, trainee.defer_reason
        return held == (deferral.defer_date, deferral.defer_reason)

    def leaves(self, trainee: Trainee) -> None:
        """Let a trainee go to another provider: Register knows them no more."""
        del self.register._trainees[folded(trainee.trainee_id)]

    def somebody_acts(self, trainee_id: str | None = None) -> None:
        """Let somebody else change a trainee on Register's own pages."""
        trainee = self.register.trainee(trainee_id or self.rng.choice(self.ids))
        if trainee is None:
            return
        deed = self.rng.choice(_DEEDS.get(trainee.state, ("is edited", "is deleted")))
        self.tell(f"{trainee.trainee_id} {deed}")
        match deed:
            case "is deferred":
                reason = self.rng.choice(REASONS)
                self.register.defer(trainee.trainee_id, self.rng.choice(DATES), reason)
            case "is reinstated":
                self.register.reinstate(trainee.trainee_id)
            case "is withdrawn":
                self.register.set_state(trainee.trainee_id, "withdrawn")
            case "leaves":
                self.leaves(trainee)
            case "is deleted":
                deleted = replace(trainee, is_discarded=True, updated_at=self.server_time())
                self.register.add(deleted)
            case _:
                self.register.add(replace(trainee, updated_at=self.server_time()))


_ON_COURSE = ("is deferred", "is deferred", "is withdrawn", "leaves", "is deleted", "is edited")
_DEEDS: Mapping[str, tuple[str, ...]] = {
    "trn_received": _ON_COURSE,
    "submitted_for_trn": _ON_COURSE,
    "deferred": ("is reinstated", "is reinstated", "is reinstated", "is withdrawn", "is edited"),
}


def _records(rng: random.Random, number: int) -> list[Trainee]:
    """Return the records of one person: most often one; one number may be somebody else's."""
    return [
        _record(rng, number, letter) for letter in "abc"[: rng.choices((1, 2, 3), (80, 15, 5))[0]]
    ]


def _record(rng: random.Random, number: int, letter: str) -> Trainee:
    state = rng.choice(STATES)
    has_date = state == "deferred" or rng.random() < 0.1
    start = rng.choice(STARTS)
    is_odd = rng.random()
    return Trainee(
        f"Trainee{number}{letter}",
        state=state,
        defer_date=rng.choice((*DATES, None)) if has_date else None,
        trn=rng.choices((f"{1_000_000 + number}", "1000000", None), (90, 5, 5))[0],
        last_name=f"Name{number}",
        date_of_birth=f"2001-02-{number + 1:02}",
        itt_start_date=start,
        trainee_start_date=start,
        started_on_time=rng.random() < 0.1,
        course_years=9 if is_odd < 0.03 else 3,
        has_invalid_data=0.03 <= is_odd < 0.06,
        is_discarded=0.06 <= is_odd < 0.1,
        has_start_cycle=not 0.1 <= is_odd < 0.14,
        updated_at=_some_day(rng),
    )


def _some_day(rng: random.Random) -> float:
    return EPOCH - 86_400 * rng.randint(1, 6)


COLUMNS = ("trn", "last_name")


def rows_of_a_list(world: World) -> list[Row]:
    """Return the rows of a list as they are checked: by id, by TRN, or some of each."""
    rng, rows = world.rng, list[Row]()
    by_trn = rng.choice((0.0, 0.0, 1.0, 0.5))
    for number, records in enumerate(world.people):
        if rng.random() < 0.9:
            record = rng.choice(records)
            trn = "7777777" if rng.random() < 0.04 else record.trn or ""
            is_by_trn = rng.random() < by_trn
            rows.append(_row(world, len(rows) + 2, "" if is_by_trn else record.trainee_id, trn))
        if by_trn and rng.random() < 0.1:
            rows.append(_row(world, len(rows) + 2, "", f"{1_000_000 + number}"))
    if not rows or (by_trn < 1 and rng.random() < 0.05):
        rows.append(_row(world, len(rows) + 2, "Unknown", ""))
    return rows


def _row(world: World, number: int, trainee_id: str, trn: str) -> Row:
    rng = world.rng
    spelt = trainee_id.upper() if rng.random() < 0.2 else trainee_id
    date = rng.choice((DATES[0], DATES[0], DATES[1]))
    values = (trn or "7777777", f"Name{rng.randint(0, 9)}" if rng.random() < 0.03 else "")
    return Row(number, values, spelt, Deferral(spelt, date, rng.choice(REASONS)))


class Network:
    """What a run asks, in place of the HTTP client: each request may meet a fault, or a lie."""

    def __init__(self, world: World, *, api_version: str) -> None:
        self.api_version = api_version
        self._world = world
        self._by = (world.run_id, 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def defer(self, deferral: Deferral) -> Answer:
        world, trainee_id = self._world, deferral.trainee_id
        world.on_send(deferral)
        world.sent.append((self._by[0], folded(trainee_id), deferral.defer_date))
        by = (self._by[0], len(world.sent))
        data = {"defer_date": deferral.defer_date, "defer_reason": deferral.defer_reason}
        path = f"/api/{self.api_version}/trainees/{trainee_id}/defer"
        request = Request("POST", path, body=json.dumps({"data": data}).encode())
        fault = self._fault(DEFER_FAULTS, DEFER_LIES)
        world.tell(f"defer {trainee_id} {deferral.defer_date}: {fault or 'well'}")
        answer = await self._deferred(request, deferral, fault, by)
        world.tell(f"  {trainee_id} -> {_shown(answer)}")
        return answer

    async def trainee(self, trainee_id: str) -> Answer:
        request = Request("GET", f"/api/{self.api_version}/trainees/{trainee_id}")
        answer = await self._asked(request, self._fault(ASK_FAULTS, ASK_LIES), self._by)
        self._note_shown(answer, trainee_id)
        self._world.tell(f"read {trainee_id} -> {_states(answer)}")
        return answer

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        request = Request("GET", f"/api/{self.api_version}/trainees?{urlencode(query)}")
        answer = await self._asked(request, self._fault(ASK_FAULTS, ASK_LIES), self._by)
        self._note_shown(answer)
        self._world.tell(f"list {dict(query)} -> {_states(answer)}")
        return answer

    async def info(self, api_version: str | None = None) -> Answer:
        request = Request("GET", f"/api/{api_version or self.api_version}/info")
        return await self._asked(request, self._fault(("502",), ()), self._by)

    async def _deferred(
        self, request: Request, deferral: Deferral, fault: str | None, by: tuple[str, int]
    ) -> Answer:
        world, rng = self._world, self._world.rng
        trainee_id = deferral.trainee_id
        match fault:
            case "lost after" | "500 after" | "503 after" | "html 200 after" | "404 after":
                await self._travel()
                self._answered(request, by)
                await self._travel()
                return _trouble(fault)
            case "late":
                wait = rng.uniform(0, LATEST_ARRIVAL)
                world.later(wait, lambda: self._reply_to(request, by))
                await asyncio.sleep(rng.choice((0.5, TIMEOUT)))
                return NoReply(left=True, why="gave no answer in time")
            case "begun early, committed late":
                begun = world.register.begin(request)
                if isinstance(begun, Begun):
                    wait = rng.uniform(0, LATEST_ARRIVAL)
                    world.later(wait, lambda: world.done(by, lambda: self._commit(begun)))
                await asyncio.sleep(rng.choice((0.5, TIMEOUT)))
                return NoReply(left=True, why="gave no answer in time")
            case "other acts":
                world.somebody_acts(trainee_id)
                return await self._asked(request, None, by)
            case "other reinstates after":
                answer = await self._asked(request, None, by)
                if world.state_of(trainee_id) == "deferred":
                    world.register.reinstate(trainee_id)
                return _trouble("lost after") if rng.random() < 0.7 else answer
            case "200 for nothing":
                seen = Trainee(trainee_id, "deferred", deferral.defer_date, deferral.defer_reason)
                return Reply(200, {}, json.dumps({"data": as_seen(seen)}).encode())
            case _:
                return await self._asked(request, fault, by)

    def _commit(self, begun: Begun) -> Response | None:
        """Commit, unless the trainee has left since: then Register has nothing to write to."""
        register = self._world.register
        return register.commit(begun) if register.trainee(begun.trainee_id) else None

    async def _asked(self, request: Request, fault: str | None, by: tuple[str, int]) -> Answer:
        world = self._world
        if world.clock.now < world.outage_until:
            return NoReply(left=False, why="could not be reached")
        if fault == "slow":
            await asyncio.sleep(world.rng.uniform(1, TIMEOUT - 1))
        elif fault in ASK_LIES:
            await self._travel()
            return _lied(self._answered(request, by), fault, world.rng)
        elif fault is not None:
            await self._travel()
            if fault == "429":
                world.held_until = world.clock.now + 3.0
            return _trouble(fault)
        await self._travel()
        answer = self._answered(request, by)
        await self._travel()
        return answer

    def _answered(self, request: Request, by: tuple[str, int]) -> Reply:
        self._world.catch_up()
        reply = self._reply_to(request, by)
        text = reply.body
        if self._world.listed_otherwise and "?" in request.target:
            text = text.replace(b'"Trainee', b'"TRAINEE')
        return Reply(reply.status, reply.headers, text)

    def _reply_to(self, request: Request, by: tuple[str, int]) -> Any:
        register = self._world.register
        return self._world.done(
            by, lambda: register.answer(request.method, request.target, body=request.body)
        )

    async def _travel(self) -> None:
        await asyncio.sleep(self._world.rng.uniform(0.01, 0.2))

    def _fault(self, faults: tuple[str, ...], lies: tuple[str, ...]) -> str | None:
        world, rng = self._world, self._world.rng
        world.catch_up()
        if world.clock.now < world.held_until - 0.001:
            world.breaks("asked while a 429 held everyone back")
        if rng.random() < world.act_rate:
            world.somebody_acts()
        if rng.random() < world.fault_rate * 0.03:
            world.outage_until = world.clock.now + rng.uniform(1, 200)
        if lies and not world.is_checking and rng.random() < world.lie_rate:
            return rng.choice(lies)
        return rng.choice(faults) if rng.random() < world.fault_rate else None

    def _note_shown(self, answer: Answer, asked_for: str | None = None) -> None:
        """Note what an answer shows of trainees: the run knows it from now on."""
        is_unknown = isinstance(answer, Reply) and b"Trainee(s) not found" in answer.body
        if asked_for and is_unknown:
            self._world.shown[folded(asked_for)] = "gone"
        for trainee in trainees_in(answer):
            self._world.shown[folded(trainee["trainee_id"])] = trainee["state"]


_UNKNOWN = Reply(404, {}, b'{"errors": [{"error": "NotFound", "message": "Trainee(s) not found"}]}')


def trainees_in(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the trainees that a 200 shows."""
    if isinstance(answer, NoReply) or answer.status != 200:
        return
    try:
        content = json.loads(answer.body)
    except ValueError:
        return
    data = content.get("data", content)
    yield from (each for each in (data if isinstance(data, list) else [data]) if "state" in each)


def _lied(answer: Reply, lie: str, rng: random.Random) -> Reply:
    """Return the answer with something in it that is not so."""
    shown = list(trainees_in(answer))
    if not shown:
        return answer
    content = json.loads(answer.body)
    meta = content.get("meta")
    match lie:
        case "leaves some out" if meta:
            content["data"] = [each for each in shown if rng.random() < 0.7]
            meta["total_count"] -= rng.choice((0, len(shown) - len(content["data"])))
        case "counts wrongly" if meta:
            meta["total_count"] = rng.choice((None, 0, 10**6, 10**12))
        case "shows it deferred" if not meta:
            content |= {"state": "deferred", "defer_date": rng.choice(DATES)}
        case _:
            chosen = rng.choice(content["data"]) if meta else content
            chosen["state"] = rng.choice((*DEFERRABLE, "withdrawn", "deferred", None))
    return Reply(answer.status, answer.headers, json.dumps(content).encode())


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
        case "odd 404":
            return Reply(404, {}, b'{"errors": [{"error": "NotFound", "message": "Not found"}]}')
        case "404 after" | "404 before":
            return _UNKNOWN
        case "cut":
            return Reply(200, {}, b'{"data": [{"trainee_id": "Trai')
        case _:
            return NoReply(left=True, why="broke off the connection")


def _shown(answer: Answer) -> str:
    return answer.why if isinstance(answer, NoReply) else f"{answer.status} {answer.body[-90:]!r}"


def _states(answer: Answer) -> str:
    shown = [f"{t['trainee_id']} {t['state']} {t['defer_date']}" for t in trainees_in(answer)]
    return ", ".join(shown) or _shown(answer)
