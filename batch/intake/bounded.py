"""A CSV's bytes and text, read in steps: no row, however long, can take all memory."""

from __future__ import annotations

import hashlib
import io
import itertools
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

ROWS_A_STEP = 100
MOST_BYTES_A_STEP = 8 << 20
"""What that many rows may take; a row of a list takes some hundreds."""

LETTERS_A_BLOCK = 1_500_000
"""At most: no more than a step may read, however many bytes a letter takes.

A shorter file is read in shorter blocks: each takes some milliseconds, and memory of eight times
its size.
"""

_FEWEST_LETTERS_A_BLOCK = 300_000
_BLOCKS_A_FILE = 40


class TooLongRowError(Exception):
    """A row, or a few together, take more bytes than those of any list."""


class CsvRecords(Protocol):
    """What `csv.reader` returns: records, and how many lines they took."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the records."""

    def __next__(self) -> list[str]:
        """Return the next record."""


class BoundedFile(io.RawIOBase):
    """A file from which only so much can be read before the next step is allowed.

    It hashes what passes, so that the SHA-256 is of what was parsed. The checksum, which costs a
    tenth of that, shows whether an earlier reading saw the same bytes.
    """

    def __init__(self, file: BinaryIO | io.RawIOBase) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.checksum = 0
        self._until = MOST_BYTES_A_STEP
        self.bytes_read = 0

    def allow_a_step(self) -> None:
        """Let the next step read."""
        self._until = self.bytes_read + MOST_BYTES_A_STEP

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read some bytes. Raises TooLongRowError."""
        if self.bytes_read > self._until:
            raise TooLongRowError
        count: int = self._file.readinto(buffer)  # type: ignore[union-attr, arg-type]
        read = memoryview(buffer)[:count]  # type: ignore[arg-type]
        self._digest.update(read)
        self.checksum = zlib.crc32(read, self.checksum)
        self.bytes_read += count
        return count

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read, in hex."""
        return self._digest.hexdigest()

    def text(self, encoding: str, *, errors: str = "strict") -> io.TextIOWrapper:
        """Return its text, with line ends as they are."""
        buffered = io.BufferedReader(self, 1 << 20)
        return io.TextIOWrapper(buffered, encoding=encoding, errors=errors, newline="")


class Unread:
    """The text of a file that was not read as rows yet: seen as a block, or asked for by line."""

    def __init__(self, file: BoundedFile, text: io.TextIOBase, size: int) -> None:
        self._file = file
        self._text = text
        self._letters = min(LETTERS_A_BLOCK, _FEWEST_LETTERS_A_BLOCK + size // _BLOCKS_A_FILE)
        self._block = ""
        self._by_line = io.StringIO()
        self._is_cut = False
        self.is_in_block = False
        """Whether every line that was asked for stood in the block."""
        self.has_ended = False
        """Whether the block reaches to the end of the file."""

    @property
    def is_at_end(self) -> bool:
        """Whether every line was asked for."""
        return self.has_ended and not self.is_in_block

    def block(self) -> str:
        """Return the next lines, "" at the end. They stay unread.

        It ends before a line that is longer than those of any list.
        """
        self._block += self._by_line.read()
        wanted = self._letters - len(self._block)
        if wanted > 0 and not self.has_ended and not self._is_cut:
            self._file.allow_a_step()
            more = self._text.read(wanted)
            self.has_ended = len(more) < wanted
            self._block += more + self._to_the_line_end()
        return self._block

    def _to_the_line_end(self) -> str:
        try:
            return self._text.readline()
        except TooLongRowError:
            self._is_cut = True
            return ""

    def skip(self, letters: int) -> None:
        """Take the first letters of the block as read."""
        self._block = self._block[letters:]

    def lines(self) -> Iterator[str]:
        """Yield the lines, of the block and then of the file: those asked for are read.

        Raises TooLongRowError.
        """
        self._by_line, self._block = io.StringIO(self._block, newline=""), ""
        self.is_in_block = True
        for line in self._by_line:
            if self._is_cut and line[-1] not in "\r\n":
                break
            yield line
        self.is_in_block = False
        if self._is_cut:
            raise TooLongRowError
        for line in self._text:  # `yield from` would close the file with the generator
            yield line


def add_a_step(
    records: list[list[str]], reader: CsvRecords, file: BoundedFile, most_rows: int = ROWS_A_STEP
) -> int:
    """Add the next rows to a list, and return how many; 0 at the end.

    In one go, which is three times as fast as one by one. Raises TooLongRowError and csv.Error,
    with the rows before the one that is wrong added.
    """
    file.allow_a_step()
    before = len(records)
    records.extend(itertools.islice(reader, min(most_rows, ROWS_A_STEP)))
    return len(records) - before
