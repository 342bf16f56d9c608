"""Which sheet of a workbook is read, and where its header stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from batch import columns
from batch.errors import UnusableFile, unusable
from batch.intake.dates import quoted
from batch.intake.header import MOST_ROWS_ABOVE, has_needed_names
from batch.intake.workbook_archive import Archive, BrokenWorkbookError, TooLargeWorkbookError
from batch.intake.workbook_rows import Known, Merged, SheetRow, filled_rows
from batch.run_settings import InputOptions


class FoundSheet(Struct):
    """A sheet and its header, with the rows behind it still to come."""

    name: str
    header: list[str]
    header_row: int
    rows: Iterator[SheetRow]
    has_rows: bool = False
    blank_rows: int = 0
    last_row: int = 0


class Book:
    """A workbook: its sheets, which of them are hidden, and their rows. Raises UnusableFile."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        with _in_words(path):
            self._archive = Archive(data)
            self._known = Known(self._archive)
        sheets = self._archive.sheets
        self._parts = {sheet.name: sheet.part for sheet in sheets}
        self.names: tuple[str, ...] = tuple(sheet.name for sheet in sheets)
        self.merged: dict[str, list[Merged]] = {}
        """By sheet, known after its rows: cells merged over several rows."""
        self.hidden: tuple[str, ...] = tuple(sheet.name for sheet in sheets if sheet.is_hidden)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def rows(self, name: str) -> Iterator[SheetRow]:
        """Yield the rows of a sheet in which something stands."""
        with _in_words(self.path):
            merged = self.merged[name] = []
            yield from filled_rows(self._archive, self._parts[name], self._known, merged)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn what the archive raises into what is told of the file."""
    try:
        yield
    except BrokenWorkbookError:
        raise unusable(
            path,
            "it is not a workbook that can be read",
            hint="open it in Excel and save it again as .xlsx, or as CSV UTF-8",
        ) from None
    except TooLargeWorkbookError:
        raise too_large(path) from None


def too_large(path: Path) -> UnusableFile:
    """Return that a workbook would take more time or memory than any list."""
    return unusable(
        path,
        "it is too large for a workbook of trainees",
        hint="save the sheet as CSV UTF-8, and name that file",
    )


def chosen_sheet(book: Book, options: InputOptions) -> FoundSheet:
    """Return the sheet that is read. Raises UnusableFile where several could be the right one."""
    if options.sheet is not None:
        return _named_sheet(book, options, options.sheet)
    _refuse_own_report(book, options)
    visible = [opened(book, name, options) for name in book.names if name not in book.hidden]
    fitting = [sheet for sheet in visible if has_needed_names(sheet.header, options)]
    filled = [sheet for sheet in fitting if sheet.has_rows]
    if len(filled) > 1:
        raise _several(book, options, filled)
    if filled or fitting:
        return (filled or fitting)[0]
    if hidden := _hidden_that_fits(book, options):
        raise unusable(
            book.path,
            f"only the hidden sheet {quoted(hidden)} has the needed columns",
            hint=f"to use it: `{options.command_with('--sheet', hidden)}`",
        )
    for sheet in visible:
        if not columns.is_blank(sheet.header):
            return sheet
    raise unusable(
        book.path, "its sheet is empty", hint="name another sheet with --sheet, if there is one"
    )


def _named_sheet(book: Book, options: InputOptions, name: str) -> FoundSheet:
    if name not in book.names:
        raise unusable(
            book.path,
            f"there is no sheet {quoted(name)}",
            notes=("found: " + ", ".join(map(quoted, book.names[:20])),),
            hint="name one of these with --sheet",
        )
    return opened(book, name, options)


def _several(book: Book, options: InputOptions, filled: list[FoundSheet]) -> UnusableFile:
    ways = " or ".join(f"`{options.command_with('--sheet', sheet.name)}`" for sheet in filled[:5])
    return unusable(
        book.path,
        f"{len(filled)} sheets have the needed columns and rows",
        hint=f"name the right one: {ways}",
    )


def _hidden_that_fits(book: Book, options: InputOptions) -> str | None:
    fitting = (
        name
        for name in book.hidden
        if has_needed_names(opened(book, name, options).header, options)
    )
    return next(fitting, None)


def _refuse_own_report(book: Book, options: InputOptions) -> None:
    """Raise UnusableFile for a run's `results.xlsx`, which has a sheet for each outcome."""
    if not {"succeeded", "not_found", "unprocessable", "unresolved"} <= {
        name.lower().replace(" ", "_") for name in book.names
    }:
        return
    sheet = next(name for name in book.names if name.lower() == "unprocessable")
    header = opened(book, sheet, options).header
    if columns.own_column_count(tuple(header)) < len(header):
        raise unusable(
            book.path,
            "it is the report of a run, with a sheet for each outcome",
            hint=f"to run the rows that were refused: `{options.command_with('--sheet', sheet)}`",
        )


def opened(book: Book, name: str, options: InputOptions) -> FoundSheet:
    """Return a sheet's header: the first filled row, or the only later one that fits."""
    rows = book.rows(name)
    above: list[SheetRow] = []
    for row in rows:
        above.append(row)
        fits = has_needed_names(_values(row), options)
        if (fits and len(above) == 1) or row.number > MOST_ROWS_ABOVE:
            break
    if not above:
        return FoundSheet(name, [""], 1, iter(()))
    fitting = [at for at, row in enumerate(above) if has_needed_names(_values(row), options)]
    at = fitting[0] if len(fitting) == 1 else 0
    below = above[at + 1 :] or list(itertools.islice(rows, 1))
    return FoundSheet(
        name,
        [columns.unguarded(value.strip(columns.SPACES)) for value in _values(above[at])],
        above[at].number,
        itertools.chain(below, rows),
        has_rows=bool(below),
        blank_rows=above[at].number - 1 - at,
        last_row=above[at].number,
    )


def _values(row: SheetRow) -> list[str]:
    """Return a row's values from the first column to the last that is not blank."""
    last = max((at for at, text in row.texts.items() if not columns.is_blank([text])), default=-1)
    return [row.texts.get(at, "") for at in range(last + 1)]
