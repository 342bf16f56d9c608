"""Ctrl-C, Ctrl-Break and SIGTERM: the first ends a run in good order, the second at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import TypeVar

from batch import systems
from batch.errors import Interrupted
from batch.submission.watcher import Watcher

_T = TypeVar("_T")


class Stopped(Exception):
    """The run is ending, and this request was not sent."""


class Stopping:
    """Why the run is ending, if it is: the first reason counts.

    `event` is set once there is a reason; `exit_code` is what that reason means; `signal` is the
    name and the exit code of the signal that came first, if that is the reason.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.exit_code = 0
        self.is_hopeless = False
        self.signal: tuple[str, int] | None = None
        self.event = asyncio.Event()

    def __call__(self, reason: str, exit_code: int = 3, *, is_hopeless: bool = False) -> None:
        """End the run: no new rows, those in flight are settled.

        `is_hopeless`: no later attempt can do better, for it is about the address or certificate.
        """
        if self.reason is None:
            self.reason, self.exit_code = reason, exit_code
            self.is_hopeless = is_hopeless
        self.event.set()

    def interrupt(self, name: str, exit_code: int) -> None:
        """End the run because of a signal."""
        if self.reason is None:
            self.signal = name, exit_code
        self(f"Interrupted ({name}).", exit_code)

    def refuse(self, kind: str) -> None:
        """Raise Stopped where the run is ending and a deferral asks to be sent; reads may go on."""
        if kind == "defer" and self.reason is not None:
            raise Stopped

    async def unless_ending(self, work: Coroutine[object, object, _T]) -> _T | None:
        """Return what the work gives; None where the run begins to end first, and ends the work."""
        task, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.event.wait())
        waits: set[asyncio.Future[object]] = {task, ending}  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return None if task.cancelled() else task.result()

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


_EXIT_CODES: dict[signal.Signals, int] = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    **dict.fromkeys(systems.CTRL_BREAK, 130),
}
"""What a shell gives for a command that died of the signal (128 and its number); Ctrl-Break is
another Ctrl-C, for Windows gives neither an exit code of its own."""

_Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def interruptible(stopping: Stopping, watcher: Watcher) -> Iterator[None]:
    """Set `stopping` at the first signal; leave the process at the second."""
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        code = _EXIT_CODES[signal.Signals(number)]
        if came:
            watcher.abandon()
            os._exit(code)
        came.append(number)
        loop.call_soon_threadsafe(stopping.interrupt, _name(number), code)

    with _handled_by(on_signal):
        yield


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise Interrupted at a signal: while a question blocks the loop, nothing else would end it.

    So for as long as nothing was sent.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise Interrupted(_name(number), _EXIT_CODES[signal.Signals(number)])

    with _handled_by(on_signal):
        yield


def _name(number: int) -> str:
    return signal.Signals(number).name


@contextlib.contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _EXIT_CODES}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
