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

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def general(value: float) -> str:
    """Return a number as it is shown without a format: 11 characters at most."""
    if isinstance(value, int) or value.is_integer():
        whole = str(int(value))
        if len(whole.lstrip("-")) <= _MOST_DIGITS:
            return whole
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 1e11 or (0 < size < 1e-9):
        return _exponential(value)
    whole_digits = max(1, len(str(int(size))))
    places = max(0, _MOST_DIGITS - 1 - whole_digits)
    shown = Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
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
        return f"{hundredfold.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):f}%"
    return None


def shown_date(value: object, format_id: int) -> str | None:
    """Return a date or time as its built-in format shows it, None for another format."""
    shape = _DATE_FORMATS.get(format_id)
    if shape is None or not isinstance(value, dt.datetime | dt.date | dt.time):
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


def as_date(value: object) -> str:
    """Return a date as YYYY-MM-DD, with its time where it has one."""
    if isinstance(value, dt.datetime):
        is_midnight = value.time() == dt.time()
        return value.date().isoformat() if is_midnight else value.isoformat(" ", "seconds")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def unescaped(text: str) -> str:
    """Return text without the escapes that workbooks use for control characters (`_x000D_`)."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
