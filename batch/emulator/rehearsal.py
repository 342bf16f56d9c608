"""The Register that people rehearse against: the sample's trainees, or a file of their own."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import io
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batch.emulator.faults import FAULTS, SampleFaults
from batch.emulator.model import Register
from batch.emulator.server import serve
from batch.emulator.trainees import STATES, Trainee
from batch.errors import UnusableFile
from batch.rows import folded
from batch.run_settings import RateLimit

_SAMPLE = "sample_trainees.csv"
_NEEDED = ("trainee_id", "state")
_TEXTS = ("trn", "hesa_id", "provider_trainee_id", "last_name", "first_names")
_DATES = ("date_of_birth", "itt_start_date", "reinstate_date")
_HINT = "a header `trainee_id,state`, then a trainee a line"
_ID_LENGTH = 24
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_STATE_WORDS = (
    ("recommended", "recommended_for_award"),
    ("awarded", "awarded"),
    ("withdrawn", "withdrawn"),
    ("deferred", "deferred"),
    ("pending_trn", "submitted_for_trn"),
)
"""What Register's own pages and export call some states, by a part of the words."""
_FIRST_UPDATE, _BETWEEN_UPDATES = 1_767_225_600.0, 1.5
"""Unix seconds: 2026-01-01, and one trainee's last change after another's."""
_QUOTED_AT_MOST = 30


def rehearsal_register(
    known: Iterable[Trainee],
    *,
    accepts_unknown: Callable[[str], bool] | None = None,
    rate_limit: tuple[int, float] | None = (100, 60.0),
    token: str | None = None,
) -> Register:
    """Return a Register on the machine's own clock; `rate_limit` is requests and seconds.

    Trainees whose last change is not known were changed one after the other, early in 2026.
    """
    changed = (
        trainee
        if trainee.updated_at
        else replace(trainee, updated_at=_FIRST_UPDATE + number * _BETWEEN_UPDATES)
        for number, trainee in enumerate(known)
    )
    return Register(
        changed,
        clock=time.time,
        rate_limit=rate_limit,
        token=token,
        accepts_unknown=accepts_unknown,
    )


def known_sample() -> tuple[Trainee, ...]:
    """Return the trainees of `sample_data/deferrals.csv` that the emulator knows."""
    return tuple(
        Trainee(
            line["trainee_id"],
            state=line["state"],
            defer_date=line["defer_date"] or None,
            has_invalid_data=line["fault"] == "invalid_data",
        )
        for line in _sample_lines()
    )


def sample_faults() -> SampleFaults:
    """Return what goes wrong in the sample, so that a rehearsal shows how it is settled."""
    named = {line["trainee_id"]: line["fault"] for line in _sample_lines()}
    return SampleFaults({i: FAULTS[fault] for i, fault in named.items() if fault in FAULTS})


class NamedTrainee(Struct, frozen=True):
    """A trainee as a row of a file names them: by any of these, or by none.

    `date_of_birth` is `YYYY-MM-DD`; `trainee_status` is the file's own, as Register exports it.
    """

    trainee_id: str | None = None
    trn: str | None = None
    hesa_id: str | None = None
    provider_trainee_id: str | None = None
    last_name: str | None = None
    first_names: str | None = None
    date_of_birth: str | None = None
    trainee_status: str | None = None

    def __repr__(self) -> str:
        """Return what may be shown: no name, and no date of birth."""
        return f"NamedTrainee({self.key!r})"

    @property
    def key(self) -> str | None:
        """What tells this trainee from the file's others, None where nothing does."""
        if self.trainee_id:
            return folded(self.trainee_id)
        numbers = ("trn", "hesa_id", "provider_trainee_id")
        return next((f"{name} {own}" for name in numbers if (own := getattr(self, name))), None)


@contextlib.contextmanager
def rehearsing(
    named: Iterable[NamedTrainee],
    deferred: Mapping[str, str | None],
    rate_limit: RateLimit | None,
) -> Iterator[str]:
    """Serve an emulator for a run of a file whose rows name these trainees; yield its base URL.

    It knows the sample's trainees; of a file that shares no id with the sample, it knows every
    trainee named, in the state that the file gives them. `deferred` are the ids that the run
    deferred in an earlier stretch, and when.
    """
    sample, named = known_sample(), tuple(named)
    in_sample = {folded(trainee.trainee_id) for trainee in sample}
    is_sample = any(row.trainee_id and folded(row.trainee_id) in in_sample for row in named)
    limit = None if rate_limit is None else (rate_limit.requests, rate_limit.period_seconds)
    known = sample if is_sample else known_of_file(named)
    register = rehearsal_register(known, rate_limit=limit)
    for trainee_id, defer_date in deferred.items():
        trainee = register.trainee(trainee_id) or Trainee(trainee_id)
        register.add(replace(trainee, state="deferred", defer_date=defer_date))
    plan = sample_faults() if is_sample else None
    with serve(register, plan=plan, kept=0) as emulator:
        yield emulator.base_url


def known_of_file(named: Iterable[NamedTrainee]) -> tuple[Trainee, ...]:
    """Return a trainee for each one that is named; the first row about somebody counts."""
    people = {key: row for row in reversed(tuple(named)) if (key := row.key)}
    return tuple(
        Trainee(
            row.trainee_id or _invented_id(key),
            state=_state_of(row.trainee_status),
            trn=row.trn,
            hesa_id=row.hesa_id,
            provider_trainee_id=row.provider_trainee_id,
            last_name=row.last_name,
            first_names=row.first_names,
            date_of_birth=row.date_of_birth,
        )
        for key, row in reversed(people.items())
    )


def _invented_id(key: str) -> str:
    """Return an id as Register's look, the same for the same key every time."""
    number = int.from_bytes(hashlib.sha256(key.encode(errors="replace")).digest(), "big")
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_BASE58))
        digits.append(_BASE58[digit])
    return "".join(digits)


def _state_of(trainee_status: str | None) -> str:
    """Return the state that a file's own status means; an unknown one can be deferred."""
    words = re.sub(r"[\s-]+", "_", (trainee_status or "").strip().lower())
    if words in STATES:
        return words
    return next((state for part, state in _STATE_WORDS if part in words), "trn_received")


def load_trainees(path: Path) -> tuple[Trainee, ...]:
    """Read a CSV of `trainee_id,state`, and any other columns of a trainee that it knows.

    Raises UnusableFile with the line where one cannot be used.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if any(header.count(name) != 1 for name in _NEEDED):
            raise _unusable(path, "it needs the columns `trainee_id` and `state`, once each")
        trainees: dict[str, Trainee] = {}
        for values in reader:
            if any(value.strip() for value in values):
                trainee = _trainee(path, reader.line_num, header, values)
                if folded(trainee.trainee_id) in trainees:
                    raise _unusable(path, f"line {reader.line_num} repeats a trainee")
                trainees[folded(trainee.trainee_id)] = trainee
    except csv.Error as error:
        raise _unusable(path, f"line {reader.line_num} is not CSV: {error}") from error
    return tuple(trainees.values())


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unusable(path, (error.strerror or str(error)).lower()) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "it is not UTF-8 text") from error


def _trainee(path: Path, line_number: int, header: list[str], values: list[str]) -> Trainee:
    if len(values) != len(header):
        found = f"line {line_number} has {len(values)} values for {len(header)} columns"
        raise _unusable(path, found)
    line = dict(zip(header, (value.strip() for value in values), strict=True))
    trainee_id, state = line["trainee_id"], line["state"]
    if not trainee_id:
        raise _unusable(path, f"line {line_number} has no trainee_id")
    if state not in STATES:
        seen = f"line {line_number} has the state {state[:_QUOTED_AT_MOST]!r}"
        raise _unusable(path, seen, f"states: {', '.join(STATES)}")
    own: dict[str, Any] = {name: line[name] for name in _TEXTS if line.get(name)}
    dates: dict[str, Any] = {
        name: _date(path, line_number, name, line[name])
        for name in (*_DATES, "defer_date")
        if line.get(name)
    }
    return Trainee(trainee_id, state=state, **own, **dates)


def _date(path: Path, line_number: int, name: str, text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        found = f"line {line_number} has a {name} that is no date (YYYY-MM-DD)"
        raise _unusable(path, found) from error


def _unusable(path: Path, found: str, *notes: str) -> UnusableFile:
    return UnusableFile(f"cannot use {path}: {found}", hint=_HINT, notes=notes)


def _sample_lines() -> Iterator[dict[str, str]]:
    text = resources.files("batch.emulator").joinpath(_SAMPLE).read_text(encoding="utf-8")
    return csv.DictReader(io.StringIO(text, newline=""))
