"""Where a byte of the file stands: in which row of a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from batch.intake.layout import find_header


def row_at(path: Path, position: int, encoding: str) -> int:
    """Give the row in which a byte stands, by the file's own separator and quotes."""
    with path.open("rb") as file:
        until = io.BufferedReader(_Until(file, position, "x".encode(encoding)), 1 << 20)
        text = io.TextIOWrapper(until, encoding=encoding, errors="replace", newline="")
        header = find_header(path, text)
        rows = header.row
        try:
            for _ in csv.reader(text, delimiter=header.separator):
                rows += 1
        except csv.Error:  # a quote that never closes: the byte stands behind it
            return rows + 1
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
