"""An Excel workbook → its rows, with the numbers of the sheet.

Values come from fastexcel, what kind of cell each was from the sheet itself. Both see the bytes
that were hashed.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from batch import columns
from batch.intake.cells import Cells, Kind, cells_that_are_no_text
from batch.intake.dates import quoted
from batch.intake.decoding import Encoded
from batch.intake.layout import Layout, layout_of
from batch.intake.reader import ROWS_A_CHUNK, RawChunk, without_empty_surplus
from batch.intake.refusals import unusable
from batch.rows import Code, Problem

SUFFIXES = frozenset({".xlsx", ".xlsm"})
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]00:00:00(?:\.0+)?", re.ASCII)
_OLD = b"\xd0\xcf\x11\xe0"


class WorkbookReader:
    """Reads one sheet: `layout` at once, `chunks` as they are asked for."""

    def __init__(self, path: Path, sheet: str | None) -> None:
        data = _bytes_of(path)
        self.encoded = Encoded("xlsx", len(data), hashlib.sha256(data).hexdigest(), None)
        self.blank_rows = 0
        self._path = path
        name, first_column, frame = _loaded(path, data, sheet)
        self._rows = enumerate(frame.iter_rows(), 1)
        self._cells = self._told(cells_that_are_no_text(data, name))
        header = self._header()
        self.layout = replace(layout_of(path, header, ","), first_column=first_column)
        self._following: tuple[int, Cells] | None = (0, {})

    def close(self) -> None:
        """Let go of the sheet."""
        self._cells.close()

    def chunks(self) -> Iterator[RawChunk]:
        """Stream the rows of the sheet behind its header. Raises UnusableFile."""
        rows = self._filled_rows()
        while part := list(islice(rows, ROWS_A_CHUNK)):
            problems = {place: found for place, (_, _, found) in enumerate(part) if found}
            numbers = [number for number, _, _ in part]
            yield RawChunk(numbers, [record for _, record, _ in part], problems)

    def _filled_rows(self) -> Iterator[tuple[int, list[str], tuple[Problem, ...]]]:
        for number, values, cells in self._all_rows():
            record = self._as_text(values, cells)
            is_written = any(kind is Kind.UNCALCULATED for kind, _ in cells.values())
            if columns.is_blank(record) and not is_written:
                self.blank_rows += 1
                continue
            record = without_empty_surplus(record, self.layout)
            yield number, record, tuple(problems_of(cells, self.layout, record))

    def _all_rows(self) -> Iterator[tuple[int, tuple[str | None, ...], Cells]]:
        """Give each row with its cells; the values end where only formulas without any follow."""
        last = 0
        for last, values in self._rows:
            yield last, values, self._cells_of(last)
        while (cells := self._cells_of(last := last + 1)) or self._following is not None:
            yield last, ("",) * self.layout.width, cells

    def _as_text(self, values: tuple[str | None, ...], cells: Cells) -> list[str]:
        """Give a row as a spreadsheet shows it; a date without a time as a date."""
        record = [value or "" for value in values]
        date_at = self.layout.places[columns.DEFER_DATE]
        for column, (kind, stored) in cells.items():
            place = column - self.layout.first_column
            if kind is Kind.UNCALCULATED:
                continue
            if not 0 <= place < len(record):  # fastexcel saw another sheet than we
                raise _broken(self._path)
            if kind is Kind.BOOLEAN:
                record[place] = record[place].upper()
            elif kind is Kind.ERROR:
                record[place] = stored
            elif place == date_at:
                record[place] = _MIDNIGHT.sub(r"\1", record[place])
        return record

    def _cells_of(self, number: int) -> Cells:
        while self._following is not None and self._following[0] < number:
            self._following = next(self._cells, None)
        if self._following is None or self._following[0] > number:
            return {}
        return self._following[1]

    def _told(self, cells: Iterator[tuple[int, Cells]]) -> Any:
        try:
            yield from cells
        except Exception:  # noqa: BLE001 — whatever zip and XML say of a broken file
            raise _broken(self._path) from None

    def _header(self) -> list[str]:
        for _, values in self._rows:
            header = [value or "" for value in values]
            if columns.is_blank(header):
                self.blank_rows += 1
                continue
            while columns.is_blank(header[-1:]):
                header.pop()
            return header
        raise unusable(
            self._path,
            "its sheet is empty",
            hint="name another sheet with --sheet, if there is one",
        )


_AS_TEXT = "format the column as text, and write the id again."
_UNCALCULATED = (
    "formula was never calculated: open the workbook in Excel, save it, and run it again."
)
_PROBLEMS = {
    (columns.TRAINEE_ID, Kind.NUMBER): (
        Code.MALFORMED_TRAINEE_ID,
        f"The id's cell holds a number ({{}}), which loses leading zeros: {_AS_TEXT}",
    ),
    (columns.TRAINEE_ID, Kind.BOOLEAN): (
        Code.MALFORMED_TRAINEE_ID,
        f"The id's cell holds {{}}, no text: {_AS_TEXT}",
    ),
    (columns.TRAINEE_ID, Kind.ERROR): (
        Code.MALFORMED_TRAINEE_ID,
        "The id's formula gave {}: mend it.",
    ),
    (columns.TRAINEE_ID, Kind.UNCALCULATED): (
        Code.MISSING_TRAINEE_ID,
        f"The id's {_UNCALCULATED}",
    ),
    (columns.DEFER_DATE, Kind.ERROR): (
        Code.INVALID_DEFER_DATE,
        "The date's formula gave {}: mend it.",
    ),
    (columns.DEFER_DATE, Kind.UNCALCULATED): (
        Code.MISSING_DEFER_DATE,
        f"The date's {_UNCALCULATED}",
    ),
    (columns.DEFER_REASON, Kind.ERROR): (
        Code.WRONG_NUMBER_OF_VALUES,
        "The reason's formula gave an error: mend it.",
    ),
    (columns.DEFER_REASON, Kind.UNCALCULATED): (
        Code.WRONG_NUMBER_OF_VALUES,
        f"The reason's {_UNCALCULATED}",
    ),
}
"""What a cell is wrong for, by its column and kind; `{}` is what it shows, of an id or date.

A reason has no code for that but the row's.
"""


def problems_of(cells: Cells, layout: Layout, record: list[str]) -> Iterator[Problem]:
    """Give what is wrong with a row because of what its cells are."""
    for known, place in layout.places.items():
        kind, _ = cells.get(layout.first_column + place, (None, ""))
        if kind is not None and (known, kind) in _PROBLEMS:
            code, message = _PROBLEMS[known, kind]
            yield Problem(code, layout.own[place], message.format(quoted(record[place])))


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unusable(path, f"it cannot be read ({error.strerror or error})") from None
    if data.startswith(_OLD):
        raise unusable(
            path,
            "it is protected by a password, or an old Excel workbook",
            hint="save it without a password as .xlsx, or as CSV UTF-8",
        )
    return data


def _loaded(path: Path, data: bytes, sheet: str | None) -> tuple[str, int, Any]:
    """Give the sheet's name, its first column, and its values as text."""
    try:
        fastexcel = importlib.import_module("fastexcel")
    except ImportError:
        raise unusable(
            path,
            "reading workbooks takes an extra that is not installed",
            hint="pip install 'defer-batch[excel]', or save it as CSV UTF-8",
        ) from None
    try:
        workbook = fastexcel.read_excel(data)
        first, *_ = workbook.sheet_names
    except Exception:  # noqa: BLE001 — whatever the library says of a broken file
        raise _broken(path) from None
    if sheet is not None and sheet not in workbook.sheet_names:
        raise unusable(
            path,
            f"there is no sheet {sheet[:40]!r}",
            notes=("found: " + ", ".join(workbook.sheet_names),),
            hint="name one of these with --sheet",
        )
    chosen = first if sheet is None else sheet
    try:
        loaded = workbook.load_sheet(chosen, header_row=None, skip_rows=0, dtypes="string")
        first_column = min((c.absolute_index for c in loaded.available_columns()), default=0)
        return chosen, first_column, loaded.to_polars()
    except Exception:  # noqa: BLE001 — a sheet of a chart, a damaged one
        raise _broken(path) from None


def _broken(path: Path) -> Exception:
    return unusable(
        path,
        "it is not a workbook that can be read",
        hint="open it in Excel and save it again as .xlsx, or as CSV UTF-8",
    )
