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
nothing, the next writer removes it, and only its start puts on disk what is known of it.

What a crash cannot explain ends the run. A file that is deleted, replaced or cut while it is open
would take every commit and keep none: before and after each group its place and size are looked at,
and the group itself in the -wal.
What the rows ask of Register is fixed by a digest when the run begins, so that a resumed run sends
what the file asked for, whatever was done to the journal in between.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import asdict

from batch import files
from batch.codes import Code
from batch.errors import JournalLost, JournalProblem
from batch.record import database, locks, recent_requests
from batch.record.commits import Commit, GroupCommit
from batch.record.database import disk_failed, statements
from batch.record.ledger import Ledger
from batch.record.open_files import OpenFiles
from batch.record.purging import bring_back
from batch.record.records import ReportRecord, Resumption, RunRecord, iso
from batch.rows import Deferral, Problem, Row, RowUnderWay, Settled, folded, joined_messages

_SQL = statements("journal")
_LOST = "A request was sent and its answer was lost: Register may hold the deferral or not."
_REFUSED = "Register refused it; the run stopped before the trainee could be read to learn why."
_ENDED_THE_RUN = "Not deferred: Register's answer to it was about the whole run, which stopped."
_NOT_SENT = "Not sent: the run stopped before this row."


class Journal:
    """The journal, opened by its one writer; `ledger` reads it, what is written included.

    `has_begun` tells that a run has been let send by this writer. `wall` gives Unix seconds;
    `commit` runs a blocking call without blocking the event loop; `path` is the file's, whose loss
    is noticed, None in memory.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        wall: Callable[[], float],
        commit: Commit = asyncio.to_thread,
        path: Path | None = None,
    ) -> None:
        self._connection = connection
        self._open_files = OpenFiles(path)
        self._wall = wall
        self.ledger = Ledger(connection)
        self.has_begun = False
        self._commits = GroupCommit(connection, commit, self._open_files)
        last = connection.execute(_SQL["last_attempt_id"]).fetchone()
        self._last_attempt_id: int = last[0]

    @classmethod
    def open(cls, path: Path, *, wall: Callable[[], float]) -> Journal:
        """Open for writing; the caller holds the lock. Raises JournalProblem."""
        journal = cls(database.open_for_writing(path), wall=wall, path=path)
        journal._remove_staged()
        return journal

    def stage(self, run: RunRecord, *, origin: str) -> int:
        """Write down a run that is not yet confirmed, and return its number.

        What is written about it is synced only when it starts: until then a power cut may take it.
        """
        database.sync_later(self._connection)
        details = asdict(run)
        for name in ("run_id", "rehearsal", "input_sha256", "input_rows", "started_at"):
            del details[name]
        cursor = self._connection.execute(
            _SQL["stage"],
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
        with self._one_commit() as now:
            self._connection.executemany(
                _SQL["add_row"],
                (_row_values(run_no, row, now) for row in rows),
            )

    def add_problems(self, run_no: int, found: Iterable[tuple[int, Problem]]) -> None:
        """Settle rows of a staged run by what was found over the whole file.

        Of a row's problems the first in the order of the codes counts, whenever it was found.
        """
        with self._one_commit() as now:
            self._connection.executemany(
                _SQL["add_problem"],
                (
                    (p.code, p.message, now, p.column, run_no, number, _codes_after(p.code))
                    for number, p in found
                ),
            )

    def settle_now(self, run_no: int, settled: Mapping[int, Settled]) -> None:
        """Settle rows before the run begins, all in one commit."""
        with self._one_commit() as now:
            self._connection.executemany(
                _SQL["settle"],
                (
                    (row.outcome, row.code, row.message, row.register_date, now, run_no, number)
                    for number, row in settled.items()
                ),
            )
            self._connection.executemany(
                _SQL["note_problem"],
                (
                    (row.code, row.column, row.message, run_no, number)
                    for number, row in settled.items()
                    if row.column
                ),
            )

    def describe(self, run_no: int, *, input_rows: int, input_sha256: str, **more: object) -> None:
        """Complete a staged run by what is known only after the file was read."""
        self._connection.execute(
            _SQL["describe"],
            (input_rows, input_sha256, json.dumps(more), run_no),
        )

    def note_version(self, run_no: int, api_version: str) -> None:
        """Write down the version of Register's API that is used."""
        self._note(run_no, api_version=api_version)

    def note_notices(self, run_no: int, notices: Iterable[str]) -> None:
        """Write down what the report says of a run as a whole, each once."""
        self._note(run_no, notices=list(dict.fromkeys(notices)))

    def note_matches(self, run_no: int, found: Mapping[int, str]) -> None:
        """Write down whom rows without an id were found to mean, before anything is sent."""
        with self._one_commit():
            self._connection.executemany(
                _SQL["note_match"],
                (
                    (trainee_id, folded(trainee_id), run_no, number)
                    for number, trainee_id in found.items()
                ),
            )
            self._note(run_no, asked_sha256=self.ledger.asked_sha256(run_no))

    def note_final_check(self, run_no: int, *, checked: int, confirmed: int) -> None:
        """Write down how many of a run's deferrals were read back at its end, and stood."""
        made = {"checked": checked, "confirmed": confirmed, "at": iso(self._wall())}
        self._note(run_no, final_check=made)

    def note_look(self, run_id: str, *, looked_up: int, warnings: Sequence[str]) -> None:
        """Write down for how many rows trainees were looked up, and what was warned of."""
        look = {"looked_up": looked_up, "warnings": list(warnings), "at": iso(self._wall())}
        looks = [*map(dict, self.ledger.run(run_id).looks), look]
        self._note(self.ledger.run_number(run_id), looks=looks)

    def _note(self, run_no: int, **details: object) -> None:
        self._connection.execute(_SQL["note"], (json.dumps(details), run_no))

    def discard(self, run_no: int) -> None:
        """Delete a staged run: it was declined, or its file turned out to be unusable.

        When it asked Register is kept, so that the next command paces by it too.
        """
        asked = self._connection.execute(_SQL["asked_by"], (run_no,)).fetchall()
        if asked:
            recent_requests.note(asked[0][0], [at for _, at in asked], now=self._wall())
        database.sync_each_commit(self._connection)
        for name in ("discard_rows", "discard_attempts", "discard_run"):
            self._connection.execute(_SQL[name], (run_no,))

    def discard_if_staged(self, run_no: int) -> None:
        """Delete a run, unless it has been confirmed; on a full disk, the next writer does."""
        with suppress(sqlite3.Error, OSError):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if (run_no,) in self._connection.execute(_SQL["staged"]).fetchall():
                self.discard(run_no)

    def start(self, run_no: int, *, ending: Iterable[int] = ()) -> None:
        """Mark a run as confirmed: from here on it can be resumed, and those `ending` cannot.

        What its rows ask of Register is fixed by its digest.
        """
        database.sync_each_commit(self._connection)
        with self._one_commit():
            self._note(run_no, asked_sha256=self.ledger.asked_sha256(run_no))
            self._connection.execute(_SQL["start"], (run_no,))
            self._connection.executemany(_SQL["end"], ((number,) for number in ending))
        self.has_begun = True

    def _remove_staged(self) -> None:
        staged = self._connection.execute(_SQL["staged"])
        for (run_no,) in staged.fetchall():
            self.discard(run_no)

    @contextmanager
    def _one_commit(self) -> Iterator[str]:
        """Write all of it or nothing; yield the time."""
        before = self._connection.total_changes
        self._connection.execute("BEGIN")
        try:
            yield iso(self._wall())
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self._open_files.refuse_lost(has_written=self._connection.total_changes > before)

    def note_report(self, run_id: str, written: ReportRecord) -> None:
        """Write down what a report holds, in place of what was noted of the one before."""
        self._connection.execute(
            _SQL["note_report"],
            (
                self.ledger.run_number(run_id),
                written.tool_version,
                written.journal_digest,
                written.digest_format,
                written.manifest_sha256,
                json.dumps(dict(written.files)),
                written.log_size,
                json.dumps(written.predecessors),
                written.previous_manifest_sha256,
                written.resumptions,
            ),
        )
        self._open_files.refuse_lost()

    def note_resumption(self, run_no: int, taken_up: Resumption) -> None:
        """Write down who takes a run up again, when, on which terms, and why it had stopped."""
        self._connection.execute(
            _SQL["note_resumption"],
            (run_no, taken_up.resumed_at, json.dumps(taken_up.details())),
        )

    def note_reconciliation(self, run_id: str, at: str, counts: Mapping[str, int]) -> None:
        """Write down that Register was asked what it holds now, when, and the rows by answer.

        It is no part of the run itself: a report of the run stays as it is, and still verifies.
        """
        run_no = self.ledger.run_number(run_id)
        self._connection.execute(
            _SQL["note_reconciliation"], (run_no, at, json.dumps(dict(counts)))
        )

    def note_cut_off(self, run_id: str, *, exit_code: int, stopped_because: str | None) -> None:
        """Write down how a run ended that had no time to: at the last moment that it wrote down."""
        run_no = self.ledger.run_number(run_id)
        self._connection.execute(
            _SQL["note_cut_off"],
            (exit_code, stopped_because, self._last_moment(run_id), stopped_because, run_no),
        )

    def _last_moment(self, run_id: str) -> str:
        moments = (one.answered_at or one.intended_at for one in self.ledger.attempts(run_id))
        return max(moments, default=self.ledger.run(run_id).started_at)

    async def intend(self, run_no: int, row_number: int | None, kind: str) -> int:
        """Write down that a request will be sent; it may leave once this returns."""
        return (await self.intend_all(run_no, [row_number], kind))[0]

    async def intend_all(
        self, run_no: int, row_numbers: Sequence[int | None], kind: str
    ) -> list[int]:
        """Write down that requests will be sent, all in one commit; return an attempt for each."""
        first, now = self._last_attempt_id + 1, self._wall()
        self._last_attempt_id += len(row_numbers)
        for attempt_id, row_number in enumerate(row_numbers, first):
            self._commits.queue(_SQL["intend"], (attempt_id, run_no, row_number, kind, now))
        await self.flush()
        return list(range(first, first + len(row_numbers)))

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
        self._commits.queue(
            _SQL["answer"],
            (self._wall(), meaning, http_status, request_id, state, register_date, attempt_id),
        )

    def settle(
        self, run_no: int, row_number: int, settled: Settled, then: Callable[[], None] | None = None
    ) -> None:
        """Write down what became of a row; `then` is called once that is on disk."""
        self._commits.queue(
            _SQL["settle"],
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
        await self._commits.flush()

    async def pending(self, run_no: int, after: int, most: int) -> list[RowUnderWay]:
        """Return the next rows to settle behind a row number, in the order of the file."""
        async with self._commits.between:
            found = self._connection.execute(_SQL["pending"], (run_no, after, most)).fetchall()
        return [RowUnderWay(n, Deferral(i, d, reason), bool(o)) for n, i, d, reason, o in found]

    def finish(self, run_no: int, *, exit_code: int, stopped_because: str | None) -> None:
        """Close a run, or this stretch of it: rows without an outcome become `unresolved`."""
        with self._one_commit() as now:
            self.settle_the_rest(run_no)
            self._connection.execute(_SQL["finish"], (now, exit_code, stopped_because, run_no))

    def end_for_good(self, run_no: int, *, exit_code: int, because: str) -> None:
        """End a run that nobody wants to resume; its rows stay as they are."""
        with self._one_commit() as now:
            self._note(run_no, ended="closed")
            self._connection.execute(_SQL["end_for_good"], (now, exit_code, because, run_no))

    def settle_the_rest(self, run_no: int) -> None:
        """Settle every row without an outcome by its attempts.

        As `answer_lost`, `not_sent`, or, where only the cause was still to be read, as
        `refused_by_register`.
        """
        codes = (Code.ANSWER_LOST, Code.REFUSED_BY_REGISTER, Code.NOT_SENT)
        messages = (_LOST, _REFUSED, _ENDED_THE_RUN, _NOT_SENT)
        self._connection.execute(
            _SQL["settle_the_rest"], (iso(self._wall()), *codes, *messages, run_no)
        )

    def reopen(self, run_no: int) -> None:
        """Take the outcome from unresolved rows, so that `pending` returns them again.

        The run has no end until the next one is written down.
        """
        self.has_begun = True
        with self._one_commit():
            self._connection.execute(_SQL["reopen_rows"], (run_no,))
            self._connection.execute(_SQL["reopen_run"], (run_no,))

    def close(self) -> None:
        """Close the file; what was not flushed is gone."""
        self._connection.close()


def _codes_after(code: Code) -> str:
    """Return the codes behind one in their order, as JSON."""
    ordered = list(Code)
    return json.dumps(ordered[ordered.index(code) + 1 :])


def _row_values(run_no: int, row: Row, now: str) -> tuple[object, ...]:
    own = json.dumps(row.values, ensure_ascii=False)
    ids = (run_no, row.row_number, own, row.trainee_id, folded(row.trainee_id))
    if row.deferral is not None:
        unsettled = (None, None, None, None, None)
        return (*ids, row.deferral.defer_date, row.deferral.defer_reason, *unsettled)
    code = row.problems[0].code
    found = json.dumps([(one.code, one.column, one.message) for one in row.problems])
    return (*ids, None, None, code.outcome, code, joined_messages(row.problems), now, found)


@contextmanager
def in_memory(path: Path, *, origin: str | None, wall: Callable[[], float]) -> Iterator[Journal]:
    """Yield a journal in memory that knows what the one at `path` does, if there is one.

    For commands that only read Register: of what they write down only the times of their requests
    to `origin` are kept, for pacing (None: of a rehearsal), and the file is only read. Raises
    JournalProblem.
    """
    journal, began = Journal(database.copy_in_memory(path), wall=wall), wall()
    try:
        yield journal
    finally:
        if origin is not None and (asked := journal.ledger.sent_since(origin, began)):
            recent_requests.note(origin, asked, now=wall())
        journal.close()


@contextmanager
def writing(path: Path, *, run_id: str, since: str, wall: Callable[[], float]) -> Iterator[Journal]:
    """Hold the writer's lock, and yield the journal, made or migrated where needed.

    `run_id` and `since` tell others who holds it. Raises AlreadyRunning, UsageProblem,
    JournalProblem; what the disk refuses within the block comes out as JournalProblem, or, once a
    run has begun, as StoppedEarly.
    """
    files.make_private_folder(path.parent)
    files.refuse_shared_folder(path.parent)
    with locks.one_writer(path, run_id=run_id, since=since):
        try:
            journal = Journal.open(path, wall=wall)
        except (sqlite3.Error, OSError) as error:
            raise disk_failed(error, has_begun=False) from error
        try:
            bring_back(journal.ledger, path.parent / run_id)
            yield journal
        except (sqlite3.Error, OSError) as error:
            raise disk_failed(error, has_begun=journal.has_begun) from error
        except JournalLost as lost:
            if journal.has_begun:
                raise
            raise JournalProblem(f"{lost.message}. Nothing was sent", hint=lost.hint) from lost
        finally:
            journal.close()
