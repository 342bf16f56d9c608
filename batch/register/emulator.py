"""An emulator of Register on this machine: real HTTP over loopback, for rehearsal and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import uvicorn
from starlette.routing import Mount, Router
from uvicorn.protocols.http.h11_impl import H11Protocol

from batch import systems
from batch.register.faults import Fault, FaultPlan
from batch.register.gateway import Emulator
from batch.register.model import Register

_HOST = "127.0.0.1"
_READY_WITHIN_SECONDS = 30.0
_STOPPED_WITHIN_SECONDS = 10.0


@contextlib.contextmanager
def serve(
    register: Register,
    *,
    port: int = 0,
    faults: Iterable[Fault] = (),
    date_clock: Callable[[], float] = time.time,
    kept: int | None = None,
) -> Iterator[Emulator]:
    """Serve the register in a thread, on loopback only, until the block ends.

    `port` 0 takes any that is free; `date_clock` gives Unix seconds for the `Date` header; `kept`
    is how many requests are remembered, None for all. Raises OSError where the port is taken.
    """
    emulator = Emulator(register, plan=FaultPlan(faults), date_clock=date_clock, kept=kept)
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
    """uvicorn, started and stopped from another thread, at once and without a word."""

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
