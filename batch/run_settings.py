"""What a run is told, as plain values, and what it tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings of a run that `resume` takes up again; times in seconds.

    `rate_requests` None: pacing is off.
    """

    environment: str
    origin: str
    api_version: str
    rate_requests: int | None
    rate_period_seconds: float
    max_at_once: int
    timeout_seconds: float
    lost_answer_wait_seconds: float
    give_up_after_seconds: float
    again: bool = False

    @property
    def rate_limit(self) -> tuple[int, float] | None:
        """Requests and seconds, None where pacing is off."""
        return (
            None if self.rate_requests is None else (self.rate_requests, self.rate_period_seconds)
        )

    @property
    def is_rehearsal(self) -> bool:
        """Whether the run talks to the emulator within this process."""
        return self.origin == "emulator"


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How the input file is to be read."""

    path: Path
    encoding: str | None
    sheet: str | None
    date_format: str
    allow_unusual_dates: bool
    today: date
