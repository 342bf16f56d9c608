"""One trainee as Register lists it: the fields that the roster compares, and no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Trainee:
    """A trainee of a list or a read; each field is as Register wrote it, or None.

    Dates are `YYYY-MM-DD`, `updated_at` is an ISO 8601 instant (register/API.md, "List trainees").
    """

    trainee_id: str | None = None
    trn: str | None = None
    hesa_id: str | None = None
    provider_trainee_id: str | None = None
    state: str | None = None
    defer_date: str | None = None
    defer_reason: str | None = None
    reinstate_date: str | None = None
    itt_start_date: str | None = None
    last_name: str | None = None
    first_names: str | None = None
    date_of_birth: str | None = None
    updated_at: str | None = None

    def __repr__(self) -> str:
        """Return id and state alone: a traceback is no place for a person's name or reason."""
        return f"Trainee({self.trainee_id!r}, {self.state!r})"
