"""What the page shows of a value: nothing that steers, hides or turns round, and no reason.

Pure. The files keep every value as it was; here people look.
"""

from __future__ import annotations

import re

from batch import columns
from batch.record.records import RowRecord
from batch.rows import Code

MOST_CHARACTERS = 30
"""How much of an id or a date that failed a check is shown: it may be anything, also a reason."""

_LONGEST_ID = 64
_AN_ID = re.compile(r"[A-Za-z0-9]{24}", re.ASCII)
_A_DATE = re.compile(r"[\d/.-]{6,10}", re.ASCII)


def visible(value: object) -> object:
    """Give a text with what has no shape of its own named, such as `[U+202E]`; else the value."""
    if not isinstance(value, str) or value.isprintable() or hasattr(value, "__html__"):
        return value
    return "".join(letter if letter.isprintable() else f"[U+{ord(letter):04X}]" for letter in value)


def trainee(row: RowRecord) -> str:
    """Give the row's id. Where a row has too many values, only what is an id beyond doubt."""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _AN_ID.fullmatch(row.trainee_id):
        return ""
    return _short(row.trainee_id, _LONGEST_ID)


def date(row: RowRecord, place: int | None) -> str:
    """Give the row's date; where it failed a check, as it stands in its column of that place."""
    if row.defer_date is not None:
        return row.defer_date
    written = row.values[place] if place is not None and place < len(row.values) else ""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _A_DATE.fullmatch(written):
        return ""
    return _short(written, MOST_CHARACTERS)


def place_of_date(names: tuple[str, ...]) -> int | None:
    """Give where the date stands among the input's own columns."""
    known = [columns.known_column(name) for name in names]
    return known.index(columns.DEFER_DATE) if columns.DEFER_DATE in known else None


def _short(value: str, most: int) -> str:
    return value if len(value) <= most else value[: MOST_CHARACTERS - 1] + "…"
