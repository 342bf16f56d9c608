"""A CSV file → its rows, with the numbers that a spreadsheet shows.

The structure comes from the standard library's strict reader. Where strictness is not enough, a
quote that swallowed rows, the file is refused: nobody can know what was meant.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batch import columns
from batch.errors import UnusableFile
from batch.intake.decoding import Encoded, unusable

ROWS_A_CHUNK = 16_000
SEPARATORS = (",", ";", "\t", "|")
_LINE_END = re.compile(r"\r\n|\n|\r")
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_ID = re.compile(r"\s*'?[A-Za-z0-9_-]{1,64}\s*", re.ASCII)
_DATE = re.compile(r"\s*'?(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header stands and what it names.

    `own` are the input's own columns; `width` counts those of the whole file, of which reports may
    have added some; `places` tells where the known columns stand.
    """

    own: tuple[str, ...]
    width: int
    places: dict[str, int]
    separator: str


@dataclass(slots=True)
class RawChunk:
    """Rows as read: `numbers[i]` is the row of `records[i]`; blank rows are left out."""

    numbers: Sequence[int]
    records: list[list[str]]


class CsvRecords(Protocol):
    """What `csv.reader` gives: records, and how many lines they took."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Give the records."""

    def __next__(self) -> list[str]:
        """Give the next record."""


class CsvReader:
    """Reads one CSV file: `layout` at once, `chunks` as they are asked for."""

    def __init__(self, path: Path, encoded: Encoded) -> None:
        self._path = path
        self._encoded = encoded
        self.blank_rows = 0
        self._rows_before = 0
        self._file = path.open("rb")
        self._digest = _Hashing(self._file)
        self._text = io.TextIOWrapper(
            io.BufferedReader(self._digest, 1 << 20), encoding=encoded.encoding, newline=""
        )
        try:
            self.layout = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._file.close()

    def chunks(self) -> Iterator[RawChunk]:
        """Stream the rows. Raises UnusableFile, naming the row where a quote opened."""
        reader = csv.reader(self._text, delimiter=self.layout.separator, strict=True)
        first = self._rows_before + 1
        while records := self._next_records(reader, first):
            chunk = self._without_blank_rows(RawChunk(range(first, first + len(records)), records))
            first += len(records)
            if chunk.records:
                yield chunk
        if self._digest.hexdigest() != self._encoded.sha256:
            raise self._changed()

    def _next_records(self, reader: CsvRecords, first: int) -> list[list[str]]:
        """Take some records in one go, which is three times as fast as one by one."""
        records: list[list[str]] = []
        lines = reader.line_num
        try:
            records.extend(itertools.islice(reader, ROWS_A_CHUNK))
        except csv.Error as error:
            raise self._broken(first + len(records), str(error)) from None
        except UnicodeError:
            raise self._changed() from None
        if reader.line_num - lines != len(records):
            for number, record in enumerate(records, first):
                self._refuse_swallowed(record, number)
        return records

    def _without_blank_rows(self, chunk: RawChunk) -> RawChunk:
        if all(record and record[0].strip() for record in chunk.records):
            return chunk
        kept = [place for place, record in enumerate(chunk.records) if any(map(str.strip, record))]
        self.blank_rows += len(chunk.records) - len(kept)
        return RawChunk([chunk.numbers[p] for p in kept], [chunk.records[p] for p in kept])

    def _changed(self) -> UnusableFile:
        return unusable(self._path, "it changed while it was read", hint="run again")

    def _refuse_swallowed(self, record: list[str], number: int) -> None:
        within = (line for value in record for line in _LINE_END.split(value)[1:])
        across = _LINE_END.split(self.layout.separator.join(record))
        if any(map(self._reads_as_row, within)) or sum(map(self._reads_as_row, across)) > 1:
            raise unusable(
                self._path,
                f"a quote that opens in row {number} swallows the rows after it",
                hint=f"look at row {number}: close the quote there, or take it away",
            )

    def _reads_as_row(self, line: str) -> bool:
        parts, places = line.split(self.layout.separator), self.layout.places
        where_id, where_date = places[columns.TRAINEE_ID], places[columns.DEFER_DATE]
        if len(parts) <= max(where_id, where_date):
            return False
        trainee_id, date = parts[where_id].strip('"'), parts[where_date].strip('"')
        return bool(_ID.fullmatch(trainee_id) and _DATE.fullmatch(date))

    def _broken(self, number: int, why: str) -> UnusableFile:
        if "expected after" in why:
            said = f"text follows a closing quote in row {number}"
        elif "end of data" in why or "field limit" in why:
            said = f"a quote that opens in row {number} never closes"
        else:
            said = f"row {number} cannot be read ({why})"
        return unusable(
            self._path,
            said,
            hint=f"look at row {number} in a text editor: a quote within a quoted value is doubled",
        )

    def _read_header(self) -> Layout:
        told: str | None = None
        while line := self._header_line():
            bare = line.strip("\r\n")
            sep = _SEP_LINE.fullmatch(bare.strip())
            if sep and told is None and self._rows_before == 0:
                told = sep[1]
            elif bare.strip(" \t\u00a0" + "".join(SEPARATORS)):
                separator = told or _separator_of(bare)
                self._rows_before += 1
                return layout_of(self._path, _split(self._path, line, separator), separator)
            else:
                self.blank_rows += 1
            self._rows_before += 1
        raise unusable(
            self._path, "it has no header line", hint="`defer-batch template` prints the right one"
        )

    def _header_line(self) -> str:
        """Give the next line; a quoted header name may hold line ends."""
        line = self._text.readline(1 << 16)
        while (
            line.count('"') % 2 and len(line) < 1 << 16 and (more := self._text.readline(1 << 16))
        ):
            line += more
        if "\x00" in line:
            raise unusable(
                self._path, "it is not text", hint="save it as CSV UTF-8, and name that file"
            )
        return line


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


def layout_of(path: Path, header: list[str], separator: str) -> Layout:
    """Tell where the known columns stand. Raises UnusableFile: one missing, or there twice."""
    own = tuple(header[: columns.own_column_count(tuple(header))])
    places: dict[str, int] = {}
    for place, name in enumerate(own):
        known = columns.known_column(name)
        if known is None:
            continue
        if known in places:
            both = f"{own[places[known]]!r} and {name!r}"
            raise unusable(
                path,
                f"two columns are `{known}`: {both}",
                hint="keep the one that is meant",
            )
        places[known] = place
    missing = [name for name in columns.REQUIRED if name not in places]
    if missing:
        raise _missing(path, missing, own)
    return Layout(own, len(header), places, separator)


def _missing(path: Path, missing: list[str], found: tuple[str, ...]) -> UnusableFile:
    import difflib  # noqa: PLC0415 — for this one message only

    near = [name for want in missing for name in difflib.get_close_matches(want, found, n=1)]
    notes = ["found: " + ", ".join(name[:40] for name in found[:20])]
    if near:
        notes.append("closest: " + ", ".join(near))
    names = " and ".join(f"`{name}`" for name in missing)
    return unusable(
        path,
        f"no column named {names}",
        notes=tuple(notes),
        hint="`defer-batch template` prints the right header",
    )


def _separator_of(header: str) -> str:
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    counts = {separator: outside_quotes.count(separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _split(path: Path, line: str, separator: str) -> list[str]:
    try:
        return [
            columns.unguarded(name)
            for name in next(
                csv.reader(io.StringIO(line, newline=""), delimiter=separator, strict=True)
            )
        ]
    except csv.Error:
        raise unusable(
            path, "its header line has a quote that is wrong", hint="look at the first line"
        ) from None
