"""What the cells of a sheet are: text, a number, an error, a formula that nobody calculated.

fastexcel gives every value as text. A number in a column of ids has lost its leading zeros, a
formula's error reads as an empty cell: that is only told by the sheet's own XML (ECMA-376, 18.3.1).
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from enum import Enum, auto
from xml.parsers import expat

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
    """Stream the rows of a sheet that hold more than text, by their numbers, in their order.

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
    """Give the file in the workbook that holds a sheet."""
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
    """Give the column of `C14`, from 0."""
    column = 0
    for letter in reference.rstrip("0123456789"):
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
