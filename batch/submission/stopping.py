"""Why a run is ending, if it is, for everyone who works on it."""

from __future__ import annotations

import asyncio


class Stopped(Exception):
    """The run is ending, and this request was not sent."""


class Stopping:
    """Why the run is ending, if it is: the first reason counts.

    `event` is set once there is a reason; `exit_code` is what that reason means.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.exit_code = 0
        self.event = asyncio.Event()

    def __call__(self, reason: str, exit_code: int = 3) -> None:
        """End the run: no new rows, those in flight are settled."""
        if self.reason is None:
            self.reason, self.exit_code = reason, exit_code
        self.event.set()

    def refuse(self, kind: str) -> None:
        """Raise Stopped where the run is ending and a deferral asks to be sent; reads may go on."""
        if kind == "defer" and self.reason is not None:
            raise Stopped

    async def or_until(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Return once the event is set, the time is over, or the run begins to end."""
        waits = [asyncio.ensure_future(event.wait())]
        if self.reason is None:
            waits.append(asyncio.ensure_future(self.event.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
