"""The journal under any sequence of intents, answers, settlements, crashes and reopenings."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from batch.codes import Code
from batch.record import database
from batch.record.database import IN_DOUBT
from batch.record.journal import Journal
from batch.register.answers import Kind
from batch.rows import Deferral, Row, Settled
from tests.support.journals import RUN

ROWS = 4
MEANINGS = ("deferred", "lost", "never_left", "throttled", "state_refused", "not_found")


async def at_once(call: Callable[[], object]) -> None:
    call()


class JournalMachine(RuleBasedStateMachine):
    """What the journal says is held against a plain account of what was made durable."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        database._migrate(self.connection)
        self.journal = Journal(self.connection, wall=lambda: 0.0, commit=at_once)
        self.run_no = self.journal.stage(RUN, origin="register")
        ids = [f"id{number}" for number in range(ROWS)]
        rows = [Row(n, (), i, Deferral(i, "2026-10-01", None)) for n, i in enumerate(ids)]
        self.journal.add_rows(self.run_no, rows)
        self.journal.start(self.run_no)
        self.durable: dict[int, tuple[int, str | None]] = {}
        self.settled: dict[int, str] = {}
        self.queued: list[Callable[[], None]] = []

    def teardown(self) -> None:
        self.connection.close()

    @rule(row=st.integers(0, ROWS - 1))
    def intend(self, row: int) -> None:
        attempt = asyncio.run(self.journal.intend(self.run_no, row, "defer"))
        self._made_durable()
        self.durable[attempt] = (row, None)

    @precondition(lambda self: self.durable)
    @rule(data=st.data(), meaning=st.sampled_from(MEANINGS))
    def answer(self, data: st.DataObject, meaning: str) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.durable)))
        row = self.durable[attempt][0]
        self.journal.answer(attempt, meaning=meaning)
        self.queued.append(lambda: self.durable.update({attempt: (row, meaning)}))

    @rule(row=st.integers(0, ROWS - 1))
    def settle(self, row: int) -> None:
        self.journal.settle(self.run_no, row, Settled(Code.DEFERRED, "Deferred."))
        self.queued.append(lambda: self.settled.update({row: "deferred"}))

    @rule()
    def flush(self) -> None:
        asyncio.run(self.journal.flush())
        self._made_durable()

    @rule()
    def crash(self) -> None:
        self.queued.clear()
        self.journal = Journal(self.connection, wall=lambda: 0.0, commit=at_once)

    @invariant()
    def every_row_stands_as_it_was_made_durable(self) -> None:
        left = asyncio.run(self.journal.pending(self.run_no, -1, ROWS))
        expected = [row for row in range(ROWS) if row not in self.settled]
        assert [row.row_number for row in left] == expected

    @invariant()
    def a_row_is_open_while_a_request_of_it_is_in_doubt(self) -> None:
        for row in asyncio.run(self.journal.pending(self.run_no, -1, ROWS)):
            meanings = [said for number, said in self.durable.values() if number == row.row_number]
            in_doubt = any(said is None or said in IN_DOUBT for said in meanings)
            assert row.is_open == in_doubt

    def _made_durable(self) -> None:
        for happened in self.queued:
            happened()
        self.queued.clear()


JournalMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestJournal = JournalMachine.TestCase


def test_every_meaning_is_a_word_of_the_tables() -> None:
    assert {*MEANINGS, *IN_DOUBT} <= {kind.value for kind in Kind}
