"""What a run is told, as plain values: the only form of its settings, and of a rate limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Self

from msgspec import Struct, field
from msgspec.structs import asdict

from batch import systems

EMULATOR = "emulator"
"""The origin of the emulator within this process: a run against it is a rehearsal."""

_WRITTEN = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,4}(?:\.\d{1,3})?)", re.ASCII)


_TOKEN = re.compile(r"(production|sandbox)_.+|([a-z]+)_[0-9a-f]{64}", re.ASCII)
"""A token as Register makes them (API.md, "Who"): not documented, so good for a hint alone."""


def environment_of(token: str) -> str | None:
    """Return the environment that a token's beginning names, None where it names none."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else found[1] or found[2]


class RateLimit(Struct, frozen=True):
    """At most `requests` in `period_seconds`."""

    requests: int
    period_seconds: float

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the limit that `100/60` means, None for `none`. Raises ValueError."""
        text = text.strip().lower()
        if text == "none":
            return None
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError("must be requests/seconds, such as 100/60, or none")
        return cls(int(found[1]), float(found[2]))


class RunSettings(Struct, frozen=True):
    """The settings of a run, which `resume` uses again.

    `rate_limit` None: pacing is off. `api_version` None: nobody named one. `preview`: trainees
    are looked up before sending; `final_check`: deferrals are read back at the end.
    `match_by` is the column that says who a row's trainee is, None where the columns tell.
    """

    environment: str
    origin: str
    api_version: str | None
    rate_limit: RateLimit | None
    max_at_once: int
    timeout_seconds: float
    lost_answer_wait_seconds: float
    give_up_after_seconds: float
    again: bool = False
    preview: bool = True
    final_check: bool = True
    match_by: str | None = None

    @property
    def is_rehearsal(self) -> bool:
        """Whether the run talks to the emulator within this process."""
        return self.origin == EMULATOR

    def as_json(self) -> dict[str, Any]:
        """Return the settings as the journal and the manifest hold them, since version 0.1.0."""
        told = asdict(self)
        limit = told.pop("rate_limit")
        paced = asdict(limit) if limit else {"requests": None, "period_seconds": 60.0}
        return told | {f"rate_{name}": value for name, value in paced.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return the settings that `as_json` wrote."""
        others = {name: value for name, value in told.items() if not name.startswith("rate_")}
        return cls(rate_limit=rate_limit_in(told), **others)


def rate_limit_in(told: Mapping[str, Any]) -> RateLimit | None:
    """Return the rate limit in settings that `RunSettings.as_json` wrote, None for no limit."""
    requests, period = told.get("rate_requests"), told.get("rate_period_seconds")
    if not isinstance(requests, int) or not isinstance(period, int | float):
        return None
    return RateLimit(requests, float(period))


class InputOptions(Struct, frozen=True):
    """How the input file is to be read.

    `columns` says which header holds a name, "" none. `attended`: somebody sees the plan before
    anything is sent. `require_trainee_id` False: TRN, HESA id or the provider's number will do,
    once rows can be matched by them; `match_by` is the one that counts, None for the first that a
    row has. `command` are the words after `defer-batch` that asked for it, from which hints make
    complete commands. `shown_name` is the file's name for people, where it is kept under another;
    `corrected` says what a person changed of which file, if it is a copy.
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
    match_by: str | None = None
    command: tuple[str, ...] = ()
    shown_name: str | None = None
    corrected: Mapping[str, Any] | None = None

    def command_with(self, *more: str) -> str:
        """Return the command that was given with more options, complete, to be copied."""
        given = self.command or ("check", str(self.path))
        return "defer-batch " + systems.as_command([*given, *more])

    def column_command(self, name: str, header: str) -> str:
        """Return the command that says which header holds a name, "" none."""
        return self.command_with("--column", f"{name}={header}")
