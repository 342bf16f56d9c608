"""What a limit counts: places in a rolling window, and answers by when they came."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.submission.windows import Arrivals, RollingWindow

SECONDS = st.integers(-90, 0).map(float)


def started(window: RollingWindow, *starts: float) -> None:
    for start in starts:
        window.take()
        window.start(start)


def test_a_rolling_window_frees_a_place_one_period_after_its_start() -> None:
    window = RollingWindow(2, 60.0)
    started(window, 0.0, 10.0)
    assert window.next_start(20.0) == 60.0
    assert window.used(59.9) == 2
    assert window.used(60.0) == 1


def test_a_place_that_is_taken_counts_until_it_is_released() -> None:
    window = RollingWindow(1, 60.0)
    window.take()
    assert window.next_start(1000.0) == math.inf
    window.release()
    assert window.next_start(1000.0) == 1000.0
    window.take()
    assert window.next_start(1000.0) == math.inf


def test_more_places_taken_than_there_are_wait_for_a_start() -> None:
    window = RollingWindow(1, 60.0)
    window.take()
    window.take()
    assert window.next_start(0.0) == math.inf


def test_one_more_may_start_at_once_while_a_place_is_free() -> None:
    window = RollingWindow(2, 60.0)
    started(window, 0.0)
    assert window.next_start(1.0) == 1.0


def test_places_that_are_taken_wait_for_one_free_place_each() -> None:
    window = RollingWindow(3, 60.0)
    started(window, 0.0, 10.0)
    window.take()
    window.take()
    assert window.next_start(20.0) == 70.0


def test_more_starts_than_the_limit_delay_the_next_until_enough_are_over() -> None:
    window = RollingWindow(2, 60.0, recent=[30.0, 0.0, 20.0, 10.0])
    assert window.next_start(40.0) == 80.0


@given(st.integers(1, 4), st.lists(SECONDS, max_size=6), st.integers(0, 3), st.integers(1, 12))
def test_the_time_of_a_further_request_is_that_of_starting_one_by_one(
    limit: int, recent: list[float], taken: int, number: int
) -> None:
    asked, played = (RollingWindow(limit, 60.0, recent=recent) for _ in range(2))
    for _ in range(min(taken, limit - asked.used(0.0))):
        asked.take()
        started(played, 0.0)
    start = 0.0
    for _ in range(number):
        start = played.next_start(start)
        started(played, start)
    assert asked.start_of(number, 0.0) == start


def test_an_answer_counts_since_any_time_before_it() -> None:
    arrivals = Arrivals(60.0, recent=[1.0, 2.0])
    arrivals.add(3.0, None)
    assert [arrivals.since(begin) for begin in (0.0, 1.0, 2.5, 3.0)] == [3, 2, 1, 0]


def test_an_answer_of_an_earlier_second_arrived_before_the_edge() -> None:
    arrivals = Arrivals(60.0)
    for received, second in ((9.0, 119.0), (9.5, 120.0), (9.7, 121.0)):
        arrivals.add(received, second)
    assert arrivals.since(8.0, edge=120.0) == 2


def test_an_answer_without_a_second_counts_by_our_own_time() -> None:
    arrivals = Arrivals(60.0, recent=[7.0, 9.0])
    arrivals.add(9.5, None)
    assert arrivals.since(8.0, edge=120.0) == 2


@pytest.mark.parametrize(("second", "edge"), [(None, None), (None, 0.0), (110.0, 50.0)])
def test_answers_are_forgotten_after_the_time_that_they_are_kept(
    second: float | None, edge: float | None
) -> None:
    arrivals = Arrivals(60.0)
    for seconds in (0.0, 1.0, 2.0, 61.0):
        arrivals.add(40.0 + seconds, None if second is None else second - 50.0 + seconds)
    assert arrivals.since(0.0, edge) == 2
