"""`run.log`: JSON lines, one an attempt and one a row, and how each stretch of a run went."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TextIO, cast

import structlog

from batch import files
from batch.codes import Outcome
from batch.errors import JournalLost
from batch.record.ledger import Ledger
from batch.register.answers import Meaning
from batch.rows import REHEARSAL, Settled


class _Lines:
    """The log's file, which is there from `keep` on: a run that never begins leaves nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._waiting: list[str] = []

    def keep(self) -> None:
        with files.naming(self._path):
            self._keep()

    def _keep(self) -> None:
        if self._file is None:
            files.make_own_folder(self._path.parent)
            files.make_private_file(self._path)
            self._file = self._path.open("a", encoding="utf-8")
            self._file.writelines(self._waiting)

    def write(self, text: str) -> None:
        if self._file is None:
            self._waiting.append(text)
        else:
            with files.naming(self._path):
                self._file.write(text)

    def flush(self) -> None:
        if self._file is not None:
            with files.naming(self._path):
                self._file.flush()
            self._refuse_lost(self._file)

    def _refuse_lost(self, file: IO[str]) -> None:
        """Raise JournalLost where the log, or its folder, was deleted or replaced.

        The report of the run would go on in a folder that is another's, and without its log.
        """
        try:
            is_there = os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except OSError:
            is_there = False
        if not is_there:
            raise JournalLost(
                f"{self._path} was deleted or replaced by another program while the run went on",
                hint="put back what was taken away, then run `defer-batch resume`; journal.db "
                "holds every row, so without it nothing but the log is lost",
            )

    def close(self) -> None:
        if self._file is not None:
            with files.naming(self._path):
                self._file.close()


@contextlib.contextmanager
def open_run_log(path: Path, run_id: str) -> Iterator[RunLog]:
    """Open a run's log for appending, private; every line carries the run's id.

    A log that is not there yet is made, folder and all, by `keep`.
    """
    lines = _Lines(path)
    if path.exists():
        lines.keep()
    with contextlib.closing(lines):
        yield RunLog(
            structlog.wrap_logger(
                structlog.WriteLogger(cast("TextIO", lines)),
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.JSONRenderer(),
                ],
                wrapper_class=structlog.BoundLogger,
            ).bind(run_id=run_id),
            run_id,
            lines,
        )


def without_log(run_id: str) -> RunLog:
    """Return a log that keeps nothing, for commands that only read Register."""
    nothing = structlog.wrap_logger(
        structlog.ReturnLogger(), processors=[], wrapper_class=structlog.BoundLogger
    )
    return RunLog(nothing, run_id)


class RunLog:
    """The log of one stretch of a run."""

    def __init__(
        self, log: structlog.typing.FilteringBoundLogger, run_id: str, lines: _Lines | None = None
    ) -> None:
        self._log = log
        self._run_id = run_id
        self._lines = lines

    def keep(self) -> None:
        """Make the file, with what was logged so far: the run may begin."""
        if self._lines is not None:
            self._lines.keep()

    def begin(
        self, ledger: Ledger, *, rows: int, repairs: Iterable[tuple[int, str, str]], more: int
    ) -> None:
        """Log that a run begins, what reading put right, and the rows that are settled already.

        `more` counts the repairs that are not listed.
        """
        self._began("run_started", ledger, rows)
        for row_number, column, kind in repairs:
            self._log.info("value_repaired", row=row_number, column=column, kind=kind)
        if more:
            self._log.info("more_values_repaired", count=more)
        self._log_settled(ledger)

    def resume(self, ledger: Ledger, *, rows: int, was_cut_off: bool) -> None:
        """Log that a run goes on; after a kill also what it may have had no time to log.

        Some of those lines may stand above already: what was answered or settled is the same.
        """
        self._began("run_resumed", ledger, rows)
        if was_cut_off:
            self._log_attempts(ledger)
            self._log_settled(ledger)

    def answered(
        self, attempt_id: int, kind: str, row_number: int | None, meaning: Meaning
    ) -> None:
        """Log one request and what its answer meant."""
        self._log.info(
            f"{kind}_answered",
            attempt=attempt_id,
            row=row_number,
            meaning=meaning.kind,
            http_status=meaning.status,
            request_id=meaning.request_id,
        )

    def settled(self, row_number: int, settled: Settled) -> None:
        """Log what became of one row."""
        self._log.info("row_settled", row=row_number, outcome=settled.outcome, code=settled.code)

    def closed(self, ledger: Ledger) -> None:
        """Log that the run was ended for good, and which rows are left."""
        self._log_unresolved(ledger)
        self._log.info("run_closed")

    def end(self, ledger: Ledger) -> None:
        """Log which rows are left, and why the stretch ended early, if it did."""
        self._log_unresolved(ledger)
        because = ledger.run(self._run_id).stopped_because
        self._log.info("run_finished", stopped_because=because)

    def _began(self, event: str, ledger: Ledger, rows: int) -> None:
        is_rehearsal = ledger.run(self._run_id).rehearsal
        remark = {"remark": REHEARSAL} if is_rehearsal else {}
        self._log.info(event, rows=rows, rehearsal=is_rehearsal, **remark)

    def _log_unresolved(self, ledger: Ledger) -> None:
        for row_number, outcome, code, _ in ledger.outcomes(self._run_id):
            if outcome == Outcome.UNRESOLVED:
                self._log.info("row_left_unresolved", row=row_number, code=code)

    def _log_settled(self, ledger: Ledger) -> None:
        for row_number, outcome, code, at in ledger.outcomes(self._run_id):
            if outcome != Outcome.UNRESOLVED:
                self._log.info(
                    "row_settled", row=row_number, outcome=outcome, code=code, settled_at=at
                )

    def _log_attempts(self, ledger: Ledger) -> None:
        for attempt in ledger.attempts(self._run_id):
            how = "left_unanswered" if attempt.meaning is None else "answered"
            self._log.info(
                f"{attempt.kind}_{how}",
                attempt=attempt.attempt_id,
                row=attempt.row_number,
                meaning=attempt.meaning,
                http_status=attempt.http_status,
                request_id=attempt.request_id,
            )
