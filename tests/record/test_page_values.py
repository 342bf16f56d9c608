"""What the page shows of a value."""

from __future__ import annotations

import pytest

from batch.record import page
from batch.record.records import RowRecord

ID = "GMQvaenhSzsu8fADqo5k93zC"


def row(trainee_id: str, *values: str, code: str = "invalid_defer_date") -> RowRecord:
    judged = ("unprocessable", code, "")
    return RowRecord(2, values, trainee_id, None, None, *judged, None, 0, None, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Zoë's list 😀.csv", "Zoë's list 😀.csv"),
        ("a\u202egpj.csv", "a[U+202E]gpj.csv"),
        ("a\u200bb", "a[U+200B]b"),
        ("a\tb\r\nc", "a[U+0009]b[U+000D][U+000A]c"),
        ("\udcff", "[U+DCFF]"),
        (7, 7),
    ],
)
def test_what_has_no_shape_is_named(value: object, shown: object) -> None:
    assert page.visible(value) == shown


def test_a_date_that_failed_is_shown_as_it_was_written() -> None:
    assert page.date(row("abc", "abc", "17/06/2024"), 1) == "17/06/2024"


def test_a_reason_in_place_of_a_date_or_id_is_cut() -> None:
    assert len(page.date(row("abc", "abc", "x" * 500), 1)) == 30
    assert len(page.trainee(row("x" * 500))) == 30


@pytest.mark.parametrize("place", [None, 5])
def test_a_row_without_the_column_has_no_date(place: int | None) -> None:
    assert page.date(row("abc", "abc"), place) == ""


def test_a_row_with_too_many_values_shows_no_part_of_its_reason() -> None:
    shifted = row("cancer", "cancer", "very ill", code="wrong_number_of_values")
    assert (page.trainee(shifted), page.date(shifted, 1)) == ("", "")


def test_a_row_with_too_many_values_shows_what_is_an_id_and_a_date() -> None:
    ragged = row(ID, ID, "2026-10-01", code="wrong_number_of_values")
    assert (page.trainee(ragged), page.date(ragged, 1)) == (ID, "2026-10-01")


@pytest.mark.parametrize("name", ["defer_date", "Defer Date", "DEFER-DATE"])
def test_the_dates_column_is_found_by_any_of_its_names(name: str) -> None:
    assert page.place_of_date(("note", name)) == 1
    assert page.place_of_date(("note",)) is None
