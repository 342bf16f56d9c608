"""What answers prove of the server's clock: bounds, and the times that follow from them."""

from __future__ import annotations

import math

import pytest

from batch.submission.server_clock import DRIFT, SLACK_SECONDS, ServerClock

SLOW, FAST = 1 - DRIFT, 1 + DRIFT


def about(seconds: float) -> object:
    return pytest.approx(seconds, abs=1e-7)


@pytest.fixture
def clock() -> ServerClock:
    """Return a clock that said 30 in an answer between 100.0 and 100.2."""
    clock = ServerClock(60.0)
    assert clock.observe(30.0, sent=100.0, received=100.2) == 30.0
    return clock


@pytest.fixture
def narrow() -> ServerClock:
    """Return a clock that was met just before and just after its tick to 31."""
    clock = ServerClock(60.0)
    clock.observe(30.0, sent=100.0, received=100.05)
    clock.observe(31.0, sent=100.1, received=100.15)
    return clock


# What is known


def test_before_any_answer_nothing_is_known() -> None:
    clock = ServerClock(60.0)
    assert not clock.known
    assert clock.width(0.0) == math.inf


def test_at_the_arrival_the_clock_says_at_least_the_second(clock: ServerClock) -> None:
    assert clock.at_least(100.2) == about(30 - SLACK_SECONDS)


def test_at_the_start_the_clock_said_less_than_a_second_more(clock: ServerClock) -> None:
    assert clock.at_most(100.0) == about(31 + SLACK_SECONDS)


def test_the_bounds_spread_by_what_two_clocks_may_drift(clock: ServerClock) -> None:
    assert clock.at_least(110.2) - clock.at_least(100.2) == about(10 * SLOW)
    assert clock.at_most(110.0) - clock.at_most(100.0) == about(10 * FAST)
    assert clock.width(1100.0) - clock.width(100.0) == about(1000 * 2 * DRIFT)


def test_a_single_answer_leaves_a_second_and_the_slack_open() -> None:
    clock = ServerClock(60.0)
    clock.observe(0.0, sent=100.0, received=100.0)
    assert clock.width(100.0) == about(1 + 2 * SLACK_SECONDS)


def test_an_answer_around_a_tick_narrows_the_bounds(narrow: ServerClock) -> None:
    assert narrow.at_least(100.15) == about(31 - SLACK_SECONDS)
    assert narrow.at_most(100.0) == about(31 + SLACK_SECONDS)
    assert narrow.width(100.15) < 0.2


def test_an_answer_that_tells_less_changes_nothing(narrow: ServerClock) -> None:
    before = narrow.at_least(101.0), narrow.at_most(101.0)
    narrow.observe(31.0, sent=100.0, received=101.0)
    assert (narrow.at_least(101.0), narrow.at_most(101.0)) == before


# Readings and their place in the period


def test_a_first_second_is_taken_within_the_period() -> None:
    assert ServerClock(60.0).nearest(125.0, 0.0) == 5.0


@pytest.mark.parametrize(
    ("second", "now", "reading"),
    [
        (30.0, 100.1, 30.0),
        (90.0, 100.1, 30.0),
        (29.0, 159.1, 89.0),
        (31.0, 40.1, -29.0),
        (15.0, 115.25, 75.0),  # the clock says 45, perhaps 46
        (16.0, 115.25, 16.0),
        (16.0, 115.75, 16.0),
        (16.0, 116.0, 16.0),
        (15.0, 114.75, 15.0),
    ],
)
def test_a_second_is_read_as_the_nearest_in_time(
    clock: ServerClock, second: float, now: float, reading: float
) -> None:
    assert clock.nearest(second, now) == reading


def test_a_later_answer_gives_a_reading_past_the_period(clock: ServerClock) -> None:
    assert clock.observe(5.0, sent=135.0, received=135.2) == 65.0


# Contradictions


def test_answers_that_cannot_both_be_right_are_never_trusted_again(clock: ServerClock) -> None:
    assert clock.observe(33.0, sent=100.3, received=100.4) is None
    assert clock.observe(30.0, sent=100.5, received=100.6) is None
    assert clock.contradicted
    assert not clock.known
    assert clock.width(100.6) == math.inf


def test_machines_a_little_apart_contradict_nobody() -> None:
    clock = ServerClock(60.0)
    clock.observe(31.0, sent=100.0, received=100.0)
    assert clock.observe(30.0, sent=100.03, received=100.04) == 30.0


@pytest.mark.parametrize("period_seconds", [0.5, 1.0, 2.5, 59.9])
def test_whole_seconds_tell_nothing_of_a_short_or_broken_period(period_seconds: float) -> None:
    assert ServerClock(period_seconds).contradicted


@pytest.mark.parametrize("period_seconds", [2.0, 3.0, 60.0])
def test_whole_seconds_tell_of_other_periods(period_seconds: float) -> None:
    assert not ServerClock(period_seconds).contradicted


# What a Retry-After tells


@pytest.mark.parametrize(
    ("wait_seconds", "reading"), [(1.0, 59.0), (7.0, 53.0), (20.0, 40.0), (60.0, 0.0)]
)
def test_a_wait_says_how_far_the_window_has_come(wait_seconds: float, reading: float) -> None:
    clock = ServerClock(60.0)
    assert clock.observe_wait(wait_seconds, sent=100.0, received=100.2) == reading
    assert clock.at_least(100.2) == about(reading - SLACK_SECONDS)
    assert clock.at_most(100.0) == about(reading + 1 + SLACK_SECONDS)


@pytest.mark.parametrize("wait_seconds", [-3.0, 0.0, 0.5, 7.5])
def test_a_wait_that_is_not_of_whole_seconds_tells_nothing(wait_seconds: float) -> None:
    clock = ServerClock(60.0)
    assert clock.observe_wait(wait_seconds, sent=100.0, received=100.2) is None
    assert not clock.known
    assert not clock.contradicted


def test_a_wait_longer_than_the_period_is_of_other_windows() -> None:
    clock = ServerClock(60.0)
    assert clock.observe_wait(61.0, sent=100.0, received=100.2) is None
    assert clock.contradicted


# Times that follow


def test_surely_past_a_reading_means_by_the_least_that_the_clock_can_say(
    clock: ServerClock,
) -> None:
    past = clock.surely(60.0)
    assert clock.at_least(past) > 60.0
    assert clock.at_least(past - 2e-6) < 60.0


def test_a_reading_may_show_as_soon_as_the_most_that_the_clock_can_say(
    clock: ServerClock,
) -> None:
    assert clock.at_most(clock.perhaps(60.0, 100.0)) == about(60.0)
    assert clock.at_most(clock.perhaps(31.5, 100.0)) == about(31.5)


@pytest.mark.parametrize("ago", [0.5, 20.0])
def test_a_reading_of_the_past_may_have_shown_when_a_slow_clock_came_by(
    clock: ServerClock, ago: float
) -> None:
    reading = clock.at_most(130.0) - ago
    assert clock.perhaps(reading, 130.0) == about(130.0 - ago / SLOW)


def test_a_second_that_may_have_changed_may_change_now(narrow: ServerClock) -> None:
    assert narrow.next_tick(100.15) == 100.15


def test_a_second_that_is_certain_changes_when_the_next_may_show(narrow: ServerClock) -> None:
    tick = narrow.next_tick(100.5)
    assert narrow.at_most(tick) > 32.0
    assert narrow.at_most(tick - 2e-6) < 32.0
