"""A CSV file → its rows, with the numbers that a spreadsheet shows.

The structure comes from the standard library's strict reader, which leaves only those lines to a
faster one that can be read in no other way. Where strictness is not enough, a quote that swallowed
rows, the file is refused: nobody can know what was meant.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch import columns
from batch.codes import Code
from batch.errors import UnusableFile, unusable
from batch.intake.bounded import (
    ROWS_A_STEP,
    BoundedFile,
    CsvRecords,
    TooLongRowError,
    Unread,
    add_a_step,
)
from batch.intake.certain import Columns, certain
from batch.intake.encoding import Encoded, Letters, has_spaced_quotes
from batch.intake.header import SEPARATORS, Layout, find_header
from batch.intake.quoting import Unspaced
from batch.rows import MOST_REASON_CODE_POINTS, Problem
from batch.run_settings import InputOptions

ROWS_A_CHUNK = 32_000
_FIRST_VALUE = operator.itemgetter(0)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LONG_ID = re.compile(r"(?=.*\d)[A-Za-z0-9]{20,64}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_ANOTHER_DATE = re.compile(
    r"\d{1,4}\s?[/.\s-]\s?\d{1,2}\s?[/.\s-]\s?\d{1,4}(?:[T\s].*)?"
    r"|\d{5,8}(?:\.\d+)?"
    r"|\d{4}-(?:0[1-9]|1[0-2]|\d{3})"
    r"|\d{4}-?W\d{2}(?:-?\d)?"
    rf"|(?:[a-z]+\s)?\d{{1,2}}(?:st|nd|rd|th)?[\s/.-]?{_MONTH}[\s/.-]?\d{{2,4}}"
    rf"|{_MONTH}[\s/.-]?\d{{1,2}}(?:st|nd|rd|th)?[\s/.-]\d{{2,4}}",
    re.IGNORECASE,
)
_AROUND = columns.SPACES + "'\""
_NO_ROWS: tuple[Sequence[int], list[list[str]]] = ((), [])


def holds_another_row(record: list[str], layout: Layout) -> bool:
    """Whether a row that was read holds a line that itself reads as a row."""
    across = lines_of(layout.separator.join(record))
    fewest = max(_place_of_name(layout), layout.places[columns.DEFER_DATE])
    if not any(line.count(layout.separator) >= fewest for line in across[1:]):
        return False
    within = (line for value in record for line in lines_of(value)[1:])
    if any(_reads_as_row(line, layout) for line in within):
        return True
    return sum(_reads_as_row(line, layout) for line in across) > 1


def _place_of_name(layout: Layout) -> int:
    """Return where the first column stands that names the trainee."""
    return next(layout.places[name] for name in columns.NAMING if name in layout.places)


def lines_of(value: str) -> list[str]:
    """Return the lines of a value, whatever ends them."""
    return value.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _reads_as_row(line: str, layout: Layout) -> bool:
    """Whether a line has an id and a date at their places.

    People write lists in a reason too: only a line with as many values as the header may have a
    date of another shape, or none; of a report only a line with all its columns is a row.
    """
    where_id, where_date = _place_of_name(layout), layout.places[columns.DEFER_DATE]
    parts = [part.strip(_AROUND) for part in line.split(layout.separator)]
    if len(parts) <= max(where_id, where_date) or not _ID.fullmatch(parts[where_id]):
        return False
    if layout.is_report and not (len(parts) >= layout.width and parts[len(layout.own)].isdecimal()):
        return False
    return _has_a_date(parts, layout)


def _has_a_date(parts: list[str], layout: Layout) -> bool:
    date = parts[layout.places[columns.DEFER_DATE]]
    if _DATE.fullmatch(date):
        return True
    if len(parts) != layout.width:
        return False
    return not date or bool(
        _ANOTHER_DATE.fullmatch(date) or _LONG_ID.fullmatch(parts[_place_of_name(layout)])
    )


@dataclass(slots=True)
class RawChunk:
    """Rows as read: `numbers[i]` is the row of `records[i]`; blank rows are left out.

    `problems` are those that only the file itself shows, by place: a workbook's cells have kinds.
    `date_cells` are the places whose date is a date of a workbook, and no text.
    """

    numbers: Sequence[int]
    records: Sequence[list[str]]
    problems: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    date_cells: frozenset[int] = frozenset()
    may_be_ragged: bool = True
    """False where no row has more values than the header has columns."""


def values_of(records: Sequence[list[str]], at: int) -> list[str]:
    """Return a column's values, "" where a row is too short to have one."""
    try:
        return list(map(operator.itemgetter(at), records))
    except IndexError:
        return [record[at] if len(record) > at else "" for record in records]


def has_doubtful_surplus(record: list[str], layout: Layout) -> bool:
    """Whether an empty last value may hide that a separator within a value was not quoted.

    Nothing hides where the value before it is empty too, nor where the last column is the reason.
    """
    return (
        len(record) == layout.width + 1
        and not layout.is_report
        and layout.places.get(columns.DEFER_REASON) != len(layout.own) - 1
        and not record[-1].strip(columns.SPACES)
        and bool(record[-2].strip(columns.SPACES))
    )


def without_empty_surplus(record: list[str], layout: Layout) -> list[str]:
    """Take away empty values behind the last column: a spreadsheet's wider rows, most often.

    In a report the surplus of a row stands before the columns that were added.
    """
    added_at = len(layout.own)
    while (
        len(record) > layout.width
        and not record[-1].strip(columns.SPACES)
        and not (layout.is_report and not record[added_at].isdecimal())
    ):
        record.pop()
    return record


def without_value_in_nameless(
    records: list[list[str]], numbers: Sequence[int], layout: Layout
) -> dict[int, tuple[Problem, ...]]:
    """Return the rows, by place, that hold a value in a column without a name.

    Numbers in a first column without a name only count the rows.
    """
    found: dict[int, tuple[Problem, ...]] = {}
    for at in layout.nameless:
        for place, record in enumerate(records):
            value = record[at].strip(columns.SPACES) if len(record) > at else ""
            if value and not (at == 0 and value.isdecimal()):
                words = f"{layout.cell(at, numbers[place])} holds a value, but its column has no"
                words += " name: give the column a name, or empty the cell."
                found.setdefault(place, (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words),))
    return found


class _Fragments:
    """Finds rows that are the rest of the row above: a line break in a value was not quoted."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._others = [replace(layout, separator=separator) for separator in SEPARATORS]
        """How a row reads that is quoted as a whole, or came from another file."""
        self._name_at = _place_of_name(layout)
        self._date_at = layout.places[columns.DEFER_DATE]

    def found(
        self, numbers: Sequence[int], records: list[list[str]]
    ) -> dict[int, tuple[Problem, ...]]:
        """Return the problems of broken rows and of their rests, by place."""
        problems: dict[int, tuple[Problem, ...]] = {}
        width = self._layout.width
        for place in range(1, len(records)):
            record, above = records[place], records[place - 1]
            is_next = numbers[place] == numbers[place - 1] + 1
            if len(record) >= width or not is_next or not self._is_no_row(record, above):
                continue
            if (
                len(above) >= width
                or len(above) + len(record) == width + 1
                or place - 1 in problems
            ):
                problems.setdefault(
                    place - 1, (_broken_in_two(numbers[place - 1], numbers[place]),)
                )
                problems[place] = (_broken_in_two(numbers[place - 1], numbers[place]),)
        return problems

    def _is_no_row(self, record: list[str], above: list[str]) -> bool:
        if len(record) == 1 and any(_reads_as_row(record[0], layout) for layout in self._others):
            return False
        date = record[self._date_at].strip(_AROUND) if len(record) > self._date_at else ""
        if _DATE.fullmatch(date) or _ANOTHER_DATE.fullmatch(date):
            return False
        name = record[self._name_at].strip(_AROUND) if len(record) > self._name_at else ""
        of_above = above[self._name_at].strip(_AROUND) if len(above) > self._name_at else ""
        return not _ID.fullmatch(name) or (
            len(name) != len(of_above) and not any(map(str.isdecimal, name))
        )


def _broken_in_two(first: int, second: int) -> Problem:
    return Problem(
        Code.WRONG_NUMBER_OF_VALUES,
        "",
        f"Row {second} looks like the rest of row {first}: put quotes around the value that holds "
        "the line break.",
    )


class CsvReader:
    """Reads one CSV file: `layout` at once, `chunks` as they are asked for."""

    sheet: str | None = None
    other_sheets: tuple[str, ...] = ()
    hidden_rows = 0

    def __init__(self, options: InputOptions, encoded: Encoded) -> None:
        self._options = options
        self._path = options.path
        self.encoded = encoded
        with self._opened() as text:
            header = find_header(options, text)
            self.layout = header.layout(options)
        self._refuse_swallowed(header.names, header.row)
        self._file = self._path.open("rb")
        self._bytes = BoundedFile(self._file)
        self._text = self._bytes.text(encoded.encoding)
        self._unread = Unread(self._bytes, self._text)
        self._header = header
        self.blank_rows = header.blank_rows_before
        self.letters = Letters() if encoded.is_assumed else None
        self._surplus_is_everywhere: bool | None = None
        self._fragments = _Fragments(self.layout)
        self._place_of_name = _place_of_name(self.layout)
        self._held = _NO_ROWS

    @property
    def sha256(self) -> str:
        """Known after the chunks: the SHA-256 of the bytes that were parsed, in hex."""
        return self._bytes.hexdigest()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[io.TextIOWrapper]:
        with self._path.open(encoding=self.encoded.encoding, newline="") as text:
            yield text

    @functools.cached_property
    def _has_spaced_quotes(self) -> bool:
        return has_spaced_quotes(self._path, self.encoded.encoding)

    def _records(self, lines: Iterable[str]) -> CsvRecords:
        """Return the strict reader of some lines."""
        if self._has_spaced_quotes:
            lines = Unspaced(lines, self.layout.separator)
        return csv.reader(lines, delimiter=self.layout.separator, strict=True)

    def _behind_the_header(self, text: io.TextIOBase) -> io.TextIOBase:
        for _ in range(self._header.lines):
            text.readline()
        return text

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._file.close()

    def chunks(self) -> Iterator[RawChunk]:
        """Yield the rows. Raises UnusableFile, naming the row where a quote opened."""
        self._behind_the_header(self._text)
        first = self._header.row + 1
        while text := self._next_block():
            certain_rows = self._certain(text)
            rows = self._next_records(first) if certain_rows is None else certain_rows
            numbers = range(first, first + len(rows))
            first = numbers.stop
            yield from self._settled(numbers, rows)
        if self._held[1]:
            yield self._chunk(*self._held)
        if self._bytes.checksum != self.encoded.checksum:
            raise self._changed()
        if self.letters is not None:
            self.letters.refuse_unlikely(self._options)

    def _settled(self, numbers: range, rows: Columns | list[list[str]]) -> Iterator[RawChunk]:
        """Yield the rows that nothing behind them can change, and hold the others back."""
        held_numbers, held = self._held
        self._held = _NO_ROWS
        if isinstance(rows, Columns):
            if held:
                yield self._chunk(held_numbers, held)
            yield RawChunk(numbers, rows, may_be_ragged=False)
            return
        kept = _joined(held_numbers, self._without_blank_rows(numbers, rows))
        rows[:0] = held
        if not self._unread.is_at_end:
            self._held = self._last(kept, rows)
        if rows:
            yield self._chunk(kept[: len(rows)], rows)

    def _next_block(self) -> str:
        try:
            return self._unread.block()
        except UnicodeError:
            raise self._changed() from None

    def _certain(self, text: str) -> Columns | None:
        """Take the rows of a block that can be read in one way only, None where some cannot.

        The last row stays unread, but at the end of the file: what follows may be the rest of it.
        """
        has_ended = self._unread.has_ended
        lines = text if has_ended else text[: text.rfind("\n") + 1]
        if self.letters is not None and not lines.isascii():
            return None
        rows = certain(lines, self.layout, self._place_of_name)
        if rows is None or (not has_ended and len(rows) <= ROWS_A_STEP):
            return None
        last_line = len(lines) if has_ended else lines.rfind("\n", 0, -1) + 1
        self._unread.skip(last_line)
        return rows if has_ended else rows[:-1]

    def _last(
        self, numbers: Sequence[int], records: list[list[str]]
    ) -> tuple[Sequence[int], list[list[str]]]:
        """Take the last rows out, down to a full one: what follows may be the rest of them."""
        at = len(records) - 1
        while at > max(0, len(records) - 50) and len(records[at]) < self.layout.width:
            at -= 1
        taken = records[at:]
        del records[at:]
        return numbers[at:], taken

    def _chunk(self, numbers: Sequence[int], records: list[list[str]]) -> RawChunk:
        if self.letters is not None:
            self.letters.add(numbers, records)
        widths = set(map(len, records))
        problems: dict[int, tuple[Problem, ...]] = {}
        if min(widths) < self.layout.width:
            problems |= self._fragments.found(numbers, records) | self._quoted_whole(records)
        is_ragged = max(widths) > self.layout.width
        if is_ragged:
            self._drop_surplus(records)
        problems |= without_value_in_nameless(records, numbers, self.layout)
        return RawChunk(numbers, records, problems, may_be_ragged=is_ragged)

    def _quoted_whole(self, records: list[list[str]]) -> dict[int, tuple[Problem, ...]]:
        """Return the rows, by place, that are one quoted value holding all others."""
        fewest, separator = len(self.layout.own) - 1, self.layout.separator
        words = "The whole line is quoted, so that it is one value: take the quotes around it away."
        return {
            place: (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words),)
            for place, record in enumerate(records)
            if fewest and len(record) == 1 and record[0].count(separator) >= fewest
        }

    def _drop_surplus(self, records: list[list[str]]) -> None:
        """Take empty surplus away, in place, unless it may hide a separator without quotes."""
        for record in records:
            if has_doubtful_surplus(record, self.layout):
                if self._surplus_is_everywhere is None:
                    self._surplus_is_everywhere = self._has_surplus_everywhere()
                if not self._surplus_is_everywhere:
                    continue
            without_empty_surplus(record, self.layout)

    def _has_surplus_everywhere(self) -> bool:
        """Whether every row of the file has an empty value more than the header has columns.

        One row proves nothing; nor do rows in which a space behind a separator shows that it
        belongs to the text.
        """
        rows = 0
        behind = self.layout.places.get(columns.DEFER_REASON, -1) + 1
        with self._path.open("rb") as file, contextlib.suppress(csv.Error, TooLongRowError):
            raw = BoundedFile(file)
            text = raw.text(self.encoded.encoding)
            reader = self._records(self._behind_the_header(text))
            records: list[list[str]] = []
            while add_a_step(records, reader, raw):
                for record in records:
                    if not columns.is_blank(record):
                        if len(record) <= self.layout.width or _continues(record, behind):
                            return False
                        rows += 1
                records.clear()
            return rows > 1
        return False

    def _next_records(self, first: int) -> list[list[str]]:
        """Return the rows of the block, at most so many as a chunk has, by the strict reader."""
        records: list[list[str]] = []
        reader = self._records(self._unread.lines())
        try:
            while len(records) < ROWS_A_CHUNK and (self._unread.is_in_block or not records):
                if not add_a_step(records, reader, self._bytes, ROWS_A_CHUNK - len(records)):
                    break
        except TooLongRowError:
            raise self._too_long(first + len(records)) from None
        except csv.Error as error:
            taken = reader.line_num - sum(map(_lines_of, records))
            raise self._broken(first + len(records), str(error), lines=taken) from None
        except UnicodeError:
            raise self._changed() from None
        if reader.line_num != len(records):
            for number, record in enumerate(records, first):
                self._refuse_swallowed(record, number)
        return records

    def _without_blank_rows(self, numbers: range, records: list[list[str]]) -> Sequence[int]:
        """Take blank rows out, in place; return the numbers of those that stay."""
        with contextlib.suppress(IndexError):  # an empty line has no first value
            firsts = list(map(_FIRST_VALUE, records))
            seen = "".join(firsts)
            if all(map(str.strip, firsts)) and seen.isascii() and "\x1a" not in seen:
                return numbers
        kept = [place for place, record in enumerate(records) if not columns.is_blank(record)]
        self.blank_rows += len(records) - len(kept)
        records[:] = [records[place] for place in kept]
        return [numbers[place] for place in kept]

    def _too_long(self, number: int) -> UnusableFile:
        return unusable(
            self._path,
            f"row {number} is longer than a row of any list",
            hint=f"look at row {number} in a text editor: does a quote there never close?",
        )

    def _changed(self) -> UnusableFile:
        return unusable(self._path, "it changed while it was read", hint="run again")

    def _refuse_swallowed(self, record: list[str], number: int) -> None:
        if holds_another_row(record, self.layout):
            raise unusable(
                self._path,
                f"a quote that opens in row {number} swallows the rows after it",
                hint=f"look at row {number}: close the quote there, or take it away",
            )

    def _broken(self, number: int, why: str, *, lines: int) -> UnusableFile:
        """Return what is wrong with a row of which so many lines were read: quotes span lines."""
        hint = f"look at row {number} in a text editor: a quote within a quoted value is doubled"
        if "expected after" in why:
            said = f"text follows a closing quote in row {number}"
        elif "end of data" in why or ("field limit" in why and lines > 1):
            said = f"a quote that opens in row {number} never closes"
        elif "field limit" in why:
            most = csv.field_size_limit()
            said = f"row {number} holds a value of more than {most:,} characters"
            hint = f"Register takes {MOST_REASON_CODE_POINTS}: look at row {number}"
        else:
            said = f"row {number} cannot be read ({why})"
        return unusable(self._path, said, hint=hint)


def _continues(record: list[str], at: int) -> bool:
    """Whether a value begins with a space, and the one before it is not empty and does not."""
    return (
        at > 0
        and record[at].startswith(" ")
        and bool(record[at - 1].strip())
        and (not record[at - 1].startswith(" "))
    )


def _joined(first: Sequence[int], then: Sequence[int]) -> Sequence[int]:
    """Return row numbers one after the other; a range stays one, which is read faster."""
    if not first:
        return then
    if isinstance(first, range) and isinstance(then, range) and first.stop == then.start:
        return range(first.start, then.stop)
    return [*first, *then]


def _lines_of(record: list[str]) -> int:
    return 1 + sum(len(lines_of(value)) - 1 for value in record)
