"""Dates as people write them: what can be read for certain, and what another shape looks like."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

_DASHES = "\\-\u00ad\u058a\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u2212\ufe58\ufe63\uff0d"
"""Whatever looks like a hyphen: dashes of Unicode, the minus, the soft hyphen."""

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DMY = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_YEAR_FIRST = re.compile(
    rf"(\d{{4}})(?:[{_DASHES}](\d{{1,2}})[{_DASHES}]|([/.])(\d{{1,2}})\3)(\d{{1,2}})", re.ASCII
)
_MIDNIGHT = re.compile(
    r"(.*[^\s,T])(?:T|,?\s+)(?:0?0:00(?::00(?:[.,]0+)?)?\s?(?:Z|[+-]00:?00|\sUTC)?"
    r"|12:00(?::00)?\s?[Aa][Mm])",
    re.ASCII | re.DOTALL,
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        1,
    )
    for name in names
}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BETWEEN = rf"[\s,./{_DASHES}]*"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"(?P<month>[a-z]{3,9})"
_WEEKDAY = rf"(?:(?P<weekday>[a-z]{{3,9}})(?![a-z])\.?{_BETWEEN})??(?:the\s)?"
_FLAGS = re.ASCII | re.IGNORECASE
_NAMED = (
    rf"{_WEEKDAY}{_DAY}(?:\sof\s|{_BETWEEN}){_MONTH}{_BETWEEN}(?P<year>\d{{4}})",
    rf"{_WEEKDAY}{_MONTH}{_BETWEEN}{_DAY}[\s,./{_DASHES}]+(?P<year>\d{{4}})",
    rf"(?P<weekday>)(?P<year>\d{{4}}){_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}",
)
"""Compiled when they are first asked for, like the shapes below: most files have no such date."""

_LOOKS_LIKE = (
    (
        r"\d{4}-W\d{2}(-\d)?|\d{4}W\d{2,3}",
        "looks like a week date, which Register would store as no date at all",
    ),
    (
        r"\d{4}-\d{3}",
        "looks like a day of the year, which Register would store as no date at all",
    ),
    (
        r"\d{4}-\d{1,2}",
        "has no day, and Register would store it as no date at all",
    ),
    (r"\d{8}", "has no hyphens"),
    (r"\d{5}(\.\d+)?", "looks like a spreadsheet's day number"),
    (r"(19|20)\d{2}(0[1-9]|1[0-2])", "has no day"),
    (r"\d{6}", "has a year of two digits"),
    (r"\d{4}", "has no month and no day"),
    (r"\d{2}-\d{2}-\d{2}", "has a year of two digits"),
    (r"\d{1,2}[/.]\d{1,2}[/.]\d{2}", "has a year of two digits"),
    (r"\d{1,2}[\s-][A-Za-z]{3,9}[\s-]\d{2}", "has a year of two digits"),
    (r"#+", "is what a spreadsheet shows where the column is too narrow"),
    (
        r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}[T ]\s*\d.*",
        "has a time behind the date",
    ),
    (
        r"not required by hesa.*",
        "means that Register holds no deferral date: fill in the date, or delete the row",
    ),
)
_ADVICE = "write it as YYYY-MM-DD"
EARLIEST_USUAL = date(2000, 1, 1)
_QUOTED_AT_MOST = 30


def parsed(text: str, date_format: str) -> date | None:
    """Return the day that a value names for certain, None where it names none.

    Year first, and with the name of a month, a date can mean only one day. Day-month-year is read
    where `date_format` says so (`dmy`). A time of midnight behind it changes nothing.
    """
    if found := _ISO.fullmatch(text):
        return _day(found[1], found[2], found[3])
    if midnight := _MIDNIGHT.fullmatch(text):
        text = midnight[1]
    if date_format == "dmy" and (found := _DMY.fullmatch(text)):
        return _day(found[4], found[3], found[1])
    if found := _YEAR_FIRST.fullmatch(text):
        return _day(found[1], found[2] or found[4], found[5])
    return _with_a_months_name(text)


def _with_a_months_name(text: str) -> date | None:
    """Return the day of `Wed 17th June 2026`; a weekday must be that of the day."""
    if (found := _named(text)) is None:
        return None
    day = _day_of(found)
    weekday = (found["weekday"] or "").lower()
    return day if day and _WEEKDAYS[day.weekday()].startswith(weekday) else None


def _named(text: str) -> re.Match[str] | None:
    """Return the parts of a date that has the name of its month, None of any other."""
    matches = (re.fullmatch(shape, text, _FLAGS) for shape in _NAMED)
    return next((one for one in matches if one and one["month"].lower() in _MONTHS), None)


def _day_of(named: re.Match[str]) -> date | None:
    return _day(named["year"], str(_MONTHS[named["month"].lower()]), named["day"])


def is_as_asked(text: str, date_format: str) -> bool:
    """Whether a date that was read is written as it should be, so that nothing was put right."""
    return bool(_ISO.fullmatch(text) or (date_format == "dmy" and _DMY.fullmatch(text)))


def before_the_year(text: str) -> tuple[int, int] | None:
    """Return the two numbers before the year of a date that has it last, None of any other."""
    if midnight := _MIDNIGHT.fullmatch(text):
        text = midnight[1]
    found = _DMY.fullmatch(text)
    return (int(found[1]), int(found[3])) if found else None


def swapped(day: date) -> date | None:
    """Return the date with day and month swapped, None where that is no other date."""
    return (
        None if day.day > 12 or day.day == day.month else day.replace(month=day.day, day=day.month)
    )


@lru_cache(maxsize=1000)  # the same mistake stands in many rows
def described(text: str) -> str:
    """Return what is wrong with a value that names no day, what it looks like and what to do."""
    shown = quoted(text)
    if _ISO.fullmatch(text):
        return f"{shown} is not a day of the calendar."
    if found := _DMY.fullmatch(text):
        return f"{shown} {_of_three_numbers(found)}."
    for shape, words in _LOOKS_LIKE:
        if re.fullmatch(shape, text, _FLAGS):
            return f"{shown} {words}." if ": " in words else f"{shown} {words}: {_ADVICE}."
    if _YEAR_FIRST.fullmatch(text):
        return f"{shown} is not a day of the calendar."
    if named := _named(text):
        return f"{shown} {_of_a_named_day(named)}."
    return f"{shown} is not a date: {_ADVICE}."


def _of_three_numbers(found: re.Match[str]) -> str:
    """Return what a day, a month and a year are that `parsed` did not take."""
    first, between, second, year = found.groups()
    if _day(year, second, first):
        either = " or month" if int(first) <= 12 and first != second else ""
        other = f"{either}{between}day{between}year" if either else ""
        return f"looks like day{between}month{between}year{other}: {_ADVICE}"
    if _day(year, first, second):
        return f"looks like month{between}day{between}year: {_ADVICE}"
    return "is not a day of the calendar"


def _of_a_named_day(named: re.Match[str]) -> str:
    """Return what a date with a month's name is that `parsed` did not take."""
    weekday = (named["weekday"] or "").lower()
    if not any(one.startswith(weekday) for one in _WEEKDAYS):
        return f"is not a date: {_ADVICE}"
    if (day := _day_of(named)) is None:
        return "is not a day of the calendar"
    return f"is a {_WEEKDAYS[day.weekday()].capitalize()} in the calendar: {_ADVICE}"


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
