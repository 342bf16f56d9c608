"""`results.xlsx`: a sheet for each outcome and a summary, for those who never open a CSV."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from msgspec import Struct
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from batch import files
from batch.codes import TABLE, Code, Outcome
from batch.columns import REPORT_COLUMNS, added_cells
from batch.record.findings import headline
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord

MOST_ROWS = 1_048_575
MOST_CHARACTERS = 32_767
_CUT = " … (cut: the CSV holds all of it)"
_SUMMARY_WIDTHS = (44, 58, 70)
_ROOM_FOR_BUTTON = 4
_MARGIN = 3
_ROWS_MEASURED = 100
_WIDEST = 60
_A4 = 9
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class WrittenBook(Struct, frozen=True):
    """A workbook that is being written, and its formats."""

    book: Any
    bold: Any
    plain: Any
    left: Any
    header: Any


@contextlib.contextmanager
def writing_results(ledger: Ledger, run: RunRecord, path: Path) -> Iterator[Results]:
    """Yield a run's workbook, to which each row is added in its turn.

    What does not fit a sheet or a cell is cut there, and said so.
    """
    with writing_book(run, path) as made:
        _write_summary(made, ledger, run)
        results = Results(made, run)
        yield results
        results.end()


class Results:
    """The sheets of the outcomes, all of them written at once, each from top to bottom."""

    def __init__(self, made: WrittenBook, run: RunRecord) -> None:
        self._sheets = {outcome.value: _SheetOfRows(made, run, outcome) for outcome in Outcome}

    def add(self, row: RowRecord) -> None:
        """Write a row, as the CSVs have it, behind the others of its outcome."""
        self._sheets[row.outcome].add(_cells(row))

    def end(self) -> None:
        """Complete the sheets once every row is written."""
        for sheet in self._sheets.values():
            sheet.end()


@contextlib.contextmanager
def writing_book(run: RunRecord, path: Path) -> Iterator[WrittenBook]:
    """Yield a workbook of a run, which stands there afterwards: whole, private, or not at all.

    Its rows are written from top to bottom, and not held in memory. The same content gives the
    same bytes.
    """
    with (
        tempfile.TemporaryDirectory(
            dir=path.parent,
            prefix=f".{path.name}.",
            ignore_cleanup_errors=True,  # or what went wrong before would not be told
        ) as rows_on_the_way,
        files.replacing(path) as file,
        files.patient(file) as patient,
        contextlib.ExitStack() as closing,
    ):
        book = xlsxwriter.Workbook(patient, {**_OPTIONS, "tmpdir": rows_on_the_way})
        closing.callback(_close_rows_on_the_way, book)
        book.set_properties({"created": _began(run), "title": f"Run {run.run_id}"})
        yield WrittenBook(
            book,
            bold=book.add_format({"bold": True}),
            plain=book.add_format(),
            left=book.add_format({"align": "left"}),
            header=book.add_format({"bold": True, "bg_color": "#E4E9EE", "bottom": 1}),
        )
        try:
            book.close()
        except FileCreateError as error:  # what xlsxwriter makes of any OSError, as on a full disk
            raise error.args[0] from None


def _close_rows_on_the_way(book: Any) -> None:
    """Close what an unfinished book keeps its rows in: Windows deletes no file that is open."""
    for sheet in book.worksheets():
        if sheet.row_data_fh is not None:
            sheet.row_data_fh.close()


def _began(run: RunRecord) -> datetime:
    return datetime.fromisoformat(run.started_at).replace(tzinfo=None)


def _write_summary(made: WrittenBook, ledger: Ledger, run: RunRecord) -> None:
    sheet = made.book.add_worksheet("summary")
    for place, width in enumerate(_SUMMARY_WIDTHS):
        sheet.set_column(place, place, width)
    set_for_print(sheet)
    for place, (name, value, remark) in enumerate(_summary_lines(ledger, run)):
        write_text(made, sheet, place, 0, name, None if name.startswith(" ") else made.bold)
        if isinstance(value, int):
            sheet.write_number(place, 1, value, made.left)
        else:
            write_text(made, sheet, place, 1, value)
        write_text(made, sheet, place, 2, remark)


def set_for_print(sheet: Any) -> None:
    """Let a sheet print on one width of paper."""
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)


def _summary_lines(ledger: Ledger, run: RunRecord) -> Iterator[tuple[str, str | int, str]]:
    if run.banner:
        yield run.banner, "", ""
    yield "Run", run.run_id, ""
    yield "Run by", run.operator_name or run.operator, ""
    yield "File", run.input_name, ""
    yield "Rows", run.input_rows, ""
    yield "Register", run.base_url, ""
    yield "Started", run.started_at, ""
    yield "Finished", run.finished_at or "", ""
    if run.stopped_because:
        yield "Closed" if run.ended else "Stopped early", run.stopped_because, ""
    codes = ledger.counts(run.run_id)
    told = headline(run, codes)
    yield "Result", told.sentence, told.more
    for outcome in Outcome:
        known = [code for code in Code if code.outcome is outcome and code in codes]
        rows = sum(codes[code] for code in known)
        cut = f"the sheet holds the first {MOST_ROWS:,}, the CSV all" if rows > MOST_ROWS else ""
        yield _named(outcome), rows, cut
        yield from ((f"    {code.value}", codes[code], TABLE[code].advice) for code in known)


def _named(outcome: Outcome) -> str:
    """Return the words for an outcome, with the name of its sheet where that is another."""
    return outcome.label if outcome.label == outcome else f"{outcome.label} ({outcome})"


class _SheetOfRows:
    """The rows of one outcome; the columns are as wide as the first of them need."""

    def __init__(self, made: WrittenBook, run: RunRecord, outcome: Outcome) -> None:
        self._names = (*run.columns, *REPORT_COLUMNS)
        self._sheet = made.book.add_worksheet(outcome.value, worksheet_class=_Rows)
        self._sheet.freeze_panes(1, 0)
        self._sheet.repeat_rows(0)
        set_for_print(self._sheet)
        for place, name in enumerate(self._names):
            write_text(made, self._sheet, 0, place, name, made.header)
        self._sheet.number_style = made.left
        self._first: list[Sequence[str | int | None]] = []
        self._last = 0

    def add(self, cells: Sequence[str | int | None]) -> None:
        if self._last >= MOST_ROWS:
            return
        self._last += 1
        self._sheet.write_cells(self._last, cells)
        if self._last <= _ROWS_MEASURED:
            self._first.append(cells)

    def end(self) -> None:
        for place, width in enumerate(widths_of(self._names, iter(self._first))):
            self._sheet.set_column(place, place, width)
        self._sheet.autofilter(0, 0, self._last, len(self._names) - 1)


class _Rows(Worksheet):  # type: ignore[misc]  # xlsxwriter has no types
    """A sheet that writes whole rows at once, as the library's own way would, cell for cell.

    That takes most of what a report takes: it makes an object, a list of attributes and a range
    in letters of each cell, and looks three times for what is to be escaped.
    """

    number_style: Any = None

    def write_cells(self, row: int, cells: Sequence[str | int | None]) -> None:
        """Write a row below all others, from its first column: None and "" leave a cell out."""
        self._write_single_row(row)  # the one before, where the library holds it
        number = f'{row + 1}"'
        style = f' s="{self.number_style._get_xf_index()}"'  # noqa: SLF001 — as the library does
        letters = _letters(min(len(cells), self.xls_colmax))
        filled = [
            (letter, value)
            for letter, value in zip(letters, cells, strict=False)
            if value or value == 0
        ]
        if not filled:
            return
        self._check_dimensions(row, letters.index(filled[-1][0]))
        written = "".join(
            f'<c r="{letter}{number}{style}><v>{value}</v></c>'
            if isinstance(value, int)
            else f'<c r="{letter}{number} t="inlineStr"><is>{self._text(value)}</is></c>'
            for letter, value in filled
        )
        self.fh.write(f'<row r="{number}>{written}</row>')

    def _text(self, value: str) -> str:
        if not _TO_ESCAPE.search(value) and len(value) <= MOST_CHARACTERS // 2:
            return f"<t>{value}</t>"
        text = self._escape_control_characters(_cut(value))
        kept = ' xml:space="preserve"' if text[0].isspace() or text[-1].isspace() else ""
        return f"<t{kept}>{self._escape_data(text)}</t>"


_TO_ESCAPE = re.compile(r"[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_x[0-9a-fA-F]{4}_|^\s|\s\Z")
"""What a cell's text cannot hold as it is; a space at its edges has to be kept expressly."""


@functools.cache
def _letters(count: int) -> tuple[str, ...]:
    """Return the letters of the first columns."""
    return tuple(map(xl_col_to_name, range(count)))


def widths_of(names: tuple[str, ...], rows: Iterator[Sequence[str | int | None]]) -> list[int]:
    """Return each column's room: for its name, the filter's button, what its first rows hold."""
    widths = [len(name) + _ROOM_FOR_BUTTON for name in names]
    for row in itertools.islice(rows, _ROWS_MEASURED):
        told = ("" if value is None else str(value) for value in row)
        widths = [
            max(pair) for pair in zip(widths, (len(text) + _MARGIN for text in told), strict=True)
        ]
    return [min(width, _WIDEST) for width in widths]


def _cells(row: RowRecord) -> tuple[str | int | None, ...]:
    return (*row.values, *added_cells(row))


def write_text(
    made: WrittenBook, sheet: Any, place: int, column: int, value: str, style: Any = None
) -> None:
    """Write a cell that is text, whatever it looks like, cut to what a cell holds."""
    text = _cut(value)
    if text[:3] == "<r>" and text.endswith("</r>"):
        # xlsxwriter would take this for marked-up text of its own, and write it as it stands
        sheet.write_rich_string(place, column, text[0], made.plain, text[1:], style or made.plain)
    else:
        sheet.write_string(place, column, text, style)


def _cut(value: str) -> str:
    """Return a text that fits a cell, which holds so many UTF-16 units."""
    is_short = len(value) <= MOST_CHARACTERS // 2
    if is_short or len(value.encode("utf-16-le")) // 2 <= MOST_CHARACTERS:
        return value
    kept = value.encode("utf-16-le")[: 2 * (MOST_CHARACTERS - len(_CUT))]
    return kept.decode("utf-16-le", "ignore") + _CUT
