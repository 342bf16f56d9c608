"""The client alone: what can be told of a request that got no answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from batch.register.api import Answer, NoReply
from batch.register.client import Client


def info_of(port: int) -> Answer:
    async def ask() -> Answer:
        client = Client(
            f"http://127.0.0.1:{port}",
            api_version="v2025.0",
            token="token",
            timeout_seconds=1.0,
            max_at_once=1,
        )
        async with client:
            return await client.info()

    return asyncio.run(ask())


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
