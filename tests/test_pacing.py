"""When the next request may start: the arithmetic, with the clock passed in."""

from __future__ import annotations

import math

from batch.submission.pacing import Pacer
from batch.submission.windows import RollingWindow


def sent_at_once(pacer: Pacer, count: int, now: float) -> list[int]:
    slots = []
    for _ in range(count):
        assert pacer.next_start(now) <= now
        slots.append(pacer.reserve(now))
        pacer.started(slots[-1], now)
    return slots  # type: ignore[return-value]


def test_a_rolling_window_frees_a_place_one_period_after_its_start() -> None:
    window = RollingWindow(2, 60.0)
    for start in (0.0, 10.0):
        window.take()
        window.start(start)
    assert window.next_start(20.0) == 60.0
    assert window.used(59.9) == 2
    assert window.used(60.0) == 1


def test_a_place_that_is_taken_counts_until_it_is_released() -> None:
    window = RollingWindow(1, 60.0)
    window.take()
    assert window.next_start(1000.0) == math.inf
    window.release()
    assert window.next_start(1000.0) == 1000.0


def test_without_dates_no_more_than_the_limit_start_in_a_period() -> None:
    pacer = Pacer(10, 60.0)
    sent_at_once(pacer, 10, 0.0)
    assert pacer.next_start(1.0) >= 60.0


def test_what_a_killed_run_sent_counts() -> None:
    pacer = Pacer(10, 60.0, recent=[-5.0] * 10)
    assert pacer.next_start(0.0) >= 55.0


def test_without_a_limit_everything_may_start_at_once() -> None:
    assert len(sent_at_once(Pacer(None, 60.0), 1000, 0.0)) == 1000


def test_a_429_holds_everyone_for_what_it_says() -> None:
    pacer = Pacer(None, 60.0)
    slot = pacer.reserve(0.0)
    pacer.started(slot, 0.0)
    pacer.throttled(slot, sent=0.0, received=0.2, retry_after_seconds=7.0, date=None)
    assert 7.0 <= pacer.next_start(0.3) <= 8.5


def test_a_429_without_a_wait_holds_everyone_for_the_period() -> None:
    pacer = Pacer(None, 60.0)
    slot = pacer.reserve(0.0)
    pacer.started(slot, 0.0)
    pacer.throttled(slot, sent=0.0, received=0.2, retry_after_seconds=None, date=None)
    assert pacer.next_start(0.3) >= 60.0


def test_a_request_that_never_left_gives_its_place_back() -> None:
    pacer = Pacer(1, 60.0)
    pacer.release(pacer.reserve(0.0))
    assert pacer.next_start(0.0) <= 0.0


def test_the_time_left_follows_from_the_windows() -> None:
    pacer = Pacer(100, 60.0)
    assert pacer.seconds_for(100, 0.0) < 60.0
    assert 60.0 <= pacer.seconds_for(150, 0.0) < 120.0
    assert pacer.seconds_for(0, 0.0) == 0.0
