"""What earlier and later runs know of a run's rows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from batch.codes import Code
from batch.record import database
from batch.record.journal import Journal
from batch.record.memory import remembered
from batch.rows import Deferral, Row, Settled
from tests.support.journals import RUN

ORIGIN = RUN.base_url


@pytest.fixture
def journal() -> Iterator[Journal]:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database._migrate(connection)
    yield Journal(connection, wall=lambda: 1_790_000_000.0)
    connection.close()


def begun(journal: Journal, run_id: str, defer_date: str) -> int:
    run_no = journal.stage(replace(RUN, run_id=run_id), origin=ORIGIN)
    journal.add_rows(run_no, [Row(2, (), "Somebody", Deferral("Somebody", defer_date, None))])
    journal.start(run_no)
    return run_no


@pytest.mark.parametrize("code", [Code.ALREADY_DEFERRED, Code.REINSTATED_SINCE])
def test_what_a_later_run_saw_says_nothing_of_a_row_that_may_have_done_it(
    journal: Journal, code: Code
) -> None:
    first = begun(journal, "first", "2026-10-01")
    asyncio.run(journal.intend(first, 2, "defer"))
    asked = "2026-10-02" if code is Code.ALREADY_DEFERRED else "2026-10-01"
    second = begun(journal, "second", asked)
    journal.settle_now(second, {2: Settled(code, "", "2026-10-01")})
    third = begun(journal, "third", "2026-10-01")
    assert not list(remembered(journal.ledger, first, ORIGIN))
    assert not list(remembered(journal.ledger, third, ORIGIN))


def test_what_a_later_run_saw_settles_a_row_that_was_never_sent(journal: Journal) -> None:
    first = begun(journal, "first", "2026-10-01")
    second = begun(journal, "second", "2026-10-02")
    journal.settle_now(second, {2: Settled(Code.ALREADY_DEFERRED, "", "2026-10-01")})
    (line,) = remembered(journal.ledger, first, ORIGIN)
    assert line.settled is not None
    assert line.settled.code is Code.ALREADY_DEFERRED
