"""Words for people: numbers of rows."""

from __future__ import annotations

import pytest

from batch.words import every_row


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
