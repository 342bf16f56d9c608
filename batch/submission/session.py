"""One stretch of work on a run: Register is asked first, then rows are settled."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from msgspec import Struct

from batch.codes import Code, Outcome, counts_of, exit_code_of
from batch.errors import DeferBatchError, Interrupted, RefusedByRegister, RegisterUnreachable
from batch.record import recent_requests
from batch.record.journal import Journal
from batch.register.answers import Kind, Meaning
from batch.register.api import VERSIONS
from batch.register.client import Client
from batch.roster.listing import Look
from batch.rows import RowUnderWay, Settled
from batch.run_settings import RunSettings, environment_of
from batch.submission.failing import register_cannot
from batch.submission.looking import look_up
from batch.submission.paced_client import PacedClient
from batch.submission.pacing import Pacer
from batch.submission.reading_back import read_back
from batch.submission.run_log import RunLog
from batch.submission.stopping import Stopping, interruptible
from batch.submission.waiting import Waits
from batch.submission.watcher import Watcher
from batch.submission.worker import Looked, Workers
from batch.words import counted

TIME_LEFT_EVERY_SECONDS = 0.5
CLOCK_TICK_SECONDS = time.get_clock_info("monotonic").resolution
"""How coarse the loop's clock is: on Windows 1/64 s before Python 3.13."""
ROWS_THAT_TELL = 20
"""After so many settled rows what they needed says more than the plan does."""


class RequestsLeft:
    """Counts a run's rows and requests, and reckons how many requests are left.

    `rows` are still to settle, `reads_first` of them are read before anything is sent.
    """

    def __init__(self, rows: int, *, reads_first: int) -> None:
        self.rows_left = rows
        self.reads_first = reads_first
        self._settled = 0
        self._answered = 0

    def answered(self) -> None:
        """Count one answer about a row, or its absence."""
        self._answered += 1

    def settled(self) -> None:
        """Count a settled row."""
        self.rows_left -= 1
        self._settled += 1

    @property
    def requests_left(self) -> int:
        """How many requests the rows that are left will take, reads and repeats included."""
        if self._settled < ROWS_THAT_TELL:
            return self.rows_left + min(self.reads_first, self.rows_left)
        return math.ceil(self.rows_left * max(1.0, self._answered / self._settled))


class _Observer(Struct, frozen=True):
    """Tells everyone who wants to know: the forecast, the log, whoever watches."""

    forecast: RequestsLeft
    log: RunLog
    watcher: Watcher

    def answered(
        self, attempt_id: int, kind: str, row_number: int | None, meaning: Meaning
    ) -> None:
        if row_number is not None:
            self.forecast.answered()
        self.log.answered(attempt_id, kind, row_number, meaning)

    def settled(self, row_number: int, settled: Settled) -> None:
        self.forecast.settled()
        self.log.settled(row_number, settled)
        self.watcher.settled(settled)

    def warn(self, words: str) -> None:
        self.watcher.warn(words)


class Session:
    """One stretch of work on a run, for as long as the block lasts.

    `ask_first`, then `settle_rows`; `finish` writes down how the stretch ended.
    """

    def __init__(
        self,
        journal: Journal,
        run_id: str,
        settings: RunSettings,
        *,
        base_url: str,
        token: str,
        log: RunLog,
        watcher: Watcher,
        forecast: RequestsLeft,
    ) -> None:
        self._journal = journal
        self._run_id = run_id
        self._run_no = journal.ledger.run_number(run_id)
        self._settings = settings
        self._token = token
        self._watcher = watcher
        self._forecast = forecast
        self._stopping = Stopping()
        self._observer = _Observer(forecast, log, watcher)
        self._client = Client(
            base_url,
            api_version=settings.api_version or VERSIONS[0],
            token=token,
            timeout_seconds=settings.timeout_seconds,
        )
        self._register = PacedClient(
            self._client,
            journal,
            self._pacer(),
            self._stopping,
            self._observer,
            run_no=self._run_no,
            give_up_after_seconds=settings.give_up_after_seconds,
        )
        self._exit = AsyncExitStack()
        self._ahead_seconds = 0.0

    async def __aenter__(self) -> Self:
        """Open the connections; from here on a signal ends the run in good order."""
        await self._exit.enter_async_context(self._client)
        self._exit.enter_context(interruptible(self._stopping, self._watcher))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have the last answers in the journal, which no request follows; close the connections."""
        try:
            await self._journal.flush()
        finally:
            await self._exit.__aexit__(kind, error, trace)

    async def ask_first(self) -> str:
        """Ask whether token and version are accepted; return the version that is used.

        Where nobody named a version, the first that is served of those known to have the same
        contract. Raises RefusedByRegister, RegisterUnreachable, and Interrupted at a signal.
        """
        named = self._settings.api_version
        for version in (named,) if named else VERSIONS:
            self._client.api_version = version
            meaning = await self._stopping.unless_ending(self._register.health.first_answer())
            if meaning is not None and meaning.server_time is not None:
                self._ahead_seconds = time.time() - meaning.server_time
            if self._stopping.signal is not None:
                raise Interrupted(*self._stopping.signal)
            if meaning is None or self._stopping.reason is not None:
                raise self._stopped_at_once()
            if meaning.kind is not Kind.VERSION_NOT_SERVED:
                self._judge(meaning)
                return version
        raise await self._no_version_served(named)

    def by_registers_clock(self, moment: dt.datetime) -> dt.datetime:
        """Return a moment of our clock as Register's showed it; the same where it showed none."""
        return moment - dt.timedelta(seconds=self._ahead_seconds)

    async def look(self, look: Look) -> None:
        """Ask Register for the trainees that a look seeks, before anything is sent.

        Raises RefusedByRegister, RegisterUnreachable, and Interrupted at a signal.
        """
        await self._ask_all(look, "preview", "Looking the trainees up")
        if self._stopping.signal is not None:
            raise Interrupted(*self._stopping.signal)
        if self._stopping.reason is not None:
            raise self._stopped_at_once()

    async def check_again(self, look: Look) -> bool:
        """Ask Register for the trainees of what was done; whether every answer came."""
        try:
            await self._ask_all(look, "final_check", "Reading the deferrals back")
        except RefusedByRegister:
            return False
        return not look.unread and not self.is_ending

    async def _ask_all(self, look: Look, kind: str, words: str) -> None:
        """Ask what a look wants to know, until the run begins to end; show how far it has come."""
        showing = asyncio.ensure_future(self._show_asking(look, words))
        try:
            await self._stopping.unless_ending(
                look_up(look, self._register, kind=kind, at_once=self._settings.max_at_once)
            )
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
            self._watcher.looking("")

    async def read_back(self, rows: Sequence[RowUnderWay]) -> dict[int, Settled]:
        """Read trainees whose deferral may have been carried out; return what that settles.

        Nothing is sent. Who could not be read is left out. Raises Interrupted at a signal.
        """
        settled: dict[int, Settled] = {}
        reading = read_back(
            rows,
            self._register,
            settled,
            wait_seconds=self._settings.lost_answer_wait_seconds,
            at_once=self._settings.max_at_once,
        )
        try:
            await self._stopping.unless_ending(reading)
        finally:
            await self._register.health.close()
        if self._stopping.signal is not None:
            raise Interrupted(*self._stopping.signal)
        return settled

    def settle_now(self, settled: Mapping[int, Settled]) -> None:
        """Settle rows of which nothing is sent, or nothing more, all in one commit."""
        self._journal.settle_now(self._run_no, settled)
        for number, one in settled.items():
            self._observer.log.settled(number, one)

    @property
    def is_ending(self) -> bool:
        """Whether the run is to end before everything is done."""
        return self._stopping.reason is not None

    def expect(self, rows: int, *, reads_first: int) -> None:
        """Reckon with so many rows, once it is known what will be sent."""
        self._forecast.rows_left = rows
        self._forecast.reads_first = reads_first

    def seconds_needed(self, requests_at_the_end: int) -> float:
        """Return about how long the rows, and so many requests after them, will take from now."""
        now = asyncio.get_running_loop().time()
        requests = self._forecast.requests_left + requests_at_the_end
        return self._register.pacer.seconds_for(requests, now)

    async def settle_rows(self, looked: Looked) -> None:
        """Send and settle the rows that are pending, until done or stopped. Raises JournalLost."""
        workers = Workers(
            self._journal,
            self._register,
            self._stopping,
            self._observer,
            run_no=self._run_no,
            max_at_once=self._settings.max_at_once,
            lost_answer_wait_seconds=self._settings.lost_answer_wait_seconds,
            timeout_seconds=self._settings.timeout_seconds,
            looked=looked,
        )
        self._watcher.begin(self._forecast.rows_left)
        beside = [
            asyncio.ensure_future(self._tick(workers)),
            asyncio.ensure_future(self._say_when_ending()),
        ]
        try:
            await workers.settle_rows()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._watcher.end()

    def finish(self) -> None:
        """Write down how the stretch ended: its exit code, and why it stopped, if it did."""
        self._journal.settle_the_rest(self._run_no)
        self._give_up_rows()
        counts = self._journal.ledger.counts(self._run_id)
        unresolved = counts_of(counts)[Outcome.UNRESOLVED]
        because = self._stopping.reason if unresolved else None
        if unresolved and because is None:
            because = f"{counted(unresolved, 'row')} could not be settled; the others were."
        signalled = 0 if self._stopping.signal is None else self._stopping.signal[1]
        interrupted = self._stopping.exit_code if unresolved else 0
        code = signalled or exit_code_of(counts, interrupted=interrupted)
        self._journal.finish(self._run_no, exit_code=code, stopped_because=because)

    def _give_up_rows(self) -> None:
        """Settle for good the rows that Register failed at in one stretch after another."""
        ledger = self._journal.ledger
        if Code.REGISTER_KEEPS_FAILING not in ledger.counts(self._run_id):
            return
        resumed_at = [one.resumed_at for one in ledger.resumptions(self._run_id)]
        found = register_cannot(ledger.attempts(self._run_id), resumed_at)
        failing = {
            number
            for number, _, code, _ in ledger.outcomes(self._run_id)
            if code == Code.REGISTER_KEEPS_FAILING
        }
        self.settle_now({number: one for number, one in found.items() if number in failing})

    def _judge(self, meaning: Meaning) -> None:
        """Raise where no row could succeed."""
        match meaning.kind:
            case Kind.SERVES:
                return
            case Kind.WRONG_PATH:
                self._watcher.warn(
                    "This server has no /info, so token and version could not be checked first."
                )
            case Kind.UNAUTHORISED:
                raise RefusedByRegister(
                    "Register refused the token (401). Nothing was sent.",
                    hint=_hint_at_token(self._token, self._settings.environment),
                )
            case Kind.LOST | Kind.NEVER_LEFT | Kind.THROTTLED:
                words = meaning.words or "answered nothing but 429, too many requests"
                seconds = f"{self._settings.give_up_after_seconds:g} seconds"
                raise RegisterUnreachable(
                    f"Register could not be asked for {seconds}: it {words}. Nothing was sent.",
                    hint="run the same command again later",
                )
            case _:
                raise RefusedByRegister(
                    f"Register {meaning.words}. Nothing was sent.",
                    hint="check the address given with --register, and whether you must sign in "
                    "to your network first",
                )

    def _stopped_at_once(self) -> DeferBatchError:
        words = f"{self._stopping.reason} Nothing was sent."
        if self._stopping.is_hopeless:
            hint = "check the address given with --register, or ask whoever runs your network"
            return RefusedByRegister(words, hint=hint)
        return RegisterUnreachable(words, hint="run the same command again later")

    async def _no_version_served(self, named: str | None) -> RefusedByRegister:
        """Return the error that names what was tried, and what is served as far as it is known."""
        tried = named or ", ".join(VERSIONS)
        hint = "--api-version names another version"
        for version in VERSIONS if named else ():
            if version != named and (latest := await self._latest(version)):
                hint = f"add --api-version {latest}"
                break
        return RefusedByRegister(f"Register does not serve {tried}. Nothing was sent.", hint=hint)

    async def _latest(self, version: str) -> str | None:
        meaning = await self._register.info(version)
        return (meaning.latest_version or version) if meaning.kind is Kind.SERVES else None

    async def _say_when_ending(self) -> None:
        await self._stopping.event.wait()
        self._watcher.warn(
            f"{self._stopping.reason} No more rows will be sent. Waiting for replies; "
            "press Ctrl-C to quit now."
        )

    async def _show_asking(self, look: Look, words: str) -> None:
        while True:
            await asyncio.sleep(TIME_LEFT_EVERY_SECONDS)
            now = asyncio.get_running_loop().time()
            waits = Waits(
                probe_seconds=self._register.health.probe_seconds(now),
                turn_seconds=self._register.turns.seconds_until_next(now),
            ).words()
            so_far = f"{counted(look.requests, 'request')} so far"
            self._watcher.looking(f"{words}: {waits or so_far}")

    async def _tick(self, workers: Workers) -> None:
        """Flush answers that wait for the next intent, so that rows are counted; tell the time."""
        while True:
            await asyncio.sleep(TIME_LEFT_EVERY_SECONDS)
            await self._journal.flush()
            left = workers.seconds_left(self._forecast.requests_left)
            self._watcher.time_left(left, workers.waits().words())

    def _pacer(self) -> Pacer:
        """Return the pacer, which knows what was sent to this Register in its last period."""
        limit = self._settings.rate_limit
        is_anew = self._settings.is_rehearsal  # the emulator of this process has counted nothing
        if limit is None or is_anew:
            return Pacer(limit, tick_seconds=CLOCK_TICK_SECONDS)
        wall, now, period = time.time(), asyncio.get_running_loop().time(), limit.period_seconds
        origin, since = self._settings.origin, wall - period
        sent = self._journal.ledger.sent_since(origin, since)
        sent = sorted([*sent, *recent_requests.noted_since(origin, since)])
        recent = [now - min(max(wall - at, 0.0), period) for at in sent]
        return Pacer(limit, recent=recent, tick_seconds=CLOCK_TICK_SECONDS)


def _hint_at_token(token: str, environment: str) -> str:
    """Return what may be wrong with a token that was refused."""
    whose = environment_of(token)
    if whose is not None and whose != environment:
        return (
            f"the token begins with {whose}_, so it is one for {whose}, while --register names "
            f"{environment}: name the file of a token for that with --api-token-file"
        )
    return (
        "is it this provider's, for this environment, and not expired? Tokens last six months at "
        "most"
    )
