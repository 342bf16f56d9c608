"""Dates as people write them: what can be read for certain, and what another shape looks like."""

from __future__ import annotations

import re
from datetime import date, timedelta

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DMY = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_LOOKS_LIKE = (
    (
        re.compile(r"\d{4}-W\d{2}(-\d)?|\d{4}W\d{2,3}", re.ASCII),
        "looks like a week date, which Register would store as no date at all",
    ),
    (
        re.compile(r"\d{4}-\d{3}", re.ASCII),
        "looks like a day of the year, which Register would store as no date at all",
    ),
    (
        re.compile(r"\d{4}-\d{1,2}", re.ASCII),
        "has no day, and Register would store it as no date at all",
    ),
    (re.compile(r"\d{8}", re.ASCII), "has no hyphens"),
    (re.compile(r"\d{5}(\.\d+)?", re.ASCII), "looks like a spreadsheet's day number"),
    (re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])", re.ASCII), "has no day"),
    (re.compile(r"\d{6}", re.ASCII), "has a year of two digits"),
    (re.compile(r"\d{4}", re.ASCII), "has no month and no day"),
    (re.compile(r"\d{4}-\d{1,2}-\d{1,2}", re.ASCII), "lacks leading zeros"),
    (re.compile(r"\d{2}-\d{2}-\d{2}", re.ASCII), "has a year of two digits"),
    (re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2}", re.ASCII), "has a year of two digits"),
    (re.compile(r"\d{4}-\d{2}-\d{2}[T ].*", re.ASCII), "has a time behind the date"),
    (re.compile(r"\d{4}[/.]\d{1,2}[/.]\d{1,2}", re.ASCII), "has no hyphens"),
)
_ADVICE = "write it as YYYY-MM-DD"
EARLIEST_USUAL = date(2000, 1, 1)
_QUOTED_AT_MOST = 30


def parsed(text: str, date_format: str) -> date | None:
    """Return the day that a value names for certain, None where it names none."""
    if found := _ISO.fullmatch(text):
        return _day(found[1], found[2], found[3])
    if date_format == "dmy" and (found := _DMY.fullmatch(text)):
        return _day(found[4], found[3], found[1])
    return None


def described(text: str) -> str:
    """Return what is wrong with a value that names no day, what it looks like and what to do."""
    shown = quoted(text)
    if _ISO.fullmatch(text):
        return f"{shown} is not a day of the calendar."
    if found := _DMY.fullmatch(text):
        return f"{shown} {_of_three_numbers(found)}."
    for shape, words in _LOOKS_LIKE:
        if shape.fullmatch(text):
            return f"{shown} {words}: {_ADVICE}."
    return f"{shown} is not a date: {_ADVICE}."


def _of_three_numbers(found: re.Match[str]) -> str:
    """Return what a day, a month and a year are that `parsed` did not take, most useful first."""
    first, between, second, year = found.groups()
    if _day(year, second, first):
        return f"looks like day{between}month{between}year: run with --date-format dmy"
    if _day(year, first, second):
        return f"looks like month{between}day{between}year: {_ADVICE}"
    return "is not a day of the calendar"


def alike(text: str) -> str:
    """Return `described` without the value: the same words for all values of one shape."""
    return described(text).removeprefix(quoted(text)).strip()


def of_all(words: str) -> str:
    """Return of every date of a file what `alike` says of one."""
    if words.startswith("is not a date"):
        return f"Every date is something else: {_ADVICE}."
    if words.startswith("is not "):
        return f"No date {words.replace('is not', 'is', 1)}"
    return f"Every date {words}"


def is_unusual(day: date, today: date) -> bool:
    """Whether a day is before 2000 or more than a year ahead: a slip, most often."""
    return not EARLIEST_USUAL <= day <= _in_a_year(today)


def quoted(value: str) -> str:
    """Return a value as a message may quote it: 30 characters at most, nothing that steers.

    A terminal obeys what follows an ESC, and shows letters in another order after a mark for that.
    """
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value
    )
    return shown if len(shown) <= _QUOTED_AT_MOST else shown[: _QUOTED_AT_MOST - 1] + "…"


def _in_a_year(today: date) -> date:
    try:
        return today.replace(year=today.year + 1)
    except ValueError:  # 29 February
        return today + timedelta(days=366)


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
