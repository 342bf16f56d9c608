"""What a file holds before anyone has said which column is what: sheets, headers, first values."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from batch import columns
from batch.intake.encoding import look_at
from batch.intake.header import find_header, has_needed_names
from batch.intake.raw_rows import SUFFIXES
from batch.intake.workbook_reader import book_of
from batch.intake.workbook_rows import SheetRow
from batch.intake.workbook_sheets import Book, FoundSheet, opened
from batch.run_settings import InputOptions

SAMPLES = 3
_ROWS_LOOKED_AT = 200
"""Among how many rows the samples are sought: a column may begin with empty values."""
_LONGEST_SAMPLE = 60


class OutlinedColumn(Struct, frozen=True):
    """A column of the file: where it stands, its header, and the first values that are there."""

    place: int
    header: str
    samples: tuple[str, ...]


class Outline(Struct, frozen=True):
    """The columns of the file, or of one sheet; `fitting` are the sheets that may be meant.

    `hidden_rows` counts the rows with something in them that the sheet hides. `sheet` is None,
    and `fitting` empty, where the kind of file has no sheets.
    """

    columns: tuple[OutlinedColumn, ...]
    sheet: str | None = None
    fitting: tuple[str, ...] = ()
    hidden_rows: int = 0

    def header_at(self, place: int) -> str | None:
        """Return the header of the column at that place, None where there is none to choose."""
        return next((one.header for one in self.columns if one.place == place), None)


def outline_of(options: InputOptions) -> Outline:
    """Return what a file holds, whatever its columns are called. Raises UnusableFile."""
    if options.path.suffix.lower() not in SUFFIXES:
        return _of_csv(options)
    with contextlib.closing(book_of(options.path)) as book:
        return _of_book(book, options)


def _of_csv(options: InputOptions) -> Outline:
    encoded = look_at(options)
    with options.path.open(encoding=encoded.encoding, newline="") as text:
        header = find_header(options, text)
    with options.path.open(encoding=encoded.encoding, newline="") as text:
        for _ in range(header.lines):
            text.readline()
        return Outline(_outlined(header.names, _records(text, header.separator)))


def _records(text: io.TextIOBase, separator: str) -> Iterator[list[str]]:
    """Yield the first rows, as far as they are CSV: the check says where they are not."""
    reader = csv.reader(text, delimiter=separator)
    try:
        yield from itertools.islice(reader, _ROWS_LOOKED_AT)
    except csv.Error:
        return


def _outlined(
    header: Sequence[str], records: Iterable[Sequence[str]]
) -> tuple[OutlinedColumn, ...]:
    own = columns.own_column_count(tuple(header))
    samples: list[dict[str, None]] = [{} for _ in range(own)]
    for record in records:
        for found, value in zip(samples, record, strict=False):
            shown = columns.unguarded(value).strip(columns.SPACES)
            if shown and len(found) < SAMPLES:
                found[shown[:_LONGEST_SAMPLE]] = None
    return tuple(
        OutlinedColumn(place, header[place], tuple(samples[place]))
        for place in range(own)
        if not columns.is_blank([header[place]])
    )


def _of_book(book: Book, options: InputOptions) -> Outline:
    """Return the outline of the sheet that is named, or of the one that is most likely meant.

    That is the first visible one with the needed columns and rows, or with rows, or any.
    """
    visible = [name for name in book.names if name not in book.hidden]
    sheets = {name: opened(book, name, options) for name in visible or book.names}
    filled = [name for name, sheet in sheets.items() if sheet.has_rows]
    fitting = [name for name in filled if has_needed_names(sheets[name].header, options)]
    name = (fitting or filled or list(sheets))[0]
    if options.sheet in sheets:
        name = options.sheet
    return _of_sheet(sheets[name], tuple(filled) or (name,))


def _of_sheet(found: FoundSheet, names: tuple[str, ...]) -> Outline:
    start = next((at for at, name in enumerate(found.header) if not columns.is_blank([name])), 0)
    rows = list(found.rows)
    records = (_texts(row, start) for row in rows[:_ROWS_LOOKED_AT])
    hidden = sum(row.is_hidden for row in rows)
    return Outline(_outlined(found.header[start:], records), found.name, names, hidden)


def _texts(row: SheetRow, start: int) -> list[str]:
    width = max(row.texts, default=-1) + 1
    return [row.texts.get(at, "") for at in range(start, width)]
