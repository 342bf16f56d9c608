"""The pictures, as the numbers that are drawn."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batch.record import chart

START = 1_795_514_400.0


def moments(*seconds: float) -> list[str]:
    return [datetime.fromtimestamp(START + second, tz=UTC).isoformat() for second in seconds]


def heights(points: str) -> list[float]:
    return [float(point.split(",")[1]) for point in points.split()]


def test_the_parts_add_up_to_the_whole() -> None:
    codes = {"deferred": 1, "trainee_not_found": 1, "duplicate_row": 1, "not_sent": 3}
    assert [part.rows for part in chart.parts(codes)] == [1, 1, 1, 3]
    drawn = chart.segments(codes)
    assert [segment.tone for segment in drawn] == [
        "succeeded",
        "not_found",
        "unresolved",
        "to_know",
    ]
    assert drawn[-1].left + drawn[-1].width == pytest.approx(100, abs=0.01)


def test_no_rows_are_not_drawn() -> None:
    assert chart.segments({}) == []


@pytest.mark.parametrize(
    ("codes", "tone"),
    [
        ({"already_deferred": 2}, "to_know"),
        ({"already_deferred": 2, "state_not_deferrable": 1}, "unprocessable"),
        ({}, "to_know"),
    ],
)
def test_an_outcome_is_plain_where_nobody_has_to_do_anything(
    codes: dict[str, int], tone: str
) -> None:
    assert chart.parts(codes)[2].tone == tone


@pytest.mark.parametrize("seconds", [(), (1.0,)])
def test_one_moment_is_no_picture(seconds: tuple[float, ...]) -> None:
    assert chart.curve(moments(*seconds), None) is None


def test_the_curve_climbs_from_the_first_row_to_the_last() -> None:
    curve = chart.curve(moments(*range(1000)), None)
    assert curve is not None
    assert heights(curve.line)[-1] == 0
    assert heights(curve.line) == sorted(heights(curve.line), reverse=True)
    assert len(heights(curve.line)) <= 2 * chart.MOST_POINTS + 2


def test_the_limit_is_a_periods_requests_at_once_and_then_their_rate() -> None:
    curve = chart.curve(moments(*range(301)), chart.Limit(100, 100.0))
    assert curve is not None
    assert curve.limit == "0.0,106.8 428.8,0.0 640.0,0.0"


def test_a_limit_that_was_never_near_is_at_the_top() -> None:
    curve = chart.curve(moments(0, 1, 2), chart.Limit(100, 60.0))
    assert curve is not None
    assert heights(curve.limit or "") == [0, 0]


def test_rows_settled_in_one_instant_are_drawn() -> None:
    curve = chart.curve(moments(5, 5), None)
    assert curve is not None
    assert "less than a second" in curve.said


@pytest.mark.parametrize(
    ("seconds", "said"), [(59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")]
)
def test_a_duration_is_said_in_people_words(seconds: int, said: str) -> None:
    curve = chart.curve(moments(0, seconds), None)
    assert curve is not None
    assert curve.said.endswith(said)


def test_a_run_carried_on_another_day_says_which() -> None:
    curve = chart.curve(moments(0, 86_400), None)
    assert curve is not None
    assert curve.ended == "25 November 2026, 10:00:00"
