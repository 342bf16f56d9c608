"""One stretch of work on a run: Register asked first, the plan confirmed, rows settled."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from batch.codes import Outcome, counts_of, exit_code_of
from batch.errors import Interrupted
from batch.record.journal import Journal
from batch.register.answers import Meaning
from batch.register.client import Client
from batch.rows import Settled
from batch.run_settings import Terms
from batch.submission.health import preflight
from batch.submission.paced_client import Service
from batch.submission.pacing import Pacer
from batch.submission.run_log import Telling, telling
from batch.submission.stopping import Stopping, interruptible, raising
from batch.submission.watching import Plan, Watcher
from batch.submission.worker import Submission
from batch.words import counted

ROWS_THAT_TELL = 20
"""After so many settled rows what they needed says more than the plan does."""


class Forecast:
    """Counts a run's rows and requests, and tells how many requests are left.

    `rows` are still to settle, `reads_first` of them are read before anything is sent.
    """

    def __init__(self, rows: int, *, reads_first: int) -> None:
        self._rows_left = rows
        self._reads_first = reads_first
        self._settled = 0
        self._answered = 0

    def answered(self) -> None:
        """Record one answer about a row, or of its absence."""
        self._answered += 1

    def settled(self) -> None:
        """Record that a row is settled."""
        self._rows_left -= 1
        self._settled += 1

    @property
    def requests_left(self) -> int:
        """How many requests the rows that are left will take, reads and repeats included."""
        if self._settled < ROWS_THAT_TELL:
            return self._rows_left + min(self._reads_first, self._rows_left)
        return math.ceil(self._rows_left * max(1.0, self._answered / self._settled))


TIME_LEFT_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Session:
    """What a stretch of work needs: the journal, the run, the Register's address, who watches."""

    journal: Journal
    run_no: int
    run_id: str
    terms: Terms
    base_url: str
    token: str
    folder: Path
    watcher: Watcher

    def submit(self, plan: Plan, on_confirmed: Callable[[], None]) -> bool:
        """Ask Register, confirm, send; False where the plan was declined.

        `on_confirmed` is called once it may be carried out, before anything is sent.
        Raises Interrupted where nothing was sent yet, JournalLost.
        """
        with telling(self.folder / "run.log", self.run_id) as log:
            return asyncio.run(self._submit(plan, log, on_confirmed))

    async def _submit(self, plan: Plan, log: Telling, on_confirmed: Callable[[], None]) -> bool:
        stopping = Stopping()
        client = Client(
            self.base_url,
            api_version=self.terms.api_version,
            token=self.token,
            timeout_seconds=self.terms.timeout_seconds,
            max_at_once=self.terms.max_at_once,
        )
        async with client:
            with interruptible(stopping, self.watcher):
                if not await self._submit_to(client, plan, stopping, log, on_confirmed):
                    return False
        self._finish(stopping)
        log.end(self.run_id, self.journal)
        return True

    async def _submit_to(
        self,
        client: Client,
        plan: Plan,
        stopping: Stopping,
        log: Telling,
        on_confirmed: Callable[[], None],
    ) -> bool:
        service = Service(
            client,
            self.journal,
            self._pacer(),
            stopping,
            run_no=self.run_no,
            give_up_after_seconds=self.terms.give_up_after_seconds,
        )
        forecast = Forecast(plan.to_send, reads_first=plan.to_read_first)
        service.on_attempt = log.attempt
        service.on_trouble = self.watcher.warn
        await self._ask_first(service, stopping)
        if stopping.reason is None:
            if not self._is_confirmed(plan, service.pacer, forecast):
                return False
            on_confirmed()
        # a run that was stopped before it sent anything stands in for no other
        self.journal.start(self.run_no, ending=() if stopping.reason else plan.supersedes)
        log.begin(plan, self.journal)
        if stopping.reason is None:
            await self._send(plan, service, stopping, log, forecast)
        return True

    def _is_confirmed(self, plan: Plan, pacer: Pacer, forecast: Forecast) -> bool:
        seconds = pacer.seconds_for(forecast.requests_left, asyncio.get_running_loop().time())
        with raising():
            return self.watcher.confirm(replace(plan, seconds_needed=seconds))

    async def _ask_first(self, service: Service, stopping: Stopping) -> None:
        give_up = self.terms.give_up_after_seconds
        warning = await preflight(
            service.info,
            stopping,
            api_version=self.terms.api_version,
            give_up_after_seconds=give_up,
            warn=self.watcher.warn,
        )
        if stopping.signal is not None:
            raise Interrupted(*stopping.signal)
        if warning is not None:
            self.watcher.warn(warning)

    async def _send(
        self,
        plan: Plan,
        service: Service,
        stopping: Stopping,
        log: Telling,
        forecast: Forecast,
    ) -> None:
        def on_settled(row_number: int, settled: Settled) -> None:
            forecast.settled()
            log.settled(row_number, settled)
            self.watcher.settled(settled)

        def on_attempt(attempt_id: int, kind: str, row: int | None, meaning: Meaning) -> None:
            if row is not None:
                forecast.answered()
            log.attempt(attempt_id, kind, row, meaning)

        service.on_attempt = on_attempt

        submission = Submission(
            self.journal,
            service,
            stopping,
            run_no=self.run_no,
            max_at_once=self.terms.max_at_once,
            lost_answer_wait_seconds=self.terms.lost_answer_wait_seconds,
            timeout_seconds=self.terms.timeout_seconds,
            on_settled=on_settled,
        )
        gc.freeze()  # what a start has made stays to the end, so nobody need look through it again
        gc.enable()
        self.watcher.begin(plan.to_send)
        beside = [
            asyncio.ensure_future(self._tick(submission, forecast)),
            asyncio.ensure_future(self._tell_of_the_end(stopping)),
        ]
        try:
            await submission.submit()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self.watcher.end()

    async def _tell_of_the_end(self, stopping: Stopping) -> None:
        await stopping.event.wait()
        self.watcher.warn(
            f"{stopping.reason} No further row is sent; what is in flight is settled first. "
            "Ctrl-C leaves at once."
        )

    async def _tick(self, submission: Submission, forecast: Forecast) -> None:
        """Flush answers that wait for the next intent, so that rows are counted; tell the time."""
        while True:
            await asyncio.sleep(TIME_LEFT_EVERY_SECONDS)
            await self.journal.flush()
            self.watcher.time_left(submission.seconds_left(forecast.requests_left))

    def _pacer(self) -> Pacer:
        """Return the pacer, which remembers what was sent to this Register in its last period."""
        period = self.terms.rate_period_seconds
        wall, now = time.time(), asyncio.get_running_loop().time()
        is_anew = self.terms.is_rehearsal  # an emulator of this process has counted nothing yet
        sent = [] if is_anew else self.journal.sent_since(self.terms.origin, wall - period)
        recent = [now - min(max(wall - start, 0.0), period) for start in sent]
        return Pacer(self.terms.rate_requests, period, recent=recent)

    def _finish(self, stopping: Stopping) -> None:
        self.journal.settle_the_rest(self.run_no)
        counts = self.journal.counts(self.run_id)
        unresolved = counts_of(counts)[Outcome.UNRESOLVED]
        because = stopping.reason if unresolved else None
        if unresolved and because is None:
            because = f"{counted(unresolved, 'row')} could not be settled, the others were."
        code = exit_code_of(counts, interrupted=stopping.exit_code if unresolved else 0)
        self.journal.finish(self.run_no, exit_code=code, stopped_because=because)
