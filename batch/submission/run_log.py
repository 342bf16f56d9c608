"""What `run.log` tells of a run: one line an attempt, one a row, and how each stretch went."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import structlog

from batch import files
from batch.codes import Outcome
from batch.record.ledger import Ledger
from batch.register.answers import Meaning
from batch.rows import REHEARSAL, Settled
from batch.submission.watching import Plan


@contextlib.contextmanager
def run_log(path: Path, run_id: str) -> Iterator[structlog.typing.FilteringBoundLogger]:
    """Open a run's log for appending, private; every line carries the run's id."""
    files.make_private_file(path)
    with path.open("a", encoding="utf-8") as file:
        yield structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        ).bind(run_id=run_id)


@contextlib.contextmanager
def telling(path: Path, run_id: str) -> Iterator[Telling]:
    """Open a run's log; what an earlier stretch of the run told there is not told again."""
    told = _told_in(path)
    with run_log(path, run_id) as log:
        yield Telling(log, told)


class Telling:
    """The log of one stretch of a run; `told` are the rows and attempts that it has already."""

    def __init__(
        self, log: structlog.typing.FilteringBoundLogger, told: frozenset[tuple[str, int]]
    ) -> None:
        self._log = log
        self._told = told

    def begin(self, plan: Plan, ledger: Ledger) -> None:
        """Tell that a run begins or is resumed, what reading put right, what is settled already.

        That is the rows that failed a check or are held back, and what a killed process had no
        time to tell.
        """
        event = "run_started" if plan.resumed_from is None else "run_resumed"
        remark = {"remark": REHEARSAL} if plan.terms.is_rehearsal else {}
        self._log.info(event, rows=plan.to_send, rehearsal=plan.terms.is_rehearsal, **remark)
        for row_number, column, kind in plan.repairs:
            self._log.info("value_repaired", row=row_number, column=column, kind=kind)
        if plan.repairs_not_listed:
            self._log.info("more_values_repaired", count=plan.repairs_not_listed)
        if plan.resumed_from is not None:
            self._tell_of_attempts_cut_off(plan.run_id, ledger)
        for row_number, outcome, code, at in ledger.outcomes(plan.run_id):
            if outcome != Outcome.UNRESOLVED and ("row", row_number) not in self._told:
                self._log.info(
                    "row_settled", row=row_number, outcome=outcome, code=code, settled_at=at
                )
        self._told = frozenset()

    def attempt(self, attempt_id: int, kind: str, row_number: int | None, meaning: Meaning) -> None:
        """Tell of one request and what its answer meant."""
        self._log.info(
            f"{kind}_answered",
            attempt=attempt_id,
            row=row_number,
            meaning=meaning.kind,
            http_status=meaning.status,
            request_id=meaning.request_id,
        )

    def settled(self, row_number: int, settled: Settled) -> None:
        """Tell what became of one row."""
        self._log.info("row_settled", row=row_number, outcome=settled.outcome, code=settled.code)

    def end(self, run_id: str, ledger: Ledger) -> None:
        """Tell which rows are left, and why the stretch ended early, if it did."""
        for row_number, outcome, code, _ in ledger.outcomes(run_id):
            if outcome == Outcome.UNRESOLVED:
                self._log.info("row_left_unresolved", row=row_number, code=code)
        self._log.info("run_finished", stopped_because=ledger.run(run_id).stopped_because)

    def _tell_of_attempts_cut_off(self, run_id: str, ledger: Ledger) -> None:
        for attempt in ledger.attempts(run_id):
            if ("attempt", attempt.attempt_id) not in self._told:
                how = "left_unanswered" if attempt.meaning is None else "answered"
                self._log.info(
                    f"{attempt.kind}_{how}",
                    attempt=attempt.attempt_id,
                    row=attempt.row_number,
                    meaning=attempt.meaning,
                    http_status=attempt.http_status,
                    request_id=attempt.request_id,
                )


def _told_in(path: Path) -> frozenset[tuple[str, int]]:
    """Return the rows and attempts that a log tells of; lines of another form tell nothing."""
    if not path.is_file():
        return frozenset()
    told: set[tuple[str, int]] = set()
    with path.open("rb") as file:
        for line in file:
            try:
                event = json.loads(line)
                kind = "attempt" if "attempt" in event else "row"
                if kind == "attempt" or event["event"] == "row_settled":
                    told.add((kind, int(event[kind])))
            except (ValueError, KeyError, TypeError):
                continue
    return frozenset(told)
