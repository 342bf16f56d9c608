"""A Register behind something that answers too often: on kept-alive connections, answers shift."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

NOBODY = (404, {"errors": [{"error": "NotFound", "message": "Trainee(s) not found"}]})


@dataclass
class Surplus:
    """Knows any trainee whose id begins with `row`, and what was deferred: id → date.

    Before every `every`th answer to a defer request it sends an answer that nobody asked for, a
    404 about a trainee; `late`: it sends it a moment after the answer, onto the idle connection.
    """

    every: int
    late: bool
    deferred: dict[str, str] = field(default_factory=dict)
    port: int = 0
    surplus: int = 0
    _defers: int = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        place = path.split("/")
        if path.endswith("/info"):
            return 200, {"status": "ok", "version": {"requested": "v2025.0", "latest": "v2025.0"}}
        if len(place) < 5:
            return 404, {"errors": [{"error": "NotFound", "message": "No trainees found"}]}
        trainee_id = place[4]
        if not trainee_id.startswith("row"):
            return NOBODY
        if method == "POST":
            if trainee_id in self.deferred:
                return 422, {"errors": [{"message": "state is invalid must be one of []"}]}
            self.deferred[trainee_id] = json.loads(body)["data"]["defer_date"]
            return 200, {"data": self.trainee(trainee_id)}
        return 200, self.trainee(trainee_id)

    def trainee(self, trainee_id: str) -> dict[str, str | None]:
        date = self.deferred.get(trainee_id)
        state = "deferred" if date else "trn_received"
        return {"trainee_id": trainee_id, "state": state, "defer_date": date}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError)
        with contextlib.suppress(*gone):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = head.partition("content-length: ")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(size or 0))
                method, path, _ = head.split(" ", 2)
                own = _bytes(*self.answer(method.upper(), path, body))
                self._defers += method == "post"
                if method != "post" or self._defers % self.every:
                    writer.write(own)
                else:
                    self.surplus += 1
                    await self._too_many(writer, own)
                await writer.drain()
        writer.close()

    async def _too_many(self, writer: asyncio.StreamWriter, own: bytes) -> None:
        if not self.late:
            writer.write(_bytes(*NOBODY) + own)
            return
        writer.write(own)
        await writer.drain()
        await asyncio.sleep(0.005)
        writer.write(_bytes(*NOBODY))


def _bytes(status: int, content: object) -> bytes:
    body = json.dumps(content).encode()
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@contextlib.contextmanager
def answering_too_often(*, every: int, late: bool) -> Iterator[Surplus]:
    """Serve such a Register on loopback, in a thread, for as long as the block lasts."""
    register, ready, ends = Surplus(every, late), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        async with await asyncio.start_server(register.serve, "127.0.0.1", 0) as server:
            register.port = server.sockets[0].getsockname()[1]
            ready.set()
            await ends.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    ready.wait()
    try:
        yield register
    finally:
        loops[0].call_soon_threadsafe(ends.set)
        thread.join()
