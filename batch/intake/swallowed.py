"""Whether a quote that was never meant to open swallowed rows: no error tells, the content does.

A quote opened in one row and closed in another makes one row of both, and strict reading is happy.
So a value with a line that itself reads as a row makes the file unusable.
"""

from __future__ import annotations

import re

from batch import columns
from batch.intake.layout import Layout

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LONG_ID = re.compile(r"(?=.*\d)[A-Za-z0-9]{20,64}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_ANOTHER_DATE = re.compile(
    r"\d{1,4}\s?[/.\s-]\s?\d{1,2}\s?[/.\s-]\s?\d{1,4}(?:[T\s].*)?"
    r"|\d{5,8}(?:\.\d+)?"
    r"|\d{4}-(?:0[1-9]|1[0-2]|\d{3})"
    r"|\d{4}-?W\d{2}(?:-?\d)?"
    rf"|(?:[a-z]+\s)?\d{{1,2}}(?:st|nd|rd|th)?[\s/.-]?{_MONTH}[\s/.-]?\d{{2,4}}"
    rf"|{_MONTH}[\s/.-]?\d{{1,2}}(?:st|nd|rd|th)?[\s/.-]\d{{2,4}}",
    re.IGNORECASE,
)
_AROUND = columns.SPACES + "'\""


def holds_another_row(record: list[str], layout: Layout) -> bool:
    """Tell whether a row that was read holds a line that itself reads as a row."""
    across = lines_of(layout.separator.join(record))
    fewest = max(layout.places[columns.TRAINEE_ID], layout.places[columns.DEFER_DATE])
    if not any(line.count(layout.separator) >= fewest for line in across[1:]):
        return False
    within = (line for value in record for line in lines_of(value)[1:])
    if any(_reads_as_row(line, layout) for line in within):
        return True
    return sum(_reads_as_row(line, layout) for line in across) > 1


def lines_of(value: str) -> list[str]:
    """Give the lines of a value, whatever ends them."""
    return value.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _reads_as_row(line: str, layout: Layout) -> bool:
    """Tell whether a line has an id and a date at their places.

    People write lists in a reason too: only a line with as many values as the header may have a
    date of another shape, or none; of a report only a line with all its columns is a row.
    """
    where_id, where_date = layout.places[columns.TRAINEE_ID], layout.places[columns.DEFER_DATE]
    parts = [part.strip(_AROUND) for part in line.split(layout.separator)]
    if len(parts) <= max(where_id, where_date) or not _ID.fullmatch(parts[where_id]):
        return False
    if layout.is_report and not (len(parts) >= layout.width and parts[len(layout.own)].isdecimal()):
        return False
    date = parts[where_date]
    if _DATE.fullmatch(date):
        return True
    if len(parts) != layout.width:
        return False
    return not date or bool(_ANOTHER_DATE.fullmatch(date) or _LONG_ID.fullmatch(parts[where_id]))
