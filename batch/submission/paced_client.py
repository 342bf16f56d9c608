"""Asking Register within the rules that hold for every request of a run.

Each request waits for the service to be up and for its place under the rate limit, has its intent
on disk before it leaves, and has its answer queued for the disk before anyone acts on it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

from batch.record.journal import Journal
from batch.register.answers import Kind, Meaning, meaning_of_defer, meaning_of_info, meaning_of_read
from batch.register.api import Answer, NoReply
from batch.rows import Deferral
from batch.submission.health import Health
from batch.submission.pacing import Pacer, Slot
from batch.submission.stopping import Stopping

LONGEST_HOLD_SECONDS = 600.0
"""A 429 that asks for a longer wait ends the run."""


class Turns:
    """Gives requests their places, first come first served, and tells the pacer what followed.

    For each request: `take`, then `start` as it leaves (or `release`, if it never does), then
    `end`.
    """

    def __init__(self, pacer: Pacer, stopping: Stopping) -> None:
        self._pacer = pacer
        self._stopping = stopping
        self._next_in_line = asyncio.Lock()
        self._pace_changed = asyncio.Event()

    async def take(self, kind: str) -> Slot:
        """Wait for a place under the rate limit, in turn. Raises Stopped."""
        loop = asyncio.get_running_loop()
        async with self._next_in_line:
            while True:
                self._stopping.refuse(kind)
                now = loop.time()
                start = self._pacer.next_start(now)
                if start <= now:
                    return self._pacer.reserve(now)
                self._pace_changed.clear()
                seconds = None if math.isinf(start) else start - now
                await self._stopping.or_until(self._pace_changed, seconds)

    async def until_not_held(self, kind: str) -> None:
        """Wait out a 429 that came while the intent was on its way to the disk. Raises Stopped."""
        loop, nothing = asyncio.get_running_loop(), asyncio.Event()
        while (held := self._pacer.held_until - loop.time()) > 0:  # it may grow
            await self._stopping.or_until(nothing, held)
            self._stopping.refuse(kind)

    def release(self, slot: Slot) -> None:
        """Return the place back: its request never left."""
        self._pacer.release(slot)
        self._pace_changed.set()

    def start(self, slot: Slot) -> float:
        """Record that the request leaves now, and give the time, in the loop's seconds."""
        now = asyncio.get_running_loop().time()
        self._pacer.started(slot, now)
        self._pace_changed.set()
        return now

    def end(self, slot: Slot, sent: float, meaning: Meaning) -> None:
        """Record what came back, or that nothing did."""
        received, date = asyncio.get_running_loop().time(), meaning.server_time
        if meaning.kind is Kind.THROTTLED:
            wait = meaning.retry_after_seconds
            if wait is not None and wait > LONGEST_HOLD_SECONDS:
                self._stopping(f"Register asks to wait {wait:.0f} seconds, which is too long.")
            self._pacer.throttled(
                slot, sent=sent, received=received, retry_after_seconds=wait, date=date
            )
        else:
            self._pacer.answered(slot, sent=sent, received=received, date=date)
        self._pace_changed.set()


class Asks(Protocol):
    """Whoever can be asked: the client, or the simulation's model of Register."""

    async def defer(self, deferral: Deferral) -> Answer:
        """Ask to defer one trainee."""

    async def trainee(self, trainee_id: str) -> Answer:
        """Read one trainee."""

    async def info(self, api_version: str | None = None) -> Answer:
        """Ask for token and version."""


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
        self._turns = Turns(pacer, stopping)
        self._health = Health(
            self.info,
            stopping,
            give_up_after_seconds=give_up_after_seconds,
            warn=self._warn,
        )
        self._stopping = stopping
        self._run_no = run_no
        self.on_attempt: Callable[[int, str, int | None, Meaning], None] = _ignore
        self.on_trouble: Callable[[str], None] = _say_nothing

    async def defer(
        self, row_number: int, deferral: Deferral, intent: int | None = None
    ) -> Meaning:
        """Send one deferral, as often as it certainly did not arrive. Raises Stopped.

        `intent` is the attempt that is on disk already, where the row's queue wrote it ahead.
        """
        return await self._ask(
            "defer",
            row_number,
            lambda: self._asks.defer(deferral),
            lambda answer: meaning_of_defer(answer, deferral),
            intent,
        )

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
        await self._health.close()

    def _warn(self, words: str) -> None:
        self.on_trouble(words)

    async def _ask(
        self,
        kind: str,
        row_number: int,
        ask: Callable[[], Awaitable[Answer]],
        understand: Callable[[Answer], Meaning],
        intent: int | None = None,
    ) -> Meaning:
        while True:
            meaning = await self._once(kind, row_number, ask, understand, intent)
            intent = None
            self._health.note(meaning)
            if meaning.kind not in {Kind.THROTTLED, Kind.NEVER_LEFT}:
                return meaning
            self._stopping.refuse(kind)
            if meaning.kind is Kind.NEVER_LEFT and self._stopping.reason is not None:
                return meaning

    async def _once(
        self,
        kind: str,
        row_number: int | None,
        ask: Callable[[], Awaitable[Answer]],
        understand: Callable[[Answer], Meaning],
        intent: int | None = None,
    ) -> Meaning:
        slot, attempt_id = await self._may_leave(kind, row_number, intent)
        sent = self._turns.start(slot)
        answer = await ask()
        meaning = understand(answer)
        self._write_down(attempt_id, meaning)
        self._turns.end(slot, sent, meaning)
        self.on_attempt(attempt_id, kind, row_number, meaning)
        if isinstance(answer, NoReply) and answer.hopeless:
            self._stopping(f"Register {answer.why}.")
        return meaning

    async def _may_leave(
        self, kind: str, row_number: int | None, intent: int | None
    ) -> tuple[Slot, int]:
        """Return once the request may leave: its turn has come, its intent is on disk.

        An intent whose request does not leave after all is written off.
        """
        slot = None
        try:
            if row_number is not None:
                await self._health.until_up(kind)
            slot = await self._turns.take(kind)
            if intent is None:
                intent = await self._journal.intend(self._run_no, row_number, kind)
            await self._turns.until_not_held(kind)
        except BaseException:
            if slot is not None:
                self._turns.release(slot)
            if intent is not None:
                self._journal.answer(intent, meaning=Kind.NEVER_LEFT)
            raise
        return slot, intent

    def _write_down(self, attempt_id: int, meaning: Meaning) -> None:
        self._journal.answer(
            attempt_id,
            meaning=meaning.kind,
            http_status=meaning.status,
            request_id=meaning.request_id,
            state=meaning.state,
            register_date=meaning.defer_date,
        )


def _ignore(attempt_id: int, kind: str, row_number: int | None, meaning: Meaning) -> None:
    """Tell nobody."""


def _say_nothing(words: str) -> None:
    """Tell nobody."""
