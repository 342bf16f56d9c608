"""Rows as a reader yields them, whatever kind of file they stand in, and their surplus values."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from batch import columns
from batch.codes import Code
from batch.intake.layout import Layout
from batch.rows import Problem

ROWS_A_CHUNK = 32_000
SUFFIXES = frozenset({".xlsx", ".xlsm"})
"""Of workbooks; a file with any other is read as CSV."""


class RawChunk(Struct):
    """Rows as read: `numbers[i]` is the row of `records[i]`; blank rows are left out.

    `problems` are those that only the file itself shows, by place: a workbook's cells have kinds.
    `date_cells` are the places whose date is a date of a workbook, and no text.
    """

    numbers: Sequence[int]
    records: Sequence[list[str]]
    problems: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    date_cells: frozenset[int] = frozenset()
    may_be_ragged: bool = True
    """False where no row has more values than the header has columns."""


def values_of(records: Sequence[list[str]], at: int) -> list[str]:
    """Return a column's values, "" where a row is too short to have one."""
    try:
        return list(map(operator.itemgetter(at), records))
    except IndexError:
        return [record[at] if len(record) > at else "" for record in records]


def own_values(record: list[str], layout: Layout) -> list[str]:
    """Return the values of the file's own columns: a surplus is joined onto the last of them."""
    own, width = len(layout.own), layout.width
    values = record[:own] + [""] * (own - len(record))
    if len(record) > width:
        values[-1] = layout.separator.join([values[-1], *record[own : len(record) - width + own]])
    return values


def has_doubtful_surplus(record: list[str], layout: Layout) -> bool:
    """Whether an empty last value may hide that a separator within a value was not quoted.

    Nothing hides where the value before it is empty too, nor where the last column is the reason.
    """
    return (
        len(record) == layout.width + 1
        and not layout.is_report
        and layout.places.get(columns.DEFER_REASON) != len(layout.own) - 1
        and not record[-1].strip(columns.SPACES)
        and bool(record[-2].strip(columns.SPACES))
    )


def without_empty_surplus(record: list[str], layout: Layout) -> list[str]:
    """Take away empty values behind the last column: a spreadsheet's wider rows, most often.

    In a report the surplus of a row stands before the columns that were added.
    """
    added_at = len(layout.own)
    while (
        len(record) > layout.width
        and not record[-1].strip(columns.SPACES)
        and not (layout.is_report and not record[added_at].isdecimal())
    ):
        record.pop()
    return record


def without_value_in_nameless(
    records: list[list[str]], numbers: Sequence[int], layout: Layout
) -> dict[int, tuple[Problem, ...]]:
    """Return the rows, by place, that hold a value in a column without a name.

    Numbers in a first column without a name only count the rows.
    """
    found: dict[int, tuple[Problem, ...]] = {}
    for at in layout.nameless:
        for place, record in enumerate(records):
            value = record[at].strip(columns.SPACES) if len(record) > at else ""
            if value and not (at == 0 and value.isdecimal()):
                words = f"{layout.cell(at, numbers[place])} holds a value, but its column has no"
                words += " name: give the column a name, or empty the cell."
                found.setdefault(place, (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words),))
    return found
