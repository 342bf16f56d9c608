"""Asking Register within the rules that hold for every request of a run.

Each request waits for the service to be up and for its place under the rate limit, has its intent
on disk before it leaves, and has its answer queued for the disk before anyone acts on it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from msgspec import Struct

from batch.record.journal import Journal
from batch.register.answers import (
    Kind,
    Meaning,
    meaning_of_defer,
    meaning_of_info,
    meaning_of_list,
    meaning_of_look,
    meaning_of_read,
)
from batch.register.api import Answer, NoReply
from batch.roster import listing
from batch.roster.listing import AskPage
from batch.rows import Deferral, RowUnderWay
from batch.submission.health import Health
from batch.submission.pacing import Pacer, Slot
from batch.submission.stopping import Stopping

LONGEST_HOLD_SECONDS = 600.0
"""A 429 that asks for a longer wait ends the run."""

MOST_READ_FAILURES = 5
"""How often a trainee is read while Register fails, before the read is given up."""

_NEVER_ARRIVED = frozenset({Kind.THROTTLED, Kind.NEVER_LEFT})


class Asks(Protocol):
    """Whoever can be asked: the client, or the simulation's model of Register."""

    async def defer(self, deferral: Deferral) -> Answer:
        """Ask to defer one trainee."""

    async def trainee(self, trainee_id: str) -> Answer:
        """Read one trainee."""

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        """Ask for one page of the list of trainees."""

    async def info(self, api_version: str | None = None) -> Answer:
        """Ask for token and version."""


class Listener(Protocol):
    """Who is told of each request's answer, and of what is unusual."""

    def answered(
        self, attempt_id: int, kind: str, row_number: int | None, meaning: Meaning
    ) -> None:
        """Hear what came back, or that nothing did."""

    def warn(self, words: str) -> None:
        """Hear of something unusual, in words for people."""


class _Question(Struct, frozen=True):
    """One thing to ask: about which row, by which call, and what its answer means."""

    kind: str
    row_number: int | None
    ask: Callable[[], Awaitable[Answer]]
    understand: Callable[[Answer], Meaning]


class PacedClient:
    """Register as a run sees it: paced, paused while it fails, every request in the journal."""

    def __init__(
        self,
        asks: Asks,
        journal: Journal,
        pacer: Pacer,
        stopping: Stopping,
        listener: Listener,
        *,
        run_no: int,
        give_up_after_seconds: float,
    ) -> None:
        self._asks = asks
        self._journal = journal
        self._run_no = run_no
        self.pacer = pacer
        self._stopping = stopping
        self._listener = listener
        self.turns = Turns(pacer, stopping)
        self.health = Health(
            self.info, stopping, give_up_after_seconds=give_up_after_seconds, warn=listener.warn
        )

    async def defer(self, row: RowUnderWay) -> Meaning:
        """Send one deferral, as often as it certainly did not arrive. Raises Stopped.

        Uses the row's intent, where the queue has written it ahead.
        """
        assert row.deferral.trainee_id, "a row is matched before it is sent"
        intent, row.intent = row.intent, None
        ask = partial(self._asks.defer, row.deferral)
        understand = partial(meaning_of_defer, deferral=row.deferral, was_found=row.was_found)
        question = _Question("defer", row.row_number, ask, understand)
        return await self._until_it_arrived(question, intent)

    async def read(self, row: RowUnderWay) -> Meaning:
        """Read one trainee, as often as the read was throttled or did not leave."""
        ask = partial(self._asks.trainee, row.deferral.trainee_id)
        understand = partial(meaning_of_read, deferral=row.deferral)
        return await self._until_it_arrived(_Question("read", row.row_number, ask, understand))

    async def look(self, ask: listing.Ask, kind: str) -> Meaning:
        """Ask for a page of a list, or for one trainee, as often as it did not arrive.

        `kind` is what the journal counts it as: `preview` or `final_check`.
        """
        if isinstance(ask, AskPage):
            ask_page = partial(self._asks.trainees, _query(ask))
            question = _Question(kind, None, ask_page, meaning_of_list)
        else:
            read = partial(self._asks.trainee, ask.trainee_id)
            understand = partial(meaning_of_look, trainee_id=ask.trainee_id)
            question = _Question(kind, None, read, understand)
        return await self._until_it_arrived(question)

    async def info(self, api_version: str | None = None) -> Meaning:
        """Ask for token and version, once: an answer in trouble is returned as it is."""
        ask = partial(self._asks.info, api_version)
        return await self._ask(_Question("info", None, ask, meaning_of_info))

    async def _until_it_arrived(self, question: _Question, intent: int | None = None) -> Meaning:
        while True:
            meaning = await self._ask(question, intent)
            intent = None
            self.health.note(meaning)
            if meaning.kind not in _NEVER_ARRIVED:
                return meaning
            self._stopping.refuse(question.kind)
            if meaning.kind is Kind.NEVER_LEFT and self._stopping.reason is not None:
                return meaning

    async def _ask(self, question: _Question, intent: int | None = None) -> Meaning:
        slot, attempt_id = await self._may_leave(question, intent)
        sent = self.turns.start(slot)
        answer = await question.ask()
        meaning = question.understand(answer)
        self._journal.answer(
            attempt_id,
            meaning=meaning.kind,
            http_status=meaning.status,
            request_id=meaning.request_id,
            state=meaning.state,
            register_date=meaning.defer_date,
        )
        self.turns.end(slot, sent, meaning)
        if meaning.kind is Kind.THROTTLED and meaning.retry_after_seconds is None:
            # The pacer's own guess may be longer than anyone is to wait: who is blocked asks once
            # more as patience ends, and the run goes on or stops by that answer.
            self.turns.hold_at_most_until(self.health.deadline())
        self._listener.answered(attempt_id, question.kind, question.row_number, meaning)
        if isinstance(answer, NoReply) and answer.hopeless:
            self._stopping(f"Register {answer.why}.", is_hopeless=True)
        return meaning

    async def _may_leave(self, question: _Question, intent: int | None) -> tuple[Slot, int]:
        """Return once the request may leave: its turn has come, its intent is on disk.

        An intent whose request does not leave after all is written off.
        """
        slot = None
        try:
            if question.kind != "info":  # which is how it is learnt that Register is up again
                await self.health.until_up(question.kind)
            slot = await self.turns.take(question.kind)
            if intent is None:
                intent = await self._journal.intend(
                    self._run_no, question.row_number, question.kind
                )
            await self.turns.until_not_held(question.kind)
        except BaseException:
            if slot is not None:
                self.turns.release(slot)
            if intent is not None:
                self._journal.answer(intent, meaning=Kind.NEVER_LEFT)
            raise
        return slot, intent


def _query(ask: AskPage) -> dict[str, str | int]:
    """Return the parameters of a page (API.md, "List trainees")."""
    since = {} if ask.since is None else {"since": ask.since}
    return {
        "academic_cycle": ask.cycle,
        "sort_order": "asc",
        "page": ask.page,
        "per_page": ask.per_page,
        **since,
    }


class Turns:
    """Waiting for a place under the rate limit: the pacer's arithmetic on the event loop.

    First come, first served. For each request: `take`, then `start` as it leaves (or `release`,
    if it never does), then `end`.
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

    def hold_at_most_until(self, at: float) -> None:
        """Let the next in line go then at the latest, in the loop's seconds."""
        self._pacer.hold_at_most_until(at)
        self._pace_changed.set()

    def seconds_until_next(self, now: float) -> float | None:
        """Return how long those in line wait for the next place, None where nobody does."""
        is_held = self._pacer.held_until > now
        if not (is_held or self._next_in_line.locked()):
            return None
        seconds = self._pacer.next_start(now) - now
        return seconds if 0 < seconds < math.inf else None

    def release(self, slot: Slot) -> None:
        """Free the place of a request that never left."""
        self._pacer.release(slot)
        self._pace_changed.set()

    def start(self, slot: Slot) -> float:
        """Count a request that leaves now, and return the time, in the loop's seconds."""
        now = asyncio.get_running_loop().time()
        self._pacer.started(slot, now)
        self._pace_changed.set()
        return now

    def end(self, slot: Slot, sent: float, meaning: Meaning) -> None:
        """Let the pacer learn from what came back, or from that nothing did."""
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
