"""What happened to the trainees of the model: who did what, when, so that a law can look.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from batch.rows import folded


class Who(StrEnum):
    """Whose deed it was: a request's, or somebody else's on Register's own pages."""

    API = "api"
    OTHER = "other"


class Deed(StrEnum):
    """What was done to a trainee."""

    DEFERRED = "deferred"
    REINSTATED = "reinstated"
    STATE_SET = "state_set"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a trainee; `at` is Unix seconds by the model's clock.

    `state` and `defer_date` are the trainee's afterwards.
    """

    at: float
    who: Who
    deed: Deed
    trainee_id: str
    state: str
    defer_date: str | None = None


def deferrals_by_api(history: Iterable[Event], trainee_id: str) -> tuple[int, ...]:
    """Count the deferrals that requests made: before, between and after reinstatements."""
    counts = [0]
    for event in history:
        if folded(event.trainee_id) == folded(trainee_id):
            if event.deed is Deed.REINSTATED:
                counts.append(0)
            counts[-1] += event.who is Who.API and event.deed is Deed.DEFERRED
    return tuple(counts)
