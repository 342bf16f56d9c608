"""The laws of a whole history, over seeds; and that each safeguard is needed for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from batch.record import journal
from batch.record.journal import Journal
from batch.register.answers import Meaning
from batch.rows import RowUnderWay
from batch.submission import settling
from batch.submission.pacing import Pacer, Slot
from batch.submission.settling import Read, Send, Step
from tests.support import simulation
from tests.support.simulation import tell_history

SEEDS = 1000  # `make soak` tells 20,000
SEEDS_UNTIL_BROKEN = 1500


def test_no_history_breaks_a_law() -> None:
    half = SEEDS // 2
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        found = pool.map(complaints, (range(half), range(half, SEEDS)))
    assert [line for part in found for line in part] == []


def complaints(seeds: range) -> list[str]:
    return [f"seed {seed}: {words}" for seed in seeds for words in tell_history(seed).complaints()]


def broken_laws() -> str:
    """Give the complaints of the first seed that breaks a law."""
    for seed in range(SEEDS_UNTIL_BROKEN):
        if found := tell_history(seed).complaints():
            return " ".join(found)
    return ""


def test_without_the_intent_somebody_is_deferred_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def intend_all(self: Journal, run_no: int, rows: Sequence[int], kind: str) -> list[int]:
        self._last_attempt_id += len(rows)
        return [self._last_attempt_id - place for place in range(len(rows))]

    monkeypatch.setattr(Journal, "intend_all", intend_all)
    assert_breaks("our request deferred the trainee")


def test_without_the_read_back_a_deferral_is_reported_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def after_defer(row: RowUnderWay, meaning: Meaning) -> Step:
        step = real(row, meaning)
        return Send() if isinstance(step, Read) and row.sends == 0 else step

    real = settling.after_defer
    monkeypatch.setattr(settling, "after_defer", after_defer)
    monkeypatch.setattr(settling, "first_step", lambda _: Send())
    assert_breaks("Register never held", "our request deferred the trainee", "more than once")


def test_without_the_wait_before_sending_again_somebody_is_deferred_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at_once(row: RowUnderWay, read: Read, meaning: Meaning, *, waited: bool) -> Step:
        return real(row, read, meaning, waited=True)

    real = settling.after_read
    monkeypatch.setattr(settling, "after_read", at_once)
    assert_breaks("more than once")


def test_without_folding_ids_an_earlier_deferral_is_reported_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "folded", lambda trainee_id: trainee_id)
    assert_breaks("our request deferred the trainee")


def test_without_the_shared_pause_a_429_is_met_by_more_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(
        self: Pacer, slot: Slot, *, retry_after_seconds: float | None, **when: Any
    ) -> None:
        self.answered(slot, **when)

    monkeypatch.setattr(Pacer, "throttled", throttled)
    assert_breaks("asked while a 429 held everyone back")


def test_without_the_memory_an_earlier_deferral_is_reported_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "set_aside_remembered", lambda *_, **__: None)
    assert_breaks("our request deferred the trainee")


def assert_breaks(*laws: str) -> None:
    found = broken_laws()
    assert any(law in found for law in laws), found
