"""What can go wrong between a client and Register, as data: tests ask for it by name.

A fault says which request it strikes, how that request arrives, what other people do around it,
and what comes back; the functions at the end name the ones that happen. Sources: the issues'
lists and register/API.md, "A failure can mean that it happened" and "Trouble".
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from batch.emulator import replies
from batch.emulator.faults import altered
from batch.emulator.model import Begun, Register
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint, Route
from batch.emulator.server import Emulator, Exchange, Strike
from batch.rows import folded


@dataclass(frozen=True, slots=True)
class AtOnce:
    """The request reaches Register as usual."""


@dataclass(frozen=True, slots=True)
class Never:
    """The request does not reach Register's application."""


@dataclass(frozen=True, slots=True)
class Late:
    """The request reaches Register, or is committed by it, so many seconds later.

    With `checked_first`, Register looks at it at once and commits late: a slow request, which
    another one for the same trainee can overtake.
    """

    seconds: float
    checked_first: bool = False


@dataclass(frozen=True, slots=True)
class Twice:
    """Something on the way sends the request twice; the second one's answer comes back."""


Arrival = AtOnce | Never | Late | Twice


@dataclass(frozen=True, slots=True)
class Deferring:
    """Somebody else defers the trainee on that date (`YYYY-MM-DD`)."""

    defer_date: str


@dataclass(frozen=True, slots=True)
class Reinstating:
    """Somebody else reinstates the trainee."""


@dataclass(frozen=True, slots=True)
class SettingState:
    """Somebody else puts the trainee into that state."""

    state: str


OtherDeed = Deferring | Reinstating | SettingState


@dataclass(frozen=True, slots=True)
class AsUsual:
    """Register's own answer comes back."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection ends without an answer; with `reset`, by a TCP reset."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Truncated:
    """Half of Register's answer comes back, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Hung:
    """Nothing comes back for as long as the client waits."""


@dataclass(frozen=True, slots=True)
class Canned:
    """Another answer comes back in place of Register's."""

    reply: Response


@dataclass(frozen=True, slots=True)
class Altered:
    """Register's answer comes back with some of the trainee's values changed."""

    changes: tuple[tuple[str, str | None], ...]


Given = AsUsual | Dropped | Truncated | Hung | Canned | Altered


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: it strikes the `first` to the `last` request that its target names.

    `trainee_id` None means whoever's, `endpoint` None any request, `last` None for ever.
    Requests are counted apart for each pair of the two, from 1; those answered 429 do not count.
    """

    trainee_id: str | None
    endpoint: Endpoint | None = Endpoint.DEFER
    first: int = 1
    last: int | None = 1
    before: tuple[OtherDeed, ...] = ()
    arrival: Arrival = field(default_factory=AtOnce)
    after: tuple[OtherDeed, ...] = ()
    given: Given = field(default_factory=AsUsual)
    delay_seconds: float = 0.0

    def is_due(self, number: int) -> bool:
        """Whether the fault strikes the request of that number."""
        return self.first <= number and (self.last is None or number <= self.last)


_Target = tuple[str | None, Endpoint | None]


class FaultPlan:
    """The faults still to strike, and the count of the requests that they look at.

    `outage`, where there is one, answers everything without asking Register.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._by_target: dict[_Target, list[Fault]] = {}
        self._counts: Counter[_Target] = Counter()
        self._late: set[asyncio.Task[Response]] = set()
        self.outage: Given | None = None
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """StrikePlan one more fault."""
        trainee_id = folded(fault.trainee_id) if fault.trainee_id is not None else None
        self._by_target.setdefault((trainee_id, fault.endpoint), []).append(fault)

    def strike(self, route: Route) -> Strike | None:
        """Count a request; return the fault that strikes it, that of one trainee first."""
        if self.outage is not None:
            return partial(self._struck, out_of_service(self.outage))
        due = None
        for target in self._targets(route):
            self._counts[target] += 1
            if due is None:
                faults = self._by_target[target]
                due = next((f for f in faults if f.is_due(self._counts[target])), None)
        return partial(self._struck, due) if due else None

    def _uncount(self, route: Route) -> None:
        """Take a request out of the count: it was throttled, so nothing happened."""
        for target in self._targets(route):
            self._counts[target] -= 1

    async def _struck(self, fault: Fault, exchange: Exchange) -> None:
        trainee_id = exchange.route.trainee_id
        others_act(exchange.register, trainee_id, fault.before)
        reply: Response | None = None
        match fault.arrival:
            case Never():
                pass
            case Late(seconds, checked_first):
                task = asyncio.create_task(_later(exchange, fault, seconds, first=checked_first))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                waits = isinstance(fault.given, (AsUsual, Altered, Truncated))
                reply = await task if waits else None
            case AtOnce() | Twice() as arrival:
                reply = exchange.processed()
                if isinstance(arrival, Twice):
                    reply = exchange.processed()
                if reply.status == 429:
                    self._uncount(exchange.route)
                    return await exchange.answer(reply)
                others_act(exchange.register, trainee_id, fault.after)
        await exchange.pause(fault.delay_seconds)
        return await _give(exchange, fault.given, reply)

    def _targets(self, route: Route) -> list[_Target]:
        if not self._by_target:
            return []
        trainee_id = folded(route.trainee_id)
        targets = ((trainee_id, route.endpoint), (trainee_id, None), (None, route.endpoint))
        return [target for target in (*targets, (None, None)) if target in self._by_target]


async def _later(exchange: Exchange, fault: Fault, seconds: float, *, first: bool) -> Response:
    register, request = exchange.register, exchange.request
    looked_at = register.begin(request) if first else None
    await exchange.pause(seconds)
    if isinstance(looked_at, Begun):
        reply = register.commit(looked_at)
    else:
        reply = looked_at or exchange.processed()
    others_act(register, exchange.route.trainee_id, fault.after)
    return reply


async def _give(exchange: Exchange, given: Given, reply: Response | None) -> None:
    """Return what the fault says; `reply` is Register's own, None where it made none."""
    match given:
        case Canned(canned):
            await exchange.answer(canned)
        case Hung():
            await exchange.until_gone()
        case Truncated() if reply:
            await exchange.answer_half(reply)
        case Altered(changes) if reply:
            await exchange.answer(altered(reply, dict(changes)))
        case AsUsual() if reply:
            await exchange.answer(reply)
        case _:
            await exchange.cut(reset=isinstance(given, Dropped) and given.reset)


def others_act(register: Register, trainee_id: str, deeds: Iterable[OtherDeed]) -> None:
    """Do what other people do to the trainee, in Register."""
    for deed in deeds:
        match deed:
            case Deferring(defer_date):
                register.defer(trainee_id, defer_date)
            case Reinstating():
                register.reinstate(trainee_id)
            case SettingState(state):
                register.set_state(trainee_id, state)


_HTML = {"content-type": "text/html"}
_TEXT = {"content-type": "text/plain", "cache-control": "no-cache"}

MAINTENANCE = Canned(
    Response(500, _HTML, b"<!DOCTYPE html><html><title>Maintenance</title><h1>Sorry</h1></html>")
)
"""The page that answers every path while Register is being worked on."""

DATABASE_DOWN = Canned(
    Response(
        500,
        {"content-type": "text/plain; charset=utf-8"},
        b"500 Internal Server Error\nIf you are the administrator of this website, then please "
        b"read this web application's log file and/or the web server's log file to find out what "
        b"went wrong.",
    )
)
APPLICATION_ERROR = Canned(replies.failed())
BLOCKED = Canned(Response(403, _TEXT, b"Forbidden\n"))
UNAUTHORISED = Canned(replies.unauthorised())
NOT_FOUND = Canned(replies.not_found("Not found"))
SIGN_IN_PAGE = Canned(Response(200, _HTML, b"<!DOCTYPE html><html><title>Sign in</title></html>"))
"""The 200 of a portal or proxy that is not Register."""


def gateway_page(status: int) -> Canned:
    """Return the gateway's HTML page for 502, 503 or 504."""
    return Canned(Response(status, _HTML, f"<html><h1>{status} Gateway</h1></html>".encode()))


def throttled(retry_after: str | None) -> Canned:
    """Return a 429 with that Retry-After: seconds, a date, anything, or None for no header."""
    if retry_after is not None:
        return Canned(replies.throttled(retry_after))
    return Canned(Response(429, _TEXT, b"Retry later\n"))


def redirected(location: str) -> Canned:
    """Return a redirect to that address."""
    return Canned(Response(302, {**_HTML, "location": location}, b""))


def empty(status: int) -> Canned:
    """Return an answer without a body."""
    return Canned(Response(status, {}, b""))


def json_content(status: int, content: Any) -> Canned:
    """Return any JSON answer."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return Canned(Response(status, headers, json.dumps(content).encode()))


def lost_before(trainee_id: str, *, nth: int = 1) -> Fault:
    """Lose the request: the connection ends, and Register never saw it."""
    return answered_before(trainee_id, Dropped(), nth=nth)


def lost_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Lose the answer: the trainee is deferred, then the connection ends."""
    return answered_after(trainee_id, Dropped(), nth=nth)


def truncated_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Defer the trainee, and cut the answer in half."""
    return answered_after(trainee_id, Truncated(), nth=nth)


def error_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Defer the trainee, then fail in the follow-up work: 500."""
    return answered_after(trainee_id, APPLICATION_ERROR, nth=nth)


def answered_before(trainee_id: str, given: Given, *, nth: int = 1) -> Fault:
    """Answer something else, before Register saw the request."""
    return Fault(trainee_id, first=nth, last=nth, arrival=Never(), given=given)


def answered_after(trainee_id: str, given: Given, *, nth: int = 1) -> Fault:
    """Answer something else, after Register did what was asked."""
    return Fault(trainee_id, first=nth, last=nth, given=given)


def slow(trainee_id: str, seconds: float, *, nth: int = 1) -> Fault:
    """Defer the trainee at once, and answer so many seconds later."""
    return Fault(trainee_id, first=nth, last=nth, delay_seconds=seconds)


def arriving_late(
    trainee_id: str,
    seconds: float,
    *,
    nth: int = 1,
    checked_first: bool = False,
    given: Given | None = None,
) -> Fault:
    """Leave the client without an answer, and defer the trainee so many seconds later."""
    late = Late(seconds, checked_first=checked_first)
    return Fault(trainee_id, first=nth, last=nth, arrival=late, given=given or Dropped())


def hanging(trainee_id: str, *, nth: int = 1, processed: bool = True) -> Fault:
    """Answer nothing for as long as the client waits."""
    arrival: Arrival = AtOnce() if processed else Never()
    return Fault(trainee_id, first=nth, last=nth, arrival=arrival, given=Hung())


def deferred_by_another_before(trainee_id: str, defer_date: str, *, nth: int = 1) -> Fault:
    """Have somebody else defer the trainee just before the request arrives."""
    return Fault(trainee_id, first=nth, last=nth, before=(Deferring(defer_date),))


def reinstated_after(trainee_id: str, *, given: Given | None = None, nth: int = 1) -> Fault:
    """Defer the trainee, have somebody else reinstate them, and lose the answer."""
    return Fault(trainee_id, first=nth, last=nth, after=(Reinstating(),), given=given or Dropped())


def answering_about(trainee_id: str, /, *, nth: int = 1, **changes: str | None) -> Fault:
    """Defer the trainee, and name another trainee or date in the 200, or none."""
    return Fault(trainee_id, first=nth, last=nth, given=Altered(tuple(changes.items())))


def out_of_service(given: Given, *, first: int = 1, last: int | None = None) -> Fault:
    """Let nothing reach Register, from the first to the last request of any kind."""
    return Fault(None, None, first, last, arrival=Never(), given=given)


def plan_of(emulator: Emulator) -> FaultPlan:
    """Return the plan of an emulator that tests serve, to add to it while it serves."""
    assert isinstance(emulator.plan, FaultPlan)
    return emulator.plan
