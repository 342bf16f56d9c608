"""The run: rows through pacing and Register, every step into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from batch.errors import JournalLost
from batch.record.journal import Journal
from batch.register.answers import Kind, Meaning
from batch.rows import Settled
from batch.submission import settling
from batch.submission.paced_client import Service
from batch.submission.queue import Queue, UnderWay
from batch.submission.settling import Later, Read, Send, Step, Stop
from batch.submission.stopping import Stopped, Stopping

MOST_READ_FAILURES = 5
MOST_REFUSALS_IN_A_ROW = 10
ROWS_AHEAD = 5
"""For each worker, the rows whose intent is written ahead, where no limit paces: enough that nobody
waits, since workers that wait together then ask together, and the pool slows them down."""


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
        self._queue = Queue(
            journal,
            stopping,
            run_no=run_no,
            lost_answer_wait_seconds=lost_answer_wait_seconds,
            intents_ahead=0 if service.pacer.is_limited else ROWS_AHEAD * max_at_once,
        )
        self._reads_work = True
        self._refusals = 0

    def seconds_left(self, requests: int) -> float:
        """Estimate the time that so many more requests take, lost answers' waits included."""
        now = asyncio.get_running_loop().time()
        return max(self._service.pacer.seconds_for(requests, now), self._queue.longest_wait())

    async def submit(self) -> None:
        """Settle every pending row, or as many as the run's end lets. Raises JournalLost."""
        workers = [asyncio.ensure_future(self._work()) for _ in range(self._max_at_once)]
        everyone = asyncio.ensure_future(asyncio.wait(workers, return_when=_AT_FIRST_FAILURE))
        stopped = asyncio.ensure_future(self._stopping.event.wait())
        try:
            either: set[asyncio.Future[object]] = {everyone, stopped}  # type: ignore[arg-type]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._queue.wake()
            await asyncio.wait({everyone}, timeout=self._timeout_seconds)
        finally:
            for task in (everyone, stopped, *workers):
                task.cancel()
            ended = await asyncio.gather(*workers, return_exceptions=True)
            await self._service.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        await self._queue.close()
        await self._journal.flush()

    async def _work(self) -> None:
        while (row := await self._queue.next()) is not None:
            try:
                await self._advance(row)
            except Stopped:
                pass
            except JournalLost as lost:
                self._stopping(lost.message)
                raise
            finally:
                self._queue.done()

    async def _advance(self, row: UnderWay) -> None:
        while True:
            match row.step:
                case Send():
                    row.step = await self._send(row)
                case Read():
                    row.step = await self._read(row, row.step)
                case Later():
                    row.step = Read(settling.Why.LOST)
                    self._queue.later(row)
                    return
                case Stop(why):
                    self._stopping(why)
                    return
                case Settled() as settled:
                    self._settle(row, settled)
                    return

    def _settle(self, row: UnderWay, settled: Settled) -> None:
        number = row.row_number
        self._journal.settle(
            self._run_no, number, settled, lambda: self._on_settled(number, settled)
        )

    async def _send(self, row: UnderWay) -> Step:
        intent, row.intent = row.intent, None
        meaning = await self._service.defer(row.row_number, row.course.deferral, intent)
        if meaning.kind is Kind.FORBIDDEN and await self._is_refused_everywhere():
            return Stop("Register refuses every request of this client (403).")
        step = settling.after_defer(row.course, meaning)
        row.course = replace(row.course, sends=row.course.sends + 1)
        if meaning.kind is Kind.LOST:
            row.course = replace(row.course, is_open=True)
            row.read_after = asyncio.get_running_loop().time() + self._wait_seconds
        self._note_refusal(meaning)
        return step

    async def _read(self, row: UnderWay, read: Read) -> Step:
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

    async def _is_refused_everywhere(self) -> bool:
        """Ask /info whether a 403 is about the client rather than the row."""
        info = await self._service.info()
        return info.kind in {Kind.FORBIDDEN, Kind.UNAUTHORISED}

    def _note_refusal(self, meaning: Meaning) -> None:
        """End the run after ten refusals in a row: they are hardly about rows."""
        if meaning.status is None or meaning.status in {404, 422} or meaning.status < 400:
            self._refusals = 0
            return
        if meaning.kind not in {Kind.REFUSED, Kind.FORBIDDEN}:
            return
        self._refusals += 1
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            self._stopping(f"Register {meaning.words}, for {self._refusals} rows in a row.")


_AT_FIRST_FAILURE = asyncio.FIRST_EXCEPTION
_NO_READ = Meaning(Kind.WRONG_PATH)
