"""How many requests are left: rows, reads and repeats."""

from __future__ import annotations

from batch.submission.session import ROWS_THAT_TELL, RequestsLeft


def after(
    settled: int, answers_each: int, *, rows: int = 100, reads_first: int = 0
) -> RequestsLeft:
    forecast = RequestsLeft(rows, reads_first=reads_first)
    for _ in range(settled):
        forecast.settled()
        for _ in range(answers_each):
            forecast.answered()
    return forecast


def test_a_fresh_run_takes_a_request_a_row() -> None:
    assert after(0, 0).requests_left == 100


def test_rows_that_are_read_first_take_one_more() -> None:
    assert after(0, 0, reads_first=30).requests_left == 130


def test_of_few_rows_left_no_more_are_read_first_than_there_are() -> None:
    assert after(90, 1, reads_first=30).requests_left == 10
    assert after(ROWS_THAT_TELL - 1, 1, rows=25, reads_first=30).requests_left == 12


def test_rows_are_reckoned_with_what_the_others_needed() -> None:
    assert after(ROWS_THAT_TELL, 2).requests_left == 160
    assert after(ROWS_THAT_TELL - 1, 2).requests_left == 81


def test_no_row_takes_less_than_one_request() -> None:
    assert after(50, 0).requests_left == 50


def test_when_all_is_settled_nothing_is_left() -> None:
    assert after(100, 1).requests_left == 0
