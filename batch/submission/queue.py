"""Which row is next: fresh ones in the order of the file, then those whose wait is over."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque

from batch.record.journal import Journal
from batch.register.answers import Kind
from batch.rows import RowUnderWay
from batch.submission.stopping import Stopping

ROWS_A_PAGE = 100


class Queue:
    """The rows of a run that wait to be worked on, for as many workers as like.

    A worker takes one with `next`, and then says `later` or `done`.
    `intents_ahead` is how many rows have their intent written in one go, before a worker takes
    them; 0 where each waits for its own. Without a rate limit the disk would set the pace, so one
    wait serves many. With one it would gain nothing, and a crash would leave more rows to read.
    """

    def __init__(
        self,
        journal: Journal,
        stopping: Stopping,
        *,
        run_no: int,
        lost_answer_wait_seconds: float,
        intents_ahead: int,
    ) -> None:
        self._journal = journal
        self._stopping = stopping
        self._run_no = run_no
        self._read_after = asyncio.get_running_loop().time() + lost_answer_wait_seconds
        self._intents_ahead = intents_ahead
        self._page: deque[RowUnderWay] = deque()
        self._rows_a_page = intents_ahead or ROWS_A_PAGE
        self._last_row_number = 0
        self._is_at_end = False
        self._turning: asyncio.Task[None] | None = None
        self._later: list[tuple[float, int, RowUnderWay]] = []
        self._under_way = 0
        self._changed = asyncio.Event()

    async def next(self) -> RowUnderWay | None:
        """Return a row to work on; None when there will be none, or the run is ending."""
        while self._stopping.reason is None:
            row = await self._fresh() or self._whose_wait_is_over()
            if row is not None:
                self._under_way += 1
                return row
            if not self._later and not self._under_way:
                self._changed.set()
                return None
            await self._until_change()
        return None

    def later(self, row: RowUnderWay) -> None:
        """Put a row at the back: it is given again once its lost answer's wait is over."""
        heapq.heappush(self._later, (row.read_after or 0.0, row.row_number, row))

    @property
    def under_way(self) -> int:
        """How many rows somebody works on."""
        return self._under_way

    @property
    def lost(self) -> int:
        """How many rows wait for a lost answer to be explained, while nothing else can be done."""
        return 0 if self._under_way or self._page else len(self._later)

    def longest_wait(self) -> float:
        """Return the seconds until the last lost answer's wait is over; 0 where there is none."""
        now = asyncio.get_running_loop().time()
        return max((until - now for until, _, _ in self._later), default=0.0)

    def done(self) -> None:
        """Record that a row that was given is no longer worked on."""
        self._under_way -= 1
        self._changed.set()

    def wake(self) -> None:
        """Let nobody wait for a row any longer: the run is ending, or everyone is done."""
        self._changed.set()

    async def close(self) -> None:
        """Write off the intents of rows that nobody took: their requests never left."""
        if self._turning is not None:
            # a page that could not be turned has been told of by whoever waited for the journal
            await asyncio.gather(self._turning, return_exceptions=True)
        for row in self._page:
            if row.intent is not None:
                self._journal.answer(row.intent, meaning=Kind.NEVER_LEFT)
        self._page.clear()

    async def _fresh(self) -> RowUnderWay | None:
        """Return the next row of the file; the next page is turned before this one is used up.

        So the workers do not all wait for one page, and then all ask at the same moment.
        Raises JournalLost.
        """
        while True:
            is_low = len(self._page) <= self._rows_a_page // 2
            if is_low and self._turning is None and not self._is_at_end:
                self._turning = asyncio.ensure_future(self._turn_page())
            if self._page:
                return self._page.popleft()
            if (turning := self._turning) is None:
                return None
            await asyncio.wait({turning})
            turning.result()

    async def _turn_page(self) -> None:
        rows = await self._journal.pending(self._run_no, self._last_row_number, self._rows_a_page)
        for row in rows:
            row.read_after = self._read_after if row.is_open else None
        if self._intents_ahead:
            await self._intend([row for row in rows if not row.is_open])
        if rows:
            self._last_row_number = rows[-1].row_number
        self._is_at_end = not rows
        self._page.extend(rows)
        self._turning = None

    async def _intend(self, rows: list[RowUnderWay]) -> None:
        numbers = [row.row_number for row in rows]
        intents = await self._journal.intend_all(self._run_no, numbers, "defer")
        for row, intent in zip(rows, intents, strict=True):
            row.intent = intent

    def _whose_wait_is_over(self) -> RowUnderWay | None:
        if self._later and self._later[0][0] <= asyncio.get_running_loop().time():
            return heapq.heappop(self._later)[2]
        return None

    async def _until_change(self) -> None:
        now = asyncio.get_running_loop().time()
        self._changed.clear()
        try:
            async with asyncio.timeout(self._later[0][0] - now if self._later else None):
                await self._changed.wait()
        except TimeoutError:
            return
