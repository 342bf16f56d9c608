"""A workbook's archive → its sheets, its texts, its number formats; nothing that it holds is free.

expat reads each part in blocks. What a hostile file could make costly is bounded where it is read:
bytes and elements of all sheets together, the letters of all texts, the length of one token.
"""

from __future__ import annotations

import io
import posixpath
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from xml.parsers import expat

from msgspec import Struct, field

from batch.intake import cells

_BLOCK_BYTES = 1 << 18
_LONGEST_TOKEN_BYTES = 1 << 20
_DEEPEST = 64
_MOST_PARTS = 20_000
_MOST_SHEETS = 1_000
_MOST_BYTES_OF_A_PART = 64 << 20
_MOST_BYTES_OF_TEXTS = 128 << 20
_MOST_MEMORY_OF_TEXTS = 160 << 20
_MOST_STYLES = 1_000_000
_ENTRY = b"PK\x01\x02"
_OFFICE_DOCUMENT, _WORKSHEET, _STYLES, _TEXTS = (
    re.compile(rf"/relationships/{kind}$")
    for kind in ("officeDocument", "worksheet", "styles", "sharedStrings")
)


class BrokenWorkbookError(Exception):
    """The archive is not a workbook, or not a whole one."""


class TooLargeWorkbookError(Exception):
    """Reading it would take more time or memory than a list of trainees can need."""


class Budget(Struct):
    """What all sheets of a workbook together may take."""

    bytes_left: int = 400 << 20
    elements_left: int = 12_000_000
    letters_left: int = 256 << 20

    def take(self, *, bytes_: int = 0, elements: int = 0, letters: int = 0) -> None:
        """Take from what is left. Raises TooLargeWorkbookError where nothing is."""
        self.bytes_left -= bytes_
        self.elements_left -= elements
        self.letters_left -= letters
        if min(self.bytes_left, self.elements_left, self.letters_left) < 0:
            raise TooLargeWorkbookError


class Sheet(Struct, frozen=True):
    """A sheet as the workbook lists it, and the part that holds it."""

    name: str
    is_hidden: bool
    part: str


class Formats(Struct, frozen=True):
    """The number formats of a workbook: the id of each style, and how those of its own read."""

    of_styles: list[int] = field(default_factory=list)
    own: dict[int, str] = field(default_factory=dict)

    def of(self, style: int) -> tuple[int, str]:
        """Return a style's format: its id, and how it is written, "" where that is not known."""
        number = self.of_styles[style] if 0 <= style < len(self.of_styles) else 0
        return number, self.own.get(number) or cells.BUILT_IN_FORMATS.get(number, "")


class Archive:
    """An archive of XML parts, each found by the relation that another has to it."""

    def __init__(self, data: bytes) -> None:
        if data.count(_ENTRY) > _MOST_PARTS:
            raise TooLargeWorkbookError
        with _as_broken():
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._parts = {_path(info.filename): info for info in self._archive.infolist()}
        if len(self._parts) < len(self._archive.infolist()):
            raise BrokenWorkbookError  # of two parts of one name nobody knows which is meant
        self.budget = Budget()
        with _as_broken():
            self._read_relations()

    def _read_relations(self) -> None:
        workbook = next(iter(self._related("", _OFFICE_DOCUMENT).values()), "")
        related = self._related(workbook, _WORKSHEET)
        self._styles = next(iter(self._related(workbook, _STYLES).values()), None)
        self._texts = next(iter(self._related(workbook, _TEXTS).values()), None)
        self.sheets: list[Sheet] = []
        self.counts_from_1904 = False
        for tag, attributes in self._elements(workbook):
            if tag == "workbookPr":
                self.counts_from_1904 = attributes.get("date1904") in {"1", "true"}
            elif tag == "sheet":
                relation = next((attributes[at] for at in attributes if at.endswith(" id")), "")
                if relation in related:  # others are charts
                    hidden = attributes.get("state", "visible") != "visible"
                    self.sheets.append(Sheet(attributes["name"], hidden, related[relation]))
        if len(self.sheets) > _MOST_SHEETS:
            raise TooLargeWorkbookError
        if not self.sheets or len({sheet.part for sheet in self.sheets}) < len(self.sheets):
            raise BrokenWorkbookError

    def _related(self, part: str, kind: re.Pattern[str]) -> dict[str, str]:
        """Return the parts to which another has a relation of a kind, by the relation's id."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        return {
            attributes["Id"]: _path(posixpath.join("/", folder, attributes["Target"]))
            for tag, attributes in self._elements(relations)
            if tag == "Relationship"
            and kind.search(attributes["Type"])
            and attributes.get("TargetMode") != "External"
        }

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def formats(self) -> Formats:
        """Return the number formats."""
        found = Formats()
        if self._styles is not None:
            with _as_broken():
                self._read_styles(self._styles, found)
        return found

    def _read_styles(self, part: str, found: Formats) -> None:
        is_of_cells = False
        for tag, attributes in self._elements(part):
            if tag == "numFmt":
                found.own[int(attributes["numFmtId"])] = attributes["formatCode"]
            elif tag in {"cellXfs", "cellStyleXfs", "cellStyles", "dxfs"}:
                is_of_cells = tag == "cellXfs"
            elif tag == "xf" and is_of_cells:
                found.of_styles.append(int(attributes.get("numFmtId", 0)))
                if len(found.of_styles) > _MOST_STYLES:
                    raise TooLargeWorkbookError

    def texts(self) -> list[str]:
        """Return the texts that the cells of all sheets share."""
        if self._texts is None:
            return []
        reading = _Texts()
        for _ in self._parsed(self._texts, reading.parser, _MOST_BYTES_OF_TEXTS):
            reading.refuse_costly()
        return reading.found

    def rows_of(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """Feed a sheet to a parser; yield after each block. Takes from the budget."""
        return self._parsed(part, parser, self.budget.bytes_left, budget=self.budget)

    def _elements(self, part: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the elements of a part that are of its own kind: their names and attributes."""
        found: list[tuple[str, dict[str, str]]] = []
        own: str | None = None
        depth = 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal own, depth
            space, _, name = tag.rpartition(" ")
            own = space if own is None else own
            depth += 1
            if space == own:
                found.append((name, attributes))

        def end(_tag: str) -> None:
            nonlocal depth
            depth -= 1

        parser = parser_of_a_part()
        parser.StartElementHandler, parser.EndElementHandler = start, end
        for _ in self._parsed(part, parser, _MOST_BYTES_OF_A_PART):
            refuse_deep(depth)
            yield from found
            found.clear()

    def _parsed(
        self, part: str, parser: expat.XMLParserType, most_bytes: int, budget: Budget | None = None
    ) -> Iterator[None]:
        """Feed a part to a parser, a block at a time, and yield after each."""
        info = self._parts.get(part)
        if info is None or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BrokenWorkbookError
        if info.file_size > most_bytes:
            raise TooLargeWorkbookError
        fed = 0
        with _as_broken(), self._archive.open(info) as file:
            while block := file.read(_BLOCK_BYTES):
                if budget is not None:
                    budget.take(bytes_=len(block))
                parser.Parse(block, False)
                fed += len(block)
                if fed - parser.CurrentByteIndex > _LONGEST_TOKEN_BYTES:
                    raise TooLargeWorkbookError
                yield
            parser.Parse(b"", True)
            yield


_WRONG = (
    expat.ExpatError, zipfile.BadZipFile, zlib.error, ValueError, LookupError, OSError, EOFError,
    RuntimeError, OverflowError,
)  # fmt: skip
"""What the libraries raise of damaged archives and XML, and of numbers that are none."""


@contextmanager
def _as_broken() -> Iterator[None]:
    """Turn what the libraries raise of damage into BrokenWorkbookError."""
    try:
        yield
    except _WRONG:
        raise BrokenWorkbookError from None


def _path(name: str) -> str:
    """Return the name of a part as it is compared: some programs write backslashes, or capitals."""
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def refuse_deep(depth: int) -> None:
    """Raise TooLargeWorkbookError for elements within more elements than any part has.

    Between blocks that is soon enough: what one block can nest costs expat a few megabytes.
    """
    if depth > _DEEPEST:
        raise TooLargeWorkbookError


def parser_of_a_part() -> expat.XMLParserType:
    """Return a parser that names elements by their namespace, and takes no document type."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.StartDoctypeDeclHandler = _refuse_document_type
    return parser


def _refuse_document_type(*_: object) -> None:
    """No program writes one into a workbook, and entities could expand without end."""
    raise BrokenWorkbookError


class _Texts:
    """Gathers the texts of a part of shared strings: all runs, but not how they are read aloud."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._memory = self._depth = 0
        self._is_text = self._is_phonetic = False
        self.parser = parser_of_a_part()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _start(self, tag: str, _: dict[str, str]) -> None:
        self._depth += 1
        name = tag.rpartition(" ")[2]
        if name == "si":
            self._pieces = []
        elif name == "t":
            self._is_text = not self._is_phonetic
        elif name == "rPh":
            self._is_phonetic = True

    def _data(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        name = tag.rpartition(" ")[2]
        if name == "t":
            self._is_text = False
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "si":
            text = cells.unescaped("".join(self._pieces))
            self.found.append(text)
            self._memory += sys.getsizeof(text) + 8

    def refuse_costly(self) -> None:
        """Raise TooLargeWorkbookError where the texts so far take too much memory."""
        refuse_deep(self._depth)
        if self._memory > _MOST_MEMORY_OF_TEXTS:
            raise TooLargeWorkbookError
