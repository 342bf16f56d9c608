"""An Excel workbook → its rows, with the numbers of the sheet.

openpyxl parses rows as they are asked for; no row is made for a cell that is not there, so a far
cell or a million formatted blank rows cost nothing. What would take much memory is refused by the
sizes that the archive declares, which bound what can be read of it.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import re
import warnings
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import IO, Any

from batch import columns
from batch.codes import Code
from batch.errors import UnusableFile, unusable
from batch.intake import cells
from batch.intake.csv_reader import (
    ROWS_A_CHUNK,
    RawChunk,
    without_empty_surplus,
    without_value_in_nameless,
)
from batch.intake.dates import quoted
from batch.intake.encoding import Encoded
from batch.intake.header import MOST_ROWS_ABOVE, Layout, has_needed_names, layout_of
from batch.rows import Problem
from batch.run_settings import InputOptions

SUFFIXES = frozenset({".xlsx", ".xlsm"})
MOST_ROWS = 200_000
_MOST_BYTES = 64 << 20
_MOST_BYTES_OF_PARTS = (
    (re.compile(r"worksheets/[^/]+$"), 300 << 20),
    (re.compile(r"sharedStrings[^/]*$", re.IGNORECASE), 32 << 20),
    (re.compile(r"(?:pivotCache|drawings|externalLinks|media|comments|customXml)"), 300 << 20),
)
"""What a part may take unpacked; those of the last line are not read, any other is small."""

_BLOCK_BYTES = 1 << 20
_MOST_BLOCKS_OF_A_ROW = 4
_MOST_ROWS_OF_A_SHEET = 1_048_576
_MOST_COLUMNS = 16_384
_OLD = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK"
_XML = re.compile(r".*\.(?:xml|rels)", re.DOTALL | re.IGNORECASE)


class CellKind(Enum):
    """What a cell is where it is not text."""

    NUMBER = auto()
    DATE = auto()
    BOOLEAN = auto()
    ERROR = auto()
    UNCALCULATED = auto()
    """A formula without a stored value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as a spreadsheet shows it; `as_shown` None: its format is not known here."""

    kind: CellKind | None
    text: str
    as_shown: str | None


@dataclass(slots=True)
class SheetRow:
    """A row of a sheet that has something in it: its cells by column from 0."""

    number: int
    is_hidden: bool
    cells: dict[int, Cell]


@dataclass(slots=True)
class _Found:
    """A sheet and its header, with the rows behind it still to come."""

    name: str
    header: list[str]
    header_row: int
    rows: Iterator[SheetRow]
    has_rows: bool = False
    blank_rows: int = 0
    last_row: int = 0


class WorkbookReader:
    """Reads one sheet: `layout` at once, `chunks` as they are asked for."""

    letters = None

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._path = options.path
        data = _bytes_of(options.path)
        self.encoded = Encoded("xlsx", len(data), hashlib.sha256(data).hexdigest())
        _refuse_large(options.path, data)
        self._book = _Book(options.path, data)
        found = self._chosen()
        self.sheet = found.name
        self.other_sheets = tuple(name for name in self._book.names if name != found.name)
        self.blank_rows = found.blank_rows
        self.hidden_rows = 0
        first_column = min(
            (at for at, name in enumerate(found.header) if not columns.is_blank([name])), default=0
        )
        layout = layout_of(options, found.header[first_column:], ",", found.header_row)
        self.layout = replace(layout, first_column=first_column)
        self._found = found

    def close(self) -> None:
        """Let go of the workbook."""
        self._book.close()

    def _chosen(self) -> _Found:
        """Return the sheet that is read. Raises UnusableFile where several could be meant."""
        book, asked = self._book, self._options.sheet
        if asked is not None:
            if asked not in book.names:
                raise unusable(
                    self._path,
                    f"there is no sheet {quoted(asked)}",
                    notes=("found: " + ", ".join(book.names),),
                    hint="name one of these with --sheet",
                )
            return self._opened(asked)
        self._refuse_own_report()
        visible = [self._opened(name) for name in book.names if name not in book.hidden]
        fitting = [sheet for sheet in visible if has_needed_names(sheet.header, self._options)]
        filled = [sheet for sheet in fitting if sheet.has_rows]
        if len(filled) > 1:
            ways = " or ".join(
                f"`{self._options.command_with('--sheet', sheet.name)}`" for sheet in filled[:5]
            )
            raise unusable(
                self._path,
                f"{len(filled)} sheets have the needed columns and rows",
                hint=f"name the right one: {ways}",
            )
        if filled or fitting:
            return (filled or fitting)[0]
        if hidden := self._hidden_that_fits():
            raise unusable(
                self._path,
                f"only the hidden sheet {quoted(hidden)} has the needed columns",
                hint=f"to use it: `{self._options.command_with('--sheet', hidden)}`",
            )
        for sheet in visible:
            if not columns.is_blank(sheet.header):
                return sheet
        raise unusable(
            self._path,
            "its sheet is empty",
            hint="name another sheet with --sheet, if there is one",
        )

    def _hidden_that_fits(self) -> str | None:
        fitting = (
            name
            for name in self._book.hidden
            if has_needed_names(self._opened(name).header, self._options)
        )
        return next(fitting, None)

    def _refuse_own_report(self) -> None:
        """Raise UnusableFile for a run's `results.xlsx`, which has a sheet for each outcome."""
        names = set(self._book.names)
        if not {"succeeded", "not_found", "unprocessable", "unresolved"} <= {
            name.lower().replace(" ", "_") for name in names
        }:
            return
        sheet = next(name for name in self._book.names if name.lower() == "unprocessable")
        header = self._opened(sheet).header
        if columns.own_column_count(tuple(header)) < len(header):
            raise unusable(
                self._path,
                "it is the report of a run, with a sheet for each outcome",
                hint="to run the rows that were refused: "
                f"`{self._options.command_with('--sheet', sheet)}`",
            )

    def _opened(self, name: str) -> _Found:
        """Return a sheet's header: the first filled row, or the only later one that fits."""
        rows = self._book.rows(name)
        above: list[SheetRow] = []
        for row in rows:
            above.append(row)
            fits = has_needed_names(_values(row), self._options)
            if (fits and len(above) == 1) or row.number > MOST_ROWS_ABOVE:
                break
        fitting = [
            at for at, row in enumerate(above) if has_needed_names(_values(row), self._options)
        ]
        at = fitting[0] if len(fitting) == 1 else 0
        if not above:
            return _Found(name, [""], 1, iter(()))
        below = above[at + 1 :]
        following = next(rows, None) if not below else below[0]
        if not below and following is not None:
            below = [following]
        header = [cells_text.strip(columns.SPACES) for cells_text in _values(above[at])]
        while header and columns.is_blank(header[-1:]):
            header.pop()
        return _Found(
            name,
            [columns.unguarded(value) for value in header],
            above[at].number,
            itertools.chain(below, rows),
            has_rows=bool(below),
            blank_rows=above[at].number - 1 - at,
            last_row=above[at].number,
        )

    def chunks(self) -> Iterator[RawChunk]:
        """Yield the rows of the sheet behind its header. Raises UnusableFile."""
        rows = self._filled_rows()
        while part := list(itertools.islice(rows, ROWS_A_CHUNK)):
            yield self._chunk(part)
        if self.hidden_rows and self._options.hidden_rows is None:
            ways = " or ".join(
                f"`{self._options.command_with('--hidden-rows', what)}`"
                for what in ("include", "skip")
            )
            raise unusable(
                self._path,
                f"sheet {quoted(self.sheet)} hides {self.hidden_rows} of its rows",
                hint=f"say what to do with them: {ways}",
            )

    def _chunk(self, rows: list[SheetRow]) -> RawChunk:
        numbers = [row.number for row in rows]
        records = [self._record(row) for row in rows]
        problems = {
            place: found
            for place, row in enumerate(rows)
            if (found := tuple(problems_of(row.cells, self.layout)))
        }
        nameless = without_value_in_nameless(records, numbers, self.layout)
        date_at = self.layout.first_column + self.layout.places[columns.DEFER_DATE]
        dates = frozenset(
            place
            for place, row in enumerate(rows)
            if date_at in row.cells and row.cells[date_at].kind is CellKind.DATE
        )
        return RawChunk(numbers, records, problems | nameless, date_cells=dates)

    def _filled_rows(self) -> Iterator[SheetRow]:
        count = 0
        last = self._found.last_row
        for row in self._found.rows:
            self.blank_rows += row.number - last - 1
            last = row.number
            if row.is_hidden:
                self.hidden_rows += 1
                if self._options.hidden_rows == "skip":
                    continue
            count += 1
            if count > MOST_ROWS:
                raise _too_many_rows(self._path)
            yield row

    def _record(self, row: SheetRow) -> list[str]:
        """Return a row as text: as wide as the header, wider where there is a surplus."""
        start = self.layout.first_column
        width = max(self.layout.width, max(row.cells, default=0) - start + 1)
        record = [""] * width
        for at, cell in row.cells.items():
            if at >= start:
                record[at - start] = cell.text
        reason = self.layout.places.get(columns.DEFER_REASON)
        if reason is not None and (shown := row.cells.get(start + reason)) is not None:
            record[reason] = shown.text if shown.as_shown is None else shown.as_shown
        return without_empty_surplus(record, self.layout)


def _values(row: SheetRow) -> list[str]:
    return [
        row.cells[at].text if at in row.cells else ""
        for at in range(min(max(row.cells, default=-1) + 1, 1000))
    ]


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
        f"The id's cell holds {{}}, no text: {_AS_TEXT}",
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


def problems_of(row: dict[int, Cell], layout: Layout) -> Iterator[Problem]:
    """Yield what is wrong with a row because of what its cells are."""
    for known, place in layout.places.items():
        cell = row.get(layout.first_column + place)
        if cell is None or cell.kind is None:
            continue
        if (known, cell.kind) in _PROBLEMS:
            code, message = _PROBLEMS[known, cell.kind]
            yield Problem(code, layout.own[place], message.format(quoted(cell.text)))
        elif known == columns.DEFER_REASON and cell.as_shown is None:
            yield Problem(Code.UNUSABLE_REASON, layout.own[place], _FORMAT_NOT_KNOWN)


class _Book:
    """A workbook as openpyxl reads it: the sheets, which of them are hidden, and their rows."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        openpyxl = _openpyxl(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions that we do not read
                self._book = openpyxl.load_workbook(
                    io.BytesIO(data), read_only=True, data_only=True, keep_links=False
                )
            sheets = self._book.worksheets
            self.names: tuple[str, ...] = tuple(sheet.title for sheet in sheets)
            self.hidden: tuple[str, ...] = tuple(
                sheet.title for sheet in sheets if sheet.sheet_state != "visible"
            )
        except Exception:  # noqa: BLE001 — whatever the library says of a broken file
            raise _broken(path) from None
        if not self.names:
            raise _broken(path)

    def close(self) -> None:
        """Close the archive."""
        self._book.close()

    def rows(self, name: str) -> Iterator[SheetRow]:
        """Yield the rows of a sheet in which something stands. Raises UnusableFile."""
        parser_class = importlib.import_module("openpyxl.worksheet._reader").WorkSheetParser
        cached = self._book[name]
        try:
            with cached._get_source() as source, warnings.catch_warnings():  # noqa: SLF001 — the only way to hidden rows
                warnings.simplefilter("ignore")
                parser = parser_class(
                    source,
                    cached._shared_strings,  # noqa: SLF001
                    data_only=True,
                    epoch=self._book.epoch,
                    date_formats=self._book._date_formats,  # noqa: SLF001
                    timedelta_formats=self._book._timedelta_formats,  # noqa: SLF001
                )
                reading = _Rows(self._book, parser)
                yield from reading.rows(source)
        except UnusableFile:
            raise
        except Exception:  # noqa: BLE001 — whatever zip and XML say of a broken sheet
            raise _broken(self._path) from None


class _Rows:
    """Reads a row's element: None where nothing stands in it, however it is formatted."""

    def __init__(self, book: Any, parser: Any) -> None:
        self._book = book
        self._parser = parser
        self._formats: dict[int, tuple[int, str]] = {}
        self._column = 0

    def rows(self, source: Any) -> Iterator[SheetRow]:
        """Yield the filled rows. Raises ValueError where they are out of order, or too wide."""
        last = width = 0
        for _, element in ET.iterparse(source):  # noqa: S314 — expat bounds expansion
            tag = element.tag.rpartition("}")[2]
            if tag == "c":
                width += 1
                if width > _MOST_COLUMNS:
                    raise ValueError("a row has more cells than a sheet has columns")
            elif tag == "row":
                width = 0
                row = self.parse_row(element)
                element.clear()
                if row is not None:
                    if row.number <= last:
                        raise ValueError("the rows of a sheet stand in their order")
                    last = row.number
                    yield row
            elif tag == "sheetData":
                return

    def parse_row(self, row: Any) -> SheetRow | None:
        """Return the row, None where it is blank."""
        parser = self._parser
        parser.row_counter = int(row.get("r", parser.row_counter + 1))
        if not any(map(len, row)):
            return None
        parser.col_counter = 0
        found: dict[int, Cell] = {}
        for element in row:
            read = parser.parse_cell(element)
            cell = self._cell(read, element)
            if cell is not None:
                found[read["column"] - 1] = cell
        if columns.is_blank(c.text for c in found.values()) and not any(
            c.kind is CellKind.UNCALCULATED for c in found.values()
        ):
            return None
        is_hidden = row.get("hidden") in {"1", "true"} or row.get("ht") in {"0", "0.0"}
        return SheetRow(parser.row_counter, is_hidden, found)

    def _cell(self, read: dict[str, Any], element: Any) -> Cell | None:
        value, kind = read["value"], read["data_type"]
        if value is None:
            is_formula = any(child.tag.endswith("}f") for child in element)
            return (
                Cell(CellKind.UNCALCULATED, "", "")
                if is_formula and element.get("t") != "str"
                else None
            )
        match kind:
            case "s" | "inlineStr":
                text = cells.unescaped(str(value))
                return Cell(None, text, text)
            case "b":
                text = "TRUE" if value else "FALSE"
                return Cell(CellKind.BOOLEAN, text, text)
            case "e":
                return Cell(CellKind.ERROR, str(value), str(value))
            case "d":
                return Cell(
                    CellKind.DATE,
                    cells.as_date(value),
                    cells.shown_date(value, self._format(read)[0]),
                )
            case _:
                shown = cells.shown_number(value, self._format(read)[1])
                return Cell(CellKind.NUMBER, _plain(value), shown)

    def _format(self, read: dict[str, Any]) -> tuple[int, str]:
        """Return the number format of a cell: its id, and how it is written."""
        style = read["style_id"]
        if style not in self._formats:
            format_id = self._book._cell_styles[style].numFmtId  # noqa: SLF001
            builtin = importlib.import_module("openpyxl.styles.numbers").BUILTIN_FORMATS
            own = self._book._number_formats  # noqa: SLF001
            code = builtin.get(format_id) or own[format_id - 164]
            self._formats[style] = (format_id, code)
        return self._formats[style]


def _plain(value: float) -> str:
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise _too_large(path)
        data = path.read_bytes()
    except OSError as error:
        raise unusable(path, f"it cannot be read ({error.strerror or error})") from None
    if data.startswith(_OLD):
        raise unusable(
            path,
            "it is protected by a password, or an old Excel workbook",
            hint="save it without a password as .xlsx, or as CSV UTF-8",
        )
    if data.startswith(b"%PDF"):
        raise unusable(path, "it is a PDF", hint="save the list as CSV UTF-8, and name that file")
    if not data.startswith(_ZIP) and _is_text(data[:4096]):
        what = "a web page" if data.lstrip()[:1] == b"<" else "a CSV"
        raise unusable(
            path,
            f"it is {what} under the name {path.suffix}",
            hint=f"rename it to {path.with_suffix('.csv').name}, and name that file"
            if what == "a CSV"
            else "open it in a spreadsheet, save it as .xlsx, and name that file",
        )
    return data


def _is_text(start: bytes) -> bool:
    return bool(start.strip()) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", start)


def _refuse_large(path: Path, data: bytes) -> None:
    """Raise UnusableFile for a workbook that would take much time or memory to parse.

    The sizes that the archive declares bound what can be read of it. An XML parser takes time that
    grows with the square of a token's length, and a row is held whole.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if _XML.fullmatch(info.filename):
                    if info.file_size > _most_bytes(info.filename):
                        raise _too_large(path)
                    with archive.open(info) as part:
                        _refuse_absurd(path, part)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, EOFError):
        raise _broken(path) from None


def _most_bytes(part: str) -> int:
    return next((most for shape, most in _MOST_BYTES_OF_PARTS if shape.search(part)), 8 << 20)


def _refuse_absurd(path: Path, part: IO[bytes]) -> None:
    """Raise UnusableFile where a value, a row, or the number of rows is longer than any can be."""
    rows = filled = blocks_of_a_row = 0
    in_a_sheet = False
    for number, block in enumerate(iter(lambda: part.read(_BLOCK_BYTES), b"")):
        if number == 0:
            if b"<!DOCTYPE" in block.replace(b"\x00", b""):
                raise _broken(path)
            in_a_sheet = b"sheetData" in block
        if len(block) == _BLOCK_BYTES and b">" not in block:
            raise _too_large(path)
        if in_a_sheet:
            found = block.count(b"<row") + block.count(b":row")
            rows += found
            filled += block.count(b"</v></c></row>") + block.count(b"</is></c></row>")
            if filled > MOST_ROWS:
                raise _too_many_rows(path)
            blocks_of_a_row = 0 if found else blocks_of_a_row + 1
            if rows > 2 * _MOST_ROWS_OF_A_SHEET or blocks_of_a_row > _MOST_BLOCKS_OF_A_ROW:
                raise _too_large(path)
            in_a_sheet = b"</sheetData" not in block


def _too_many_rows(path: Path) -> UnusableFile:
    return unusable(
        path,
        f"it has more than {MOST_ROWS:,} rows, which is too many for a workbook",
        hint="save the sheet as CSV UTF-8, and name that file",
    )


def _too_large(path: Path) -> UnusableFile:
    return unusable(
        path,
        "it is too large for a workbook of trainees",
        hint="save the sheet as CSV UTF-8, and name that file",
    )


def _openpyxl(path: Path) -> Any:
    try:
        return importlib.import_module("openpyxl")
    except ImportError:
        raise unusable(
            path,
            "reading workbooks takes an extra that is not installed",
            hint="pip install 'defer-batch[excel]', or save it as CSV UTF-8",
        ) from None


def _broken(path: Path) -> UnusableFile:
    return unusable(
        path,
        "it is not a workbook that can be read",
        hint="open it in Excel and save it again as .xlsx, or as CSV UTF-8",
    )
