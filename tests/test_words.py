"""Words for people: numbers of rows."""

from __future__ import annotations

import pytest

from batch.words import about_in_full, every_row


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((7,), "row 7"),
        ((2, 3, 4), "rows 2-4"),
        ((2, 3, 5, 8, 9, 10), "rows 2-3, 5, 8-10"),
        (tuple(range(2, 502)), "rows 2-501"),
    ],
)
def test_every_row_is_listed_and_neighbours_are_drawn_together(
    numbers: tuple[int, ...], told: str
) -> None:
    assert every_row(numbers) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "a few seconds"),
        (1, "about 1 second"),
        (29.3, "about 29 seconds"),
        (180, "about 3 minutes"),
        (6000, "about 1.7 hours"),
    ],
)
def test_the_time_of_a_plan_is_written_in_full(seconds: float, told: str) -> None:
    assert about_in_full(seconds) == told
