"""Line breaks within values: quotes that swallow rows, and values that no quotes hold together."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from batch import columns
from batch.codes import Code
from batch.intake.layout import SEPARATORS, Layout
from batch.rows import Problem

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
    """Whether a row that was read holds a line that itself reads as a row."""
    across = lines_of(layout.separator.join(record))
    fewest = max(layout.name_at, layout.places[columns.DEFER_DATE])
    if not any(line.count(layout.separator) >= fewest for line in across[1:]):
        return False
    within = (line for value in record for line in lines_of(value)[1:])
    if any(_reads_as_row(line, layout) for line in within):
        return True
    return sum(_reads_as_row(line, layout) for line in across) > 1


def lines_of(value: str) -> list[str]:
    """Return the lines of a value, whatever ends them."""
    return value.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _reads_as_row(line: str, layout: Layout) -> bool:
    """Whether a line has an id and a date at their places.

    People write lists in a reason too: only a line with as many values as the header may have a
    date of another shape, or none; of a report only a line with all its columns is a row.
    """
    where_id, where_date = layout.name_at, layout.places[columns.DEFER_DATE]
    parts = [part.strip(_AROUND) for part in line.split(layout.separator)]
    if len(parts) <= max(where_id, where_date) or not _ID.fullmatch(parts[where_id]):
        return False
    if layout.is_report and not (len(parts) >= layout.width and parts[len(layout.own)].isdecimal()):
        return False
    return _has_a_date(parts, layout)


def _has_a_date(parts: list[str], layout: Layout) -> bool:
    date = parts[layout.places[columns.DEFER_DATE]]
    if _DATE.fullmatch(date):
        return True
    if len(parts) != layout.width:
        return False
    return not date or bool(
        _ANOTHER_DATE.fullmatch(date) or _LONG_ID.fullmatch(parts[layout.name_at])
    )


class Fragments:
    """Finds rows that are the rest of the row above: a line break in a value was not quoted."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._others = [replace(layout, separator=separator) for separator in SEPARATORS]
        """How a row reads that is quoted as a whole, or came from another file."""
        self._name_at = layout.name_at
        self._date_at = layout.places[columns.DEFER_DATE]

    def found(
        self, numbers: Sequence[int], records: list[list[str]]
    ) -> dict[int, tuple[Problem, ...]]:
        """Return the problems of broken rows and of their rests, by place."""
        problems: dict[int, tuple[Problem, ...]] = {}
        width = self._layout.width
        for place in range(1, len(records)):
            record, above = records[place], records[place - 1]
            is_next = numbers[place] == numbers[place - 1] + 1
            if len(record) >= width or not is_next or not self._is_no_row(record, above):
                continue
            if (
                len(above) >= width
                or len(above) + len(record) == width + 1
                or place - 1 in problems
            ):
                problems.setdefault(
                    place - 1, (_broken_in_two(numbers[place - 1], numbers[place]),)
                )
                problems[place] = (_broken_in_two(numbers[place - 1], numbers[place]),)
        return problems

    def _is_no_row(self, record: list[str], above: list[str]) -> bool:
        if len(record) == 1 and any(_reads_as_row(record[0], layout) for layout in self._others):
            return False
        date = record[self._date_at].strip(_AROUND) if len(record) > self._date_at else ""
        if _DATE.fullmatch(date) or _ANOTHER_DATE.fullmatch(date):
            return False
        name = record[self._name_at].strip(_AROUND) if len(record) > self._name_at else ""
        of_above = above[self._name_at].strip(_AROUND) if len(above) > self._name_at else ""
        return not _ID.fullmatch(name) or (
            len(name) != len(of_above) and not any(map(str.isdecimal, name))
        )


def _broken_in_two(first: int, second: int) -> Problem:
    return Problem(
        Code.WRONG_NUMBER_OF_VALUES,
        "",
        f"Row {second} looks like the rest of row {first}: put quotes around the value that holds "
        "the line break.",
    )
