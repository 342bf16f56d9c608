"""A list as a person corrects it: the rows with problems, what was changed, the copy that is run.

The file that was given is never written to. Corrections are kept by row and place, and written
into a copy in which every row keeps its number: a row that is left out becomes a blank one.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import itertools
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xlsxwriter

from batch import columns, files
from batch.codes import Code
from batch.intake import dates
from batch.intake.checked_file import open_input
from batch.intake.header import Layout
from batch.intake.workbook_reader import SUFFIXES, book_of
from batch.intake.workbook_rows import Cell, CellKind, SheetRow
from batch.record.workbook import WrittenBook, write_text
from batch.rows import Problem, Row
from batch.run_settings import InputOptions

DATES_SHOWN = 3
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ORDER = {code: number for number, code in enumerate(Code)}


@dataclass(slots=True)
class Corrections:
    """What a person changed: values by row and place, and the rows that are left out.

    `lost` are rows left out because their problem is one of the file itself, which no copy has.
    """

    values: dict[int, dict[int, str]] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.values or self.left_out)

    def as_json(self, headers: Sequence[str]) -> dict[str, Any]:
        """Return which values were changed, by row and column, and which rows are left out."""
        return {
            "changed": [
                {"row": row, "column": headers[place]}
                for row, places in sorted(self.values.items())
                for place in sorted(places)
            ],
            "left_out": sorted(self.left_out),
        }


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A value of a row with problems: where it stands, and what is wrong with it, if anything."""

    place: int
    value: str
    messages: tuple[str, ...] = ()
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class RowAtFault:
    """A row with problems: its cells, those that are used first."""

    number: int
    cells: tuple[ShownCell, ...]
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class CheckedList:
    """What a check found of a list, with the rows that a person can correct."""

    sha256: str
    rows: int
    to_send: int
    to_correct: tuple[RowAtFault, ...]
    headers: tuple[str, ...]
    places: Mapping[str, int]
    notices: tuple[str, ...]
    dates: tuple[tuple[str, str], ...]
    """The first dates: as they are written, and as they were understood."""
    only_in_the_file: frozenset[int]
    """Rows with a problem that only the file itself shows: quotes, values that run over."""


def any_rows(
    options: InputOptions, found: CheckedList, *, first: int, count: int
) -> list[RowAtFault]:
    """Return so many rows of the list, with problems or not; `first` counts from 0.

    Raises UnusableFile.
    """
    with_problems = {row.number: row for row in found.to_correct}
    rows: list[RowAtFault] = []
    with open_input(options) as file:
        for chunk in file.chunks():
            rows += [
                with_problems.get(row.row_number) or _whole(row, file.layout)
                for row in itertools.islice(chunk.rows(), first, first + count - len(rows))
            ]
            first = max(0, first - len(chunk.raw.numbers))
            if len(rows) >= count:
                break
    return rows


def rows_of(
    options: InputOptions, found: CheckedList, numbers: AbstractSet[int]
) -> dict[int, RowAtFault]:
    """Return the rows of these numbers, as far as the list has them. Raises UnusableFile."""
    rows = {row.number: row for row in found.to_correct if row.number in numbers}
    if not numbers - rows.keys():
        return rows
    with open_input(options) as file:
        for chunk in file.chunks():
            for row in chunk.rows():
                if row.row_number in numbers and row.row_number not in rows:
                    rows[row.row_number] = _whole(row, file.layout)
    return rows


def _whole(row: Row, layout: Layout) -> RowAtFault:
    """Return a row without problems as one that can be corrected."""
    return _to_correct(row, (), layout)


def checked(options: InputOptions) -> CheckedList:
    """Check a list, and return the rows with problems whole. Raises UnusableFile."""
    problems: dict[int, list[Problem]] = {}
    with open_input(options) as file:
        chunks = list(file.chunks())
        found = itertools.chain.from_iterable(chunk.problems for chunk in chunks)
        for number, problem in itertools.chain(found, file.problems_of_the_whole()):
            problems.setdefault(number, []).append(problem)
        layout, reading = file.layout, file.reading()
    seen: list[tuple[str, str]] = []
    rows: list[RowAtFault] = []
    for chunk in chunks if problems else chunks[:1]:
        for row in chunk.rows():
            if len(seen) < DATES_SHOWN and row.deferral is not None:
                _see(seen, row.values, row.deferral.defer_date, layout)
            if row.row_number in problems:
                rows.append(_to_correct(row, problems[row.row_number], layout))
    return CheckedList(
        sha256=file.sha256,
        rows=file.row_count,
        to_send=file.row_count - len(problems),
        to_correct=tuple(rows),
        headers=layout.own,
        places=layout.places,
        notices=tuple(reading.notices),
        dates=tuple(seen),
        only_in_the_file=frozenset(
            chunk.raw.numbers[place] for chunk in chunks for place in chunk.raw.problems
        ),
    )


def _see(
    seen: list[tuple[str, str]], values: Sequence[str], defer_date: str, layout: Layout
) -> None:
    """Keep a date as it is written and as it is understood, each understanding once."""
    shown = in_words(defer_date)
    if shown not in {understood for _, understood in seen}:
        seen.append((values[layout.places[columns.DEFER_DATE]], shown))


def _to_correct(row: Row, problems: Sequence[Problem], layout: Layout) -> RowAtFault:
    used = set(layout.places.values())
    by_place: dict[int, list[str]] = {}
    for problem in sorted(problems, key=lambda one: _ORDER[one.code]):
        by_place.setdefault(_place_of(problem, layout), []).append(problem.message)
    cells = (
        ShownCell(place, value, tuple(by_place.get(place, ())), is_used=place in used)
        for place, value in enumerate(row.values)
        if place in by_place or not columns.is_blank([layout.own[place]])
    )
    shown = sorted(cells, key=lambda cell: not cell.is_used)
    return RowAtFault(row.row_number, tuple(shown), tuple(one.code for one in problems))


def _place_of(problem: Problem, layout: Layout) -> int:
    """Return where to look: a surplus stands in the last column, and a trainee has an id."""
    if problem.code is Code.WRONG_NUMBER_OF_VALUES:
        return len(layout.own) - 1
    if problem.column in layout.own:
        return layout.own.index(problem.column)
    return next(layout.places[name] for name in columns.NAMING if name in layout.places)


def in_words(day: str) -> str:
    """Return a date as people say it: `14 October 2026`."""
    parsed = dates.parsed(day, "iso")
    return day if parsed is None else f"{parsed.day} {parsed:%B %Y}"


def is_changed(before: str, told: str) -> bool:
    """Whether a form's value is another one: forms change line ends, and nothing else."""
    return _as_a_form_sends(before) != _as_a_form_sends(told)


def _as_a_form_sends(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")


def corrected(
    options: InputOptions, original: CheckedList, corrections: Corrections, folder: Path
) -> tuple[InputOptions, CheckedList]:
    """Write the corrected copy, check it, and return how to read it with what was found.

    A problem that only the file itself shows is not in a copy: such a row is left out unless the
    person has corrected it. Raises UnusableFile.
    """
    suffix = ".xlsx" if options.path.suffix.lower() in SUFFIXES else ".csv"
    copy = replace(options, path=folder / f"corrected{suffix}", encoding=None)
    doubtful = original.only_in_the_file - corrections.values.keys() - corrections.left_out
    corrections.lost = set()
    _write(options, corrections, corrections.left_out, copy.path)
    found = checked(copy)
    if lost := doubtful - {row.number for row in found.to_correct}:
        corrections.lost = set(lost)
        _write(options, corrections, corrections.left_out | lost, copy.path)
        found = checked(copy)
    return copy, found


def _write(
    options: InputOptions, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    if copy.suffix == ".xlsx":
        _write_workbook(options, corrections, left_out, copy)
    else:
        _write_csv(options, corrections, left_out, copy)


def _write_csv(
    options: InputOptions, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    with open_input(options) as file, files.replacing(copy) as written:
        layout = file.layout
        text = _Utf8(written)
        writer = csv.writer(text, delimiter=layout.separator)
        written.write(b"\xef\xbb\xbf" + b"\r\n" * (layout.header_row - 1))
        writer.writerow(_whole_header(layout))
        at = layout.header_row
        for chunk in file.chunks():
            for number, record in zip(chunk.raw.numbers, chunk.raw.records, strict=True):
                if number in left_out:
                    continue
                written.write(b"\r\n" * (number - at - 1))
                writer.writerow(_with(record, corrections.values.get(number), layout))
                at = number


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
    values = record[:own] + [""] * (own - len(record))
    if len(record) > width:  # too many values: the last of the own columns takes the surplus
        values[-1] = layout.separator.join([values[-1], *record[own : len(record) - width + own]])
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
    options: InputOptions, corrections: Corrections, left_out: AbstractSet[int], copy: Path
) -> None:
    """Write the sheet that is read again, with the corrections in it: what is no text stays so."""
    with open_input(options) as file:
        first, name = file.layout.first_column, file.reading().sheet
        reason = file.layout.places.get(columns.DEFER_REASON)
    with (
        contextlib.closing(book_of(options.path)) as book,
        files.replacing(copy) as written,
        files.patient(written) as patient,
    ):
        made = _Copy(xlsxwriter.Workbook(patient, {"in_memory": True}), name, reason, first)
        for row in book.rows(name or ""):
            if row.number not in left_out:
                made.add(row, corrections.values.get(row.number, {}))
        made.book.close()


class _Copy:
    """A sheet as it is written again, each cell as what it was."""

    def __init__(self, book: Any, name: str | None, reason: int | None, first: int) -> None:
        self.book = book
        self._sheet = book.add_worksheet(name)
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
