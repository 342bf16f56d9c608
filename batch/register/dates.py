"""Which dates Register accepts, and what it keeps of them: more than it should, as observed.

Pure. Source: register/API.md, "A 200 is not proof of the date". Register checks a date with a
reader of all of ISO 8601, then stores it with another that only knows year, month and day; so a
week date passes the first and the second keeps nothing of it.
"""

from __future__ import annotations

import datetime as dt
import re

LONGEST = 128
"""Characters; Register fails (500) on a longer date instead of refusing it."""

_TIME = r"(?:T\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?(?:Z|[-+]\d{2}(?::?\d{2})?)?)?"
_FORMS = tuple(
    re.compile(rf"\s*{form}{_TIME}\s*", re.ASCII | re.IGNORECASE)
    for form in (
        r"(?P<year>\d{2,})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?",
        r"(?P<year>\d{4}|\d{2})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{2,})-(?P<day_of_year>\d{3})",
        r"(?P<year>\d{4}|\d{2})(?P<day_of_year>\d{3})",
        r"(?P<year>\d{4}|\d{2})-?W(?P<week>\d{2})-?(?P<weekday>\d)",
    )
)


def stored_date(text: str) -> str | None:
    """Give what Register stores of a date (`YYYY-MM-DD`), or None where it keeps nothing of it.

    Raises ValueError where Register refuses the date.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        raise ValueError("defer_date is invalid")
    parts = {name: int(digits) for name, digits in found.groupdict().items() if digits}
    _refuse_unreal(parts)
    if "month" in parts and "day" in parts:
        return f"{parts['year']:04d}-{parts['month']:02d}-{parts['day']:02d}"
    return None


def _refuse_unreal(parts: dict[str, int]) -> None:
    """Raise ValueError where the parts name no day; the calendar repeats after 400 years."""
    year = 2000 + parts["year"] % 400
    if "week" in parts:
        dt.date.fromisocalendar(year, parts["week"], parts["weekday"])
    elif "day_of_year" in parts:
        days = (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days
        if not 1 <= parts["day_of_year"] <= days:
            raise ValueError("no such day")
    else:
        dt.date(year, parts["month"], parts.get("day", 1))
