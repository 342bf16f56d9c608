"""A CSV file → its rows, with the numbers that a spreadsheet shows.

The structure comes from the standard library's strict reader. Where strictness is not enough, a
quote that swallowed rows, the file is refused: nobody can know what was meant.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from batch import columns
from batch.errors import UnusableFile, unusable
from batch.intake.encoding import Encoded
from batch.intake.header import Layout, find_header
from batch.rows import MOST_REASON_CODE_POINTS, Problem

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


def holds_another_row(record: list[str], layout: Layout) -> bool:
    """Whether a row that was read holds a line that itself reads as a row."""
    across = lines_of(layout.separator.join(record))
    fewest = max(layout.places[columns.TRAINEE_ID], layout.places[columns.DEFER_DATE])
    if not any(line.count(layout.separator) >= fewest for line in across[1:]):
        return False
    within = (line for value in record for line in lines_of(value)[1:])
    if any(_reads_as_row(line, layout) for line in within):
        return True
    return sum(_reads_as_row(line, layout) for line in across) > 1


def lines_of(value: str) -> list[str]:
    """Return the lines of a value, whatever ends them."""
    return value.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _reads_as_row(line: str, layout: Layout) -> bool:
    """Whether a line has an id and a date at their places.

    People write lists in a reason too: only a line with as many values as the header may have a
    date of another shape, or none; of a report only a line with all its columns is a row.
    """
    where_id, where_date = layout.places[columns.TRAINEE_ID], layout.places[columns.DEFER_DATE]
    parts = [part.strip(_AROUND) for part in line.split(layout.separator)]
    if len(parts) <= max(where_id, where_date) or not _ID.fullmatch(parts[where_id]):
        return False
    if layout.is_report and not (len(parts) >= layout.width and parts[len(layout.own)].isdecimal()):
        return False
    date = parts[where_date]
    if _DATE.fullmatch(date):
        return True
    if len(parts) != layout.width:
        return False
    return not date or bool(_ANOTHER_DATE.fullmatch(date) or _LONG_ID.fullmatch(parts[where_id]))


ROWS_A_CHUNK = 32_000
_FIRST_VALUE = operator.itemgetter(0)


@dataclass(slots=True)
class RawChunk:
    """Rows as read: `numbers[i]` is the row of `records[i]`; blank rows are left out.

    `problems` are those that only the file itself shows, by place: a workbook's cells have kinds.
    """

    numbers: Sequence[int]
    records: list[list[str]]
    problems: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    may_be_ragged: bool = True
    """False where no row has more values than the header has columns."""


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


class CsvRecords(Protocol):
    """What `csv.reader` gives: records, and how many lines they took."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the records."""

    def __next__(self) -> list[str]:
        """Return the next record."""


class CsvReader:
    """Reads one CSV file: `layout` at once, `chunks` as they are asked for."""

    def __init__(self, path: Path, encoded: Encoded) -> None:
        self._path = path
        self.encoded = encoded
        self._file = path.open("rb")
        self._digest = _Hashing(self._file)
        self._text = io.TextIOWrapper(
            io.BufferedReader(self._digest, 1 << 20), encoding=encoded.encoding, newline=""
        )
        try:
            header = find_header(path, self._text)
            self.layout = header.layout(path)
            self._refuse_swallowed(header.names, header.row)
        except BaseException:
            self.close()
            raise
        self._rows_before = header.row
        self.blank_rows = header.blank_rows_before

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._file.close()

    def chunks(self) -> Iterator[RawChunk]:
        """Yield the rows. Raises UnusableFile, naming the row where a quote opened."""
        reader = csv.reader(self._text, delimiter=self.layout.separator, strict=True)
        first = self._rows_before + 1
        while records := self._next_records(reader, first):
            numbers = range(first, first + len(records))
            first = numbers.stop
            kept = self._without_blank_rows(numbers, records)
            if records:
                yield RawChunk(kept, records, may_be_ragged=self._may_be_ragged(records))
        if self._digest.hexdigest() != self.encoded.sha256:
            raise self._changed()

    def _next_records(self, reader: CsvRecords, first: int) -> list[list[str]]:
        """Take some records in one go, which is three times as fast as one by one."""
        records: list[list[str]] = []
        lines = reader.line_num
        try:
            records.extend(itertools.islice(reader, ROWS_A_CHUNK))
        except csv.Error as error:
            taken = reader.line_num - lines - sum(map(_lines_of, records))
            raise self._broken(first + len(records), str(error), lines=taken) from None
        except UnicodeError:
            raise self._changed() from None
        if reader.line_num - lines != len(records):
            for number, record in enumerate(records, first):
                self._refuse_swallowed(record, number)
        return records

    def _without_blank_rows(self, numbers: range, records: list[list[str]]) -> Sequence[int]:
        """Take blank rows out, in place; give the numbers of those that stay."""
        with contextlib.suppress(IndexError):  # an empty line has no first value
            firsts = list(map(_FIRST_VALUE, records))
            if all(map(str.strip, firsts)) and "".join(firsts).isascii():
                return numbers
        kept = [place for place, record in enumerate(records) if not columns.is_blank(record)]
        self.blank_rows += len(records) - len(kept)
        records[:] = [records[place] for place in kept]
        return [numbers[place] for place in kept]

    def _may_be_ragged(self, records: list[list[str]]) -> bool:
        """Take empty surplus away, in place; tell whether there was any surplus."""
        if max(map(len, records)) <= self.layout.width:
            return False
        for record in records:
            without_empty_surplus(record, self.layout)
        return True

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


def _lines_of(record: list[str]) -> int:
    return 1 + sum(len(lines_of(value)) - 1 for value in record)


class _Hashing(io.RawIOBase):
    """Hashes the bytes that pass, so that the SHA-256 is of what was parsed."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        count = self._file.readinto(buffer)  # type: ignore[arg-type]
        self._digest.update(memoryview(buffer)[:count])  # type: ignore[arg-type]
        return count

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
