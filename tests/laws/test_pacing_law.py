"""Pacing never overfills a window, and wastes little of one, against servers of all clocks."""

from __future__ import annotations

import math
import random
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.run_settings import RateLimit
from batch.submission.pacing import Pacer
from tests.support.throttling import Latency, Run, Server, World, least_seconds, played

PHASES = st.floats(0, 59.99)
DRIFTS = st.floats(-2e-4, 2e-4)
WINDOWS_TICK_SECONDS = 1 / 64
"""How coarse `time.monotonic` is on Windows before Python 3.13."""


def most_in_any(starts: list[float], seconds: float) -> int:
    """Return the most that start in any half-open stretch of that length."""
    return max(sum(first <= start < first + seconds for start in starts) for first in starts)


@settings(deadline=None, max_examples=25)
@given(PHASES, st.integers(0, 2**16), st.integers(5, 40))
def test_without_a_date_no_rolling_window_is_overfilled(
    phase: float, seed: int, limit: int
) -> None:
    run = played(Server(limit, 60, phase, gateway_ahead=None), 3 * limit, seed=seed)
    edge_told = min(run.refused, default=math.inf)  # a 429 says where the window ends
    assert most_in_any([start for start in run.starts if start < edge_told], 60.0) <= limit


@settings(deadline=None, max_examples=25)
@given(PHASES, DRIFTS, st.integers(0, 2**16))
def test_with_dates_no_aligned_window_is_overfilled(phase: float, drift: float, seed: int) -> None:
    server = Server(100, 60, phase, drift)
    run = played(server, 350, seed=seed)
    assert max(server.counts.values()) <= 100
    assert run.refused == []


@settings(deadline=None, max_examples=25)
@given(PHASES, st.integers(0, 2**16), st.integers(5, 40))
def test_a_clock_that_ticks_coarsely_overfills_no_rolling_window(
    phase: float, seed: int, limit: int
) -> None:
    server = Server(limit, 60, phase, gateway_ahead=None)
    run = played(server, 3 * limit, seed=seed, tick_seconds=WINDOWS_TICK_SECONDS)
    edge_told = min(run.refused, default=math.inf)
    assert most_in_any([start for start in run.starts if start < edge_told], 60.0) <= limit


@settings(deadline=None, max_examples=25)
@given(PHASES, DRIFTS, st.integers(0, 2**16))
def test_nor_an_aligned_one_with_dates(phase: float, drift: float, seed: int) -> None:
    server = Server(100, 60, phase, drift)
    run = played(server, 350, seed=seed, tick_seconds=WINDOWS_TICK_SECONDS)
    assert max(server.counts.values()) <= 100
    assert run.refused == []


@settings(deadline=None, max_examples=15)
@given(PHASES, st.floats(-30, 30), st.integers(0, 2**16))
def test_a_gateway_whose_clock_is_wrong_costs_few_refusals(
    phase: float, ahead: float, seed: int
) -> None:
    run = played(Server(100, 60, phase, gateway_ahead=ahead), 350, seed=seed)
    assert len(run.refused) <= 2 * run.max_at_once
    assert len(run.arrivals) - len(run.refused) == 350


def test_the_wall_time_is_near_the_least_that_the_windows_allow() -> None:
    ratios = []
    for step in range(15):
        phase = 4.0 * step
        run = played(Server(100, 60, phase), 250, seed=step)
        ratios.append(run.finished / least_seconds(Server(100, 60, phase), 250, seed=step))
    assert median(ratios) <= 1.06
    assert max(ratios) <= 1.15


def test_the_time_left_is_within_a_tenth_of_the_truth_once_a_window_is_over() -> None:
    off = []
    for step in range(15):
        server = Server(100, 60, 4.0 * step)
        run = played(server, 500, seed=step)
        first_edge = server.edge(server.window(0.0) + 1)
        for now, told in run.estimates:
            left = run.finished - now
            if now >= first_edge and left >= 10.0:  # less is told in seconds anyway
                off.append(abs(told - left) / left)
    assert len(off) > 100
    assert max(off) <= 0.1


def test_two_runs_behind_one_address_both_finish_in_time() -> None:
    server = Server(100, 60, 20.0)
    latencies = [Latency(random.Random(seed)) for seed in (1, 2)]
    runs = [Run(Pacer(RateLimit(100, 60.0)), 300, latency) for latency in latencies]
    World(server, runs).play()
    least = least_seconds(Server(100, 60, 20.0), 600, seed=1)
    assert max(run.finished for run in runs) <= 1.3 * least
