"""A journal with rows of one's own choice, for tests of what is made from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from batch.codes import Code
from batch.record import database
from batch.record.journal import Journal
from batch.record.records import RunRecord
from batch.rows import Problem, Row

RUN = RunRecord(
    run_id="20261124T100000Z-list-abcd",
    rehearsal=False,
    input_name="list.csv",
    input_sha256="0" * 64,
    input_size=1,
    input_rows=0,
    columns=("trainee_id", "defer_date", "note"),
    separator=",",
    base_url="https://register.example",
    api_version="v2025.0",
    settings={"rate_requests": 100, "rate_period_seconds": 60.0},
    token_fingerprint=None,
    operator="someone",
    operator_name=None,
    host="here",
    tool_version="1",
    python_version="3",
    command=(),
    started_at="2026-11-24T10:00:00.000Z",
)


def failed(number: int, *values: str, code: Code = Code.INVALID_DEFER_DATE) -> Row:
    """Return a row that failed a check: settled from the start, whatever its values."""
    message = f"Row {number} has a problem."
    return Row(number, values, values[0], None, (Problem(code, "", message),))


@contextmanager
def journal_of(folder: Path, rows: Iterable[Row], **more: object) -> Iterator[Journal]:
    """Keep a finished run with these rows; `more` are fields of its RunRecord."""
    kept = list(rows)
    run = replace(RUN, input_rows=len(kept), **more)
    journal = Journal(
        database.open_for_writing(folder / "journal.db"), wall=lambda: 1_795_514_400.0
    )
    number = journal.stage(run, origin=run.base_url)
    journal.add_rows(number, kept)
    journal.start(number)
    journal.finish(number, exit_code=1, stopped_because=None)
    try:
        yield journal
    finally:
        journal.close()


def altered(path: Path, sql: str) -> None:
    """Alter a journal behind the tool's back."""
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
