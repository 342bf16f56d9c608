"""Words for people: numbers of rows."""

from __future__ import annotations

import pytest

from batch.words import about_in_full, every_row, wrapped


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


COMMAND = "defer-batch resume 20261127T044108Z-deferrals-5c27 --reports-dir 'a folder'"


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("short", 20, ["short"]),
        ("of words that go on", 10, ["of words", "that go on"]),
        ("  of words that go on", 12, ["  of words", "  that go on"]),
        ("To do     3 to correct now", 22, ["To do     3 to correct", "          now"]),
        (COMMAND, 20, [COMMAND]),
        (f"To continue, run: {COMMAND}", 40, ["To continue, run:", COMMAND]),
        (f"run `{COMMAND}`; then go on", 40, ["run", f"`{COMMAND}`;", "then go on"]),
        ("longerthanthewidth", 5, ["longerthanthewidth"]),
    ],
)
def test_a_terminal_need_break_no_word_and_no_command(
    line: str, width: int, lines: list[str]
) -> None:
    assert wrapped(line, width) == lines
