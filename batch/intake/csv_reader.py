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
from collections.abc import Iterable, Iterator, Sequence

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
from batch.intake.encoding import Encoded
from batch.intake.header import find_header
from batch.intake.letters import Letters
from batch.intake.line_breaks import Fragments, holds_another_row, lines_of
from batch.intake.quoting import Unspaced, has_spaced_quotes
from batch.intake.raw_rows import (
    ROWS_A_CHUNK,
    RawChunk,
    has_doubtful_surplus,
    without_empty_surplus,
    without_value_in_nameless,
)
from batch.rows import MOST_REASON_CODE_POINTS, Problem
from batch.run_settings import InputOptions

FEWEST_LETTERS = 100_000
"""Of a block that is worth another reader: the strict one takes a shorter one as fast."""

_FIRST_VALUE = operator.itemgetter(0)
_NO_ROWS: tuple[Sequence[int], list[list[str]]] = ((), [])


class CsvReader:
    """Reads one CSV file: `layout` at once, `chunks` as they are asked for."""

    is_csv = True
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
        self._unread = Unread(self._bytes, self._text, encoded.size)
        self._header = header
        self.blank_rows = header.blank_rows_before
        self.letters = Letters() if encoded.is_assumed else None
        self._surplus_is_everywhere: bool | None = None
        self._fragments = Fragments(self.layout)
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
            for at in range(0, len(rows), ROWS_A_CHUNK):
                some = slice(at, at + ROWS_A_CHUNK)
                yield RawChunk(numbers[some], rows[some], may_be_ragged=False)
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
        if len(text) < FEWEST_LETTERS or (self.letters is not None and not text.isascii()):
            return None
        rows = certain(text, self.layout)
        if rows is not None and self._unread.has_ended:
            self._unread.skip(len(text))
            return rows
        if rows is None or len(rows) <= ROWS_A_STEP or not text.endswith("\n"):
            return None
        self._unread.skip(text.rfind("\n", 0, -1) + 1)
        return rows[:-1]

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
        words = "The whole line is in quotes, so it is one value: remove the quotes around it."
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
            self._refuse_any_swallowed(records, first)
            raise self._too_long(first + len(records)) from None
        except csv.Error as error:
            self._refuse_any_swallowed(records, first)
            taken = reader.line_num - sum(map(_lines_of, records))
            raise self._broken(first + len(records), str(error), lines=taken) from None
        except UnicodeError:
            raise self._changed() from None
        if reader.line_num != len(records):
            self._refuse_any_swallowed(records, first)
        return records

    def _refuse_any_swallowed(self, records: list[list[str]], first: int) -> None:
        """Refuse the first row that swallowed others: what is wrong behind it may come of that."""
        for number, record in enumerate(records, first):
            self._refuse_swallowed(record, number)

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
                hint=f"look at row {number}: close the quote there, or remove it",
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
