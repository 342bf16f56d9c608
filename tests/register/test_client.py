"""The client alone: what can be told of a request that got no answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import tracemalloc

import pytest

from batch import systems
from batch.register.answers import Kind, meaning_of_defer, meaning_of_info
from batch.register.api import Answer, NoReply, Reply
from batch.register.client import MOST_BYTES, MOST_LIST_BYTES, Client
from batch.rows import Deferral

TOKEN = "sandbox_0123456789abcdef"
GOOD = b'{"status": "ok", "version": {"latest": "v2026.1"}}'


def client_of(port: int, timeout_seconds: float = 1.0) -> Client:
    return Client(
        f"http://127.0.0.1:{port}",
        api_version="v2025.0",
        token=TOKEN,
        timeout_seconds=timeout_seconds,
    )


def info_of(port: int) -> Answer:
    async def ask() -> Answer:
        async with client_of(port) as client:
            return await client.info()

    return asyncio.run(ask())


def answer_to(
    body: bytes, *headers: bytes, status: int = 200, listing: bool = False
) -> tuple[Answer, bytes]:
    """Return what the client makes of an answer, and the first line of what it asked."""
    asked: list[bytes] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        head = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers, b"", b""]
        writer.write(b"\r\n".join(head) + body)
        writer.close()

    async def ask() -> Answer:
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        async with server, client_of(server.sockets[0].getsockname()[1], 30) as client:
            query: dict[str, str | int] = {"since": "2026-10-01T10:00:00+00:00", "per_page": 250}
            return await (client.trainees(query) if listing else client.info())

    answer = asyncio.run(ask())
    return answer, asked[0].partition(b"\r\n")[0]


def test_a_connection_that_does_not_come_about_took_nothing_along() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # more than wait in line: further ones are left hanging
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        assert info_of(listener.getsockname()[1]) == NoReply(False, "could not be reached")


def test_a_server_that_takes_the_request_and_says_nothing_may_have_read_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert info_of(listener.getsockname()[1]) == NoReply(True, "gave no answer in time")


def test_answer_comes_back_as_it_was_sent() -> None:
    answer, _ = answer_to(GOOD, b"retry-after: 3", b"x-person: Jo")
    assert answer == Reply(200, {"retry-after": "3"}, GOOD)


def test_list_is_asked_for_with_its_query_encoded() -> None:
    _, asked = answer_to(b"{}", listing=True)
    path = b"/api/v2025.0/trainees?since=2026-10-01T10%3A00%3A00%2B00%3A00&per_page=250"
    assert asked == b"GET " + path + b" HTTP/1.1"


@pytest.mark.parametrize("encoding", [b"gzip", b"gzip, gzip", b"deflate", b"br", b"x"])
def test_encoding_that_was_not_asked_for_is_not_decoded(encoding: bytes) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50_000_000)))
    tracemalloc.start()
    answer, _ = answer_to(bomb, b"content-encoding: " + encoding)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(answer, NoReply)
    assert meaning_of_info(answer).kind is Kind.LOST
    assert peak < 10_000_000


def test_body_beyond_the_limit_is_no_answer_and_a_list_may_be_longer() -> None:
    long = b" " * (MOST_BYTES + 1)
    assert isinstance(answer_to(long)[0], NoReply)
    assert isinstance(answer_to(long, listing=True)[0], Reply)
    assert isinstance(answer_to(b" " * (MOST_LIST_BYTES + 1), listing=True)[0], NoReply)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"errors": [f"no: {TOKEN}"]}).encode(),
        json.dumps({"errors": [f"no: {TOKEN}"]}).encode("utf-16"),
        b'{"errors": ["no: \\u0073' + TOKEN[1:].encode() + b'"]}',
        TOKEN.encode(),
    ],
)
def test_refusal_that_says_the_token_back_is_not_quotable(body: bytes) -> None:
    answer, _ = answer_to(body, b"x-request-id: " + TOKEN.encode(), status=422)
    assert isinstance(answer, Reply)
    assert not answer.quotable
    assert answer.headers == {}


def test_other_refusals_are_quotable() -> None:
    answer, _ = answer_to(b'{"errors": ["no"]}', status=422)
    assert isinstance(answer, Reply)
    assert answer.quotable


@pytest.mark.parametrize(("reads_ahead", "opened"), [(False, 3), (True, 6)])
def test_answer_too_many_on_a_connection_shifts_no_later_one(
    monkeypatch: pytest.MonkeyPatch, *, reads_ahead: bool, opened: int
) -> None:
    """Where nothing shows that an idle connection is at rest, none is used again."""
    monkeypatch.setattr(systems, "READS_AHEAD", reads_ahead)
    rows = [Deferral(f"row{number}", "2026-10-01", None) for number in range(6)]
    connections: list[asyncio.Task[None] | None] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
                about = head.split(b"/")[4].decode()
                named = "row1" if about == "row3" else about
                data = {"trainee_id": named, "state": "deferred", "defer_date": "2026-10-01"}
                body = json.dumps({"data": data}).encode()
                answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                writer.write(answer * (2 if about == "row1" else 1))
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def ask() -> list[Kind]:
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, client_of(port, 30) as client:
            kinds = [meaning_of_defer(await client.defer(row), row).kind for row in rows]
        await asyncio.wait([task for task in connections if task])
        return kinds

    kinds = asyncio.run(ask())
    expected = [Kind.DEFERRED] * len(rows)
    expected[1], expected[3] = Kind.LOST, Kind.DIFFERS
    assert kinds == expected
    assert len(connections) == opened
