"""Reading the journal: runs, rows and attempts as values, in the order of the file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batch.codes import Outcome
from batch.errors import UnknownRun
from batch.record import database
from batch.record.records import (
    AttemptRecord,
    ReportRecord,
    Requests,
    Resumption,
    RowRecord,
    RunRecord,
    iso,
)

IN_DOUBT = ("lost", "differs", "no_date", "deferred")
"""Meanings of a defer request after which its row, if unsettled, is read before it is sent."""

IS_IN_DOUBT = f"(a.meaning IS NULL OR a.meaning IN {IN_DOUBT})"

_ARRIVED = "a.kind='defer' AND (a.meaning IS NULL OR a.meaning NOT IN ('throttled', 'never_left'))"
_SENT = "(a.meaning IS NULL OR a.meaning <> 'never_left')"
_RUN = (
    "SELECT run_id, rehearsal, input_sha256, input_rows, started_at, finished_at,"
    " stopped_because, exit_code, stage, details FROM runs"
)


DIGEST_FORMAT = 2
"""The format of the digest that is noted with a report now."""

_DIGESTED_ROWS = (
    "SELECT row_number, own_values, trainee_id, folded_id, defer_date, defer_reason, outcome, code,"
    " message, register_date, settled_at FROM rows WHERE run_no=? ORDER BY row_number",
    "SELECT run_no, row_number, kind, intended_at, answered_at, meaning, http_status, request_id,"
    " state, register_date FROM attempts WHERE run_no=? ORDER BY attempt_id",
)
_DIGESTED_RUN = (
    "SELECT run_id, origin, rehearsal, input_sha256, input_rows, started_at, finished_at,"
    " stopped_because, exit_code, details FROM runs WHERE run_no=?",
    "SELECT resumed_at, details FROM resumptions WHERE run_no=? ORDER BY rowid",
)
_REPORT = (
    "SELECT tool_version, journal_digest, digest_format, manifest_sha256, files, log_size,"
    " predecessors, previous_manifest_sha256, resumptions FROM reports WHERE run_no=? AND place=''"
)
_REPORT_OF_VERSION_3 = (
    "SELECT tool_version, journal_digest, 1, manifest_sha256, files, log_size,"
    " predecessors, NULL, NULL FROM reports WHERE run_no=? AND place=''"
)


class Ledger:
    """The journal as its readers see it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Open read-only. Raises JournalProblem where the file is missing or not usable."""
        return cls(database.open_for_reading(path))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def select(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a SELECT finds, for the rooms of this wing."""
        yield from self._connection.cursor().execute(sql, values)

    def run_number(self, run_id: str) -> int:
        """Return the number of a run. Raises UnknownRun, naming the nearest."""
        found = self._connection.execute("SELECT run_no FROM runs WHERE run_id=?", (run_id,))
        row = found.fetchone()
        if row is None:
            raise UnknownRun(f"no run {run_id[:80]} in this journal", hint=self._nearest(run_id))
        return int(row[0])

    def run(self, run_id: str) -> RunRecord:
        """Return one run. Raises UnknownRun."""
        number = self.run_number(run_id)
        return _run(self._connection.execute(f"{_RUN} WHERE run_no=?", (number,)).fetchone())

    def stage_of(self, run_id: str) -> str:
        """Return how far a run has come: started, finished, ended, purging or purged."""
        number = self.run_number(run_id)
        return str(next(self.select("SELECT stage FROM runs WHERE run_no=?", (number,)))[0])

    def runs(self) -> list[tuple[str, RunRecord]]:
        """Return every run with its stage (`started`, `finished`, …), newest first."""
        found = self._connection.execute(
            f"{_RUN} WHERE stage<>'staged' ORDER BY started_at DESC, run_no DESC"
        )
        return [(row[8], _run(row)) for row in found]

    def unfinished_with_sends(self, origin: str, input_sha256: str) -> list[tuple[int, str]]:
        """Return number and id of unfinished runs of this content that have sent something."""
        found = self.select(
            "SELECT run_no, run_id FROM runs WHERE stage='started' AND origin=?"
            " AND input_sha256=? AND NOT rehearsal AND EXISTS (SELECT 1 FROM attempts a"
            f" WHERE a.run_no=runs.run_no AND {_ARRIVED}) ORDER BY run_no DESC",
            (origin, input_sha256),
        )
        return [(number, run_id) for number, run_id in found]

    def has_sent(self, run_id: str) -> bool:
        """Whether a deferral of the run may have reached Register."""
        found = self.select(
            f"SELECT EXISTS (SELECT 1 FROM attempts a WHERE a.run_no=? AND {_ARRIVED})",
            (self.run_number(run_id),),
        )
        return bool(next(found)[0])

    def unsettled(self, run_id: str) -> int:
        """Count the rows that `resume` would carry on with."""
        found = self.select(
            "SELECT count(*) FROM rows WHERE run_no=? AND coalesce(outcome, 'unresolved')"
            "='unresolved'",
            (self.run_number(run_id),),
        )
        return int(next(found)[0])

    def held_back(self, run_id: str) -> dict[str, int]:
        """Count the settled rows by code: those that will not be sent."""
        found = self.select(
            "SELECT code, count(*) FROM rows WHERE run_no=? AND outcome IS NOT NULL"
            " AND outcome<>'unresolved' GROUP BY 1 ORDER BY 1",
            (self.run_number(run_id),),
        )
        return dict(found)

    def outcomes(self, run_id: str) -> Iterator[tuple[Any, ...]]:
        """Yield row number, outcome, code and time of the rows that have an outcome."""
        yield from self.select(
            "SELECT row_number, outcome, code, settled_at FROM rows WHERE run_no=?"
            " AND outcome IS NOT NULL ORDER BY row_number",
            (self.run_number(run_id),),
        )

    def trainee_ids(self, run_id: str) -> Iterator[str]:
        """Yield the folded ids of a run's rows that passed every check."""
        for (folded_id,) in self.select(
            "SELECT folded_id FROM rows WHERE run_no=? AND defer_date IS NOT NULL",
            (self.run_number(run_id),),
        ):
            yield folded_id

    def problems(self, run_id: str, most: int) -> list[tuple[str, tuple[int, ...], str, int]]:
        """Give, for each code that needs attention, the first rows, a message, how many."""
        number = self.run_number(run_id)
        grouped = self.select(
            "SELECT code, count(*) FROM rows WHERE run_no=? AND (outcome<>'succeeded'"
            " OR code='answer_differs') GROUP BY code ORDER BY min(row_number)",
            (number,),
        )
        return [(code, *self._first_of(number, code, most), count) for code, count in grouped]

    def rows(self, run_id: str, outcome: Outcome | None = None) -> Iterator[RowRecord]:
        """Yield a run's rows, or those of one outcome; rows without one count as unresolved."""
        which = "" if outcome is None else " AND coalesce(r.outcome, 'unresolved')=?"
        found = self._connection.cursor().execute(
            "SELECT row_number, own_values, trainee_id, defer_date,"
            " coalesce(outcome, 'unresolved'), coalesce(code, 'not_sent'), coalesce(message, ''),"
            " (SELECT a.http_status FROM attempts a WHERE a.run_no=r.run_no"
            f" AND a.row_number=r.row_number AND {_ARRIVED} ORDER BY a.attempt_id DESC LIMIT 1),"
            " (SELECT count(*) FROM attempts a WHERE a.run_no=r.run_no"
            f" AND a.row_number=r.row_number AND {_ARRIVED}), register_date, settled_at"
            f" FROM rows r WHERE run_no=?{which} ORDER BY row_number",
            (self.run_number(run_id), *([] if outcome is None else [outcome])),
        )
        for n, own, trainee_id, date, out, code, message, status, sent, register, at in found:
            values = tuple(json.loads(own))
            sent_date = date if sent else None
            yield RowRecord(
                n, values, trainee_id, date, out, code, message, status, sent, sent_date,
                register, at,
            )  # fmt: skip

    def settled_by_asking(self, run_id: str) -> Iterator[str]:
        """Yield when rows were settled for which Register was asked."""
        for (moment,) in self.select(
            "SELECT settled_at FROM rows r WHERE run_no=? AND settled_at IS NOT NULL AND EXISTS"
            " (SELECT 1 FROM attempts a WHERE a.run_no=r.run_no AND a.row_number=r.row_number)",
            (self.run_number(run_id),),
        ):
            yield moment

    def attempts(self, run_id: str) -> Iterator[AttemptRecord]:
        """Yield a run's requests, in the order in which they were intended."""
        found = self._connection.cursor().execute(
            "SELECT attempt_id, row_number, kind, intended_at, answered_at, meaning, http_status,"
            " request_id, state, register_date FROM attempts WHERE run_no=? ORDER BY attempt_id",
            (self.run_number(run_id),),
        )
        for attempt_id, number, kind, intended, answered, *rest in found:
            until = None if answered is None else iso(answered)
            yield AttemptRecord(attempt_id, number, kind, iso(intended), until, *rest)

    def counts(self, run_id: str) -> dict[str, int]:
        """Count a run's rows by code."""
        found = self._connection.execute(
            "SELECT coalesce(code, 'not_sent'), count(*) FROM rows WHERE run_no=?"
            " GROUP BY 1 ORDER BY 1",
            (self.run_number(run_id),),
        )
        return dict(found.fetchall())

    def requests(self, run_id: str) -> Requests:
        """Count a run's requests, of every kind."""
        found = self._connection.execute(
            f"SELECT count(*) FILTER (WHERE {_SENT}), count(*) FILTER (WHERE meaning='throttled'),"
            f" count(*) FILTER (WHERE kind='read' AND {_SENT}) FROM attempts a WHERE run_no=?",
            (self.run_number(run_id),),
        )
        return Requests(*found.fetchone())

    def sent_since(self, origin: str, unix_seconds: float) -> list[float]:
        """Return when requests to a Register were intended, since then, in Unix seconds."""
        found = self._connection.execute(
            "SELECT intended_at FROM attempts a JOIN runs USING (run_no)"
            f" WHERE origin=? AND intended_at>=? AND {_SENT} ORDER BY intended_at",
            (origin, unix_seconds),
        )
        return [intended for (intended,) in found]

    def digest(self, run_id: str, digest_format: int = DIGEST_FORMAT) -> str:
        """Return the SHA-256 over a run as the journal holds it.

        Format 1 (0.1.0) has the rows and the attempts, in the columns that these had then. Format
        2 has the run itself and its resumptions before them. A format never changes: reports that
        were noted with it must verify for ever, whatever columns are added.
        """
        number, digest = self.run_number(run_id), hashlib.sha256()
        parts = (*_DIGESTED_RUN, *_DIGESTED_ROWS) if digest_format > 1 else _DIGESTED_ROWS
        for sql in parts:
            for row in self.select(sql, (number,)):
                digest.update(json.dumps(row).encode() + b"\n")
        return digest.hexdigest()

    def reported(self, run_id: str) -> ReportRecord | None:
        """Return what was noted of a run's report when it was last written, None if nothing was."""
        if not self._keeps_notes():
            return None
        sql = _REPORT if self._version() > 3 else _REPORT_OF_VERSION_3
        for version, digest, form, manifest, files, size, before, previous, resumed in self.select(
            sql, (self.run_number(run_id),)
        ):
            listed, replaced = json.loads(files), tuple(json.loads(before))
            return ReportRecord(
                version, digest, form, manifest, listed, size, replaced, previous, resumed
            )
        return None

    def manifest_before(self, run_id: str) -> str | None:
        """Return the SHA-256 of the manifest of the last reported run before this one."""
        found = self.select(
            "SELECT manifest_sha256 FROM reports WHERE run_no<? AND place=''"
            " ORDER BY run_no DESC LIMIT 1",
            (self.run_number(run_id),),
        )
        return next((str(sha256) for (sha256,) in found), None)

    def resumptions(self, run_id: str) -> list[Resumption]:
        """Return who took a run up again, in that order."""
        if not self._keeps_notes():
            return []
        found = self.select(
            "SELECT resumed_at, details FROM resumptions WHERE run_no=? ORDER BY rowid",
            (self.run_number(run_id),),
        )
        return [Resumption(resumed_at=at, **json.loads(details)) for at, details in found]

    def _keeps_notes(self) -> bool:
        """Whether the journal is of version 3 at least: a reader does not migrate it."""
        return self._version() >= 3

    def _version(self) -> int:
        return int(next(self.select("PRAGMA user_version"))[0])

    def _first_of(self, run_no: int, code: str, most: int) -> tuple[tuple[int, ...], str]:
        found = list(
            self.select(
                "SELECT row_number, message FROM rows WHERE run_no=? AND code=?"
                " ORDER BY row_number LIMIT ?",
                (run_no, code, most),
            )
        )
        return tuple(number for number, _ in found), found[0][1] if found else ""

    def _nearest(self, run_id: str) -> str:
        import difflib  # noqa: PLC0415 — for this one message only

        known = [row[0] for row in self._connection.execute("SELECT run_id FROM runs")]
        near = difflib.get_close_matches(run_id, known, n=3, cutoff=0.3) or known[-3:]
        return f"nearest: {', '.join(near)}" if near else "`defer-batch runs` lists them: none yet"


def _run(row: tuple[object, ...]) -> RunRecord:
    run_id, rehearsal, sha256, rows, started, finished, because, exit_code, _, details = row
    more = json.loads(str(details))
    for name in ("columns", "command", "notices"):
        more[name] = tuple(more[name])
    known = {
        "run_id": run_id,
        "rehearsal": bool(rehearsal),
        "input_sha256": sha256,
        "input_rows": rows,
        "started_at": started,
        "finished_at": finished,
        "stopped_because": because,
        "exit_code": exit_code,
    }
    return RunRecord(**(more | known))
