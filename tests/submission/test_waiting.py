"""Why nothing moves: which cause is named, and how."""

from __future__ import annotations

import pytest

from batch.submission.waiting import Waits


@pytest.mark.parametrize(
    ("waits", "words"),
    [
        (Waits(), ""),
        (Waits(turn_seconds=41.2), "waiting for Register's rate limit, 41 s"),
        (Waits(turn_seconds=0.4), ""),
        (Waits(probe_seconds=8), "Register is not answering, trying again in 8 s"),
        (Waits(probe_seconds=0), "Register is not answering, trying again now"),
        (Waits(probe_seconds=8, turn_seconds=41, lost=1), "Register is not answering"),
        (Waits(lost=2, lost_seconds=35), "waiting to learn what became of 2 requests, 35 s"),
        (Waits(lost=1, lost_seconds=35, turn_seconds=9), "waiting for Register's rate limit, 9 s"),
        (Waits(replies=2, replies_seconds=28), "waiting for 2 replies, 28 s at most"),
        (Waits(replies=1, replies_seconds=28), "waiting for 1 reply, 28 s at most"),
    ],
)
def test_the_first_cause_is_named(waits: Waits, words: str) -> None:
    assert waits.words().startswith(words)
    assert bool(waits.words()) is bool(words)
