"""The run: rows through pacing and Register, every step into the journal."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

from batch.errors import JournalLost
from batch.record.journal import Journal, PendingRow
from batch.register.meanings import Kind, Meaning
from batch.rows import Settled
from batch.submission import settling
from batch.submission.service import Claim, Service, Stopped, Stopping
from batch.submission.settling import Course, Later, Read, Send, Step, Stop

MOST_READ_FAILURES = 5
MOST_REFUSALS_IN_A_ROW = 10
ROWS_A_PAGE = 100


@dataclass(slots=True)
class _UnderWay:
    """A row that a worker holds, and where it stands."""

    row_number: int
    course: Course
    step: Step
    claim: Claim | None = None
    read_after: float | None = None
    """When the lost answer's wait is over, on the loop's clock; None where none runs."""


class Submission:
    """Takes a confirmed run's rows to their outcomes, some at once, until done or stopped.

    `on_settled` is called with each row's number and outcome once they are on disk.
    """

    def __init__(
        self,
        journal: Journal,
        service: Service,
        stopping: Stopping,
        *,
        run_no: int,
        max_at_once: int,
        lost_answer_wait_seconds: float,
        timeout_seconds: float,
        on_settled: Callable[[int, Settled], None],
    ) -> None:
        self._journal = journal
        self._service = service
        self._stopping = stopping
        self._run_no = run_no
        self._max_at_once = max_at_once
        self._wait_seconds = lost_answer_wait_seconds
        self._timeout_seconds = timeout_seconds
        self._on_settled = on_settled
        self._claims_ahead = not service.pacer.is_limited
        self._page: list[PendingRow] = []
        self._last_row_number = 0
        self._paging = asyncio.Lock()
        self._later: list[tuple[float, int, _UnderWay]] = []
        self._under_way = 0
        self._changed = asyncio.Event()
        self._reads_work = True
        self._refusals = 0
        self._began = 0.0

    async def submit(self) -> None:
        """Settle every pending row, or as many as the run's end lets. Raises JournalLost."""
        self._began = asyncio.get_running_loop().time()
        workers = [asyncio.ensure_future(self._work()) for _ in range(self._max_at_once)]
        everyone = asyncio.ensure_future(asyncio.wait(workers, return_when=_AT_FIRST_FAILURE))
        stopped = asyncio.ensure_future(self._stopping.event.wait())
        try:
            either: set[asyncio.Future[object]] = {everyone, stopped}  # type: ignore[arg-type]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._changed.set()
            await asyncio.wait({everyone}, timeout=self._timeout_seconds)
        finally:
            for task in (everyone, stopped, *workers):
                task.cancel()
            ended = await asyncio.gather(*workers, return_exceptions=True)
            await self._service.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        await self._journal.flush()

    async def _work(self) -> None:
        ahead: _UnderWay | None = None
        while (row := ahead or await self._next()) is not None:
            ahead = await self._claimed_ahead()
            try:
                await self._advance(row)
            except Stopped:
                pass
            except JournalLost as lost:
                self._stopping(lost.message)
                raise
            finally:
                self._under_way -= 1
                self._changed.set()

    # Which row is next

    async def _next(self) -> _UnderWay | None:
        """Give a fresh row, or one whose wait is over; None when there will be none."""
        while self._stopping.reason is None:
            row = await self._fresh()
            if row is not None:
                return row
            now = asyncio.get_running_loop().time()
            if self._later and self._later[0][0] <= now:
                self._under_way += 1
                return heapq.heappop(self._later)[2]
            if not self._later and not self._under_way:
                self._changed.set()
                return None
            await self._until_change(self._later[0][0] - now if self._later else None)
        return None

    async def _claimed_ahead(self) -> _UnderWay | None:
        """Give a worker's next row, its intent on the way to the disk, where no limit paces.

        Then the disk would: so the next intent is synced while this row is under way. With a rate
        limit it would only stand for longer, and a crash would have more rows to read.
        """
        if not self._claims_ahead or self._stopping.reason is not None:
            return None
        row = await self._fresh()
        if row is not None and isinstance(row.step, Send):
            row.claim = self._service.claim(row.row_number)
        return row

    async def _fresh(self) -> _UnderWay | None:
        async with self._paging:
            if not self._page:
                self._page = await self._journal.pending(
                    self._run_no, self._last_row_number, ROWS_A_PAGE
                )
                self._page.reverse()
            if not self._page:
                return None
            pending = self._page.pop()
            self._last_row_number = pending.row_number
            self._under_way += 1
        course = Course(pending.deferral, is_open=pending.is_open)
        read_after = self._began + self._wait_seconds if pending.is_open else None
        step = settling.first_step(course)
        return _UnderWay(pending.row_number, course, step, read_after=read_after)

    async def _until_change(self, seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    # What becomes of it

    async def _advance(self, row: _UnderWay) -> None:
        while True:
            match row.step:
                case Send():
                    row.step = await self._send(row)
                case Read():
                    row.step = await self._read(row, row.step)
                case Later():
                    row.step = Read(settling.Why.LOST)
                    ready = row.read_after or 0.0
                    heapq.heappush(self._later, (ready, row.row_number, row))
                    return
                case Stop(why):
                    self._stopping(why)
                    return
                case Settled() as settled:
                    self._settle(row, settled)
                    return

    def _settle(self, row: _UnderWay, settled: Settled) -> None:
        number = row.row_number
        self._journal.settle(
            self._run_no, number, settled, lambda: self._on_settled(number, settled)
        )

    async def _send(self, row: _UnderWay) -> Step:
        claim, row.claim = row.claim, None
        meaning = await self._service.defer(row.row_number, row.course.deferral, claim)
        step = settling.after_defer(row.course, meaning)
        row.course = replace(row.course, sends=row.course.sends + 1)
        if meaning.kind is Kind.LOST:
            row.course = replace(row.course, is_open=True)
            row.read_after = asyncio.get_running_loop().time() + self._wait_seconds
        await self._note_refusal(meaning)
        return step

    async def _read(self, row: _UnderWay, read: Read) -> Step:
        if not self._reads_work:
            return settling.after_read(row.course, read, _NO_READ, waited=False)
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            meaning = await self._service.read(row.row_number, row.course.deferral)
            if not meaning.is_service_failure:
                break
            failures += 1
            if failures == MOST_READ_FAILURES or self._stopping.reason is not None:
                break
        if meaning.kind is Kind.WRONG_PATH:
            self._reads_work = False
        waited = row.read_after is not None and began >= row.read_after
        return settling.after_read(row.course, read, meaning, waited=waited)

    async def _note_refusal(self, meaning: Meaning) -> None:
        """End the run where refusals are not about rows: a 403 for all, or ten in a row."""
        if meaning.status is None or meaning.status in {404, 422} or meaning.status < 400:
            self._refusals = 0
            return
        if meaning.kind not in {Kind.REFUSED, Kind.FORBIDDEN}:
            return
        self._refusals += 1
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            self._stopping(f"Register {meaning.words}, for {self._refusals} rows in a row.")
        elif meaning.kind is Kind.FORBIDDEN:
            info = await self._service.info()
            if info.kind is Kind.FORBIDDEN:
                self._stopping("Register refuses every request of this client (403).")


_AT_FIRST_FAILURE = asyncio.FIRST_EXCEPTION
_NO_READ = Meaning(Kind.WRONG_PATH)
