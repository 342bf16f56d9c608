"""When the next request may start: the arithmetic, with the clock passed in."""

from __future__ import annotations

import math

import pytest

from batch.run_settings import RateLimit
from batch.submission.pacing import Pacer


def sent_at_once(pacer: Pacer, count: int, now: float) -> list[int]:
    slots = []
    for _ in range(count):
        assert pacer.next_start(now) <= now
        slots.append(pacer.reserve(now))
        pacer.started(slots[-1], now)
    return slots  # type: ignore[return-value]


def answer(
    pacer: Pacer, *, sent: float, received: float | None = None, date: float | None = None
) -> None:
    slot = pacer.reserve(sent)
    pacer.started(slot, sent)
    pacer.answered(slot, sent=sent, received=sent if received is None else received, date=date)


def refuse(pacer: Pacer, *, sent: float, received: float, wait: float | None) -> None:
    slot = pacer.reserve(sent)
    pacer.started(slot, sent)
    pacer.throttled(slot, sent=sent, received=received, retry_after_seconds=wait, date=None)


def teach(pacer: Pacer, *, apart: float = 0.1) -> None:
    """Let the pacer meet the server's tick from 30 to 31 between 100.0 and that much later."""
    answer(pacer, sent=100.0, received=100.05, date=30.0)
    answer(pacer, sent=100.0 + apart - 0.05, received=100.0 + apart, date=31.0)


def about(seconds: float) -> object:
    return pytest.approx(seconds, abs=1e-3)


def test_a_limit_paces_and_none_does_not() -> None:
    assert Pacer(RateLimit(10, 60.0)).is_limited is True
    assert Pacer(None).is_limited is False


def test_without_dates_no_more_than_the_limit_start_in_a_period() -> None:
    pacer = Pacer(RateLimit(10, 60.0))
    sent_at_once(pacer, 10, 0.0)
    assert pacer.next_start(1.0) >= 60.0


def test_what_a_killed_run_sent_counts() -> None:
    pacer = Pacer(RateLimit(10, 60.0), recent=[-5.0] * 10)
    assert pacer.next_start(0.0) >= 55.0


def test_without_a_limit_everything_may_start_at_once() -> None:
    assert len(sent_at_once(Pacer(None), 1000, 0.0)) == 1000


def test_a_429_holds_everyone_for_what_it_says() -> None:
    pacer = Pacer(None)
    slot = pacer.reserve(0.0)
    pacer.started(slot, 0.0)
    pacer.throttled(slot, sent=0.0, received=0.2, retry_after_seconds=7.0, date=None)
    assert 7.0 <= pacer.next_start(0.3) <= 8.5


def test_a_429_without_a_wait_holds_everyone_for_the_period() -> None:
    pacer = Pacer(None)
    slot = pacer.reserve(0.0)
    pacer.started(slot, 0.0)
    pacer.throttled(slot, sent=0.0, received=0.2, retry_after_seconds=None, date=None)
    assert pacer.next_start(0.3) >= 60.0


def test_a_request_that_never_left_gives_its_place_back() -> None:
    pacer = Pacer(RateLimit(1, 60.0))
    pacer.release(pacer.reserve(0.0))
    assert pacer.next_start(0.0) <= 0.0


# Windows of the server's clock


WINDOW_ENDS = 100.1 + (60 - 30.98) / 0.999
"""When a clock as in `teach` has surely come to 60."""


def test_a_full_window_waits_until_the_servers_clock_is_surely_past_its_end() -> None:
    pacer = Pacer(RateLimit(5, 60.0))
    teach(pacer)
    sent_at_once(pacer, 3, 101.0)
    assert pacer.next_start(101.0) == about(WINDOW_ENDS)


def test_what_was_answered_in_the_last_window_does_not_count_in_the_next() -> None:
    pacer = Pacer(RateLimit(3, 60.0))
    teach(pacer)
    answer(pacer, sent=120.0, received=120.1, date=50.0)
    assert pacer.next_start(WINDOW_ENDS - 0.01) == about(WINDOW_ENDS)
    assert len(sent_at_once(pacer, 3, WINDOW_ENDS + 0.01)) == 3


def test_what_is_in_flight_at_an_edge_counts_on_both_sides() -> None:
    pacer = Pacer(RateLimit(3, 60.0))
    teach(pacer)
    sent_at_once(pacer, 1, 128.0)
    sent_at_once(pacer, 2, WINDOW_ENDS + 0.01)
    assert pacer.next_start(WINDOW_ENDS + 0.01) == about(WINDOW_ENDS + 60 / 0.999)


@pytest.mark.parametrize(("started", "free"), [(97.5, 0), (96.5, 1)])
def test_what_a_killed_run_sent_may_arrive_two_seconds_late(started: float, free: int) -> None:
    pacer = Pacer(RateLimit(3, 60.0), recent=[started])
    answer(pacer, sent=100.0, received=100.05, date=0.0)
    answer(pacer, sent=100.05, received=100.1, date=1.0)  # so the window began at about 99.1
    assert (pacer.next_start(100.1) == 100.1) is bool(free)


@pytest.mark.parametrize(("took", "start"), [(0.05, 100.05 + (4 - 2.98) / 0.999), (0.5, 104.0)])
def test_a_clock_is_counted_by_once_it_is_known_to_a_third_of_the_period(
    took: float, start: float
) -> None:
    pacer = Pacer(RateLimit(1, 4.0))
    answer(pacer, sent=100.0, received=100.0 + took, date=31.0)
    assert pacer.next_start(100.6) == about(start)


def test_an_answer_counts_as_long_as_its_window_may_still_be_going_on() -> None:
    pacer = Pacer(RateLimit(3, 60.0))
    answer(pacer, sent=75.0)
    answer(pacer, sent=100.0, received=118.0, date=30.0)  # says 30 at 118, or already 49
    answer(pacer, sent=147.0)
    assert pacer.next_start(147.9) > 147.9


# The last requests of a window wait for the server's tick


@pytest.mark.parametrize(("limit", "kept"), [(100, 10), (20, 5)])
def test_the_last_ten_or_last_quarter_are_spread_over_a_second(limit: int, kept: int) -> None:
    pacer = Pacer(RateLimit(limit, 60.0))
    answer(pacer, sent=100.0, received=100.05, date=30.0)
    sent_at_once(pacer, limit - 1 - kept, 101.0)
    assert pacer.next_start(101.0) == about(101.0 + 1 / kept)
    assert pacer.next_start(101.5) == 101.5


def test_of_those_each_next_one_has_more_of_the_second_to_itself() -> None:
    pacer = Pacer(RateLimit(20, 60.0))
    answer(pacer, sent=100.0, received=100.05, date=30.0)
    sent_at_once(pacer, 14, 101.0)
    pacer.reserve(101.2)
    assert pacer.next_start(101.2) == about(101.2 + 1 / 4)


def test_they_are_spread_over_what_is_open_of_the_clock_where_that_is_less() -> None:
    pacer = Pacer(RateLimit(8, 60.0))
    teach(pacer, apart=0.46)
    sent_at_once(pacer, 4, 101.0)
    assert pacer.next_start(101.0) == about(101.0 + 0.5 / 2)


def test_between_two_ticks_they_wait_for_the_next() -> None:
    pacer = Pacer(RateLimit(8, 60.0))
    teach(pacer, apart=0.46)
    sent_at_once(pacer, 4, 100.6)
    assert pacer.next_start(100.9) == about(100.0 + (32 - 31.02) / 1.001)


@pytest.mark.parametrize(("open_of_the_clock", "waits"), [(0.17, 0), (0.22, 1)])
def test_they_wait_only_where_an_answer_would_narrow_the_clock(
    open_of_the_clock: float, waits: int
) -> None:
    pacer = Pacer(RateLimit(8, 60.0))
    teach(pacer, apart=open_of_the_clock - 0.04)
    sent_at_once(pacer, 4, 100.5)
    assert (pacer.next_start(100.5) > 100.5) is bool(waits)


# After a 429


@pytest.mark.parametrize(("wait", "held"), [(0.0, 1.0), (1.5, 1.5), (7.0, 7.0)])
def test_a_429_holds_everyone_for_a_second_at_least(wait: float, held: float) -> None:
    pacer = Pacer(None)
    refuse(pacer, sent=10.0, received=10.2, wait=wait)
    assert pacer.held_until == about(10.2 + held)


def test_a_429_without_a_wait_holds_until_the_window_ends_where_that_is_known() -> None:
    pacer = Pacer(RateLimit(10, 60.0))
    teach(pacer)
    refuse(pacer, sent=101.0, received=101.1, wait=None)
    assert pacer.held_until == about(WINDOW_ENDS)


def test_before_any_429_nobody_is_held_whatever_our_clock_counts_from() -> None:
    assert Pacer(None).next_start(-5.0) == -5.0


def sharing() -> Pacer:
    """Return a pacer of which three got through in a window that ends at 147.5, and two did not."""
    pacer = Pacer(RateLimit(100, 60.0))
    for sent in (80.0, 87.0, 90.0, 91.0, 92.0):
        answer(pacer, sent=sent)
    refuse(pacer, sent=130.0, received=130.0, wait=17.5)
    refuse(pacer, sent=135.0, received=140.0, wait=7.5)
    return pacer


def test_after_a_429_the_share_that_got_through_is_sent_at_once() -> None:
    pacer = sharing()
    sent_at_once(pacer, 3, 148.0)
    assert pacer.next_start(148.0) == math.inf


def test_beyond_the_share_two_at_a_time_probe_for_more() -> None:
    pacer = sharing()
    for _ in range(3):
        answer(pacer, sent=148.0)
    sent_at_once(pacer, 2, 149.0)
    assert pacer.next_start(149.0) == math.inf


def test_each_later_window_has_the_share_again() -> None:
    pacer = sharing()
    answer(pacer, sent=207.4)
    answer(pacer, sent=207.6)
    sent_at_once(pacer, 2, 210.0)
    assert pacer.next_start(210.0) == math.inf


def test_what_gets_through_beyond_the_share_raises_it() -> None:
    pacer = sharing()
    for _ in range(5):
        answer(pacer, sent=148.0)
    sent_at_once(pacer, 5, 210.0)
    assert pacer.next_start(210.0) == math.inf


def test_a_share_that_has_grown_to_the_limit_is_one_no_more() -> None:
    pacer = Pacer(RateLimit(3, 60.0))
    refuse(pacer, sent=140.0, received=140.0, wait=7.5)
    for sent in (148.0, 149.0, 150.0):
        answer(pacer, sent=sent)
    assert pacer.seconds_for(1, 150.0) == about(208.0 - 150.0)  # a rolling window again


def test_refusals_of_the_same_window_never_count_as_got_through() -> None:
    pacer = Pacer(RateLimit(10, 60.0))
    refuse(pacer, sent=75.0, received=75.0, wait=None)
    for _ in range(3):
        answer(pacer, sent=100.0, received=118.0, date=30.0)
    refuse(pacer, sent=147.0, received=147.0, wait=None)
    sent_at_once(pacer, 2, pacer.held_until)  # the last refusal may stand in this window
    assert pacer.next_start(pacer.held_until) == math.inf


# The time left


def test_the_time_left_follows_from_the_windows() -> None:
    pacer = Pacer(RateLimit(100, 60.0))
    assert pacer.seconds_for(100, 0.0) < 60.0
    assert 60.0 <= pacer.seconds_for(150, 0.0) < 120.0
    assert pacer.seconds_for(0, 0.0) == 0.0


def test_without_a_limit_it_follows_from_the_answers_and_how_many_are_open() -> None:
    pacer = Pacer(None)
    slots = sent_at_once(pacer, 2, 10.0)
    for slot, took in zip(slots, (0.5, 1.5), strict=True):
        pacer.answered(slot, sent=10.0, received=10.0 + took, date=None)  # type: ignore[arg-type]
    assert pacer.seconds_for(10, 12.0) == about(10 * 0.6 / 2)


def test_a_hold_is_part_of_the_time_left() -> None:
    pacer = Pacer(None)
    refuse(pacer, sent=1.0, received=1.2, wait=7.0)
    assert pacer.seconds_for(10, 2.0) == about(8.2 - 2.0 + 10 * 0.2)
    assert pacer.seconds_for(1, 2.0) == about(8.2 - 2.0 + 0.2)
    assert pacer.seconds_for(0, 2.0) == 0.0


def test_without_a_limit_an_answer_after_a_hold_is_like_any_other() -> None:
    pacer = Pacer(None)
    refuse(pacer, sent=1.0, received=1.2, wait=7.0)
    answer(pacer, sent=9.0, received=9.2)
    assert pacer.seconds_for(10, 10.0) == about(10 * 0.2)


@pytest.mark.parametrize(
    ("requests", "seconds"), [(3, 3 * 0.5), (4, 50 + 4 * 0.5), (5, 60 + 0.5), (7, 60 + 3 * 0.5)]
)
def test_before_the_clock_is_known_it_follows_from_a_rolling_window(
    requests: int, seconds: float
) -> None:
    pacer = Pacer(RateLimit(4, 60.0))
    answer(pacer, sent=0.0, received=0.5)
    assert pacer.seconds_for(requests, 10.0) == about(seconds)


def test_slow_answers_take_longer_than_the_windows() -> None:
    pacer = Pacer(RateLimit(4, 60.0))
    answer(pacer, sent=0.0, received=30.0)
    assert pacer.seconds_for(5, 60.0) == about(5 * 30.0)


@pytest.mark.parametrize(
    ("requests", "windows", "last"), [(2, 0, 2), (3, 1, 1), (6, 1, 4), (7, 2, 1), (11, 3, 1)]
)
def test_once_it_is_known_it_follows_from_the_servers_windows(
    requests: int, windows: int, last: int
) -> None:
    pacer = Pacer(RateLimit(4, 60.0))
    teach(pacer)
    waits = WINDOW_ENDS + 60.0 * (windows - 1) - 101.0 if windows else 0.0
    assert pacer.seconds_for(requests, 101.0) == about(waits + last * 0.05)


def test_a_window_fuller_than_the_limit_leaves_the_next_one_whole() -> None:
    pacer = Pacer(RateLimit(4, 60.0), recent=[90.0, 91.0, 92.0, 93.0])
    teach(pacer)
    assert pacer.seconds_for(4, 101.0) == about(WINDOW_ENDS - 101.0 + 4 * 0.05)


@pytest.mark.parametrize(("requests", "begins"), [(3, 147.5), (4, 207.5), (7, 267.5)])
def test_after_a_429_it_follows_from_the_share(requests: int, begins: float) -> None:
    seconds = sharing().seconds_for(requests, 141.0)
    assert begins - 141.0 <= seconds < begins - 141.0 + 20.0


def test_where_nothing_got_through_one_a_window_is_reckoned() -> None:
    pacer = Pacer(RateLimit(100, 60.0))
    refuse(pacer, sent=140.0, received=140.0, wait=7.5)
    assert pacer.seconds_for(5, 141.0) == about(147.5 + 4 * 60.0 - 141.0)
