"""A workbook's sheet → its rows, with the numbers of the sheet."""

from __future__ import annotations

import bisect
import hashlib
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from batch import columns
from batch.codes import Code
from batch.errors import unusable
from batch.intake.cell_problems import problems_of
from batch.intake.dates import quoted
from batch.intake.encoding import Encoded
from batch.intake.layout import TEMPLATE_HINT, layout_of
from batch.intake.raw_rows import (
    RawChunk,
    without_empty_surplus,
    without_value_in_nameless,
)
from batch.intake.workbook_rows import CellKind, SheetRow
from batch.intake.workbook_sheets import Book, chosen_sheet, too_large
from batch.rows import Problem
from batch.run_settings import InputOptions

MOST_ROWS = 200_000
_ROWS_A_CHUNK = 8_000
"""A row as it is read holds its cells as objects, a KB of them."""

_LETTERS_A_CHUNK = 16 << 20
_MOST_BYTES = 64 << 20
_OLD = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK"
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"
"""The first part of an archive of LibreOffice's own kind, which is not compressed."""


class WorkbookReader:
    """Reads one sheet: `layout` at once, `chunks` as they are asked for."""

    is_csv = False
    letters = None

    def __init__(self, options: InputOptions) -> None:
        self._options = options
        self._path = options.path
        data = _bytes_of(options.path)
        self.encoded = Encoded("xlsx", len(data))
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._book = Book(options.path, data)
        found = chosen_sheet(self._book, options)
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
        self._numbers: array[int] = array("L")

    def close(self) -> None:
        """Let go of the workbook."""
        self._book.close()

    def chunks(self) -> Iterator[RawChunk]:
        """Yield the rows of the sheet behind its header. Raises UnusableFile."""
        rows: list[SheetRow] = []
        letters = 0
        for row in self._filled_rows():
            rows.append(row)
            letters += self.layout.width + sum(map(len, row.texts.values()))
            if len(rows) >= _ROWS_A_CHUNK or letters > _LETTERS_A_CHUNK:
                yield self._chunk(rows)
                rows, letters = [], 0
        if rows:
            yield self._chunk(rows)
        self._refuse_merged_reasons()
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
        problems: dict[int, tuple[Problem, ...]] = {}
        dates: list[int] = []
        date_at = self.layout.first_column + self.layout.places[columns.DEFER_DATE]
        for place, row in enumerate(rows):
            if found := tuple(problems_of(row.others, self.layout)):
                problems[place] = found
            if date_at in row.others and row.others[date_at].kind is CellKind.DATE:
                dates.append(place)
        nameless = self._left_of_the_table(rows)
        nameless |= without_value_in_nameless(records, numbers, self.layout)
        return RawChunk(numbers, records, problems | nameless, date_cells=frozenset(dates))

    def _refuse_merged_reasons(self) -> None:
        """Raise UnusableFile where a row shows a reason that only the row above it holds."""
        place = self.layout.places.get(columns.DEFER_REASON)
        if place is None:
            return
        for merged in self._book.merged.get(self._found.name, []):
            second = bisect.bisect_right(self._numbers, merged.rows.start)
            has_second = self._numbers[second : second + 1] and (
                self._numbers[second] in merged.rows
            )
            if has_second and self.layout.first_column + place in merged.columns:
                raise unusable(
                    self._path,
                    f"the reasons in {merged.reference} are merged into one cell, "
                    "so only the first of these rows holds it",
                    hint="unmerge the cells, and write the reason into each row",
                )

    def _left_of_the_table(self, rows: list[SheetRow]) -> dict[int, tuple[Problem, ...]]:
        """Return the rows, by place, with a value left of the header; numbers count the rows."""
        found: dict[int, tuple[Problem, ...]] = {}
        for at in range(self.layout.first_column):
            for place, row in enumerate(rows):
                value = row.texts.get(at, "").strip(columns.SPACES)
                if value and not value.isdecimal():
                    cell = self.layout.cell(at - self.layout.first_column, row.number)
                    words = f"{cell} holds a value, but its column has no name: give the column a"
                    words += " name, or empty the cell."
                    found.setdefault(place, (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words),))
        return found

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
                raise unusable(
                    self._path,
                    f"it has more than {MOST_ROWS:,} rows, which is too many for a workbook",
                    hint="save the sheet as CSV UTF-8, and name that file",
                )
            self._numbers.append(row.number)
            yield row

    def _record(self, row: SheetRow) -> list[str]:
        """Return a row as text: as wide as the header, and what stands right of it behind that."""
        start, width = self.layout.first_column, self.layout.width
        texts = row.texts
        record = [texts.get(at, "") for at in range(start, start + width)]
        if max(texts, default=0) >= start + width:
            record += [texts[at] for at in texts if at >= start + width]
        reason = self.layout.places.get(columns.DEFER_REASON)
        if reason is not None and (shown := row.others.get(start + reason)) is not None:
            record[reason] = shown.text if shown.as_shown is None else shown.as_shown
        return without_empty_surplus(record, self.layout)


def book_of(path: Path) -> Book:
    """Return a workbook, opened: the caller closes it. Raises UnusableFile."""
    return Book(path, _bytes_of(path))


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise too_large(path)
        data = path.read_bytes()
    except OSError as error:
        why = f"it cannot be read ({error.strerror or error})"
        raise unusable(path, why, hint="is it open elsewhere, or another user's?") from None
    if (instead := _instead_of_a_workbook(path, data)) is not None:
        why, hint = instead
        raise unusable(path, why, hint=hint)
    return data


def _instead_of_a_workbook(path: Path, data: bytes) -> tuple[str, str] | None:
    """Return what a file under the name of a workbook is, and what to do; None for a workbook."""
    if not data:
        return "it is empty", TEMPLATE_HINT
    if path.name.startswith("~$"):
        hint = f"name the workbook itself: {path.name.removeprefix('~$')}"
        return "it is what Excel keeps beside a workbook that is open", hint
    if data.startswith(_OLD):
        hint = "save it without a password as .xlsx, or as CSV UTF-8"
        return "it is protected by a password, or an old Excel workbook", hint
    if _OPEN_DOCUMENT in data[:128]:
        hint = "open it, save it as .xlsx or as CSV UTF-8, and name that file"
        return f"it is a LibreOffice file under the name {path.suffix}", hint
    if data.startswith(b"%PDF"):
        return "it is a PDF", "save the list as CSV UTF-8, and name that file"
    if data.startswith(_ZIP) or not _is_text(data[:4096]):
        return None
    if data.lstrip()[:1] == b"<":
        hint = "open it in a spreadsheet, save it as .xlsx, and name that file"
        return f"it is a web page under the name {path.suffix}", hint
    hint = f"rename it to {path.with_suffix('.csv').name}, and name that file"
    return f"it is a CSV under the name {path.suffix}", hint


def _is_text(start: bytes) -> bool:
    return bool(start.strip()) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", start)
