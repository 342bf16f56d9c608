"""The laws of a whole history, over a few seeds; and that each safeguard is needed for them.

`make soak` tells many thousands of histories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest import mock

import pytest

from batch.commands import preview, resume
from batch.record import journal
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.register.answers import Meaning
from batch.roster import forecast
from batch.rows import RowUnderWay
from batch.submission import settling
from batch.submission.pacing import Pacer, Slot
from batch.submission.settling import Read, Send, Step
from tests.support import simulation
from tests.support.simulation import tell_history

SEEDS = range(40)
SEEDS_UNTIL_BROKEN = 1000

Patch = AbstractContextManager[Any]


def test_no_history_breaks_a_law() -> None:
    found = {seed: tell_history(seed).complaints() for seed in SEEDS}
    assert {seed: laws for seed, laws in found.items() if laws} == {}


def without_the_intent() -> list[Patch]:
    async def intend_all(self: Journal, run_no: int, rows: Sequence[int], kind: str) -> list[int]:
        self._last_attempt_id += len(rows)
        return [self._last_attempt_id - place for place in range(len(rows))]

    return [mock.patch.object(Journal, "intend_all", intend_all)]


def without_the_read_back() -> list[Patch]:
    def after_defer(row: RowUnderWay, meaning: Meaning) -> Step:
        step = real(row, meaning)
        return Send() if isinstance(step, Read) and row.sends == 0 else step

    def first_step(row: RowUnderWay) -> Step:
        return Send() if row.sends == 0 else first(row)

    real, first = settling.after_defer, settling.first_step
    return [
        mock.patch.object(settling, "after_defer", after_defer),
        mock.patch.object(settling, "first_step", first_step),
    ]


def without_the_wait_before_sending_again() -> list[Patch]:
    def at_once(row: RowUnderWay, read: Read, meaning: Meaning, *, waited: bool) -> Step:
        return real(row, read, meaning, waited=True)

    real = settling.after_read
    return [mock.patch.object(settling, "after_read", at_once)]


def without_folding_ids() -> list[Patch]:
    return [mock.patch.object(journal, "folded", lambda trainee_id: trainee_id)]


def without_the_shared_pause() -> list[Patch]:
    def throttled(
        self: Pacer,
        slot: Slot,
        *,
        retry_after_seconds: float | None,
        **when: Any,
    ) -> None:
        self.answered(slot, **when)

    return [mock.patch.object(Pacer, "throttled", throttled)]


def without_the_memory() -> list[Patch]:
    def nothing(*_: object, **__: object) -> tuple[frozenset[int], list[int]]:
        return frozenset(), []

    return [
        mock.patch.object(preview, "settled_earlier", return_value={}),
        *(
            mock.patch.object(module, "set_aside_remembered", nothing)
            for module in (simulation, resume)
        ),
    ]


def without_the_look() -> list[Patch]:
    def sent(_: object, seen: Any, **__: object) -> forecast.Would:
        return forecast.WillBeSent(seen.trainee_id, seen.state)

    return [mock.patch.object(forecast, "by_state", sent)]


def without_minding_later_runs() -> list[Patch]:
    return [mock.patch.object(Ledger, "superseded", return_value={})]


def without_the_final_check() -> list[Patch]:
    return [mock.patch.object(preview, "_contradicted", return_value=None)]


def without_closing() -> list[Patch]:
    return [mock.patch.object(Journal, "end_for_good", return_value=None)]


@pytest.mark.parametrize(
    ("safeguard", "laws", "seed"),
    [
        (without_the_intent, ("our request deferred the trainee", "more than once"), 272),
        (without_the_read_back, ("Register never held", "our request", "more than once"), 25),
        (without_the_wait_before_sending_again, ("more than once",), 81),
        (without_folding_ids, ("our request deferred the trainee",), 740),
        (without_the_shared_pause, ("asked while a 429 held everyone back",), 3),
        (without_the_memory, ("our request deferred", "which run", "reports as made"), 16),
        (without_the_look, ("who was shown as",), 3),
        (without_minding_later_runs, ("whom run",), 1025),
        (without_the_final_check, ("after a final check, not held",), 3),
        (without_closing, ("neither finished nor closed",), 13),
    ],
)
def test_each_safeguard_is_needed(
    safeguard: Callable[[], list[Patch]], laws: tuple[str, ...], seed: int
) -> None:
    """`seed` is one that is known to break a law; where the tool has changed, one after it may."""
    with ExitStack() as stack:
        for patch in safeguard():
            stack.enter_context(patch)
        _, found = first_broken(seed)
    assert any(law in found for law in laws), found


def first_broken(seed: int) -> tuple[int, str]:
    """Return the first seed from that one on that breaks a law, and the laws."""
    for each in range(seed, seed + SEEDS_UNTIL_BROKEN):
        if found := tell_history(each).complaints():
            return each, " ".join(found)
    return -1, ""
