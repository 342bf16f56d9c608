"""The corrected copy of a list: what is run where a person has corrected something.

The file that was given is never written to. In the copy every row keeps its number: a row that is
left out becomes a blank one.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import xlsxwriter
from msgspec import Struct
from msgspec.structs import replace

from batch import columns, files
from batch.app.lists import Corrections, ReadList, read_list
from batch.errors import unusable
from batch.intake.dates import quoted
from batch.intake.layout import SEPARATORS, Layout
from batch.intake.raw_rows import SUFFIXES, own_values
from batch.intake.workbook_reader import book_of
from batch.intake.workbook_rows import Cell, CellKind, SheetRow
from batch.record.workbook import WrittenBook, write_text
from batch.run_settings import InputOptions

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Copy(Struct, frozen=True):
    """A corrected copy: how to read it, and the rows that could not be copied as they stand."""

    options: InputOptions
    lost: frozenset[int] = frozenset()


def copied(read: ReadList, corrections: Corrections) -> Copy:
    """Write the corrected copy of a list, into a folder of its own beside the list; return it.

    A problem that only the file itself shows may not be in a copy, also of a row in which another
    value was corrected: such a row is left out, so that nothing is sent of a row that is refused.
    Raises UnusableFile, OSError.
    """
    options = read.options
    folder = options.path.parent / secrets.token_hex(8)
    files.make_own_folder(folder)
    suffix = ".xlsx" if options.path.suffix.lower() in SUFFIXES else ".csv"
    copy = replace(options, path=folder / f"corrected{suffix}", encoding=None)
    left_out = frozenset(corrections.left_out)
    _write(read, corrections, left_out, copy.path)
    lost = frozenset[int]()
    if read.only_in_the_file - left_out:
        refused = read.checked(corrections).problems.keys()
        lost = frozenset(refused - read_list(copy).checked().problems.keys())
    if lost:
        _write(read, corrections, left_out | lost, copy.path)
    return Copy(replace(copy, corrected=_told(read, corrections, lost, copy.path)), lost)


def _told(
    read: ReadList, corrections: Corrections, lost: AbstractSet[int], copy: Path
) -> dict[str, Any]:
    """Return what the manifest says of a copy: which rows and columns were changed, no values."""
    with copy.open("rb") as file:
        corrected = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": read.options.shown_name or read.options.path.name,
        "sha256": read.sha256,
        "corrected_sha256": corrected,
        **corrections.as_noted(read.layout.own, lost),
    }


def _write(
    read: ReadList, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    if copy.suffix == ".xlsx":
        _write_workbook(read, corrections, left_out, copy)
    else:
        _write_csv(read, corrections, left_out, copy)


def _write_csv(
    read: ReadList, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    layout = read.layout
    with files.replacing(copy) as written:
        text = _Utf8(written)
        writer = csv.writer(text, delimiter=layout.separator)
        written.write(b"\xef\xbb\xbf" + _above_the_header(layout))
        writer.writerow(_whole_header(layout))
        at = layout.header_row
        for raw in read.raws:
            for number, record in zip(raw.numbers, raw.records, strict=True):
                if number in left_out:
                    continue
                written.write(b"\r\n" * (number - at - 1))
                writer.writerow(_with(record, corrections.values.get(number), layout))
                at = number


def _above_the_header(layout: Layout) -> bytes:
    """Return the lines above a header: blank, but for one that names a separator nobody guesses."""
    named = "" if layout.separator in SEPARATORS else f"sep={layout.separator}"
    return (named + "\r\n" * (layout.header_row - 1)).encode()


def _whole_header(layout: Layout) -> list[str]:
    """Return the file's header, with the columns that a report of this tool added."""
    added = next(
        (
            one
            for one in columns.REPORT_COLUMNS_OF_ANY_VERSION
            if len(one) == layout.width - len(layout.own)
        ),
        (),
    )
    return [*layout.own, *added]


def _with(record: list[str], changed: Mapping[int, str] | None, layout: Layout) -> list[str]:
    """Return a row as it was read, or with what a person changed in it."""
    if changed is None:
        return record
    own, width = len(layout.own), layout.width
    values = own_values(record, layout)
    for place, value in changed.items():
        values[place] = columns.guarded(value)
    added = record[len(record) - (width - own) :] if len(record) >= width else record[own:]
    return values + added if width > own else values


class _Utf8:
    """Takes text, as `csv.writer` gives it, and writes it as UTF-8."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write some text."""
        self._file.write(text.encode("utf-8", "replace"))


def _write_workbook(
    read: ReadList, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    """Write the sheet that is read again, with the corrections in it: what is no text stays so."""
    first, name = read.layout.first_column, read.reader.sheet
    reason = read.layout.places.get(columns.DEFER_REASON)
    path = read.options.path
    with (
        contextlib.closing(book_of(path)) as book,
        files.replacing(copy) as written,
        files.patient(written) as patient,
    ):
        workbook = xlsxwriter.Workbook(patient, {"in_memory": True})
        made = _Copy(workbook, _sheet_called(name, workbook, path), reason, first)
        for row in book.rows(name or ""):
            if row.number not in left_out:
                made.add(row, corrections.values.get(row.number, {}))
        made.book.close()


def _sheet_called(name: str | None, book: Any, path: Path) -> Any:
    """Return a new sheet of that name. Raises UnusableFile for one that Excel does not take."""
    try:
        return book.add_worksheet(name)
    except xlsxwriter.exceptions.XlsxWriterException:
        raise unusable(
            path,
            f"Excel takes no sheet that is called {quoted(name or '')}, so it cannot be corrected "
            "here",
            hint="give the sheet another name, and choose the list again",
        ) from None


class _Copy:
    """A sheet as it is written again, each cell as what it was."""

    def __init__(self, book: Any, sheet: Any, reason: int | None, first: int) -> None:
        self.book = book
        self._sheet = sheet
        self._reason = reason
        self._first = first
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        plain = book.add_format({})
        self._made = WrittenBook(book, plain, plain, plain, plain)

    def add(self, row: SheetRow, typed: Mapping[int, str]) -> None:
        """Write a row, with the values in it that a person typed, by place."""
        if row.is_hidden:
            self._sheet.set_row(row.number - 1, None, None, {"hidden": True})
        whole = row.texts | {self._first + place: value for place, value in typed.items()}
        for at, text in whole.items():
            other = None if at - self._first in typed else row.others.get(at)
            if other is not None and at - self._first == self._reason and other.as_shown:
                self._write(row.number - 1, at, other.as_shown, None)  # what is shown is sent
            else:
                self._write(row.number - 1, at, text, other)

    def _write(self, row: int, at: int, text: str, other: Cell | None) -> None:
        """Write a cell; one whose formula was never calculated stays empty."""
        match other:
            case Cell(kind=CellKind.NUMBER):
                self._sheet.write_number(row, at, float(text))
            case Cell(kind=CellKind.DATE) if _DAY.fullmatch(text):
                moment = dt.datetime.fromisoformat(text)
                self._sheet.write_datetime(row, at, moment, self._day)
            case Cell(kind=CellKind.BOOLEAN):
                self._sheet.write_boolean(row, at, text == "TRUE")
            case Cell(kind=CellKind.ERROR):
                self._sheet.write_formula(row, at, f"={text}", None, text)
            case Cell(kind=CellKind.UNCALCULATED):
                pass
            case _:  # text, or a day with a time, or a time alone
                write_text(self._made, self._sheet, row, at, text)
