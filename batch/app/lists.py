"""A list as a person corrects it: read once, checked again at each correction from memory.

Corrections are kept by row and place; what is true of the list with them is told at once, and the
copy that is run is written later (`copies`).
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct, field

from batch import columns
from batch.codes import Code
from batch.intake import dates
from batch.intake.checked_file import InputFile, RowChunk
from batch.intake.csv_reader import CsvReader
from batch.intake.encoding import look_at
from batch.intake.layout import Layout
from batch.intake.raw_rows import SUFFIXES, RawChunk, own_values, without_value_in_nameless
from batch.intake.workbook_reader import WorkbookReader
from batch.rows import Problem
from batch.run_settings import InputOptions
from batch.words import day_of

DATES_SHOWN = 3
_ORDER = {code: number for number, code in enumerate(Code)}


class Corrections(Struct):
    """What a person changed: values by row and place, and the rows that are left out."""

    values: dict[int, dict[int, str]] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.values or self.left_out)

    def as_noted(self, headers: Sequence[str], lost: AbstractSet[int]) -> dict[str, Any]:
        """Return which values were changed, by row and column, and which rows are left out.

        `lost` are rows that could not be copied as they stand, and are left out too.
        """
        return {
            "changed": [
                {"row": row, "column": headers[place]}
                for row, places in sorted(self.values.items())
                for place in sorted(places)
            ],
            "left_out": sorted(self.left_out | lost),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the corrections as a job holds them, values and all."""
        values = [(row, place, v) for row, of in self.values.items() for place, v in of.items()]
        return {"values": values, "left_out": sorted(self.left_out)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Corrections:
        """Return the corrections that `as_json` wrote."""
        found = cls(left_out=set(told["left_out"]))
        for row, place, value in told["values"]:
            found.values.setdefault(row, {})[place] = value
        return found


class ShownCell(Struct, frozen=True):
    """A value of a row: where it stands, and what is wrong with it, if anything."""

    place: int
    value: str
    messages: tuple[str, ...] = ()


class ShownRow(Struct, frozen=True):
    """A row of the list as a page shows it, its cells in the order of the file."""

    number: int
    cells: tuple[ShownCell, ...]


class CheckedList(Struct, frozen=True):
    """What is true of a list as it stands: the problems of its rows, and the rows at hand."""

    chunks: tuple[RowChunk, ...]
    problems: Mapping[int, Sequence[Problem]]
    layout: Layout
    notices: tuple[str, ...]

    def __repr__(self) -> str:
        """Return what may be shown: no row."""
        return f"CheckedList(rows={self.rows})"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(chunk.raw.numbers) for chunk in self.chunks)

    @property
    def to_send(self) -> int:
        """How many rows can be sent."""
        return self.rows - len(self.problems)

    @property
    def to_correct(self) -> list[int]:
        """The numbers of the rows with problems."""
        return sorted(self.problems)

    @property
    def headers(self) -> tuple[str, ...]:
        """The file's own columns."""
        return self.layout.own

    @property
    def places(self) -> Mapping[str, int]:
        """Where the columns stand that are used."""
        return self.layout.places

    @property
    def dates(self) -> tuple[tuple[str, str], ...]:
        """The first dates: as they are written, and as they were understood."""
        found: dict[str, str] = {}
        for day, written in self._dates_read():
            found.setdefault(day, written)
            if len(found) == DATES_SHOWN:
                break
        return tuple((written, in_words(day)) for day, written in found.items())

    def _dates_read(self) -> Iterator[tuple[str, str]]:
        """Yield the day of each row that can be sent, and how it is written."""
        at = self.layout.places[columns.DEFER_DATE]
        for chunk in self.chunks:
            for place, day in enumerate(chunk.checked.frame["day"]):
                if day is not None and place not in chunk.checked.problems:
                    yield day, chunk.raw.records[place][at]

    def has(self, code: Code) -> bool:
        """Whether some row has a problem of that code."""
        return any(one.code is code for found in self.problems.values() for one in found)

    def any_rows(self, first: int, count: int) -> list[ShownRow]:
        """Return so many rows, with problems or not; `first` counts from 0."""
        numbers: list[int] = []
        for chunk in self.chunks:
            numbers += chunk.raw.numbers[first : first + count - len(numbers)]
            first = max(0, first - len(chunk.raw.numbers))
        return list(self.rows_of(numbers).values())

    def rows_of(self, numbers: Iterable[int]) -> dict[int, ShownRow]:
        """Return the rows of these numbers, as far as the list has them."""
        found = {number: self._record(number) for number in numbers}
        return {n: self._shown(n, record) for n, record in found.items() if record is not None}

    def _record(self, number: int) -> list[str] | None:
        for chunk in self.chunks:
            place = bisect.bisect_left(chunk.raw.numbers, number)
            if place < len(chunk.raw.numbers) and chunk.raw.numbers[place] == number:
                return chunk.raw.records[place]
        return None

    def _shown(self, number: int, record: list[str]) -> ShownRow:
        layout = self.layout
        by_place: dict[int, list[str]] = {}
        for problem in sorted(self.problems.get(number, ()), key=lambda one: _ORDER[one.code]):
            by_place.setdefault(_place_of(problem, layout), []).append(problem.message)
        return ShownRow(
            number,
            tuple(
                ShownCell(place, columns.unguarded(value), tuple(by_place.get(place, ())))
                for place, value in enumerate(own_values(record, layout))
                if place in by_place or not columns.is_blank([layout.own[place]])
            ),
        )


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
    return day if parsed is None else day_of(parsed)


def is_changed(before: str, told: str) -> bool:
    """Whether a form's value is another one: forms change line ends, and nothing else."""
    return _as_a_form_sends(before) != _as_a_form_sends(told)


def _as_a_form_sends(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")


# Reading once, checking again


class ReadList(Struct, frozen=True):
    """A list that was read: its rows are kept, so that it is checked again without its file."""

    options: InputOptions
    reader: CsvReader | WorkbookReader
    raws: tuple[RawChunk, ...]

    def __repr__(self) -> str:
        """Return what may be shown: no row."""
        return f"ReadList(sha256={self.sha256!r})"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return self.reader.sha256

    @property
    def layout(self) -> Layout:
        """Where the header stands and what it names."""
        return self.reader.layout

    @property
    def only_in_the_file(self) -> frozenset[int]:
        """Rows with a problem that only the file itself shows: quotes, the kinds of cells."""
        return frozenset(raw.numbers[place] for raw in self.raws for place in raw.problems)

    def checked(self, corrections: Corrections | None = None) -> CheckedList:
        """Return what is true of the list with these corrections. Raises UnusableFile."""
        raws = self.raws if not corrections else tuple(self._corrected(corrections))
        file = _Kept(self.options, self.reader, raws)
        chunks = tuple(file.chunks())
        problems: dict[int, list[Problem]] = {}
        for chunk in chunks:
            for number, problem in chunk.problems:
                problems.setdefault(number, []).append(problem)
        for number, problem in file.problems_of_the_whole():
            problems.setdefault(number, []).append(problem)
        return CheckedList(chunks, problems, file.layout, file.reading().notices)

    def _corrected(self, corrections: Corrections) -> Iterator[RawChunk]:
        """Yield the rows as the corrected copy will have them: one that is empty is none."""
        for raw in self.raws:
            rows = [
                _corrected_row(raw, place, corrections.values.get(number), self.reader)
                for place, number in enumerate(raw.numbers)
                if number not in corrections.left_out
            ]
            rows = [row for row in rows if row.is_as_read or not columns.is_blank(row.record)]
            if rows:
                yield RawChunk(
                    [row.number for row in rows],
                    [row.record for row in rows],
                    {place: row.problems for place, row in enumerate(rows) if row.problems},
                    frozenset(place for place, row in enumerate(rows) if row.is_date_cell),
                    raw.may_be_ragged,
                )


class _RawRow(Struct, frozen=True):
    """One row as read, or as corrected."""

    number: int
    record: list[str]
    problems: tuple[Problem, ...]
    is_date_cell: bool
    is_as_read: bool = True


def _corrected_row(
    raw: RawChunk, place: int, changed: Mapping[int, str] | None, reader: CsvReader | WorkbookReader
) -> _RawRow:
    """Return a row of a chunk with what a person changed in it; a typed value is text."""
    number, record = raw.numbers[place], raw.records[place]
    problems, is_date_cell = raw.problems.get(place, ()), place in raw.date_cells
    if changed is None:
        return _RawRow(number, record, problems, is_date_cell)
    layout, is_workbook = reader.layout, isinstance(reader, WorkbookReader)
    values = own_values(record, layout)
    for at, value in changed.items():
        values[at] = value if is_workbook else columns.guarded(value)
    typed = {layout.own[at] for at in changed}
    left = tuple(p for p in problems if p.column not in typed and (p.column or is_workbook))
    record = values + [""] * (layout.width - len(values))
    if not is_workbook:  # a whole row has no line that was cut in two
        left += without_value_in_nameless([record], [number], layout).get(0, ())
    stays_date = is_date_cell and layout.places[columns.DEFER_DATE] not in changed
    return _RawRow(number, record, left, stays_date, is_as_read=False)


class _Kept(InputFile):
    """A file that was read before: its rows come from memory."""

    def __init__(
        self,
        options: InputOptions,
        reader: CsvReader | WorkbookReader,
        raws: tuple[RawChunk, ...],
    ) -> None:
        super().__init__(options, reader)
        self._raws = raws

    def chunks(self) -> Iterator[RowChunk]:
        """Yield the checked rows."""
        for raw in self._raws:
            checked = self._rules.check(raw)
            self._gather(raw, checked)
            yield RowChunk(raw, checked, self.layout)


def read_list(options: InputOptions) -> ReadList:
    """Read a list, and keep its rows. Raises UnusableFile."""
    with contextlib.closing(_reader_of(options)) as reader:
        return ReadList(options, reader, tuple(reader.chunks()))


def _reader_of(options: InputOptions) -> CsvReader | WorkbookReader:
    if options.path.suffix.lower() in SUFFIXES:
        return WorkbookReader(options)
    return CsvReader(options, look_at(options))
