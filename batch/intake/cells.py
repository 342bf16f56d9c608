"""A workbook's cell → the text that a spreadsheet shows in it, in Britain."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import ROUND_HALF_UP, Decimal

_MOST_DIGITS = 11
"""How many characters a spreadsheet shows of a number without a format of its own."""

_PERCENT = re.compile(r"0(?:\.(0+))?%")
_DATE_FORMATS = {
    14: "{day:02}/{month:02}/{year}",
    15: "{day}-{name}-{short:02}",
    16: "{day}-{name}",
    17: "{name}-{short:02}",
    18: "{half}:{minute:02} {noon}",
    19: "{half}:{minute:02}:{second:02} {noon}",
    20: "{hour:02}:{minute:02}",
    21: "{hour:02}:{minute:02}:{second:02}",
    22: "{day:02}/{month:02}/{year} {hour:02}:{minute:02}",
}
"""The built-in formats of dates and times (ECMA-376, part 1, 18.8.30), as Britain shows them."""

BUILT_IN_FORMATS = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
    11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "dd/mm/yyyy", 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "dd/mm/yyyy h:mm", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mmss.0", 48: "##0.0E+0", 49: "@",
    **dict.fromkeys((*range(27, 37), *range(50, 59)), "yyyy/m/d"),
}  # fmt: skip
"""The formats that a workbook need not write down (ECMA-376, part 1, 18.8.30).

Those of 27 to 36 and 50 to 58 are dates of East Asian languages, each in its own shape.
"""

_NOT_SHOWN_AS_A_DATE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DATE_LETTER = re.compile(r"[dmyhs]", re.IGNORECASE)
Moment = dt.datetime | dt.date | dt.time
_FIRST_DAY, _FIRST_DAY_OF_1904 = dt.date(1899, 12, 30), dt.date(1904, 1, 1)
_FIRST_CERTAIN_DAY = 61
"""1 March 1900: spreadsheets disagree about the days before it."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def is_of_dates(code: str) -> bool:
    """Whether a number format shows a date or a time of day; a length of time is neither."""
    if code in {"", "General", "@"}:
        return False
    bare = _NOT_SHOWN_AS_A_DATE.sub("", code).split(";")[0]
    return bool(_DATE_LETTER.search(bare)) and not _ELAPSED.search(bare)


def moment_of(days: float, *, counts_from_1904: bool) -> Moment | None:
    """Return the day, moment or time of day that a number of days is, to the millisecond.

    None where spreadsheets show no such day, or not the same.
    """
    whole, part = divmod(days, 1)
    clock = dt.timedelta(milliseconds=round(part * 86_400_000))
    if 0 <= days < 1 and not clock.days:
        return (dt.datetime.combine(_FIRST_DAY, dt.time()) + clock).time()
    if not counts_from_1904 and days < _FIRST_CERTAIN_DAY:
        return None
    first = _FIRST_DAY_OF_1904 if counts_from_1904 else _FIRST_DAY
    try:
        return dt.datetime.combine(first, dt.time()) + dt.timedelta(days=whole) + clock
    except OverflowError:
        return None


def moment_written(text: str) -> Moment:
    """Return the moment that a cell of ISO 8601 holds. Raises ValueError."""
    text = text.strip()
    return dt.time.fromisoformat(text) if ":" in text[:3] else dt.datetime.fromisoformat(text)


def plain(value: float) -> str:
    """Return a number by its value, without a format. Raises ValueError for what is none."""
    if not math.isfinite(value):
        raise ValueError("no number")
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def general(value: float) -> str | None:
    """Return a number as it is shown without a format: 11 characters at most.

    None where spreadsheets differ: of small numbers with many digits.
    """
    if value.is_integer():
        whole = str(int(value))
        if len(whole.lstrip("-")) <= _MOST_DIGITS:
            return whole
    size = abs(value)
    if size >= 1e11 or (0 < size < 1e-9):
        return _exponential(value)
    whole_digits = max(1, len(str(int(size))))
    places = max(0, _MOST_DIGITS - 1 - whole_digits)
    exact = Decimal(repr(value))
    shown = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    if size < 1e-4 and shown != exact:
        return None
    text = f"{shown:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponential(value: float) -> str:
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}E{exponent[0]}{abs(int(exponent)):02}"


def shown_number(value: float, number_format: str) -> str | None:
    """Return a number as its format shows it, None where that format is not known here."""
    if number_format in {"General", "@"}:
        return general(value)
    if percent := _PERCENT.fullmatch(number_format):
        places = len(percent[1] or "")
        hundredfold = Decimal(repr(value)) * 100
        if abs(hundredfold) >= 10**15:
            return None
        shown = hundredfold.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        return None if shown.is_zero() and value < 0 else f"{shown:f}%"
    return None


def shown_date(value: Moment, format_id: int) -> str | None:
    """Return a date or time as its built-in format shows it, None for another format.

    None also of parts of a second, which some spreadsheets round, and of a day that has no date.
    """
    shape = _DATE_FORMATS.get(format_id)
    if shape is None or (isinstance(value, dt.datetime | dt.time) and value.microsecond):
        return None
    if isinstance(value, dt.time) and ("{day" in shape or "{name}" in shape):
        return None
    day = value if isinstance(value, dt.date) else dt.date(1900, 1, 1)
    clock = value if isinstance(value, dt.datetime | dt.time) else dt.time()
    return shape.format(
        day=day.day,
        month=day.month,
        year=day.year,
        short=day.year % 100,
        name=_MONTHS[day.month - 1],
        hour=clock.hour,
        half=(clock.hour + 11) % 12 + 1,
        noon="AM" if clock.hour < 12 else "PM",
        minute=clock.minute,
        second=clock.second,
    )


def as_date(value: Moment) -> str:
    """Return a date as YYYY-MM-DD, with its time where it has one."""
    if isinstance(value, dt.datetime):
        is_midnight = value.time() == dt.time()
        return value.date().isoformat() if is_midnight else value.isoformat(" ", "seconds")
    return value.isoformat()


def unescaped(text: str) -> str:
    """Return text without the escapes that workbooks use for control characters (`_x000D_`).

    An escape writes a unit of UTF-16: two of them may be one character.
    """
    if "_x" not in text:
        return text
    units = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
