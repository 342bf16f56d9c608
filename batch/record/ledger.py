"""Reading the journal: runs, rows and attempts as values, in the order of the file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from batch.codes import Code, Outcome
from batch.columns import origin_places
from batch.errors import SelfCheckFailed, UnknownRun
from batch.record.database import open_for_reading, prepare, statements
from batch.record.records import (
    AnsweredRow,
    AskedRow,
    AttemptRecord,
    ReportedRow,
    ReportRecord,
    Requests,
    Resumption,
    RowRecord,
    RunRecord,
    UnsentRow,
    iso,
)
from batch.rows import Deferral, Problem, RowUnderWay

DIGEST_FORMAT = 2
"""The format of the digest that is noted with a report now."""

STAGES = frozenset({"staged", "started", "finished", "ended", "purging", "purged"})
"""How far a run can have come (schema.sql)."""

_SQL = statements("ledger")
_DIGESTED = {
    1: ("digested_rows", "digested_attempts"),
    2: ("digested_run", "digested_resumptions", "digested_rows", "digested_attempts"),
}


class Ledger:
    """The journal as its readers see it: the only class that reads runs, rows and attempts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        prepare(connection)
        self._connection = connection

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Open read-only. Raises JournalProblem where the file is missing or not usable."""
        return cls(open_for_reading(path))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _found(self, name: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(_SQL[name], values)

    def _of_run(self, name: str, run_id: str, *values: object) -> sqlite3.Cursor:
        return self._found(name, self.run_number(run_id), *values)

    def _number(self, name: str, *values: object) -> int:
        return int(self._found(name, *values).fetchone()[0])

    def run_number(self, run_id: str) -> int:
        """Return the number of a run. Raises UnknownRun, naming the nearest."""
        row = self._found("run_number", run_id).fetchone()
        if row is None:
            raise UnknownRun(
                f"no run {run_id[:80]} in this record of runs", hint=self._nearest(run_id)
            )
        return int(row[0])

    def run(self, run_id: str) -> RunRecord:
        """Return one run. Raises UnknownRun, SelfCheckFailed where it cannot be read."""
        run = _run_if_readable(self._of_run("run", run_id).fetchone())
        if run is None:
            raise SelfCheckFailed(
                f"what journal.db holds of {run_id} cannot be read: it was altered or is damaged",
                hint="keep journal.db as it is, and restore it from a backup",
            )
        return run

    def stage_of(self, run_id: str) -> str:
        """Return how far a run has come: started, finished, ended, purging or purged."""
        return str(self._of_run("stage_of", run_id).fetchone()[0])

    def runs(self) -> list[tuple[str, RunRecord]]:
        """Return every run that can be read with its stage (`started`, …), newest first."""
        found = self._found("runs").fetchall()
        return [(row[8], run) for row in found if (run := _run_if_readable(row))]

    def run_ids(self) -> frozenset[str]:
        """Return the id of every run, purged and unreadable ones included."""
        return frozenset(str(run_id) for (run_id,) in self._found("run_ids"))

    def unreadable_runs(self) -> list[tuple[str, str]]:
        """Return id and stage of the runs of which the journal holds what no version writes."""
        found = self._found("runs").fetchall()
        return [(str(row[0]), str(row[8])) for row in found if _run_if_readable(row) is None]

    def unfinished_with_sends(self, origin: str, input_sha256: str) -> list[tuple[int, str]]:
        """Return number and id of unfinished runs of this content that have sent something."""
        return self._found("unfinished_with_sends", origin, input_sha256).fetchall()

    def has_sent(self, run_id: str) -> bool:
        """Whether a deferral of the run may have reached Register."""
        return bool(self._of_run("has_sent", run_id).fetchone()[0])

    def unsettled(self, run_id: str) -> int:
        """Return how many rows `resume` would still settle."""
        return int(self._of_run("unsettled", run_id).fetchone()[0])

    def held_back(self, run_id: str) -> dict[str, int]:
        """Return how many rows are settled and will not be sent, by code."""
        return dict(self._of_run("held_back", run_id).fetchall())

    def outcomes(self, run_id: str) -> Iterator[tuple[Any, ...]]:
        """Yield row number, outcome, code and time of the rows that have an outcome."""
        yield from self._of_run("outcomes", run_id)

    def trainee_ids(self, run_id: str) -> Iterator[str]:
        """Yield the folded ids of a run's rows that passed every check."""
        for (folded_id,) in self._of_run("trainee_ids", run_id):
            yield folded_id

    def problems(self, run_id: str, most: int) -> list[tuple[str, tuple[int, ...], str, int]]:
        """Return, for each code that needs attention, the first rows, a message, how many."""
        number = self.run_number(run_id)
        grouped = self._found("problems", number).fetchall()
        return [(code, *self._first_of(number, code, most), count) for code, count in grouped]

    def rows(self, run_id: str, outcome: Outcome | None = None) -> Iterator[RowRecord]:
        """Yield a run's rows, or those of one outcome; rows without one count as unresolved."""
        if outcome is None:
            return _records(self._of_run("rows", run_id))
        return _records(self._of_run("rows_of", run_id, outcome))

    def rows_with(self, run_id: str, code: Code, most: int) -> Iterator[RowRecord]:
        """Yield the first of a run's rows that have a code; those without one as not sent."""
        return _records(self._of_run("rows_with", run_id, code, Code.NOT_SENT, most))

    def problems_of_rows(self, run_id: str) -> dict[int, list[Problem]]:
        """Return the problems of rows by row number, as far as they were noted one by one.

        Journals of 0.1.0 have no such notes, only one message a row.
        """
        return {
            number: [
                Problem(Code(code), column, words) for code, column, words in json.loads(found)
            ]
            for number, found in self._of_run("problems_of_rows", run_id)
        }

    def origins(self, run_no: int, names: tuple[str, ...]) -> list[str]:
        """Return the runs whose rows a run corrects, by its column `original_run`; oldest first."""
        places = origin_places(names)
        if places is None:
            return []
        return [run_id for (run_id,) in self._found("origins", run_no, f"$[{places[1]}]")]

    def corrected_later(self, input_sha256: str, origin: str) -> tuple[set[int], list[str]]:
        """Return the rows of a file that later runs corrected and deferred, in however many rounds.

        And the runs that may have corrected more of them: nothing is left that says which.
        """
        runs = [run for _, run in self.runs()]
        originals = {run.run_id for run in runs if run.input_sha256 == input_sha256}
        found: set[int] = set()
        unknown: list[str] = []
        for run in runs:
            if run.rehearsal or run.base_url != origin or originals.isdisjoint(run.follows):
                continue
            corrected = self.corrected_by(run)
            if corrected is None:
                unknown.append(run.run_id)
            else:
                found.update(*(corrected.get(run_id, ()) for run_id in originals))
        return found, unknown

    def corrected_by(self, run: RunRecord) -> Mapping[str, Sequence[int]] | None:
        """Return the rows that a run corrected and deferred, by the run that had them first.

        None where an earlier version purged its rows.
        """
        if run.is_purged:
            return run.corrected
        places = origin_places(run.columns)
        corrected: dict[str, list[int]] = {}
        if places is not None:
            paths = (f"$[{place}]" for place in places)
            for row, run_id in self._of_run("corrected", run.run_id, *paths):
                if run_id in run.follows and str(row).isdecimal():
                    corrected.setdefault(run_id, []).append(int(row))
        return corrected

    def lines(
        self, run: RunRecord
    ) -> Iterator[tuple[int, str, str | None, str | None, str | None]]:
        """Yield row number, folded id, code, original row and original run; None: not known."""
        nowhere = len(run.columns)
        places = origin_places(run.columns) or (nowhere, nowhere)
        yield from self._of_run("lines", run.run_id, *(f"$[{place}]" for place in places))

    def trainees(self, run_id: str) -> dict[str, int]:
        """Return how many trainees each outcome's rows are about; a row without an id is one."""
        return dict(self._of_run("trainees", run_id).fetchall())

    def refusals(self, run_id: str) -> list[tuple[str, int]]:
        """Return what Register said to the rows that it refused, the most frequent first."""
        found = self._of_run("messages_of", run_id, Code.REFUSED_BY_REGISTER)
        return [(str(words), int(count)) for words, count in found]

    def settled_by_asking(self, run_id: str) -> Iterator[str]:
        """Yield when rows were settled for which Register was asked."""
        for (moment,) in self._of_run("settled_by_asking", run_id):
            yield moment

    def attempts(self, run_id: str) -> Iterator[AttemptRecord]:
        """Yield a run's requests, in the order in which they were intended."""
        found = self._of_run("attempts", run_id)
        for attempt_id, number, kind, intended, answered, *rest in found:
            until = None if answered is None else iso(answered)
            yield AttemptRecord(attempt_id, number, kind, iso(intended), until, *rest)

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many of a run's rows have each code, those without one as not sent."""
        counts: Counter[str] = Counter()
        for code, count in self._of_run("counts", run_id):
            counts[code or Code.NOT_SENT.value] += count
        return dict(sorted(counts.items()))

    def to_look_up(self, run_id: str) -> Iterator[UnsentRow]:
        """Yield the rows that are not settled and passed every check."""
        for number, own, trainee_id, date, reason, is_open in self._of_run("to_look_up", run_id):
            values = tuple(json.loads(own))
            yield UnsentRow(number, values, trainee_id, date, reason, is_open=bool(is_open))

    def unsent(self, run_id: str) -> Iterator[AskedRow]:
        """Yield the rows that `resume` would send, as the journal has them."""
        for number, own, *asked in self._of_run("unsent", run_id):
            yield AskedRow(number, tuple(json.loads(own)), *asked)

    def asked_sha256(self, run_no: int) -> str:
        """Return the SHA-256 over what a run's rows ask of Register: it never changes."""
        digest = hashlib.sha256()
        for row in self._found("asked", run_no):
            digest.update(json.dumps(row).encode() + b"\n")
        return digest.hexdigest()

    def words(self, run_id: str) -> list[tuple[str, str | None, str | None]]:
        """Return each pair of words that a run holds: outcome and code, kind and meaning.

        The first of the three is what has them: `row` or `attempt`.
        """
        return self._found("words", self.run_number(run_id)).fetchall()

    def is_whole(self) -> bool:
        """Whether the file is undamaged, what finds its rows included."""
        return str(self._found("damage").fetchone()[0]) == "ok"

    def origin(self, run_id: str) -> str:
        """Return the Register that a run is about, as the journal looks for it."""
        return str(self._of_run("origin", run_id).fetchone()[0])

    def in_doubt(self, run_id: str) -> list[RowUnderWay]:
        """Return the rows that were sent, and of which nobody knows what became of them."""
        found = self._of_run("in_doubt", run_id, Code.ANSWER_LOST)
        return [RowUnderWay(n, Deferral(i, d, reason), is_open=True) for n, i, d, reason in found]

    def superseded(self, run_id: str) -> dict[int, str]:
        """Return, by row, the later run that dealt with the trainee, where nothing is in doubt."""
        found = self._of_run("superseded", run_id)
        return {number: later for number, later, is_in_doubt in found if not is_in_doubt}

    def superseded_once_read(self, run_no: int) -> dict[int, str]:
        """Return the same of the rows that must be read first: what was sent may have arrived."""
        found = self._found("superseded", run_no)
        return {number: later for number, later, is_in_doubt in found if is_in_doubt}

    def answered(self, run_id: str) -> Iterator[AnsweredRow]:
        """Yield the rows that Register was asked for: deferred, not found, or refused unread."""
        rows = self._of_run("answered", run_id, Code.REFUSED_BY_REGISTER)
        for number, trainee_id, date, reason, outcome in rows:
            yield AnsweredRow(number, Deferral(trainee_id, date, reason), outcome)

    def succeeded(self, run_id: str) -> Iterator[ReportedRow]:
        """Yield the rows whose deferral a run reports as held by Register."""
        for number, own, trainee_id, date, reason, code in self._of_run("succeeded", run_id):
            deferral = Deferral(trainee_id, date, reason)
            yield ReportedRow(number, tuple(json.loads(own)), deferral, code)

    def last_reconciliation(self, run_id: str) -> tuple[str, dict[str, int]] | None:
        """Return when Register was last asked whether a run's report stands, and the counts."""
        row = self._of_run("last_reconciliation", run_id).fetchone()
        return None if row is None else (str(row[0]), json.loads(row[1]))

    def requests(self, run_id: str) -> Requests:
        """Return how many requests a run made, of every kind."""
        return Requests(*self._of_run("requests", run_id).fetchone())

    def sent_since(self, origin: str, unix_seconds: float) -> list[float]:
        """Return when requests to a Register were intended, since then, in Unix seconds."""
        return [intended for (intended,) in self._found("sent_since", origin, unix_seconds)]

    def digest(self, run_id: str, digest_format: int = DIGEST_FORMAT) -> str:
        """Return the SHA-256 over a run as the journal holds it.

        Format 1 (0.1.0) has the rows and the attempts, in the columns that these had then. Format
        2 has the run itself and its resumptions before them. A format never changes: reports that
        were noted with it must verify for ever, whatever columns are added.
        """
        *_, last = self._digests(run_id, digest_format, 0)
        return last

    def digests_while_asking(self, run_id: str, digest_format: int) -> Iterator[str]:
        """Yield the digests that a run has had since its last deferral, oldest first.

        Register may be asked about token, trainees or a lost answer without any deferral being
        sent, and a kill then leaves those questions behind a report that does not know them.
        """
        last = self._number("asked_last", self.run_number(run_id))
        yield from self._digests(run_id, digest_format, last)

    def _digests(self, run_id: str, digest_format: int, last: int) -> Iterator[str]:
        """Yield the digest before each of the last so many attempts, then that of all."""
        number, digest = self.run_number(run_id), hashlib.sha256()
        held: deque[bytes] = deque()
        for name in _DIGESTED[digest_format]:
            for row in self._found(name, number):
                held.append(json.dumps(row).encode() + b"\n")
                if len(held) > last:
                    digest.update(held.popleft())
        for line in held:
            yield digest.hexdigest()
            digest.update(line)
        yield digest.hexdigest()

    def reported(self, run_id: str) -> ReportRecord | None:
        """Return what was noted of a run's report when it was last written, None if nothing was."""
        row = self._of_run("reported", run_id).fetchone()
        if row is None:
            return None
        version, digest, form, manifest, files, size, before, previous, resumed = row
        listed, replaced = json.loads(files), tuple(json.loads(before))
        return ReportRecord(
            version, digest, form, manifest, listed, size, replaced, previous, resumed
        )

    def manifest_before(self, run_id: str) -> str | None:
        """Return the SHA-256 of the manifest of the last reported run before this one."""
        row = self._of_run("manifest_before", run_id).fetchone()
        return None if row is None else str(row[0])

    def resumptions(self, run_id: str) -> list[Resumption]:
        """Return who took a run up again, in that order."""
        found = self._of_run("resumptions", run_id)
        return [Resumption(resumed_at=at, **json.loads(details)) for at, details in found]

    def last_command(self, run_id: str) -> tuple[str, ...]:
        """Return the words of the command that began a run, or took it up last."""
        resumed = self.resumptions(run_id)
        return tuple(resumed[-1].command) if resumed else self.run(run_id).command

    def deferrals_known(self, origin: str) -> int:
        """Return how many deferrals earlier runs made at a Register, purged runs included."""
        return self._number("deferrals_known", origin)

    def settled_earlier(self, run_no: int) -> Iterator[tuple[Any, ...]]:
        """Yield what earlier runs, not purged, know of a run's unsettled rows, best first.

        Each is row number, the code it would get, that run's id, Register's date then, the date
        asked for then, the date asked for now.
        """
        yield from self._found("settled_earlier", run_no)

    def remembers_any(self) -> bool:
        """Whether anything is remembered of purged runs."""
        return bool(self._number("remembers_any"))

    def open_rows(self, run_no: int) -> frozenset[int]:
        """Return the unsettled rows for whose trainee a request of any run may have arrived."""
        return frozenset(number for (number,) in self._found("open_rows", run_no))

    def sent_in_doubt(self, run_no: int) -> frozenset[int]:
        """Return the rows of a run that were sent and have no final answer."""
        return frozenset(number for (number,) in self._found("sent_in_doubt", run_no))

    def unsettled_deferrals(self, run_no: int) -> Iterator[tuple[int, str, str]]:
        """Yield row number, folded id and date of a run's unsettled rows that passed the checks."""
        yield from self._found("unsettled_deferrals", run_no)

    def of_one_trainee(self, run_no: int) -> Iterator[tuple[int, str, str, str | None]]:
        """Yield the unsettled rows whose trainee another unsettled row of the run names too.

        Row number, trainee_id, date and reason. Of a file's own ids there are none: check told.
        """
        yield from self._found("of_one_trainee", run_no)

    def remembered(self, digest: str) -> tuple[str, str] | None:
        """Return code and run id of a deferral that a purged run knew, None if none did."""
        row = self._found("remembered", digest).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def to_remember(self, run_id: str) -> Iterator[tuple[Any, ...]]:
        """Yield folded id, date, Register's date and code of what later runs need not ask."""
        yield from self._of_run("to_remember", run_id)

    def purgeable(self, before: str, *, doubts_before: float) -> list[str]:
        """Return the runs that began before then and need nothing more.

        One whose request for a trainee has no final answer will never have one. It stays while that
        request is of `doubts_before` (Unix seconds) or later: until then the trainee is read before
        anyone sends that row again.
        """
        return [run_id for (run_id,) in self._found("purgeable", before, doubts_before)]

    def half_purged(self) -> int:
        """Return how many runs have their rows deleted, but may still be read in the file."""
        return self._number("half_purged")

    def _first_of(self, run_no: int, code: str, most: int) -> tuple[tuple[int, ...], str]:
        found = self._found("first_of", run_no, code, most).fetchall()
        return tuple(number for number, _ in found), found[0][1] if found else ""

    def _nearest(self, run_id: str) -> str:
        import difflib  # noqa: PLC0415 — for this one message only

        known = [row[0] for row in self._found("run_ids")]
        near = difflib.get_close_matches(run_id, known, n=3, cutoff=0.3) or known[-3:]
        return f"nearest: {', '.join(near)}" if near else "`defer-batch runs` lists them: none yet"


def _records(found: sqlite3.Cursor) -> Iterator[RowRecord]:
    """Yield rows of the view `reported_rows`, whose columns are the fields in their order."""
    for _, number, own, trainee_id, date, reason, outcome, code, *rest in found:
        values = tuple(json.loads(own))
        told = code or Code.NOT_SENT.value
        yield RowRecord(number, values, trainee_id, date, reason, outcome, told, *rest)


def _run_if_readable(row: tuple[object, ...]) -> RunRecord | None:
    try:
        return _run(row)
    except (ValueError, TypeError, AttributeError):  # one bad run takes nothing from the others
        return None


def _run(row: tuple[object, ...]) -> RunRecord:
    run_id, rehearsal, sha256, rows, started, finished, because, exit_code, _, details = row
    more = json.loads(str(details))
    sequences = ("accepted_reports", "columns", "command", "notices", "reading_lines", "follows")
    for name in (*sequences, "looks"):
        more[name] = tuple(more.get(name, ()))
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
