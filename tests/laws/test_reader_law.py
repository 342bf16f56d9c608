"""No row is lost: the reader against a strict reading by hand, over generated files."""

from __future__ import annotations

import codecs
import datetime as dt
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.columns import guarded
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.fuzzing import fuzz
from tests.support.strict import strictly_read

TODAY = dt.date(2026, 11, 24)
VALUES = st.text(
    st.one_of(
        st.sampled_from("abc,;\t|\"'\n\r=+-@ é😀0.\u00a0\u200b\u00ad"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    max_size=12,
)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), max_size=8)
HEADER = ("trainee_id", "defer_date", "note", "defer_reason")
UNSEEN = re.compile(
    r"[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]*\x1a*"
)
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


def read_all(data: bytes) -> list[tuple[int, tuple[str, ...]]] | str:
    """Return the rows with their numbers, or why the file was refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(data)
        try:
            with open_input(InputOptions(path, TODAY)) as input_file:
                rows = [row for chunk in input_file.chunks() for row in chunk.rows()]
        except UnusableFile as refused:
            return refused.message
    assert input_file.row_count == len(rows)
    return [(row.row_number, row.values) for row in rows]


def written(rows: list[tuple[str, ...]], separator: str, line_end: str = "\r\n") -> str:
    lines = [
        separator.join('"' + value.replace('"', '""') + '"' for value in row)
        for row in [HEADER, *rows]
    ]
    return line_end.join(lines) + line_end


def without_guard(value: str) -> str:
    return value[1:] if re.match(r"'+[=+\-@\t\r]", value) else value


def is_blank(row: Sequence[str]) -> bool:
    return all(UNSEEN.fullmatch(value) for value in row)


def swallows(told: object, rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Whether a file was refused because a row may hold another, and one may."""
    if not isinstance(told, str):
        return False
    assert "swallows" in told
    return any(may_hold_another(row, separator) for row in rows)


def may_hold_another(row: Sequence[str], separator: str) -> bool:
    """Whether a line of the row, but the first, has something like an id before a separator."""
    _, *lines = re.split(r"\r\n|\n|\r", separator.join(row))
    firsts = [line.split(separator)[0] for line in lines if separator in line]
    return any(re.search(r"[A-Za-z0-9_-]", first) for first in firsts)


@settings(deadline=None, max_examples=75)
@given(
    ROWS,
    st.sampled_from(",;\t|"),
    st.sampled_from(list(ENCODINGS)),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_every_row_is_read_as_it_was_written(
    rows: list[tuple[str, ...]], separator: str, encoding: str, line_end: str
) -> None:
    expected = [
        (number, tuple(map(without_guard, row)))
        for number, row in enumerate(rows, 2)
        if not is_blank(row)
    ]
    data = ENCODINGS[encoding] + written(rows, separator, line_end).encode(encoding)
    assert read_all(data) == expected or swallows(read_all(data), rows, separator)


@settings(deadline=None, max_examples=75)
@given(ROWS)
def test_what_the_guard_writes_reads_back_as_it_was(rows: list[tuple[str, ...]]) -> None:
    guarded_rows = [tuple(map(guarded, row)) for row in rows]
    expected = [row for row in rows if not is_blank(row)]
    read = read_all(written(guarded_rows, ",").encode("utf-8-sig"))
    if not isinstance(read, str):
        assert [values for _, values in read] == expected
    else:
        assert swallows(read, guarded_rows, ",")


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from("ab1,;\"\n\r '="), max_size=60), st.sampled_from(",;"))
def test_a_messy_file_is_read_as_strictly_or_refused(body: str, separator: str) -> None:
    strict = strictly_read(body, separator)
    found = read_all(f"trainee_id{separator}defer_date\n{body}".encode())
    if strict is None:
        assert isinstance(found, str)
        return
    filled = [row for row in strict if not is_blank(row)]
    everywhere = len(filled) > 1 and all(len(row) > 2 for row in filled)
    expected = [
        (number, as_reported(row, separator, everywhere=everywhere))
        for number, row in enumerate(strict, 2)
        if not is_blank(row)
    ]
    assert found == expected or swallows(found, strict, separator)


def as_reported(row: list[str], separator: str, *, everywhere: bool) -> tuple[str, ...]:
    """Two values a row: missing ones are empty, and surplus that holds something is joined on.

    So is an empty value behind one that is none, unless all rows have it: a comma may be hidden.
    """
    hides = len(row) == 3 and UNSEEN.fullmatch(row[2]) and not UNSEEN.fullmatch(row[1])
    while len(row) > 2 and not row[-1].strip() and (everywhere or not hides):
        row = row[:-1]
    first, *rest = [*row, "", ""][: max(2, len(row))]
    return without_guard(first), without_guard(separator.join(rest))


def test_no_broken_file_crashes_the_reader_or_loses_a_row() -> None:
    assert fuzz(files=40, seed=1) == []
