"""A cell of a workbook that is no text: what is wrong with that, by its column and kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batch import columns
from batch.codes import Code
from batch.intake.dates import quoted
from batch.intake.layout import Layout
from batch.intake.workbook_rows import Cell, CellKind
from batch.rows import Problem

_AS_TEXT = "format the column as text, and write the id again."
_UNCALCULATED = (
    "formula was never calculated: open the workbook in Excel, save it, and run it again."
)
_PROBLEMS = {
    (columns.TRAINEE_ID, CellKind.NUMBER): (
        Code.MALFORMED_TRAINEE_ID,
        f"The id's cell holds a number ({{}}), which loses leading zeros: {_AS_TEXT}",
    ),
    (columns.TRAINEE_ID, CellKind.DATE): (
        Code.MALFORMED_TRAINEE_ID,
        f"The id's cell holds a date ({{}}): {_AS_TEXT}",
    ),
    (columns.TRAINEE_ID, CellKind.BOOLEAN): (
        Code.MALFORMED_TRAINEE_ID,
        f"The id's cell holds {{}}, not text: {_AS_TEXT}",
    ),
    (columns.TRAINEE_ID, CellKind.ERROR): (
        Code.MALFORMED_TRAINEE_ID,
        "The id's formula gave {}: correct the formula.",
    ),
    (columns.TRAINEE_ID, CellKind.UNCALCULATED): (
        Code.MISSING_TRAINEE_ID,
        f"The id's {_UNCALCULATED}",
    ),
    (columns.DEFER_DATE, CellKind.ERROR): (
        Code.INVALID_DEFER_DATE,
        "The date's formula gave {}: correct the formula.",
    ),
    (columns.DEFER_DATE, CellKind.UNCALCULATED): (
        Code.MISSING_DEFER_DATE,
        f"The date's {_UNCALCULATED}",
    ),
    (columns.DEFER_REASON, CellKind.ERROR): (
        Code.UNUSABLE_REASON,
        "The reason's formula gave an error: correct the formula.",
    ),
    (columns.DEFER_REASON, CellKind.UNCALCULATED): (
        Code.UNUSABLE_REASON,
        f"The reason's {_UNCALCULATED}",
    ),
}
"""What a cell is wrong for, by its column and kind; `{}` is what it shows, of an id or date."""

_FORMAT_NOT_KNOWN = (
    "The reason's cell holds a number or date in a format that cannot be read as it is shown: "
    "write it as text."
)


def problems_of(others: Mapping[int, Cell], layout: Layout) -> Iterator[Problem]:
    """Yield what is wrong with a row because of what its cells are; `others` are no text."""
    for known, place in layout.places.items():
        cell = others.get(layout.first_column + place)
        if cell is None:
            continue
        if (known, cell.kind) in _PROBLEMS:
            code, message = _PROBLEMS[known, cell.kind]
            yield Problem(code, layout.own[place], message.format(quoted(cell.text)))
        elif known == columns.DEFER_REASON and cell.as_shown is None:
            yield Problem(Code.UNUSABLE_REASON, layout.own[place], _FORMAT_NOT_KNOWN)
