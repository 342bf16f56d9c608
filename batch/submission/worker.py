"""The workers: rows go through Register to their outcomes, every step into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from batch.errors import JournalLost
from batch.record.journal import Journal
from batch.register.answers import Kind, Meaning
from batch.roster.forecast import superseded
from batch.rows import RowUnderWay, Settled, folded
from batch.submission import settling
from batch.submission.paced_client import MOST_READ_FAILURES, PacedClient
from batch.submission.queue import Queue
from batch.submission.settling import Later, Read, Send, Step, Stop
from batch.submission.stopping import Stopped, Stopping
from batch.submission.waiting import Waits

MOST_READS_REFUSED = 3
"""So many times in a row a read may be called a wrong address, where none ever worked, before
nothing is read any more: one odd 404 comes from something between, not from a Register without."""
MOST_REFUSALS_IN_A_ROW = 10
ROWS_AHEAD = 5
"""For each worker, the rows whose intent is written ahead, where no limit paces: enough that nobody
waits, since workers that wait together then ask together, and the pool slows them down."""

_NO_READ = Meaning(Kind.WRONG_PATH)


class Observer(Protocol):
    """Who is told of each row's outcome, once it is on disk."""

    def settled(self, row_number: int, settled: Settled) -> None:
        """Hear what became of a row."""


class Looked(Struct, frozen=True):
    """What a look before sending showed; nothing where there was none.

    `remarks` are sentences that end the message of some rows; `found` are the trainees, by folded
    id, whom Register has just shown.
    """

    remarks: Mapping[int, str] = field(default_factory=dict)
    found: AbstractSet[str] = frozenset()


class Workers:
    """Take a confirmed run's rows to their outcomes, some at once, until done or stopped.

    A row that is read first, and whose trainee a later run dealt with, is not sent again where
    reading shows no deferral.
    """

    def __init__(
        self,
        journal: Journal,
        register: PacedClient,
        stopping: Stopping,
        observer: Observer,
        *,
        run_no: int,
        max_at_once: int,
        lost_answer_wait_seconds: float,
        timeout_seconds: float,
        looked: Looked,
    ) -> None:
        self._journal = journal
        self._looked = looked
        self._register = register
        self._stopping = stopping
        self._observer = observer
        self._run_no = run_no
        self._max_at_once = max_at_once
        self._wait_seconds = lost_answer_wait_seconds
        self._timeout_seconds = timeout_seconds
        self._later_runs = journal.ledger.superseded_once_read(run_no)
        self._queue = Queue(
            journal,
            stopping,
            run_no=run_no,
            lost_answer_wait_seconds=lost_answer_wait_seconds,
            intents_ahead=0 if register.pacer.is_limited else ROWS_AHEAD * max_at_once,
        )
        self._until = 0.0
        self._a_read_worked = False
        self._reads_refused = 0
        self._refusals = 0

    def seconds_left(self, requests: int) -> float:
        """Return about how long so many more requests take, lost answers' waits included."""
        now = asyncio.get_running_loop().time()
        return max(self._register.pacer.seconds_for(requests, now), self._queue.longest_wait())

    def waits(self) -> Waits:
        """Return what everyone waits for now."""
        now, is_ending = asyncio.get_running_loop().time(), self._stopping.reason is not None
        return Waits(
            probe_seconds=None if is_ending else self._register.health.probe_seconds(now),
            turn_seconds=self._register.turns.seconds_until_next(now),
            lost=0 if is_ending else self._queue.lost,
            lost_seconds=self._queue.longest_wait(),
            replies=self._queue.under_way if is_ending else 0,
            replies_seconds=max(0.0, self._until - now),
        )

    async def settle_rows(self) -> None:
        """Settle every pending row, or as many as the run's end lets. Raises JournalLost."""
        workers = [asyncio.ensure_future(self._work()) for _ in range(self._max_at_once)]
        everyone = asyncio.ensure_future(asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION))
        stopped = asyncio.ensure_future(self._stopping.event.wait())
        try:
            either: set[asyncio.Future[object]] = {everyone, stopped}  # type: ignore[arg-type]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._queue.wake()
            self._until = asyncio.get_running_loop().time() + self._timeout_seconds
            await asyncio.wait({everyone}, timeout=self._timeout_seconds)
        finally:
            for task in (everyone, stopped, *workers):
                task.cancel()
            ended = await asyncio.gather(*workers, return_exceptions=True)
            await self._register.health.close()
            await self._queue.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error
        await self._journal.flush()

    async def _work(self) -> None:
        while (row := await self._queue.next()) is not None:
            try:
                await self._advance(row)
            except Stopped:
                pass
            except JournalLost as lost:
                self._stopping(f"{lost.message}.")
                raise
            finally:
                self._queue.done()

    async def _advance(self, row: RowUnderWay) -> None:
        row.was_found = folded(row.deferral.trainee_id) in self._looked.found
        step = settling.first_step(row)
        while True:
            match step:
                case Send():
                    step = await self._send(row)
                case Read():
                    step = await self._read(row, step)
                case Later():
                    self._queue.later(row)
                    return
                case Stop(why):
                    self._stopping(why)
                    return
                case Settled() as settled:
                    self._settle(row.row_number, settled)
                    return

    def _settle(self, number: int, settled: Settled) -> None:
        if remark := self._looked.remarks.get(number):
            settled = replace(settled, message=f"{settled.message} {remark}")
        self._journal.settle(
            self._run_no, number, settled, lambda: self._observer.settled(number, settled)
        )

    async def _send(self, row: RowUnderWay) -> Step:
        meaning = await self._register.defer(row)
        if meaning.kind is Kind.FORBIDDEN and await self._is_refused_everywhere():
            return Stop("Register refuses every request of this client (403).")
        step = settling.after_defer(row, meaning)
        row.sends += 1
        if meaning.kind is Kind.LOST:
            row.is_open = True
            row.read_after = asyncio.get_running_loop().time() + self._wait_seconds
        self._note_refusal(meaning)
        return step

    async def _read(self, row: RowUnderWay, read: Read) -> Step:
        began, meaning, failures = 0.0, _NO_READ, 0
        while self._can_read and failures < MOST_READ_FAILURES:
            began = asyncio.get_running_loop().time()
            meaning = await self._register.read(row)
            self._note_read(meaning)
            if not (meaning.is_service_failure or meaning.kind is Kind.WRONG_PATH):
                break
            failures += 1
            if self._stopping.reason is not None:
                break
        waited = row.read_after is not None and began >= row.read_after
        step = settling.after_read(row, read, meaning, waited=waited)
        later_run = self._later_runs.get(row.row_number)
        return superseded(later_run) if later_run and isinstance(step, Send) else step

    @property
    def _can_read(self) -> bool:
        """Whether reading a trainee may work: it did, or was not refused too often yet."""
        return self._a_read_worked or self._reads_refused < MOST_READS_REFUSED

    def _note_read(self, meaning: Meaning) -> None:
        if meaning.kind is Kind.WRONG_PATH:
            self._reads_refused += 1
        elif meaning.kind in {Kind.FOUND, Kind.NOT_FOUND}:
            self._a_read_worked, self._reads_refused = True, 0

    async def _is_refused_everywhere(self) -> bool:
        """Ask /info whether a 403 is about the client rather than the row."""
        info = await self._register.info()
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
