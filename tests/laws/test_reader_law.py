"""No row is lost: the reader against an independent strict reading, over generated files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.columns import guarded, unguarded
from batch.errors import UnusableFile
from batch.intake.checking import open_input

TODAY = dt.date(2026, 11, 24)
VALUES = st.text(
    st.one_of(
        st.sampled_from("abc,;\t|\"'\n\r=+-@ é😀0."),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    max_size=12,
)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), max_size=8)
HEADER = ("trainee_id", "defer_date", "note", "defer_reason")


def read_all(data: bytes) -> list[tuple[int, tuple[str, ...]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(data)
        with open_input(path, today=TODAY) as input_file:
            rows = [row for chunk in input_file.chunks() for row in chunk.rows()]
            assert input_file.row_count == len(rows)
    return [(row.row_number, row.values) for row in rows]


def written(rows: list[tuple[str, ...]], separator: str) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([HEADER, *rows])
    return text.getvalue()


@settings(deadline=None, max_examples=150)
@given(ROWS, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_every_row_is_read_as_it_was_written(
    rows: list[tuple[str, ...]], separator: str, encoding: str
) -> None:
    expected = [
        (number, tuple(map(unguarded, row)))
        for number, row in enumerate(rows, 2)
        if any(value.strip() for value in row)
    ]
    assert read_all(written(rows, separator).encode(encoding)) == expected


@settings(deadline=None, max_examples=150)
@given(ROWS)
def test_what_the_guard_writes_reads_back_as_it_was(rows: list[tuple[str, ...]]) -> None:
    guarded_rows = [tuple(map(guarded, row)) for row in rows]
    expected = [row for row in rows if any(value.strip() for value in row)]
    read = read_all(written(guarded_rows, ",").encode("utf-8-sig"))
    assert [values for _, values in read] == expected


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("ab1,\"\n\r '="), max_size=60))
def test_a_messy_file_is_read_as_strictly_or_refused(body: str) -> None:
    text = "trainee_id,defer_date\n" + body
    try:
        strict = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        strict = []
    try:
        found = read_all(text.encode())
    except UnusableFile:
        assert not strict
        return
    assert len(found) == sum(any(map(str.strip, record)) for record in strict[1:])
