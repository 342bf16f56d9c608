"""What a run is told, as plain values, and what it tells those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from batch import systems


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
    """How the input file is to be read.

    `columns` says which header holds a name, "" none. `attended`: somebody sees the plan before
    anything is sent. `require_trainee_id` False: TRN, HESA id or the provider's number will do,
    once rows can be matched by them. `command` are the words after `defer-batch` that asked for
    it, from which hints make complete commands.
    """

    path: Path
    today: date
    encoding: str | None = None
    sheet: str | None = None
    date_format: str = "iso"
    allow_unusual_dates: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    hidden_rows: str | None = None
    attended: bool = True
    require_trainee_id: bool = True
    command: tuple[str, ...] = ()

    def command_with(self, *more: str) -> str:
        """Return the command that was given with more options, complete, to be copied."""
        given = self.command or ("check", str(self.path))
        return "defer-batch " + systems.as_command([*given, *more])

    def column_command(self, name: str, header: str) -> str:
        """Return the command that says which header holds a name, "" none."""
        return self.command_with("--column", f"{name}={header}")
