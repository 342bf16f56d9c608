"""Runs that are not confirmed yet: staged, described, and then started or discarded."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict

from batch.record.notes import Notes
from batch.record.records import RunRecord, iso
from batch.rows import Problem, Row, Settled, folded, joined_messages


class Drafts(Notes):
    """The journal before a run begins: every row is written down before the first is sent.

    `wall` gives Unix seconds; `has_begun` tells that a run has been let send by this writer.
    """

    def __init__(self, connection: sqlite3.Connection, *, wall: Callable[[], float]) -> None:
        super().__init__(connection)
        self._wall = wall
        self.has_begun = False

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
        with self._one_commit() as now:
            self._connection.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
                (_row_values(run_no, row, now) for row in rows),
            )

    def add_problems(self, run_no: int, found: Iterable[tuple[int, Problem]]) -> None:
        """Settle rows of a staged run by what was found over the whole file."""
        with self._one_commit() as now:
            self._connection.executemany(
                "UPDATE rows SET outcome='unprocessable', code=coalesce(code, ?),"
                " message=trim(coalesce(message, '') || ' ' || ?), settled_at=?, defer_date=NULL"
                " WHERE run_no=? AND row_number=?",
                ((problem.code, problem.message, now, run_no, number) for number, problem in found),
            )

    def settle_now(self, run_no: int, settled: Mapping[int, Settled]) -> None:
        """Settle rows before the run begins, all in one commit."""
        with self._one_commit() as now:
            self._connection.executemany(
                "UPDATE rows SET outcome=?, code=?, message=?, register_date=?, settled_at=?"
                " WHERE run_no=? AND row_number=?",
                (
                    (row.outcome, row.code, row.message, row.register_date, now, run_no, number)
                    for number, row in settled.items()
                ),
            )

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
        """Forget a run, unless it has been confirmed; on a full disk, the next writer does."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            stage = self._connection.execute("SELECT stage FROM runs WHERE run_no=?", (run_no,))
            if stage.fetchone() == ("staged",):
                self.discard(run_no)

    def start(self, run_no: int, *, ending: Iterable[int] = ()) -> None:
        """Mark a run as confirmed: from here on it can be resumed, and those `ending` cannot."""
        self.has_begun = True
        with self._one_commit():
            self._connection.execute("UPDATE runs SET stage='started' WHERE run_no=?", (run_no,))
            self._connection.executemany(
                "UPDATE runs SET stage='ended' WHERE run_no=?", ((number,) for number in ending)
            )

    def _remove_staged(self) -> None:
        staged = self._connection.execute("SELECT run_no FROM runs WHERE stage='staged'")
        for (run_no,) in staged.fetchall():
            self.discard(run_no)

    @contextmanager
    def _one_commit(self) -> Iterator[str]:
        """Write all of it or nothing; gives the time."""
        self._connection.execute("BEGIN")
        try:
            yield iso(self._wall())
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _row_values(run_no: int, row: Row, now: str) -> tuple[object, ...]:
    own = json.dumps(row.values, ensure_ascii=False)
    ids = (run_no, row.row_number, own, row.trainee_id, folded(row.trainee_id))
    if row.deferral is not None:
        return (*ids, row.deferral.defer_date, row.deferral.defer_reason, None, None, None, None)
    code = row.problems[0].code
    return (*ids, None, None, code.outcome, code, joined_messages(row.problems), now)
