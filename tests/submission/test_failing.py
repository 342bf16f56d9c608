"""When Register is said to be unable to defer a trainee: the rule, line by line."""

from __future__ import annotations

import pytest

from batch.codes import Code
from batch.record.records import AttemptRecord
from batch.submission.failing import register_cannot

FIRST, RESUMED, SECOND = "2026-11-01T10:00", "2026-11-02T09:00", "2026-11-02T10:00"


def attempt(
    at: str,
    row: int | None,
    kind: str,
    meaning: str | None,
    status: int | None = None,
    state: str | None = None,
) -> AttemptRecord:
    return AttemptRecord(1, row, kind, at, at, meaning, status, None, state, None)


def failing(at: str, *, times: int = 3, state: str = "trn_received") -> list[AttemptRecord]:
    """Return a row that is sent and read so many times within one stretch."""
    sent = attempt(at, 2, "defer", "lost", 500)
    return [sent, attempt(at, 2, "read", "found", 200, state)] * times


def another(
    at: str, meaning: str = "deferred", status: int = 200, row: int = 3
) -> list[AttemptRecord]:
    return [attempt(at, row, "defer", meaning, status)]


def given_up(*attempts: list[AttemptRecord], resumed_at: tuple[str, ...] = (RESUMED,)) -> set[int]:
    settled = register_cannot([one for some in attempts for one in some], resumed_at)
    assert {one.code for one in settled.values()} <= {Code.REGISTER_CANNOT}
    return set(settled)


BOTH = (failing(FIRST), another(FIRST), failing(SECOND))


@pytest.mark.parametrize(
    ("meaning", "status"),
    [
        ("deferred", 200),
        ("differs", 200),
        ("no_date", 200),
        ("state_refused", 422),
        ("refused", 422),
    ],
)
def test_it_takes_two_stretches_in_which_register_dealt_with_another(
    meaning: str, status: int
) -> None:
    assert given_up(*BOTH, another(SECOND, meaning, status)) == {2}


@pytest.mark.parametrize(
    "in_the_second",
    [
        [],
        another(SECOND, "lost", 500),
        another(SECOND, "lost", 200),  # a page that is not Register's
        another(SECOND, "refused", 400),
        another(SECOND, "not_found", 404),
        another(SECOND, row=2),
        [attempt(SECOND, 3, "read", "found", 200, "trn_received")],
    ],
)
def test_a_stretch_in_which_register_dealt_with_nobody_else_does_not_count(
    in_the_second: list[AttemptRecord],
) -> None:
    assert not given_up(*BOTH, in_the_second)


@pytest.mark.parametrize(
    "second",
    [
        failing(SECOND, times=2),
        failing(SECOND, state="deferred"),
        [*failing(SECOND), attempt(SECOND, 2, "defer", "lost", 500)],  # not read since
        [attempt(SECOND, 2, "defer", "throttled", 429)] * 3 + failing(SECOND, times=2),
        [attempt(SECOND, 2, "defer", None)] * 2 + failing(SECOND, times=1),
    ],
)
def test_three_failures_and_a_read_without_a_deferral_are_needed_in_each(
    second: list[AttemptRecord],
) -> None:
    assert not given_up(failing(FIRST), another(FIRST), second, another(SECOND))


def test_one_long_stretch_is_not_two() -> None:
    assert not given_up(*BOTH, another(SECOND), resumed_at=())


def test_any_two_stretches_will_do() -> None:
    idle = "2026-11-01T12:00"
    between = failing("2026-11-01T13:00")
    assert given_up(*BOTH, between, another(SECOND), resumed_at=(idle, RESUMED)) == {2}


def test_what_was_asked_for_the_run_as_a_whole_counts_for_no_row() -> None:
    info = [attempt(FIRST, None, "info", "serves", 200)]
    assert given_up(info, *BOTH, another(SECOND)) == {2}
