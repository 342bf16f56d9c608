"""Asking Register within the rules that hold for every request of a run.

Each request waits for the service to be up and for its place under the rate limit, has its intent
on disk before it leaves, and has its answer queued for the disk before anyone acts on it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from batch.record.journal import Journal
from batch.register.answers import meaning_of_defer, meaning_of_info, meaning_of_read
from batch.register.meanings import Answer, Kind, Meaning, NoReply
from batch.rows import Deferral
from batch.submission.pacing import Pacer, Slot

FAILURES_BEFORE_PAUSE = 3
LONGEST_HOLD_SECONDS = 600.0
PROBE_WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


@dataclass(slots=True)
class Claim:
    """The intent to send a row that is next: on its way to the disk, and then perhaps used."""

    intent: asyncio.Future[int]
    is_used: bool = False


class Asks(Protocol):
    """Whoever can be asked: the client, or the simulation's model of Register."""

    async def defer(self, deferral: Deferral) -> Answer:
        """Ask to defer one trainee."""

    async def trainee(self, trainee_id: str) -> Answer:
        """Read one trainee."""

    async def info(self, api_version: str | None = None) -> Answer:
        """Ask for token and version."""


class Stopped(Exception):
    """The run is ending, and this request was not sent."""


class Stopping:
    """Why the run is ending, if it is: the first reason counts."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.exit_code = 0
        self.event = asyncio.Event()

    def __call__(self, reason: str, exit_code: int = 3) -> None:
        """End the run: no new rows, those in flight are settled."""
        if self.reason is None:
            self.reason, self.exit_code = reason, exit_code
        self.event.set()


class Service:
    """Register as a run sees it: paced, paused while it fails, every request in the journal."""

    def __init__(
        self,
        asks: Asks,
        journal: Journal,
        pacer: Pacer,
        stopping: Stopping,
        *,
        run_no: int,
        give_up_after_seconds: float,
    ) -> None:
        self._asks = asks
        self._journal = journal
        self.pacer = pacer
        self._stopping = stopping
        self._run_no = run_no
        self._give_up_after_seconds = give_up_after_seconds
        self._up = asyncio.Event()
        self._up.set()
        self._failures = 0
        self._failing_since = 0.0
        self._prober: asyncio.Task[None] | None = None
        self._next_in_line = asyncio.Lock()
        self._pace_changed = asyncio.Event()
        self.on_attempt: Callable[[int, str, int | None, Meaning], None] = _ignore

    def claim(self, row_number: int) -> Claim:
        """Begin to write down the intent to send a row that is next, while others are under way."""
        intent = self._journal.intend(self._run_no, row_number, "defer")
        return Claim(asyncio.ensure_future(intent))

    async def defer(
        self, row_number: int, deferral: Deferral, claim: Claim | None = None
    ) -> Meaning:
        """Send one deferral, as often as it certainly did not arrive. Raises Stopped."""
        try:
            return await self._ask(
                "defer",
                row_number,
                lambda: self._asks.defer(deferral),
                lambda answer: meaning_of_defer(answer, deferral),
                claim,
            )
        except Stopped:
            if claim is not None and not claim.is_used:
                self._journal.answer(await claim.intent, meaning=Kind.NEVER_LEFT)
            raise

    async def read(self, row_number: int, deferral: Deferral) -> Meaning:
        """Read one trainee, as often as the read was throttled or did not leave."""
        return await self._ask(
            "read",
            row_number,
            lambda: self._asks.trainee(deferral.trainee_id),
            lambda answer: meaning_of_read(answer, deferral),
        )

    async def info(self, api_version: str | None = None) -> Meaning:
        """Ask for token and version, once: an answer in trouble is given as it is."""
        return await self._once("info", None, lambda: self._asks.info(api_version), meaning_of_info)

    async def close(self) -> None:
        """End what is still probing."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    async def _ask(
        self,
        kind: str,
        row_number: int,
        ask: Callable[[], Awaitable[Answer]],
        understand: Callable[[Answer], Meaning],
        claim: Claim | None = None,
    ) -> Meaning:
        while True:
            await self._until_up(kind)
            meaning = await self._once(kind, row_number, ask, understand, claim)
            claim = None
            self._note_health(meaning)
            if meaning.kind not in {Kind.THROTTLED, Kind.NEVER_LEFT}:
                return meaning
            self._refuse_if_stopping(kind)
            if meaning.kind is Kind.NEVER_LEFT and self._stopping.reason is not None:
                return meaning

    async def _once(
        self,
        kind: str,
        row_number: int | None,
        ask: Callable[[], Awaitable[Answer]],
        understand: Callable[[Answer], Meaning],
        claim: Claim | None = None,
    ) -> Meaning:
        slot = await self._place(kind)
        try:
            attempt_id = await (
                claim.intent if claim else self._journal.intend(self._run_no, row_number, kind)
            )
            await self._until_not_held()
        except BaseException:
            self.pacer.release(slot)
            self._pace_changed.set()
            raise
        if claim is not None:
            claim.is_used = True
        sent = asyncio.get_running_loop().time()
        self.pacer.started(slot, sent)
        self._pace_changed.set()
        answer = await ask()
        meaning = understand(answer)
        self._write_down(attempt_id, meaning)
        self._note_pace(slot, sent, meaning)
        self.on_attempt(attempt_id, kind, row_number, meaning)
        if isinstance(answer, NoReply) and answer.hopeless:
            self._stopping(f"Register {answer.why}.")
        return meaning

    def _write_down(self, attempt_id: int, meaning: Meaning) -> None:
        self._journal.answer(
            attempt_id,
            meaning=meaning.kind,
            http_status=meaning.status,
            request_id=meaning.request_id,
            state=meaning.state,
            register_date=meaning.defer_date,
        )

    def _refuse_if_stopping(self, kind: str) -> None:
        if kind == "defer" and self._stopping.reason is not None:
            raise Stopped

    # Pace

    async def _place(self, kind: str) -> Slot:
        """Wait for a place under the rate limit, in turn."""
        loop = asyncio.get_running_loop()
        async with self._next_in_line:
            while True:
                self._refuse_if_stopping(kind)
                now = loop.time()
                start = self.pacer.next_start(now)
                if start <= now:
                    return self.pacer.reserve(now)
                await self._pace_change(None if math.isinf(start) else start - now)

    async def _until_not_held(self) -> None:
        """Wait out a 429 that came while the intent was on its way to the disk."""
        loop = asyncio.get_running_loop()
        while (held := self.pacer.held_until - loop.time()) > 0:  # noqa: ASYNC110 — it may grow
            await asyncio.sleep(held)

    async def _pace_change(self, seconds: float | None) -> None:
        self._pace_changed.clear()
        changed = [
            asyncio.ensure_future(self._pace_changed.wait()),
            asyncio.ensure_future(self._stopping.event.wait()),
        ]
        if self._stopping.reason is not None:
            changed.pop().cancel()
        try:
            await asyncio.wait(changed, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in changed:
                task.cancel()

    def _note_pace(self, slot: Slot, sent: float, meaning: Meaning) -> None:
        received = asyncio.get_running_loop().time()
        if meaning.kind is Kind.THROTTLED:
            wait = meaning.retry_after_seconds
            if wait is not None and wait > LONGEST_HOLD_SECONDS:
                self._stopping(f"Register asks to wait {wait:.0f} seconds, which is too long.")
            self.pacer.throttled(
                slot,
                sent=sent,
                received=received,
                retry_after_seconds=wait,
                date=meaning.server_time,
            )
        else:
            self.pacer.answered(slot, sent=sent, received=received, date=meaning.server_time)
        self._pace_changed.set()

    # Health

    async def _until_up(self, kind: str) -> None:
        while not self._up.is_set():
            self._refuse_if_stopping(kind)
            up = asyncio.ensure_future(self._up.wait())
            stop = asyncio.ensure_future(self._stopping.event.wait())
            try:
                await asyncio.wait({up, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                stop.cancel()
            if self._stopping.reason is not None:
                return
        self._refuse_if_stopping(kind)

    def _note_health(self, meaning: Meaning) -> None:
        if meaning.kind is Kind.THROTTLED:
            return
        if not meaning.is_service_failure:
            self._failures = 0
            return
        if self._failures == 0:
            self._failing_since = asyncio.get_running_loop().time()
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_PAUSE and self._up.is_set():
            self._up.clear()
            self._prober = asyncio.ensure_future(self._probe())

    async def _probe(self) -> None:
        """Ask /info until one good answer, or give up and end the run."""
        try:
            left = self._failing_since + self._give_up_after_seconds
            async with asyncio.timeout_at(left):
                await self._probe_until_well()
            self._failures = 0
        except TimeoutError:
            seconds = f"{self._give_up_after_seconds:g}"
            self._stopping(f"Register kept failing for {seconds} seconds.")
        finally:
            self._up.set()

    async def _probe_until_well(self) -> None:
        waits = iter(PROBE_WAITS_SECONDS)
        while True:
            await asyncio.sleep(next(waits, PROBE_WAITS_SECONDS[-1]))
            meaning = await self.info()
            if meaning.kind is Kind.UNAUTHORISED:
                self._stopping(f"Register {meaning.words}.")
                return
            if not meaning.is_service_failure and meaning.kind is not Kind.THROTTLED:
                return


def _ignore(attempt_id: int, kind: str, row_number: int | None, meaning: Meaning) -> None:
    """Tell nobody."""
