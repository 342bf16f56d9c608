"""The trainees that the model of Register knows, and how an answer shows one.

Pure. Source: register/API.md, "Read a trainee"; the personal columns are invented.
"""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

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

UKPRN = "10009999"
LONGEST_COURSE_YEARS = 8

PERSONAL = {
    "email": "invented.person@example.org",
    "nationality": "british",
    "ethnicity": "not_provided",
    "course_title": "An invented course",
}
"""What Register says of a person besides: answers hold it, and no file of ours ever may."""


class Trainee(Struct, frozen=True):
    """One trainee as Register holds them; dates are `YYYY-MM-DD`, `updated_at` Unix seconds.

    Without `trainee_start_date` and `itt_start_date` the trainee belongs to whatever academic cycle
    is current.
    """

    trainee_id: str
    state: str = "trn_received"
    defer_date: str | None = None
    defer_reason: str | None = None
    reinstate_date: str | None = None
    provider_trainee_id: str | None = None
    trn: str | None = None
    hesa_id: str | None = None
    last_name: str | None = None
    first_names: str | None = None
    date_of_birth: str | None = None
    itt_start_date: str | None = None
    trainee_start_date: str | None = None
    withdrawal_date: str | None = None
    started_on_time: bool = False
    """Register's own note that they began on `itt_start_date`; deferring then sets the start."""
    course_years: int = 1
    has_invalid_data: bool = False
    """Other data keeps Register from saving anything: 422."""
    is_discarded: bool = False
    """Deleted on Register's pages: in no list, but still read and deferred by id."""
    has_start_cycle: bool = True
    """Until something about them is saved again, a trainee without one is in no list."""
    updated_at: float = 0.0

    @property
    def is_listed(self) -> bool:
        """Whether any list can show the trainee."""
        return self.state != "draft" and not self.is_discarded and self.has_start_cycle

    @property
    def breaks_deferring(self) -> bool:
        """Whether every deferral fails (500) and saves nothing, for the record contradicts itself.

        Source: register/API.md, "Some trainees can't be deferred at all".
        """
        on_time_without_a_date = self.started_on_time and self.itt_start_date is None
        return on_time_without_a_date or self.course_years > LONGEST_COURSE_YEARS


def as_seen(trainee: Trainee) -> dict[str, str | None]:
    """Return the trainee as an answer shows them."""
    own = {name: getattr(trainee, name) for name in ("first_names", "last_name", "date_of_birth")}
    return {
        **own,
        **PERSONAL,
        **{name: value for name, value in own.items() if value is not None},
        "defer_date": trainee.defer_date,
        "defer_reason": trainee.defer_reason,
        "reinstate_date": trainee.reinstate_date,
        "withdrawal_date": trainee.withdrawal_date,
        "trn": trainee.trn,
        "hesa_id": trainee.hesa_id,
        "itt_start_date": trainee.itt_start_date,
        "trainee_start_date": trainee.trainee_start_date,
        "provider_trainee_id": trainee.provider_trainee_id,
        "ukprn": UKPRN,
        "updated_at": _timestamp(trainee.updated_at),
        "state": trainee.state,
        "trainee_id": trainee.trainee_id,
    }


def instant(seconds: float) -> dt.datetime:
    """Return the moment that Unix seconds name, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _timestamp(seconds: float) -> str:
    return instant(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
