"""A sheet's XML → its filled rows: what stands in each cell, and what kind of thing it is.

No row is made for a cell that is not there, so a far cell or a million formatted blank rows cost
little. ECMA-376, part 1, 18.3 describes the elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from batch import columns
from batch.intake import cells
from batch.intake.header import MOST_COLUMNS
from batch.intake.workbook_archive import (
    Archive,
    BrokenWorkbookError,
    Formats,
    TooLargeWorkbookError,
    parser_of_a_part,
    refuse_deep,
)

_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 131_072
"""What the reader of CSVs takes too; a spreadsheet takes 32,767."""

_TRUE, _NO_HEIGHT = ("1", "true"), ("0", "0.0")
_RANGE = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", re.ASCII)
_MOST_MERGED = 100_000
_MOST_NUMBERS_KNOWN = 100_000
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


class CellKind(Enum):
    """What a cell is where it is not text."""

    NUMBER = auto()
    DATE = auto()
    BOOLEAN = auto()
    ERROR = auto()
    UNCALCULATED = auto()
    """A formula without a stored value."""


class Cell(NamedTuple):
    """A cell that is no text. `as_shown` is None where its format is not known here."""

    kind: CellKind
    text: str
    as_shown: str | None


_UNCALCULATED = Cell(CellKind.UNCALCULATED, "", "")


class SheetRow(Struct):
    """A row in which something stands: its texts by column from 0, and which are something else."""

    number: int
    is_hidden: bool
    texts: dict[int, str]
    others: dict[int, Cell]


class Merged(NamedTuple):
    """Cells of several rows shown as one: only the first of them holds what is shown."""

    reference: str
    columns: range
    rows: range


def filled_rows(
    archive: Archive, part: str, known: Known, merged: list[Merged]
) -> Iterator[SheetRow]:
    """Yield the rows of a sheet in which something stands; add to `merged` behind the last.

    Raises BrokenWorkbookError where rows or cells are out of order, and TooLargeWorkbookError.
    """
    reading = _Reading(known, merged)
    for _ in archive.rows_of(part, reading.parser):
        refuse_deep(reading.depth)
        archive.budget.take(elements=reading.elements, letters=reading.letters)
        reading.elements = reading.letters = 0
        yield from reading.rows
        reading.rows.clear()
        if reading.is_over:
            return


class Known:
    """What the cells of a workbook refer to: its texts, its formats, where its days begin."""

    def __init__(self, archive: Archive) -> None:
        self._texts = archive.texts()
        self._formats: Formats = archive.formats()
        self._counts_from_1904 = archive.counts_from_1904
        self.number = lru_cache(maxsize=_MOST_NUMBERS_KNOWN)(self._number)

    def text(self, index: str) -> str:
        """Return the text at an index from 0. Raises ValueError, IndexError."""
        at = int(index)
        if at < 0:
            raise ValueError("no index")  # which Python would count from the end
        return self._texts[at]

    def _number(self, value: str, style: int) -> Cell:
        """Return what a number is, by its format: a date, or a number. Raises ValueError."""
        if not _NUMBER.fullmatch(value):
            raise ValueError("no number")
        number = float(value)
        format_id, code = self._formats.of(style)
        if cells.is_of_dates(code):
            moment = cells.moment_of(number, counts_from_1904=self._counts_from_1904)
            if moment is not None:
                return self.date(moment, format_id)
        return Cell(CellKind.NUMBER, cells.plain(number), cells.shown_number(number, code))

    def date(self, moment: cells.Moment, format_id: int) -> Cell:
        """Return the cell of a date or time."""
        return Cell(CellKind.DATE, cells.as_date(moment), cells.shown_date(moment, format_id))

    def format_id(self, style: int) -> int:
        """Return the id of a style's number format."""
        return self._formats.of(style)[0]


@lru_cache(maxsize=MOST_COLUMNS)
def _column_of(letters: str) -> int:
    """Return where a column stands, from 0 (`A`). Raises BrokenWorkbookError."""
    column = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            raise BrokenWorkbookError
        column = column * 26 + ord(letter) - 64
    if not 0 < column <= MOST_COLUMNS:
        raise BrokenWorkbookError
    return column - 1


class _Reading:
    """One reading of a sheet: the handlers of its parser, and what they found so far."""

    def __init__(self, known: Known, merged: list[Merged]) -> None:
        self._merged = merged
        self.rows: list[SheetRow] = []
        self.is_over = False
        self.elements = self.letters = self.depth = 0
        self._known = known
        self._row: SheetRow | None = None
        self._row_text = ""
        self._last_row = 0
        self._column = -1
        self._cell: dict[str, str] = {}
        self._pieces: list[str] = []
        self._is_text = self._is_phonetic = self._is_formula = self._is_named = False
        self.parser = parser_of_a_part()
        self.parser.StartElementHandler = self._first
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _first(self, tag: str, _: dict[str, str]) -> None:
        """Learn from the first element which namespace the sheet is written in: there are two."""
        space = tag[: -len("worksheet")]
        self._c, self._v, self._t, self._f, self._row_tag, self._phonetic, self._sheet_data = (
            space + name for name in ("c", "v", "t", "f", "row", "rPh", "sheetData")
        )
        self.depth = 1
        self.parser.StartElementHandler = self._start

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if tag == self._c:
            self._cell = attributes
            self._pieces.clear()
            self._is_formula = False
        elif tag == self._v:
            self._is_text = self._cell.get("t") != "inlineStr"
        elif tag == self._t:
            self._is_text = self._cell.get("t") == "inlineStr" and not self._is_phonetic
        elif tag == self._row_tag:
            self._begin_row(attributes)
        elif tag == self._f:
            self._is_formula = True
        elif tag == self._phonetic:
            self._is_phonetic = True

    def _data(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)

    def _end(self, tag: str) -> None:
        self.depth -= 1
        if tag == self._c:
            self._end_cell()
        elif tag == self._v or tag == self._t:  # noqa: PLR1714 — a set of both is made anew
            self._is_text = False
        elif tag == self._row_tag:
            self._end_row()
        elif tag == self._phonetic:
            self._is_phonetic = False
        elif tag == self._sheet_data:
            self.parser.StartElementHandler = self._start_behind
            self.parser.EndElementHandler = self._end_behind
            self.parser.CharacterDataHandler = None

    def _start_behind(self, tag: str, attributes: dict[str, str]) -> None:
        """Take what stands behind the rows: which cells are merged."""
        self.depth += 1
        self.elements += 1
        found = _RANGE.fullmatch(attributes.get("ref", ""))
        if found and tag.endswith(" mergeCell") and found[2] != found[4]:
            across = range(_column_of(found[1]), _column_of(found[3]) + 1)
            down = range(int(found[2]), int(found[4]) + 1)
            self._merged.append(Merged(found[0], across, down))
            if len(self._merged) > _MOST_MERGED:
                raise TooLargeWorkbookError

    def _end_behind(self, tag: str) -> None:
        self.depth -= 1
        if tag.endswith(" mergeCells"):
            self.is_over = True
            self.parser.StartElementHandler = self.parser.EndElementHandler = None

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._last_row + 1))
        if not self._last_row < number <= _MOST_ROWS:
            raise BrokenWorkbookError
        is_hidden = attributes.get("hidden", "0") in _TRUE or attributes.get("ht") in _NO_HEIGHT
        self._last_row, self._row_text, self._column = number, str(number), -1
        self._row = SheetRow(number, is_hidden, {}, {})
        self._is_named = False

    def _end_row(self) -> None:
        row, self._row = self._row, None
        assert row is not None
        if row.texts and (row.others or not columns.is_blank(row.texts.values())):
            self.rows.append(row)

    def _end_cell(self) -> None:
        """Take a cell's value, if it has one, as what it is."""
        if not self._pieces and not self._is_formula:
            if "r" in self._cell:
                self._is_named = True
            else:
                self._column += 1
            return
        attributes = self._cell
        self._column = self._place_of(attributes.get("r"))
        value = "".join(self._pieces)
        kind = attributes.get("t", "n")
        if not value:
            if kind != "str":
                self._put(self._column, _UNCALCULATED)
        elif kind == "s":
            self._put_text(self._column, self._known.text(value))
        elif kind in {"inlineStr", "str"}:
            self._put_text(self._column, cells.unescaped(value))
        else:
            self._put(self._column, self._other(kind, value, int(attributes.get("s", 0))))

    def _place_of(self, reference: str | None) -> int:
        """Return the column of a cell, from 0. Raises BrokenWorkbookError where it is not new.

        Either all cells of a row name their place, or each stands behind the one before.
        """
        column = self._column + 1
        if reference is not None:
            self._is_named = True
            column = _column_of(reference.removesuffix(self._row_text))
        elif self._is_named:
            raise BrokenWorkbookError
        if self._row is None or column >= MOST_COLUMNS or column in self._row.texts:
            raise BrokenWorkbookError
        return column

    def _other(self, kind: str, value: str, style: int) -> Cell:
        """Return a cell that is no text. Raises BrokenWorkbookError, ValueError."""
        match kind:
            case "n":
                return self._known.number(value, style)
            case "b":
                text = "TRUE" if value.strip() in _TRUE else "FALSE"
                return Cell(CellKind.BOOLEAN, text, text)
            case "e":
                return Cell(CellKind.ERROR, value, value)
            case "d":
                return self._known.date(cells.moment_written(value), self._known.format_id(style))
            case _:
                raise BrokenWorkbookError

    def _put(self, column: int, cell: Cell) -> None:
        assert self._row is not None
        self._row.others[column] = cell
        self._put_text(column, cell.text)

    def _put_text(self, column: int, text: str) -> None:
        assert self._row is not None
        if len(text) > _LONGEST_TEXT:
            raise TooLargeWorkbookError
        self._row.texts[column] = text
        self.letters += len(text)
