"""A process on a virtual clock, which dies at any step or statement: its loop and its journal."""

from __future__ import annotations

import asyncio
import selectors
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Crash(Exception):
    """The process is gone."""


@dataclass
class VirtualClock:
    """Seconds that pass only when everyone waits."""

    now: float = 0.0


class _NeverWaiting(selectors.DefaultSelector):
    """A selector for which the time that it was asked to wait has passed."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everyone waits for ever")
        self._clock.now += max(timeout, 1e-9)  # or a wait shorter than the loop counts would spin
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock, which crashes at a given step."""

    def __init__(
        self,
        clock: VirtualClock,
        crash_at: int | None,
        connection: MortalConnection | None = None,
    ) -> None:
        super().__init__(_NeverWaiting(clock))
        self._clock = clock
        self._clock_resolution = 1e-9  # of this clock: Windows's would fire a timer before its time
        self._connection = connection
        self.steps_left = crash_at
        self.set_exception_handler(lambda *_: None)  # a dead process says nothing

    def time(self) -> float:
        return self._clock.now

    def _run_once(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
        is_over = self.steps_left is not None and self.steps_left < 0
        if is_over or (self._connection is not None and self._connection.is_dead):
            raise Crash
        super()._run_once()  # type: ignore[misc]

    def bury(self) -> None:
        """Let what a crash left behind run its `finally`, cut off from the journal: it is dead."""
        self.steps_left = self._connection = None
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        self.call_soon(self.stop)  # takes with it the stop of what ended at the very last step
        self.run_forever()
        if left:
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))


class MortalConnection(sqlite3.Connection):
    """A connection whose process may die at a given statement, and writes nothing once it has."""

    statements_left: int | None = None
    is_dead = False

    def die(self) -> None:
        self.is_dead = True

    def revive(self) -> None:
        """Be what the next process opens: whatever was not committed is gone."""
        self.is_dead, self.statements_left = False, None
        if self.in_transaction:
            super().rollback()

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._live_on()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._live_on()
        return super().executemany(*arguments)

    def commit(self) -> None:
        self._live_on()
        super().commit()

    def _live_on(self) -> None:
        if self.statements_left is not None:
            self.statements_left -= 1
            self.is_dead |= self.statements_left < 0
        if self.is_dead:
            raise Crash


@contextmanager
def virtual_loop(
    clock: VirtualClock, crash_at: int | None, connection: MortalConnection | None
) -> Iterator[VirtualLoop]:
    loop = VirtualLoop(clock, crash_at, connection)
    asyncio.set_event_loop(loop)
    try:
        yield loop
    except Crash:
        if connection is not None:
            connection.die()
        raise
    finally:
        loop.bury()
        asyncio.set_event_loop(None)
        loop.close()
