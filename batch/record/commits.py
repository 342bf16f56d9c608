"""Group commit: statements queue in memory, and everyone who asks meanwhile shares one commit.

Statements run on the event loop, where they cost microseconds. The commit alone, which waits for
the disk, runs in a thread; while it runs further statements queue, for SQLite would make them wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

from msgspec import Struct

from batch.record.database import journal_lost
from batch.record.open_files import OpenFiles

GATHERING_SECONDS = 0.001
"""How long a commit waits for others to join it, in seconds."""

Commit = Callable[[Callable[[], object]], Awaitable[object]]
"""Runs a blocking call without blocking the event loop."""


class _Statement(Struct, frozen=True):
    """A statement that waits for the next commit; `then` is called once it is on disk."""

    sql: str
    values: tuple[object, ...]
    then: Callable[[], None] | None


class GroupCommit:
    """Writes to one connection, in groups; `between` is held while a group is on its way."""

    def __init__(
        self, connection: sqlite3.Connection, commit: Commit, open_files: OpenFiles
    ) -> None:
        self._connection = connection
        self._open_files = open_files
        self._commit = commit
        self._queued: list[_Statement] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._lost: Exception | None = None
        self.between = asyncio.Lock()

    def queue(
        self, sql: str, values: tuple[object, ...], then: Callable[[], None] | None = None
    ) -> None:
        """Put a statement into the next group; `then` is called once it is on disk."""
        self._queued.append(_Statement(sql, values, then))

    async def flush(self) -> None:
        """Return once everything queued so far is on disk. Raises what keeps it from there."""
        if self._lost is not None:
            raise self._lost
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.ensure_future(self._flush_groups())
        await future

    async def _flush_groups(self) -> None:
        while self._waiting and self._lost is None:
            await asyncio.sleep(GATHERING_SECONDS)
            async with self.between:
                await self._flush_group()

    async def _flush_group(self) -> None:
        queued, self._queued = self._queued, []
        waiting, self._waiting = self._waiting, []
        try:
            self._open_files.refuse_lost()
            before = self._connection.total_changes
            self._connection.execute("BEGIN")
            for statement in queued:
                self._connection.execute(statement.sql, statement.values)
            await self._commit(self._connection.commit)
            self._open_files.refuse_lost(has_written=self._connection.total_changes > before)
        except sqlite3.Error as error:
            self._lose(journal_lost(error), waiting)
            return
        except Exception as error:  # noqa: BLE001 — raised again at everyone who waits
            self._lose(error, waiting)
            return
        for future in waiting:
            if not future.done():
                future.set_result(None)
        try:
            for statement in queued:
                if statement.then is not None:
                    statement.then()
        except Exception as error:  # noqa: BLE001 — a log on a full disk, say: told with the next
            self._lose(error, [])

    def _lose(self, lost: Exception, waiting: list[asyncio.Future[None]]) -> None:
        self._lost = lost
        for future in [*waiting, *self._waiting]:
            if not future.done():
                future.set_exception(self._lost)
        self._waiting.clear()
