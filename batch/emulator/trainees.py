"""The trainees that the model of Register knows, and how an answer shows one.

Pure. Source: register/API.md, "Read a trainee"; the personal columns are invented.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

DEFERRABLE = ("submitted_for_trn", "trn_received")
"""Stated here again, apart from the client's tables: two copies of a slip would agree."""

STATES = (
    "draft",
    *DEFERRABLE,
    "recommended_for_award",
    "withdrawn",
    "deferred",
    "awarded",
)

PERSONAL = {
    "first_names": "Invented Emulated",
    "last_name": "Person",
    "email": "invented.person@example.org",
    "date_of_birth": "1990-01-01",
    "nationality": "british",
    "ethnicity": "not_provided",
    "course_title": "An invented course",
}
"""What Register says of a person besides: answers hold it, and no file of ours ever may."""


@dataclass(frozen=True, slots=True)
class Trainee:
    """One trainee as Register holds them; dates are `YYYY-MM-DD`, `updated_at` Unix seconds.

    `has_invalid_data` marks one whose other data keeps Register from saving anything;
    without `itt_start_date` the trainee belongs to whatever academic cycle is current.
    """

    trainee_id: str
    state: str = "trn_received"
    defer_date: str | None = None
    defer_reason: str | None = None
    reinstate_date: str | None = None
    provider_trainee_id: str | None = None
    trn: str | None = None
    itt_start_date: str | None = None
    has_invalid_data: bool = False
    updated_at: float = 0.0


def as_seen(trainee: Trainee) -> dict[str, str | None]:
    """Return the trainee as an answer shows them."""
    return {
        **PERSONAL,
        "defer_date": trainee.defer_date,
        "defer_reason": trainee.defer_reason,
        "reinstate_date": trainee.reinstate_date,
        "trn": trainee.trn,
        "itt_start_date": trainee.itt_start_date,
        "provider_trainee_id": trainee.provider_trainee_id,
        "updated_at": _timestamp(trainee.updated_at),
        "state": trainee.state,
        "trainee_id": trainee.trainee_id,
    }


def instant(seconds: float) -> dt.datetime:
    """Return the moment that Unix seconds name, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _timestamp(seconds: float) -> str:
    return instant(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
