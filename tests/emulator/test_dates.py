"""What Register accepts as a date, and what it keeps of it."""

import pytest

from batch.emulator.requests import stored_date


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2024-06-17", "2024-06-17"),
        ("20240617", "2024-06-17"),
        (" 2024-06-17 ", "2024-06-17"),
        ("2024-06-17T10:00:00Z", "2024-06-17"),
        ("2024-06-17t10:00:00+01:00", "2024-06-17"),
        ("24-06-17", "0024-06-17"),
        ("240617", "0024-06-17"),
        ("1999-01-01", "1999-01-01"),
        ("2031-01-01", "2031-01-01"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_whole_date_is_stored(given: str, stored: str) -> None:
    assert stored_date(given) == stored


@pytest.mark.parametrize(
    "given", ["2024-W25-1", "2024W251", "2024-169", "2024169", "2024-366", "2024-06"]
)
def test_date_without_month_and_day_is_accepted_and_stored_as_nothing(given: str) -> None:
    assert stored_date(given) is None


@pytest.mark.parametrize(
    "given",
    [
        "abc",
        "17/06/2024",
        "2024-02-30",
        "2023-02-29",
        "2024-6-7",
        "2024-13",
        "2024-W54-1",
        "2023-366",
        "2024-000",
        "２０２４-06-17",
        "2024-06-17x",
        "",
    ],
)
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(ValueError):
        stored_date(given)
