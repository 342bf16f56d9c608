"""Ctrl-C and SIGTERM: the first ends a run in good order, the second at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from batch.errors import Interrupted
from batch.submission.stopping import Stopping
from batch.submission.terms import Watcher

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""What a shell gives for a command that died of the signal (128 and its number)."""

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
