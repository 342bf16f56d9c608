"""Waiting for a request's turn under the rate limit: the pacer's arithmetic on the event loop."""

from __future__ import annotations

import asyncio
import math

from batch.register.meanings import Kind, Meaning
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
        """Give the place back: its request never left."""
        self._pacer.release(slot)
        self._pace_changed.set()

    def start(self, slot: Slot) -> float:
        """Take note that the request leaves now, and give the time, in the loop's seconds."""
        now = asyncio.get_running_loop().time()
        self._pacer.started(slot, now)
        self._pace_changed.set()
        return now

    def end(self, slot: Slot, sent: float, meaning: Meaning) -> None:
        """Take note of what came back, or that nothing did."""
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
