"""`to-correct.xlsx`: the rows that a person can correct, as they were, ready to be run again.

What the tool says of them stands behind them, and beside the cell at fault, as a note. Each row
names the row of the first list that it goes back to, through as many rounds as it takes.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batch import columns
from batch.codes import CORRECTABLE, Code, Outcome
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord, as_told
from batch.record.workbook import (
    MOST_ROWS,
    WrittenBook,
    set_for_print,
    widths_of,
    write_text,
    writing_book,
)
from batch.rows import Problem

SHEET = "to correct"
MOST_NOTES = 5_000
"""Spreadsheets become slow beyond; the column `problem` has every reason."""

_LETTERS_A_LINE = 42
_DATES = (columns.DEFER_DATE, columns.DATE_OF_BIRTH)
_FIRST_DAY = dt.date(1900, 3, 1)
"""The first day whose number all spreadsheets agree on."""

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DMY = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", re.ASCII)
_AS_WRITTEN = frozenset({Code.AMBIGUOUS_DEFER_DATE, Code.INVALID_DEFER_DATE})
"""Codes of dates that a date cell would claim to know."""

_AT_FAULT: Mapping[Code, str] = {
    Code.MALFORMED_TRN: columns.TRN,
    Code.MALFORMED_HESA_ID: columns.HESA_ID,
    Code.MISSING_DEFER_DATE: columns.DEFER_DATE,
    Code.INVALID_DEFER_DATE: columns.DEFER_DATE,
    Code.UNUSUAL_DEFER_DATE: columns.DEFER_DATE,
    Code.AMBIGUOUS_DEFER_DATE: columns.DEFER_DATE,
    Code.UNUSABLE_REASON: columns.DEFER_REASON,
    Code.REASON_TOO_LONG: columns.DEFER_REASON,
}
"""The column at fault where a problem names none; for every other code it names the trainee."""


class RowToCorrect(Struct, frozen=True):
    """A row, its cells as they were, and what is wrong with which of them, by place.

    `problem` is all that is said of it, `at_fault` the headers of the cells at fault;
    `original_row` and `original_run` name the row of the first list.
    """

    cells: tuple[str | dt.date, ...]
    notes: Mapping[int, str]
    problem: str
    at_fault: str
    original_row: str
    original_run: str

    @property
    def shown(self) -> tuple[str, ...]:
        """Every cell as text, those that are added included."""
        added = (self.problem, self.at_fault, self.original_row, self.original_run)
        return (*map(str, self.cells), *added)


class _Formats(Struct, frozen=True):
    """How cells look: text stays text and a date a date, also where somebody types over it."""

    text: Any
    date: Any
    text_at_fault: Any
    date_at_fault: Any
    told: Any

    def of(self, *, is_date: bool, is_at_fault: bool) -> Any:
        if is_date:
            return self.date_at_fault if is_at_fault else self.date
        return self.text_at_fault if is_at_fault else self.text


def counted(codes: Mapping[str, int]) -> int:
    """Return how many rows a person can correct, of counts by code."""
    return sum(count for code, count in codes.items() if code in CORRECTABLE)


def write_to_correct(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write the rows that a person can correct; none: remove what an earlier report left there."""
    if not counted(ledger.counts(run_id)):
        path.unlink(missing_ok=True)
        return
    run = ledger.run(run_id)
    with writing_book(run, path) as made:
        sheet = _Sheet(made, run)
        sheet.begin(rows_to_correct(ledger, run))
        for row in itertools.islice(rows_to_correct(ledger, run), MOST_ROWS):
            sheet.add(row)
        sheet.end()


def rows_to_correct(ledger: Ledger, run: RunRecord) -> Iterator[RowToCorrect]:
    """Yield the rows of a run that a person can correct, in the order of the file."""
    places = _own_places(run)
    origin = columns.origin_places(run.columns)
    noted = ledger.problems_of_rows(run.run_id)
    for row in ledger.rows(run.run_id, Outcome.UNPROCESSABLE):
        if row.code not in CORRECTABLE:
            continue
        problems = noted.get(row.row_number) or [Problem(Code(row.code), "", row.message)]
        message = as_told(row, run).message
        if _is_joined(problems):
            problems, message = [replace(problems[0], message=_JOINED)], _JOINED
        original_row, original_run = str(row.row_number), run.run_id
        if origin is not None and row.values[origin[1]].strip():
            original_row, original_run = (row.values[at].strip() for at in origin)
        notes = _notes(run, places, problems)
        yield RowToCorrect(
            cells=tuple(_cell(run, row, at, problems) for at in places),
            notes=notes,
            problem=message,
            at_fault=", ".join(run.columns[places[place]] for place in notes),
            original_row=original_row,
            original_run=original_run,
        )


_LETTERS_A_CELL = 55
_POINTS_A_LINE = 15
_JOINED = (
    "The row had more values than the header has columns. The rest was joined onto the last column "
    "here: look whether the row is right so."
)


def _is_joined(problems: Sequence[Problem]) -> bool:
    """Whether a row's surplus values stand on its last column: in a workbook quotes do nothing."""
    only = problems[0]
    return only.code is Code.WRONG_NUMBER_OF_VALUES and " more values than " in only.message


def _own_places(run: RunRecord) -> list[int]:
    """Return where the list's own columns stand: `original_row` and `original_run` go last."""
    origin = columns.origin_places(run.columns) or ()
    return [at for at in range(len(run.columns)) if at not in origin]


def _date_places(run: RunRecord) -> frozenset[int]:
    headers = {run.held_in[name] for name in _DATES if name in run.held_in}
    return frozenset(
        place for place, at in enumerate(_own_places(run)) if run.columns[at] in headers
    )


def _cell(run: RunRecord, row: RowRecord, at: int, problems: Sequence[Problem]) -> str | dt.date:
    """Return a value as it was: a date where its column is one of dates and it is one for sure."""
    value = row.values[at]
    if run.columns[at] == run.held_in.get(columns.DEFER_DATE):
        if not _AS_WRITTEN.isdisjoint(problem.code for problem in problems):
            return value
        day = row.defer_date or value
    elif run.columns[at] == run.held_in.get(columns.DATE_OF_BIRTH):
        day = value
    else:
        return value
    return _day(day, run.date_format) or value


def _day(text: str, date_format: str) -> dt.date | None:
    """Return the day of a date that a workbook holds as one; other shapes read alike as text."""
    text = text.strip(columns.SPACES + "'")
    try:
        if found := _ISO.fullmatch(text):
            day = dt.date(int(found[1]), int(found[2]), int(found[3]))
        elif date_format == "dmy" and (found := _DMY.fullmatch(text)):
            day = dt.date(int(found[4]), int(found[3]), int(found[1]))
        else:
            return None
    except ValueError:
        return None
    return day if day >= _FIRST_DAY else None


def _notes(run: RunRecord, places: Sequence[int], problems: Sequence[Problem]) -> dict[int, str]:
    """Return what is said beside each cell at fault, by its place in the row."""
    found: dict[int, list[str]] = {}
    for problem in problems:
        place = places.index(_at_fault(run, places, problem))
        found.setdefault(place, []).append(problem.message)
    return {place: "\n".join(words) for place, words in sorted(found.items())}


def _at_fault(run: RunRecord, places: Sequence[int], problem: Problem) -> int:
    """Return where among the run's columns the cell at fault stands.

    Of a row with too many values it is the last, onto which the surplus was joined.
    """
    if problem.column in run.columns:
        return run.columns.index(problem.column)
    if problem.code is Code.WRONG_NUMBER_OF_VALUES:
        return places[-1]
    known = _AT_FAULT.get(problem.code)
    naming = [run.held_in[name] for name in columns.NAMING if name in run.held_in]
    header = run.held_in.get(known, "") if known else "".join(naming[:1])
    return run.columns.index(header) if header in run.columns else places[0]


class _Sheet:
    """The only sheet, written row by row."""

    def __init__(self, made: WrittenBook, run: RunRecord) -> None:
        self._made = made
        self._own = [run.columns[at] for at in _own_places(run)]
        self._dates = _date_places(run)
        self._formats = _formats(made)
        self._sheet = made.book.add_worksheet(SHEET)
        self._last = 0

    def begin(self, rows: Iterable[RowToCorrect]) -> None:
        """Write the header over columns as wide as the first of the rows need."""
        sheet = self._sheet
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        set_for_print(sheet)
        names = (*self._own, *columns.CORRECTION_COLUMNS)
        for place, width in enumerate(widths_of(names, (row.shown for row in rows))):
            sheet.set_column(place, place, width, self._format(place, is_at_fault=False))
        for place, name in enumerate(names):
            write_text(self._made, sheet, 0, place, columns.guarded(name), self._made.header)

    def add(self, row: RowToCorrect) -> None:
        """Write one row behind the others, with a note beside each cell at fault."""
        self._last += 1
        lines = 1 + len(row.problem) // _LETTERS_A_CELL
        if lines > 1:  # not every office program makes room by itself
            self._sheet.set_row(self._last, lines * _POINTS_A_LINE)
        for place, value in enumerate((*row.cells, *row.shown[len(row.cells) :])):
            style = self._format(place, is_at_fault=place in row.notes)
            if isinstance(value, dt.date):
                day = dt.datetime.combine(value, dt.time())
                self._sheet.write_datetime(self._last, place, day, style)
            elif value:
                text = columns.guarded(value)
                write_text(self._made, self._sheet, self._last, place, text, style)
            else:
                self._sheet.write_blank(self._last, place, None, style)
        if self._last <= MOST_NOTES:
            for place, words in row.notes.items():
                self._sheet.write_comment(self._last, place, words, _note(words))

    def end(self) -> None:
        """Complete the sheet once its last row is written."""
        last_column = len(self._own) + len(columns.CORRECTION_COLUMNS) - 1
        self._sheet.autofilter(0, 0, self._last, last_column)

    def _format(self, place: int, *, is_at_fault: bool) -> Any:
        if place >= len(self._own):
            return self._formats.told
        return self._formats.of(is_date=place in self._dates, is_at_fault=is_at_fault)


def _formats(made: WrittenBook) -> _Formats:
    at_fault = {"bg_color": "#FFF2A8", "border": 2, "border_color": "#A35200"}
    text = {"num_format": "@", "valign": "top"}
    date = {"num_format": "yyyy-mm-dd", "align": "left", "valign": "top"}
    return _Formats(
        text=made.book.add_format(text),
        date=made.book.add_format(date),
        text_at_fault=made.book.add_format(text | at_fault),
        date_at_fault=made.book.add_format(date | at_fault),
        told=made.book.add_format(text | {"font_color": "#4D5660", "text_wrap": True}),
    )


def _note(words: str) -> dict[str, Any]:
    """Return how a note looks: in pixels as large as its words need."""
    lines = sum(1 + len(line) // _LETTERS_A_LINE for line in words.split("\n"))
    return {"author": "defer-batch", "width": 300, "height": 24 + 18 * lines}
