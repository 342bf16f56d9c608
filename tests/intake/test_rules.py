"""Each rule alone, any two together, and the edges at which each begins."""

from __future__ import annotations

import datetime as dt
from itertools import combinations

import pytest

from batch.intake import dates, rules
from tests.support.reading import HEADER, Reading

LONG = "x" * 501
WRONG = {
    "missing_trainee_id": ("trainee_id", ""),
    "malformed_trainee_id": ("trainee_id", "a/b"),
    "missing_defer_date": ("defer_date", ""),
    "invalid_defer_date": ("defer_date", "soon"),
    "unusual_defer_date": ("defer_date", "1999-12-31"),
    "unusable_reason": ("defer_reason", "#N/A"),
    "reason_too_long": ("defer_reason", LONG),
}
PAIRS = [pair for pair in combinations(WRONG, 2) if WRONG[pair[0]][0] != WRONG[pair[1]][0]]


def test_every_rule_is_tried_here_in_its_order() -> None:
    assert list(WRONG) == [rule.code for rule in rules._RULES]


def row_with(*codes: str) -> str:
    good = {"trainee_id": "abc", "defer_date": "2026-10-01", "defer_reason": "Illness"}
    return ",".join((good | dict(WRONG[code] for code in codes)).values())


@pytest.mark.parametrize("code", WRONG)
def test_a_row_with_one_thing_wrong_has_that_problem_alone(read: Reading, code: str) -> None:
    told = read(f"{HEADER}{row_with()}\n{row_with(code)}\n".replace("abc", "def", 1))
    assert told.codes == {2: [], 3: [code]}


@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_things_wrong_neither_hides_the_other(read: Reading, pair: tuple[str, str]) -> None:
    assert read(f"{HEADER}{row_with(*pair)}\n").codes == {2: list(pair)}


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ('so "ill', "never closes"),
        ("“ill", "never closes"),
        ('"ill since the spring term', "never closes"),
        ('they said "ill" and then "better', "never closes"),
        ("“ill since the spring term", "never closes"),
        ('“they said "ill all of the term', "never closes"),
        ("#" * 16, "a program writes"),
        ("#GETTING_DATA", "a program writes"),
        ("(null)", "a program writes"),
    ],
)
def test_a_reason_that_is_none_says_why(read: Reading, reason: str, word: str) -> None:
    quoted = reason.replace('"', '""')
    (problem,) = read(f'{HEADER}abc,2026-10-01,"{quoted}"\n').rows[0].problems
    assert (problem.code, word in problem.message) == ("unusable_reason", True)


@pytest.mark.parametrize("reason", ['"ill"', 'they said "ill" and "better"', "“ill”", "#" * 17])
def test_a_reason_with_quotes_that_close_is_one(read: Reading, reason: str) -> None:
    quoted = reason.replace('"', '""')
    assert read(f'{HEADER}abc,2026-10-01,"{quoted}"\n').codes == {2: []}


@pytest.mark.parametrize("code", ["missing_defer_date", "unusual_defer_date", "reason_too_long"])
def test_a_row_named_by_another_number_keeps_its_other_problems(read: Reading, code: str) -> None:
    row = row_with("missing_trainee_id", code)
    told = read(f"{HEADER.strip()},trn\n{row},0012345\n", require_trainee_id=False)
    assert told.codes == {2: [code]}


def test_a_date_that_cannot_be_read_was_not_put_right(read: Reading) -> None:
    assert read(f"{HEADER}{row_with('invalid_defer_date')}\n").repairs == []


def test_short_rows_and_long_rows_harm_no_neighbour(read: Reading) -> None:
    told = read(f"{HEADER}abc,2026-10-01,Illness\ndef\nghi,2026-10-01\njkl,2026-10-01,a,b\n")
    assert told.codes == {2: [], 3: ["missing_defer_date"], 4: [], 5: ["wrong_number_of_values"]}
    assert told.sent == [("abc", "2026-10-01", "Illness"), ("ghi", "2026-10-01", None)]


def test_a_row_with_too_many_values_has_no_other_problem(read: Reading) -> None:
    told = read(f"{HEADER}{row_with('malformed_trainee_id')},surplus\n")
    assert told.codes == {2: ["wrong_number_of_values"]}


def test_a_file_without_reasons_gives_none(read: Reading) -> None:
    told = read("trainee_id,defer_date\nabc,2026-10-01\ndef,2026-10-01\n")
    assert told.sent == [("abc", "2026-10-01", None), ("def", "2026-10-01", None)]


# What is put right


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        ("abc ,2026-10-01,x", [("trainee_id", "spaces_removed")]),
        (" abc,2026-10-01,x", [("trainee_id", "spaces_removed")]),
        ("abc,2026-10-01 ,x", [("defer_date", "spaces_removed")]),
        ("abc, 2026-10-01,x", [("defer_date", "spaces_removed")]),
        (
            "abc, 1 October 2026,x",
            [("defer_date", "date_read"), ("defer_date", "spaces_removed")],
        ),
        ("abc,2026-10-01,x ", [("defer_reason", "spaces_removed")]),
        ("abc,2026-10-01, x", [("defer_reason", "spaces_removed")]),
        (
            "abc ,2026-10-01 ,x",
            [("trainee_id", "spaces_removed"), ("defer_date", "spaces_removed")],
        ),
        (
            "abc,2026-10-01 ,x ",
            [("defer_date", "spaces_removed"), ("defer_reason", "spaces_removed")],
        ),
        (
            "abc ,2026-10-01,x ",
            [("trainee_id", "spaces_removed"), ("defer_reason", "spaces_removed")],
        ),
        (
            "abc ,1 October 2026,x",
            [("defer_date", "date_read"), ("trainee_id", "spaces_removed")],
        ),
        ('abc,2026-10-01,"=""x"""', [("defer_reason", "formula_taken_as_text")]),
    ],
)
def test_each_value_that_was_put_right_is_told(
    read: Reading, row: str, kinds: list[tuple[str, str]]
) -> None:
    told = read(f"{HEADER}{row}\n")
    assert told.repairs == [(2, *kind) for kind in kinds]
    assert told.sent == [("abc", "2026-10-01", "x")]


# Dates


@pytest.mark.parametrize(
    ("today", "last"),
    [("2026-11-24", "2027-11-24"), ("2028-02-29", "2029-03-01"), ("2027-03-01", "2028-03-01")],
)
def test_a_year_ahead_is_usual_and_a_day_more_is_not(today: str, last: str) -> None:
    now, day = dt.date.fromisoformat(today), dt.date.fromisoformat(last)
    assert not dates.is_unusual(day, now)
    assert dates.is_unusual(day + dt.timedelta(days=1), now)


@pytest.mark.parametrize(("length", "shown"), [(30, "x" * 30), (31, "x" * 29 + "…")])
def test_a_value_is_quoted_with_30_characters_at_most(length: int, shown: str) -> None:
    assert dates.quoted("x" * length) == shown


@pytest.mark.parametrize(
    ("text", "date_format", "as_asked"),
    [
        ("2026-10-01", "iso", True),
        ("2026-10-01", "dmy", True),
        ("01/10/2026", "dmy", True),
        ("01/10/2026", "iso", False),
        ("1 October 2026", "dmy", False),
    ],
)
def test_a_date_in_the_format_that_was_named_needs_no_repair(
    text: str, date_format: str, *, as_asked: bool
) -> None:
    assert dates.is_as_asked(text, date_format) is as_asked


@pytest.mark.parametrize(
    ("day", "other"),
    [
        ("2026-10-06", "2026-06-10"),
        ("2026-06-12", "2026-12-06"),
        ("2026-06-13", None),
        ("2026-06-06", None),
    ],
)
def test_day_and_month_are_swapped_where_that_is_another_date(day: str, other: str | None) -> None:
    swapped = dates.swapped(dt.date.fromisoformat(day))
    assert (swapped and swapped.isoformat()) == other


def test_the_numbers_before_the_year_are_read_beside_a_midnight() -> None:
    assert dates.before_the_year("06/18/2026 00:00") == (6, 18)


@pytest.mark.parametrize(
    ("text", "could_be_month_first"),
    [("10/11/2026", True), ("12/10/2026", True), ("13/10/2026", False), ("10/10/2026", False)],
)
def test_a_date_that_could_have_its_month_first_says_so(
    text: str, *, could_be_month_first: bool
) -> None:
    assert ("or month/day/year" in dates.described(text)) is could_be_month_first
