"""Where a byte stands in a file → the row in which a spreadsheet shows it."""

from __future__ import annotations

import csv
import io

from batch.intake.bounded import BoundedFile, TooLongRowError, add_a_step
from batch.intake.header import find_header
from batch.run_settings import InputOptions


def row_at(options: InputOptions, position: int, encoding: str) -> int:
    """Return the row in which a byte stands, by the file's own separator and quotes."""
    with options.path.open("rb") as file:
        text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
        separator = find_header(options, text).separator
    with options.path.open("rb") as file:
        raw = BoundedFile(_Until(file, position, "x".encode(encoding)))
        reader = csv.reader(raw.text(encoding, errors="replace"), delimiter=separator)
        rows = 0
        records: list[list[str]] = []
        try:
            while found := add_a_step(records, reader, raw):
                rows += found
                records.clear()
        except (csv.Error, TooLongRowError):  # a quote that never closes: the byte is behind it
            return rows + len(records) + 1
    return rows


class _Until(io.RawIOBase):
    """A file up to a position, and something there, so that the last row is never empty."""

    def __init__(self, file: io.BufferedReader, position: int, there: bytes) -> None:
        self._file = file
        self._left = position
        self._there = there

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._file.read(min(len(view), self._left))
        self._left -= len(data)
        if not data:
            data, self._there = self._there[: len(view)], b""
        view[: len(data)] = data
        return len(data)
