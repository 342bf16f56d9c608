"""The two ways of reading a CSV, compared: the fast one must never read what the strict does not."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from unittest import mock

from batch.errors import UnusableFile
from batch.intake import bounded, csv_reader
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions


def by_strict(text: str, separator: str) -> list[list[str]] | None:
    """Return the rows of the standard library's strict reader, None where it refuses the text."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None


def differently_read(options: InputOptions) -> str:
    """Return how a file reads otherwise in small blocks, or without the fast reader; "" if not."""
    whole = everything(options)
    with strict_only():
        if everything(options) != whole:
            return "the fast reader reads it otherwise than the strict one"
    with small_blocks(letters=60):
        if everything(options) != whole:
            return "it is read otherwise in small blocks"
    with small_blocks(letters=60), strict_only():
        if everything(options) != whole:
            return "it is read otherwise in small blocks by the strict reader"
    return ""


def everything(options: InputOptions) -> object:
    """Return all that is read of a file and found in it, or why it is refused."""
    try:
        with open_input(options) as file:
            chunks = list(file.chunks())
            rows = [row for chunk in chunks for row in chunk.rows()]
            repairs = sorted(
                (repair.row_number, repair.column, repair.kind)
                for chunk in chunks
                for repair in chunk.repairs
            )
            whole = sorted((number, str(found)) for number, found in file.problems_of_the_whole())
            return rows, repairs, whole, file.reading(), file.sha256, file.row_count
    except UnusableFile as refused:
        return str(refused)


@contextlib.contextmanager
def strict_only() -> Iterator[None]:
    """Read by the strict reader alone."""
    with mock.patch.object(csv_reader, "certain", return_value=None):
        yield


@contextlib.contextmanager
def small_blocks(*, letters: int) -> Iterator[None]:
    """Read in blocks of so many letters, whatever rows they hold, and strictly one row a time."""
    with (
        mock.patch.object(bounded, "LETTERS_A_BLOCK", letters),
        mock.patch.object(bounded, "ROWS_A_STEP", 1),
        mock.patch.object(csv_reader, "ROWS_A_STEP", 1),
    ):
        yield
