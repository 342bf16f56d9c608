"""An emulator of Register on this machine: real HTTP over loopback, for rehearsal and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from email.utils import formatdate
from typing import Any, Protocol

import uvicorn
from msgspec import Struct
from starlette.routing import Mount, Router
from uvicorn.protocols.http.h11_impl import H11Protocol

from batch import systems
from batch.emulator.model import Begun, Register, Request
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint, Route, route_of
from batch.rows import folded

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Received(Struct, frozen=True):
    """A request as it arrived; `at` is monotonic seconds, header names are in lower case."""

    route: Route
    method: str
    target: str
    at: float
    headers: dict[str, str]
    body: bytes


class StrikePlan(Protocol):
    """What goes wrong on the way: asked about every request, in the order of their arrival."""

    def strike(self, route: Route) -> Strike | None:
        """Return what happens in place of an ordinary answer, None where nothing does."""


class Emulator:
    """A Register that answers at `base_url`; `plan` says what goes wrong.

    `requests` holds what arrived, the newest `kept` of it, oldest first.
    """

    def __init__(
        self,
        register: Register,
        *,
        plan: StrikePlan | None = None,
        date_clock: Callable[[], float] = time.time,
        kept: int | None = None,
    ) -> None:
        self.register = register
        self.base_url = ""
        self.plan = plan
        self.date_clock = date_clock
        self.requests: deque[Received] = deque(maxlen=kept)
        self.stopping = asyncio.Event()

    def received(
        self, endpoint: Endpoint | None = None, trainee_id: str | None = None
    ) -> list[Received]:
        """Return what arrived, oldest first: all of it, or what was asked, or about whom."""
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
        request = Request(
            scope["method"],
            target,
            token=_token(headers.get("authorization", "")),
            body=body,
            content_type=headers.get("content-type", ""),
            address=scope["client"][0],
        )
        exchange = Exchange(self, request, scope["state"]["transport"], receive, send)
        self.requests.append(
            Received(exchange.route, request.method, target, time.monotonic(), headers, body)
        )
        strike = self.plan.strike(exchange.route) if self.plan else None
        if strike:
            await strike(exchange)
        else:
            await exchange.answer(exchange.processed())


class Exchange:
    """One request on its way to Register, and its answer on the way back."""

    def __init__(
        self, emulator: Emulator, request: Request, transport: Any, receive: Receive, send: Send
    ) -> None:
        self.register = emulator.register
        self.request = request
        self.route = route_of(request.method, request.target)
        self._emulator = emulator
        self._transport = transport
        self._receive = receive
        self._send = send

    def processed(self) -> Response:
        """Have Register process the request; return its answer."""
        begun = self.register.begin(self.request)
        return self.register.commit(begun) if isinstance(begun, Begun) else begun

    async def answer(self, reply: Response) -> None:
        """Send a whole answer."""
        await self._begin(reply)
        await self._send({"type": "http.response.body", "body": reply.body})

    async def answer_half(self, reply: Response) -> None:
        """Send half of an answer, then end the connection."""
        await self._begin(reply)
        half = reply.body[: len(reply.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        await self.cut()

    async def cut(self, *, reset: bool = False) -> None:
        """End the connection; what was written still goes out, unless it is reset."""
        if reset:
            systems.reset_when_closed(self._transport.get_extra_info("socket"))
            self._transport.abort()
        else:
            self._transport.close()
        await self.until_gone()

    async def until_gone(self) -> None:
        """Send nothing until the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the emulator stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emulator.stopping.wait(), seconds)

    async def _begin(self, reply: Response) -> None:
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        headers.append((b"date", formatdate(self._emulator.date_clock(), usegmt=True).encode()))
        start = {"type": "http.response.start", "status": reply.status, "headers": headers}
        await self._send(start)


Strike = Callable[[Exchange], Awaitable[None]]
"""What happens to a request in place of an ordinary answer."""


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


_HOST = "127.0.0.1"
_READY_WITHIN_SECONDS = 30.0
_STOPPED_WITHIN_SECONDS = 10.0


@contextlib.contextmanager
def serve(
    register: Register,
    *,
    port: int = 0,
    plan: StrikePlan | None = None,
    date_clock: Callable[[], float] = time.time,
    kept: int | None = None,
) -> Iterator[Emulator]:
    """Serve the register in a thread, on loopback only, until the block ends.

    `port` 0 takes any that is free; `date_clock` gives Unix seconds for the `Date` header; `kept`
    is how many requests are remembered, None for all. Raises OSError where the port is taken.
    """
    emulator = Emulator(register, plan=plan, date_clock=date_clock, kept=kept)
    with _listening(port) as listener:
        emulator.base_url = f"http://{_HOST}:{listener.getsockname()[1]}"
        server = _Server(emulator)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="emulator", daemon=True
        )
        thread.start()
        try:
            server.wait_until_ready()
            yield emulator
        finally:
            server.stop()
            thread.join(_STOPPED_WITHIN_SECONDS)


def _listening(port: int) -> socket.socket:
    # Named so, or asyncio leaves Nagle's algorithm on: 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        systems.allow_port_again(listener)
        listener.bind((_HOST, port))
    except BaseException:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """uvicorn, started and stopped from another thread, at once and without a log."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(
            uvicorn.Config(
                Router([Mount("", app=emulator)]),
                http=_Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,  # the emulator adds its own
                timeout_keep_alive=60,
            )
        )
        self._emulator = emulator
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait_until_ready(self) -> None:
        """Return once requests are answered."""
        if not self._ready.wait(_READY_WITHIN_SECONDS):
            raise TimeoutError("the emulator did not start")

    def stop(self) -> None:
        """End the service, open connections and waiting answers included."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._emulator.stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._ready.set()

    async def main_loop(self) -> None:
        """Wait to be stopped, without uvicorn's tick of a tenth of a second."""
        await self._emulator.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything now: nobody waits for an emulator."""
        del sockets  # their owner closes them
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=_STOPPED_WITHIN_SECONDS)
        await asyncio.sleep(0)  # lets the last connections notice that they are gone


class _Protocol(H11Protocol):
    """uvicorn's HTTP, which lets the application reach its connection, to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}
