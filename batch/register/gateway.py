"""What stands between a client and the model of Register: HTTP, and the faults that strike there.

An ASGI application, apart from the server that runs it. It adds `Date` by its own clock, as the
gateway in front of the real service does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from batch import systems
from batch.register import faults
from batch.register.faults import Fault, FaultPlan, Given
from batch.register.meanings import Reply
from batch.register.model import Begun, Register, Request
from batch.register.routes import Endpoint, Route, route_of
from batch.register.troubles import out_of_service
from batch.rows import folded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived; `at` is monotonic seconds, header names are in lower case."""

    route: Route
    method: str
    target: str
    at: float
    headers: dict[str, str]
    body: bytes


class Emulator:
    """A Register that answers at `base_url`; `plan` takes faults while it serves.

    `requests` holds what arrived, the newest `kept` of it, oldest first.
    """

    def __init__(
        self,
        register: Register,
        *,
        plan: FaultPlan | None = None,
        date_clock: Callable[[], float] = time.time,
        kept: int | None = None,
    ) -> None:
        self.register = register
        self.base_url = ""
        self.plan = plan or FaultPlan()
        self.requests: deque[Received] = deque(maxlen=kept)
        self._date_clock = date_clock
        self._outage: Fault | None = None
        self._late: set[asyncio.Task[Reply]] = set()
        self.stopping = asyncio.Event()

    def break_service(self, given: Given) -> None:
        """Answer everything in this way from now on, without asking Register."""
        self._outage = out_of_service(given)

    def mend_service(self) -> None:
        """End what `break_service` began."""
        self._outage = None

    def received(
        self, endpoint: Endpoint | None = None, trainee_id: str | None = None
    ) -> list[Received]:
        """Give what arrived, oldest first: all of it, or what was asked, or about whom."""
        return [
            request
            for request in list(self.requests)
            if endpoint in {None, request.route.endpoint}
            and (trainee_id is None or folded(request.route.trainee_id) == folded(trainee_id))
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as an ASGI application."""
        body = await _whole_body(receive)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        route = route_of(scope["method"], target)
        self.requests.append(
            Received(route, scope["method"], target, time.monotonic(), headers, body)
        )
        request = Request(
            scope["method"],
            target,
            token=_token(headers.get("authorization", "")),
            body=body,
            content_type=headers.get("content-type", ""),
            address=scope["client"][0],
        )
        exchange = _Exchange(scope, receive, send, self._date_clock)
        if fault := self._outage or self.plan.strike(route):
            await self._struck(fault, exchange, request, route)
        else:
            await exchange.answer(self._answer(request))

    async def _struck(
        self, fault: Fault, exchange: _Exchange, request: Request, route: Route
    ) -> None:
        faults.others_act(self.register, route.trainee_id, fault.before)
        reply: Reply | None = None
        match fault.arrival:
            case faults.Never():
                pass
            case faults.Late(seconds, checked_first):
                looked_at = self.register.begin(request) if checked_first else request
                task = asyncio.create_task(self._later(seconds, looked_at, fault, route))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                waits = isinstance(fault.given, (faults.AsUsual, faults.Altered, faults.Truncated))
                reply = await task if waits else None
            case faults.AtOnce():
                reply = self._answer(request)
                if reply.status == 429:
                    self.plan.forget(route)
                    return await exchange.answer(reply)
                faults.others_act(self.register, route.trainee_id, fault.after)
        await self._pause(fault.delay_seconds)
        return await exchange.give(fault.given, reply)

    async def _later(
        self, seconds: float, looked_at: Request | Begun | Reply, fault: Fault, route: Route
    ) -> Reply:
        await self._pause(seconds)
        reply = self._answer(looked_at) if isinstance(looked_at, Request) else looked_at
        if isinstance(reply, Begun):
            reply = self.register.commit(reply)
        faults.others_act(self.register, route.trainee_id, fault.after)
        return reply

    def _answer(self, request: Request) -> Reply:
        begun = self.register.begin(request)
        return self.register.commit(begun) if isinstance(begun, Begun) else begun

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)


class _Exchange:
    """One request's way back to the client."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, date_clock: Callable[[], float]
    ) -> None:
        self._transport = scope["state"]["transport"]
        self._receive = receive
        self._send = send
        self._date_clock = date_clock

    async def give(self, given: Given, reply: Reply | None) -> None:
        """Give what the fault says; `reply` is Register's own, None where it made none."""
        match given:
            case faults.Canned(canned):
                await self.answer(canned)
            case faults.Hung():
                await self._until_gone()
            case faults.Truncated() if reply:
                await self._begin(reply)
                half = reply.body[: len(reply.body) // 2]
                await self._send({"type": "http.response.body", "body": half, "more_body": True})
                await self._cut()
            case faults.Altered(changes) if reply:
                await self.answer(faults.altered(reply, changes))
            case faults.AsUsual() if reply:
                await self.answer(reply)
            case _:
                await self._cut(reset=isinstance(given, faults.Dropped) and given.reset)

    async def answer(self, reply: Reply) -> None:
        """Send a whole answer."""
        await self._begin(reply)
        await self._send({"type": "http.response.body", "body": reply.body})

    async def _begin(self, reply: Reply) -> None:
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        headers.append((b"date", formatdate(self._date_clock(), usegmt=True).encode()))
        start = {"type": "http.response.start", "status": reply.status, "headers": headers}
        await self._send(start)

    async def _cut(self, *, reset: bool = False) -> None:
        """End the connection; what was written still goes out, unless it is reset."""
        if reset:
            systems.reset_when_closed(self._transport.get_extra_info("socket"))
            self._transport.abort()
        else:
            self._transport.close()
        await self._until_gone()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _whole_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def _token(authorization: str) -> str | None:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
