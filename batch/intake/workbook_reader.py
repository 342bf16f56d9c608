"""An Excel workbook → its rows, with the numbers of the sheet.

Values come from fastexcel, what kind of cell each was from the sheet itself. Both see the bytes
that were hashed.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import Any
from xml.parsers import expat

from batch import columns
from batch.codes import Code
from batch.errors import unusable
from batch.intake.csv_reader import ROWS_A_CHUNK, RawChunk, without_empty_surplus
from batch.intake.dates import quoted
from batch.intake.encoding import Encoded
from batch.intake.header import Layout, layout_of
from batch.rows import Problem

_WORKBOOK = "xl/workbook.xml"
_RELATIONS = "xl/_rels/workbook.xml.rels"


class Kind(Enum):
    """What a cell is where it is not text."""

    NUMBER = auto()
    """Dates are numbers too, with a format."""
    BOOLEAN = auto()
    ERROR = auto()
    UNCALCULATED = auto()
    """A formula without a stored value."""


Cells = dict[int, tuple[Kind, str]]
"""The cells of a row that are no text, by column from 0: what they are, and what is stored."""


def cells_that_are_no_text(workbook: bytes, sheet: str) -> Iterator[tuple[int, Cells]]:
    """Yield the rows of a sheet that hold more than text, by their numbers, in their order.

    Raises what `zipfile` and `expat` raise, KeyError and ValueError: the sheet cannot be read.
    """
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        found = _SheetParser()
        parser = _parser(found.start)
        parser.CharacterDataHandler = found.text
        parser.EndElementHandler = found.end
        with archive.open(_part_of(archive, sheet)) as file:
            while block := file.read(1 << 16):
                parser.Parse(block, False)
                yield from found.rows
                found.rows.clear()


class _SheetParser:
    """Takes note of cells as the parser meets them. Cells may leave out where they stand."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Cells]] = []
        self._row = 0
        self._cells: Cells = {}
        self._column = -1
        self._type = ""
        self._is_formula = False
        self._value: list[str] | None = None
        self._stored = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a row, a cell, its formula or its value."""
        match name.rpartition(":")[2]:
            case "row":
                row = int(attributes.get("r", self._row + 1))
                if row <= self._row:
                    raise ValueError("the rows of a sheet stand in their order")
                self._row, self._cells, self._column = row, {}, -1
            case "c":
                where = attributes.get("r")
                self._column = self._column + 1 if where is None else _column_of(where)
                self._type = attributes.get("t", "n")
                self._is_formula, self._value, self._stored = False, None, ""
            case "f":
                self._is_formula = True
            case "v":
                self._value = []
            case _:
                pass

    def text(self, part: str) -> None:
        """Take a part of a value."""
        if self._value is not None:
            self._value.append(part)

    def end(self, name: str) -> None:
        """End a value, a cell (now it is known what it is) or a row."""
        match name.rpartition(":")[2]:
            case "v":
                self._stored, self._value = "".join(self._value or ()), None
            case "c":
                kind = self._kind()
                if kind is not None:
                    self._cells[self._column] = (kind, self._stored)
            case "row":
                if self._cells:
                    self.rows.append((self._row, self._cells))
            case _:
                pass

    def _kind(self) -> Kind | None:
        if self._type in {"s", "str", "inlineStr"}:
            return None
        if not self._stored:
            return Kind.UNCALCULATED if self._is_formula else None
        return {"b": Kind.BOOLEAN, "e": Kind.ERROR}.get(self._type, Kind.NUMBER)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the file in the workbook that holds a sheet."""
    relations: dict[str, str] = {}
    sheets: dict[str, str] = {}

    def note_relation(_name: str, attributes: dict[str, str]) -> None:
        if "Id" in attributes:
            relations[attributes["Id"]] = attributes["Target"]

    def note_sheet(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "sheet":
            (relation,) = (value for key, value in attributes.items() if key.endswith(":id"))
            sheets[attributes["name"]] = relation

    _parser(note_relation).Parse(archive.read(_RELATIONS), True)
    _parser(note_sheet).Parse(archive.read(_WORKBOOK), True)
    return posixpath.normpath(posixpath.join("/xl", relations[sheets[sheet]])).lstrip("/")


def _parser(start: Callable[[str, dict[str, str]], None]) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = start
    return parser


def _refuse_document_type(*_declared: object) -> None:
    raise ValueError("a sheet has no document type")


def _column_of(reference: str) -> int:
    """Return the column of `C14`, from 0."""
    column = 0
    for letter in reference.rstrip("0123456789"):
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


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
        """Yield the rows of the sheet behind its header. Raises UnusableFile."""
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
        """Yield each row with its cells; the values end where only formulas without any follow."""
        last = 0
        for last, values in self._rows:
            yield last, values, self._cells_of(last)
        while (cells := self._cells_of(last := last + 1)) or self._following is not None:
            yield last, ("",) * self.layout.width, cells

    def _as_text(self, values: tuple[str | None, ...], cells: Cells) -> list[str]:
        """Return a row as a spreadsheet shows it; a date without a time as a date."""
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
        "The id's formula gave {}: correct the formula.",
    ),
    (columns.TRAINEE_ID, Kind.UNCALCULATED): (
        Code.MISSING_TRAINEE_ID,
        f"The id's {_UNCALCULATED}",
    ),
    (columns.DEFER_DATE, Kind.ERROR): (
        Code.INVALID_DEFER_DATE,
        "The date's formula gave {}: correct the formula.",
    ),
    (columns.DEFER_DATE, Kind.UNCALCULATED): (
        Code.MISSING_DEFER_DATE,
        f"The date's {_UNCALCULATED}",
    ),
    (columns.DEFER_REASON, Kind.ERROR): (
        Code.WRONG_NUMBER_OF_VALUES,
        "The reason's formula gave an error: correct the formula.",
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
    """Yield what is wrong with a row because of what its cells are."""
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
    """Return the sheet's name, its first column, and its values as text."""
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
