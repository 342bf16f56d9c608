"""The journal: what was intended, sent and answered, durably, before anyone counts on it.

Theory of operation
===================

Deferring is not idempotent, and answers get lost. So for each request two facts are written, each
in its turn: the intent, on disk before the request leaves; the answer, on disk before the row is
counted. `intend` returns once its commit has been synced; `answer` and `settle` are queued and ride
with the next commit, and what waits to be counted is told by a callback after that commit.

Group commit: statements run on the event loop, where they cost microseconds; the commit alone,
which waits for the disk, runs in a thread. While it runs, further statements queue in memory, for
SQLite would make them wait. Everyone who asked meanwhile shares the next commit.

What each crash point leaves behind:

- before the intent's commit: nothing. The request did not leave. The row is sent anew.
- after the intent's commit, before the request left: an attempt without a meaning. It looks like
  the next case and is treated as such: one read too many, no deferral too many.
- after the request left, before the answer's commit: an attempt without a meaning. Register may or
  may not have deferred, and the request may still be running. The row is read before anything is
  sent, and sent again only after a wait that is counted from the start of the new process, by its
  own steady clock: no request of the old process can have left later, whatever the clocks say.
- after the answer's commit, before the row was settled: the attempt has a meaning. A meaning that
  leaves doubt (`lost`, `differs`, `no_date`, `deferred`) is a reason to read.
- after the settlement's commit: the row is settled and is not touched again.

Why resuming is safe: a row is sent only when no earlier request for its trainee lacks its final
answer, in any run, or when a read after the wait says that none of them was carried out. One
writer at a time holds the lock beside the file (SQLite before 3.51.3 can damage a WAL database
with two); readers open it read-only. A run that was not yet confirmed is `staged`: it sent
nothing, and the next writer removes it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from batch.errors import JournalLost
from batch.record import schema
from batch.record.ledger import Ledger
from batch.record.records import RunRecord
from batch.record.times import iso
from batch.rows import Code, Deferral, Problem, Row, Settled, folded, joined_messages

IN_DOUBT = ("lost", "differs", "no_date", "deferred")
"""Meanings of a defer request after which its row, if unsettled, is read before it is sent."""

_IS_IN_DOUBT = f"(a.meaning IS NULL OR a.meaning IN {IN_DOUBT})"

GATHERING_SECONDS = 0.001
"""How long a commit waits for others to join it, in seconds."""

Commit = Callable[[Callable[[], object]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A row to settle: `is_open` says that an earlier request for its trainee is in doubt."""

    row_number: int
    deferral: Deferral
    is_open: bool


class Journal(Ledger):
    """The journal, opened by its one writer; reading it is inherited from `Ledger`.

    `wall` gives Unix seconds; `commit` runs a blocking call without blocking the event loop.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        wall: Callable[[], float],
        commit: Commit = asyncio.to_thread,
    ) -> None:
        super().__init__(connection)
        self._wall = wall
        self._commit = commit
        self._queued: list[tuple[str, tuple[object, ...], Callable[[], None] | None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._between_commits = asyncio.Lock()
        self._lost: JournalLost | None = None
        last = connection.execute("SELECT coalesce(max(attempt_id), 0) FROM attempts").fetchone()
        self._last_attempt_id: int = last[0]

    @classmethod
    def open(cls, path: Path, *, wall: Callable[[], float]) -> Journal:
        """Open for writing; the caller holds the lock. Raises JournalProblem."""
        journal = cls(schema.open_for_writing(path), wall=wall)
        journal._remove_staged()
        return journal

    # Before the run

    def stage(self, run: RunRecord, *, origin: str) -> int:
        """Write down a run that is not yet confirmed, and give its number."""
        details = asdict(run)
        for name in ("run_id", "rehearsal", "input_sha256", "input_rows", "started_at"):
            del details[name]
        cursor = self._connection.execute(
            "INSERT INTO runs (run_id, stage, origin, rehearsal, input_sha256, input_rows,"
            " started_at, details) VALUES (?, 'staged', ?, ?, ?, ?, ?, ?)",
            (
                run.run_id,
                origin,
                run.rehearsal,
                run.input_sha256,
                run.input_rows,
                run.started_at,
                json.dumps(details),
            ),
        )
        return int(cursor.lastrowid or 0)

    def add_rows(self, run_no: int, rows: Iterable[Row]) -> None:
        """Write down rows of a staged run; those that failed a check are settled at once."""
        now = iso(self._wall())
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            (_row_values(run_no, row, now) for row in rows),
        )
        self._connection.execute("COMMIT")

    def add_problems(self, run_no: int, found: Iterable[tuple[int, Problem]]) -> None:
        """Settle rows of a staged run by what was found over the whole file."""
        now = iso(self._wall())
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "UPDATE rows SET outcome='unprocessable', code=coalesce(code, ?),"
            " message=trim(coalesce(message, '') || ' ' || ?), settled_at=?, defer_date=NULL"
            " WHERE run_no=? AND row_number=?",
            ((problem.code, problem.message, now, run_no, number) for number, problem in found),
        )
        self._connection.execute("COMMIT")

    def settle_now(self, run_no: int, settled: Mapping[int, Settled]) -> None:
        """Settle rows before the run begins, all in one commit."""
        now = iso(self._wall())
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "UPDATE rows SET outcome=?, code=?, message=?, register_date=?, settled_at=?"
            " WHERE run_no=? AND row_number=?",
            (
                (row.outcome, row.code, row.message, row.register_date, now, run_no, number)
                for number, row in settled.items()
            ),
        )
        self._connection.execute("COMMIT")

    def describe(self, run_no: int, *, input_rows: int, input_sha256: str, **more: object) -> None:
        """Complete a staged run by what is known only after the file was read."""
        self._connection.execute(
            "UPDATE runs SET input_rows=?, input_sha256=?, details=json_patch(details, ?)"
            " WHERE run_no=?",
            (input_rows, input_sha256, json.dumps(more), run_no),
        )

    def discard(self, run_no: int) -> None:
        """Forget a staged run: it was declined, or its file turned out to be unusable."""
        for table in ("rows", "attempts", "runs"):
            self._connection.execute(f"DELETE FROM {table} WHERE run_no=?", (run_no,))

    def discard_if_staged(self, run_no: int) -> None:
        """Forget a run, unless it has been confirmed meanwhile."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        stage = self._connection.execute("SELECT stage FROM runs WHERE run_no=?", (run_no,))
        if stage.fetchone() == ("staged",):
            self.discard(run_no)

    def start(self, run_no: int) -> None:
        """Mark a run as confirmed: from here on it can be resumed."""
        self._connection.execute("UPDATE runs SET stage='started' WHERE run_no=?", (run_no,))

    def end_for_good(self, run_no: int) -> None:
        """Mark an unfinished run as one that can no longer be resumed."""
        self._connection.execute("UPDATE runs SET stage='ended' WHERE run_no=?", (run_no,))

    # After the run

    def purgeable(self, before: str) -> list[str]:
        """Give the runs that began before then and need nothing more."""
        found = self._connection.execute(
            "SELECT run_id FROM runs WHERE started_at<? AND stage IN ('finished', 'ended')",
            (before,),
        )
        return [run_id for (run_id,) in found]

    def forget(self, digests: Iterable[tuple[str, str]]) -> None:
        """Keep hashes of deferrals, each with its run, beyond the rows themselves."""
        self._connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", digests)

    def purge(self, run_id: str) -> None:
        """Delete a run's rows and attempts; its one line, with the counts, stays."""
        counts, run_no = self.counts(run_id), self.run_number(run_id)
        self._connection.execute("BEGIN")
        for table in ("rows", "attempts"):
            self._connection.execute(f"DELETE FROM {table} WHERE run_no=?", (run_no,))
        self._connection.execute(
            "UPDATE runs SET stage='purged', details=json_patch(details, ?) WHERE run_no=?",
            (json.dumps({"purged_counts": counts} | _NOBODY), run_no),
        )
        self._connection.execute("COMMIT")

    def vacuum(self) -> None:
        """Leave nothing in the file of what was deleted."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # During the run

    async def intend(self, run_no: int, row_number: int | None, kind: str) -> int:
        """Write down that a request will be sent; it may leave once this returns."""
        self._last_attempt_id += 1
        attempt_id = self._last_attempt_id
        self._queue(
            "INSERT INTO attempts (attempt_id, run_no, row_number, kind, intended_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (attempt_id, run_no, row_number, kind, self._wall()),
        )
        await self.flush()
        return attempt_id

    def answer(
        self,
        attempt_id: int,
        *,
        meaning: str,
        http_status: int | None = None,
        request_id: str | None = None,
        state: str | None = None,
        register_date: str | None = None,
    ) -> None:
        """Write down what came back; on disk with the next commit."""
        self._queue(
            "UPDATE attempts SET answered_at=?, meaning=?, http_status=?, request_id=?, state=?,"
            " register_date=? WHERE attempt_id=?",
            (self._wall(), meaning, http_status, request_id, state, register_date, attempt_id),
        )

    def settle(
        self, run_no: int, row_number: int, settled: Settled, then: Callable[[], None] | None = None
    ) -> None:
        """Write down what became of a row; `then` is called once that is on disk."""
        self._queue(
            "UPDATE rows SET outcome=?, code=?, message=?, register_date=?, settled_at=?"
            " WHERE run_no=? AND row_number=?",
            (
                settled.outcome,
                settled.code,
                settled.message,
                settled.register_date,
                iso(self._wall()),
                run_no,
                row_number,
            ),
            then,
        )

    async def flush(self) -> None:
        """Return once everything written so far is on disk. Raises JournalLost."""
        if self._lost is not None:
            raise self._lost
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.ensure_future(self._flush_groups())
        await future

    async def pending(self, run_no: int, after: int, most: int) -> list[PendingRow]:
        """Give the next rows to settle behind a row number, in the order of the file."""
        async with self._between_commits:
            found = self._connection.execute(
                "SELECT row_number, trainee_id, defer_date, defer_reason,"
                f" EXISTS ({_OPEN_REQUESTS}) FROM rows r WHERE run_no=? AND row_number>?"
                " AND outcome IS NULL ORDER BY row_number LIMIT ?",
                (run_no, after, most),
            ).fetchall()
        return [PendingRow(n, Deferral(i, d, reason), bool(o)) for n, i, d, reason, o in found]

    def open_rows(self, run_no: int) -> int:
        """Count the unsettled rows whose trainee has a request without a final answer."""
        found = self._connection.execute(
            "SELECT count(*) FROM rows r WHERE run_no=? AND (outcome IS NULL OR"
            f" outcome='unresolved') AND EXISTS ({_OPEN_REQUESTS})",
            (run_no,),
        )
        return int(found.fetchone()[0])

    def finish(self, run_no: int, *, exit_code: int, stopped_because: str | None) -> None:
        """Close a run, or this stretch of it: rows without an outcome become `unresolved`."""
        self._connection.execute("BEGIN")
        self.settle_the_rest(run_no)
        self._connection.execute(
            "UPDATE runs SET finished_at=?, exit_code=?, stopped_because=?, stage=iif(EXISTS("
            " SELECT 1 FROM rows WHERE run_no=?1 AND outcome='unresolved'), 'started', 'finished')"
            " WHERE run_no=?1".replace("?1", str(int(run_no))),
            (iso(self._wall()), exit_code, stopped_because),
        )
        self._connection.execute("COMMIT")

    def settle_the_rest(self, run_no: int) -> None:
        """Give every row without an outcome `not_sent` or `answer_lost`, by its attempts."""
        self._connection.execute(
            "UPDATE rows AS r SET outcome='unresolved', settled_at=?, (code, message) = ("
            " SELECT iif(count(*), ?, ?), iif(count(*), ?, ?) FROM attempts a WHERE"
            " a.run_no=r.run_no AND a.row_number=r.row_number AND a.kind='defer'"
            f" AND {_IS_IN_DOUBT}) WHERE run_no=? AND outcome IS NULL",
            (iso(self._wall()), Code.ANSWER_LOST, Code.NOT_SENT, *_UNRESOLVED_WORDS, run_no),
        )

    def reopen(self, run_no: int) -> None:
        """Take the outcome from unresolved rows, so that `pending` gives them again."""
        self._connection.execute(
            "UPDATE rows SET outcome=NULL, code=NULL, message=NULL, settled_at=NULL"
            " WHERE run_no=? AND outcome='unresolved'",
            (run_no,),
        )

    def close(self) -> None:
        """Close the file; what was not flushed is gone."""
        self._connection.close()

    def _queue(
        self, sql: str, values: tuple[object, ...], then: Callable[[], None] | None = None
    ) -> None:
        self._queued.append((sql, values, then))

    async def _flush_groups(self) -> None:
        while self._waiting and self._lost is None:
            await asyncio.sleep(GATHERING_SECONDS)
            async with self._between_commits:
                await self._flush_group()

    async def _flush_group(self) -> None:
        queued, self._queued = self._queued, []
        waiting, self._waiting = self._waiting, []
        try:
            self._connection.execute("BEGIN")
            for sql, values, _ in queued:
                self._connection.execute(sql, values)
            await self._commit(self._connection.commit)
        except sqlite3.Error as error:
            self._lose(error, waiting)
            return
        for future in waiting:
            if not future.done():
                future.set_result(None)
        for _, _, then in queued:
            if then is not None:
                then()

    def _lose(self, error: sqlite3.Error, waiting: list[asyncio.Future[None]]) -> None:
        self._lost = JournalLost(
            f"the journal can no longer be written: {error}",
            hint="make room on the disk, then `defer-batch resume` carries on; nothing is lost",
        )
        for future in [*waiting, *self._waiting]:
            if not future.done():
                future.set_exception(self._lost)
        self._waiting.clear()

    def _remove_staged(self) -> None:
        staged = self._connection.execute("SELECT run_no FROM runs WHERE stage='staged'")
        for (run_no,) in staged.fetchall():
            self.discard(run_no)


_OPEN_REQUESTS = (
    "SELECT 1 FROM rows e JOIN runs x ON x.run_no=e.run_no JOIN runs m ON m.run_no=r.run_no"
    " JOIN attempts a ON a.run_no=e.run_no AND a.row_number=e.row_number AND a.kind='defer'"
    " WHERE e.folded_id=r.folded_id AND e.defer_date IS NOT NULL AND x.origin=m.origin"
    " AND (x.run_no=m.run_no OR NOT (x.rehearsal OR m.rehearsal))"
    f" AND {_IS_IN_DOUBT}"
    " AND (e.outcome IS NULL OR e.outcome='unresolved' OR e.code='answer_differs')"
)

_NOBODY = {"operator": "", "operator_name": "", "host": "", "command": [], "columns": []}
"""What is left of a purged run's details: times, counts and the input's hash say it happened."""

_UNRESOLVED_WORDS = (
    "A request was sent and its answer was lost: Register may hold the deferral or not.",
    "Not sent: the run stopped before this row.",
)


def _row_values(run_no: int, row: Row, now: str) -> tuple[object, ...]:
    own = json.dumps(row.values, ensure_ascii=False)
    ids = (run_no, row.row_number, own, row.trainee_id, folded(row.trainee_id))
    if row.deferral is not None:
        return (*ids, row.deferral.defer_date, row.deferral.defer_reason, None, None, None, None)
    code = row.problems[0].code
    return (*ids, None, None, code.outcome, code, joined_messages(row.problems), now)
