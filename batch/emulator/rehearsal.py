"""The Register that people rehearse against: the sample's trainees, or a file of their own."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path

from batch.emulator.faults import FAULTS, SampleFaults
from batch.emulator.model import Register
from batch.emulator.requests import stored_date
from batch.emulator.server import serve
from batch.emulator.trainees import STATES, Trainee
from batch.errors import UnusableFile
from batch.rows import folded

_SAMPLE = "sample_trainees.csv"
_NEEDED = ("trainee_id", "state")
_HINT = "a header `trainee_id,state`, then a trainee a line"
_QUOTED_AT_MOST = 30


def rehearsal_register(
    known: Iterable[Trainee],
    *,
    accepts_unknown: Callable[[str], bool] | None = None,
    rate_limit: tuple[int, float] | None = (100, 60.0),
    token: str | None = None,
) -> Register:
    """Make a Register on the machine's own clock; `rate_limit` is requests and seconds."""
    return Register(
        known,
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


@contextlib.contextmanager
def rehearsing(
    trainee_ids: Iterable[str],
    deferred: Mapping[str, str | None],
    rate_limit: tuple[int, float] | None,
) -> Iterator[str]:
    """Serve an emulator for a run of these folded ids, and give its base URL.

    It knows the sample's trainees; of a file that shares none with the sample, it knows every id as
    `trn_received`. `deferred` are those that the run deferred in an earlier stretch, and when.
    """
    sample = known_sample()
    in_sample = {folded(trainee.trainee_id) for trainee in sample}
    is_sample = any(folded_id in in_sample for folded_id in trainee_ids)
    register = rehearsal_register(
        sample if is_sample else (),
        accepts_unknown=None if is_sample else lambda _: True,
        rate_limit=rate_limit,
    )
    for trainee_id, defer_date in deferred.items():
        register.add(Trainee(trainee_id, state="deferred", defer_date=defer_date))
    plan = sample_faults() if is_sample else None
    with serve(register, plan=plan, kept=0) as emulator:
        yield emulator.base_url


def load_trainees(path: Path) -> tuple[Trainee, ...]:
    """Read a CSV of `trainee_id,state`, where wanted `defer_date` too.

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
    trainee_id, state, defer_date = line["trainee_id"], line["state"], line.get("defer_date")
    if not trainee_id:
        raise _unusable(path, f"line {line_number} has no trainee_id")
    if state not in STATES:
        seen = f"line {line_number} has the state {state[:_QUOTED_AT_MOST]!r}"
        raise _unusable(path, seen, f"states: {', '.join(STATES)}")
    try:
        stored = stored_date(defer_date) if defer_date else None
    except ValueError as error:
        seen = f"line {line_number} has a defer_date that is no date"
        raise _unusable(path, seen) from error
    return Trainee(trainee_id, state=state, defer_date=stored)


def _unusable(path: Path, found: str, *notes: str) -> UnusableFile:
    return UnusableFile(f"cannot use {path}: {found}", hint=_HINT, notes=notes)


def _sample_lines() -> Iterator[dict[str, str]]:
    text = resources.files("batch.emulator").joinpath(_SAMPLE).read_text(encoding="utf-8")
    return csv.DictReader(io.StringIO(text, newline=""))
