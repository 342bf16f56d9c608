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
    (re.compile(r"\d{4,6}(\.\d+)?", re.ASCII), "looks like a spreadsheet's day number"),
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
    """Give the day that a value names for certain, None where it names none."""
    if found := _ISO.fullmatch(text):
        return _day(found[1], found[2], found[3])
    if date_format == "dmy" and (found := _DMY.fullmatch(text)):
        return _day(found[4], found[3], found[1])
    return None


def described(text: str, date_format: str) -> str:
    """Say what is wrong with a value that names no day, what it looks like and what to do."""
    shown = quoted(text)
    if _ISO.fullmatch(text):
        return f"{shown} is not a day of the calendar."
    if _DMY.fullmatch(text):
        if date_format == "dmy":
            return f"{shown} is not a day of the calendar."
        if _DMY.fullmatch(text)[2] != "-":  # type: ignore[index]
            return f"{shown} looks like day/month/year: run with --date-format dmy."
        return f"{shown} looks like day-month-year: run with --date-format dmy."
    for shape, words in _LOOKS_LIKE:
        if shape.fullmatch(text):
            return f"{shown} {words}: {_ADVICE}."
    return f"{shown} is not a date: {_ADVICE}."


def remedy(text: str, date_format: str) -> str:
    """Give the part of `described` that is the same for all values of one shape."""
    return described(text, date_format).removeprefix(quoted(text)).strip()


def is_unusual(day: date, today: date) -> bool:
    """Tell whether a day is before 2000 or more than a year ahead: a slip, most often."""
    return not EARLIEST_USUAL <= day <= _in_a_year(today)


def quoted(value: str) -> str:
    """Give a value as a message may quote it: 30 characters at most, nothing that steers."""
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
