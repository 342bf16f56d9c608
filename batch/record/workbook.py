"""`results.xlsx`: a sheet for each outcome and a summary, for those who never open a CSV."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from batch import files
from batch.codes import TABLE, Code, Outcome
from batch.columns import REPORT_COLUMNS, added_cells
from batch.record.findings import headline
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord, as_told

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


@dataclass(frozen=True, slots=True)
class WrittenBook:
    """A workbook that is being written, and its formats."""

    book: Any
    bold: Any
    plain: Any
    left: Any
    header: Any


def write_workbook(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write a run's workbook; what does not fit a sheet or a cell is cut there, and said so."""
    run = ledger.run(run_id)
    with writing_book(run, path) as made:
        _write_summary(made, ledger, run)
        for outcome in Outcome:
            _write_rows(made, ledger, run, outcome)


@contextlib.contextmanager
def writing_book(run: RunRecord, path: Path) -> Iterator[WrittenBook]:
    """Yield a workbook of a run, which stands there afterwards: whole, private, or not at all.

    Its rows are written from top to bottom, and not held in memory. The same content gives the
    same bytes.
    """
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as rows_on_the_way,
        files.replacing(path) as file,
        files.patient(file) as patient,
    ):
        book = xlsxwriter.Workbook(patient, {**_OPTIONS, "tmpdir": rows_on_the_way})
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


def _write_rows(made: WrittenBook, ledger: Ledger, run: RunRecord, outcome: Outcome) -> None:
    sheet = made.book.add_worksheet(outcome.value)
    names = (*run.columns, *REPORT_COLUMNS)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    set_for_print(sheet)
    for place, width in enumerate(widths_of(names, map(_cells, ledger.rows(run.run_id, outcome)))):
        sheet.set_column(place, place, width)
    for place, name in enumerate(names):
        write_text(made, sheet, 0, place, name, made.header)
    last = 0
    for place, row in enumerate(ledger.rows(run.run_id, outcome), 1):
        if place > MOST_ROWS:
            break
        for column, value in enumerate(_cells(as_told(row, run))):
            if isinstance(value, int):
                sheet.write_number(place, column, value, made.left)
            elif value:
                write_text(made, sheet, place, column, value)
        last = place
    sheet.autofilter(0, 0, last, len(names) - 1)


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
    text = value if len(value) <= MOST_CHARACTERS // 2 else _fitting(value)
    if text[:3] == "<r>" and text.endswith("</r>"):
        # xlsxwriter would take this for marked-up text of its own, and write it as it stands
        sheet.write_rich_string(place, column, text[0], made.plain, text[1:], style or made.plain)
    else:
        sheet.write_string(place, column, text, style)


def _fitting(value: str) -> str:
    """Return a text that fits a cell, which holds so many UTF-16 units."""
    if len(value.encode("utf-16-le")) // 2 <= MOST_CHARACTERS:
        return value
    kept = value.encode("utf-16-le")[: 2 * (MOST_CHARACTERS - len(_CUT))]
    return kept.decode("utf-16-le", "ignore") + _CUT
