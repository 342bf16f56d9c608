"""What is read without the strict reader is what the strict reader reads, or it is left to it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.intake import csv_reader
from batch.intake.certain import certain
from batch.intake.checked_file import open_input
from batch.intake.layout import Layout
from batch.run_settings import InputOptions
from tests.support.certain import by_strict, differently_read, everything

TODAY = dt.date(2026, 11, 24)
LETTERS = "abc\"'=,;\t|\n\r\0\ufeff\u2028\x1a é😀"
VALUES = st.text(st.sampled_from(LETTERS), max_size=4)
PLAIN = st.text(st.sampled_from("abc' é😀\u2028"), max_size=4)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES) | st.tuples(PLAIN, PLAIN, PLAIN), max_size=6)
SCRAPS = st.sampled_from(('"', '""', "\n", "\r", ",", '",', ',"', ' "', "é"))


def layout(separator: str, width: int = 3) -> Layout:
    names = ("trainee_id", "defer_date", "defer_reason")[:width]
    return Layout(names, width, {name: at for at, name in enumerate(names)}, separator)


def written(rows: list[tuple[str, ...]], separator: str, line_end: str, quoting: int) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


TEXTS = st.builds(
    written,
    ROWS,
    st.sampled_from(",;\t|"),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
)
DAMAGED = st.builds(
    lambda text, at, scrap: text[: at % (len(text) + 1)] + scrap + text[at % (len(text) + 1) :],
    TEXTS,
    st.integers(0, 60),
    SCRAPS,
)


def is_read_as_the_strict_reader_does(text: str, separator: str, width: int) -> bool:
    rows = certain(text, layout(separator, width))
    return rows is None or list(rows) == by_strict(text, separator)


@pytest.mark.parametrize("length", range(1, 6))
def test_every_short_text_is_read_as_strictly_or_left(length: int) -> None:
    for letters in itertools.product('a,"\n ', repeat=length):
        assert is_read_as_the_strict_reader_does("".join(letters), ",", 2)


@settings(deadline=None, max_examples=300)
@given(TEXTS | DAMAGED, st.sampled_from(",;\t|"))
def test_every_text_is_read_as_strictly_or_left(text: str, separator: str) -> None:
    assert is_read_as_the_strict_reader_does(text, separator, 3)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), PLAIN, PLAIN | st.just("ill, very; ill|\t"))),
    st.sampled_from(",;\t|"),
    st.sampled_from(("\n", "\r\n")),
    st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
)
def test_what_a_program_writes_is_not_left(
    rows: list[tuple[str, ...]], separator: str, line_end: str, quoting: int
) -> None:
    text = written([("a", "b", "c"), *rows], separator, line_end, quoting)
    assert certain(text, layout(separator)) is not None


@settings(deadline=None, max_examples=30)  # each is read eight times; `make soak` reads thousands
@given(TEXTS | DAMAGED)
def test_a_file_reads_the_same_whichever_reader_takes_its_blocks(text: str) -> None:
    certain_rows = "".join(f'b{n},2026-10-01,"ill, {n}"\n' for n in range(5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        for body in (text + certain_rows, certain_rows + text):
            content = f"trainee_id,defer_date,defer_reason\n{body}"
            path.write_bytes(content.encode())
            assert differently_read(InputOptions(path, TODAY)) == ""


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a value of 10,001 bytes", f"a,b,{'x' * 10_001}\n"),
        ("a row that may be blank", '"",,\n'),
        ("a row whose name begins with a space", " a,b,c\n"),
        ("a row whose name begins with a letter beyond ASCII", "é,b,c\n"),
        ("a line too short", "a,b\n"),
        ("a line too long", "a,b,c,d\n"),
        ("a line too short, and one too long", "a,b\na,b,c,d\n"),
        ("a doubled quote", 'a,b,"c ""d"" e"\n'),
        ("quotes doubled around a value", 'a,""b"",c\n'),
        ("a line end within quotes", 'a,b,"c\nd"\n'),
        ("a line end that two quotes enclose", 'a,b,"c\nd",e,f\n'),
        ("a quote within a value", 'a,b"c,d\n'),
        ("quotes within a quoted value", 'a,b,"c"d"e"\n'),
        ("letters behind a closing quote", 'a,"b"c,"d"\n'),
        ("letters before an opening quote", 'a,b"c","d"\n'),
        ("a space before a quote", 'a, "b",c\n'),
        ("a quote that never closes", 'a,b,"c\n'),
        ("a carriage return alone", "a,b,c\rd,e,f\n"),
        ("a NUL", "a,b,\0\n"),
        ("a byte order mark", "\ufeffa,b,c\n"),
    ],
)
def test_what_may_be_read_otherwise_is_left(what: str, text: str) -> None:
    assert certain(text, layout(",")) is None, what


def test_another_separator_and_a_column_without_a_name_are_left() -> None:
    assert certain("a.b.c\n", layout(".")) is None
    nameless = Layout(("trainee_id", "", "defer_date"), 3, {"trainee_id": 0, "defer_date": 2}, ",")
    assert certain("a,b,c\n", nameless) is None


def test_quoted_values_of_several_columns_come_back_to_their_places() -> None:
    rows = certain('"a","b,",c\nd,"e",",f"\n"",g,h\n'.replace('"",', "i,"), layout(","))
    assert rows is not None
    assert list(rows) == [["a", "b,", "c"], ["d", "e", ",f"], ["i", "g", "h"]]


def test_everything_of_a_file_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("trainee_id,defer_date\na1,soon\n", encoding="utf-8")
    with open_input(InputOptions(path, TODAY)) as file:
        rows = [row for chunk in file.chunks() for row in chunk.rows()]
    read = everything(InputOptions(path, TODAY))
    assert isinstance(read, tuple)
    assert (read[0], read[-1]) == (rows, 1)


def test_a_long_list_that_a_program_wrote_needs_no_strict_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(csv_reader.CsvReader, "_next_records")
    path = tmp_path / "list.csv"
    rows = "".join(f'id{n},2026-10-01,"ill, {n}"\nx{n},2026-10-01,ill\n' for n in range(5_000))
    path.write_text("trainee_id,defer_date,defer_reason\n" + rows, encoding="utf-8")
    with open_input(InputOptions(path, TODAY)) as file:
        reasons = [
            row.deferral.defer_reason for c in file.chunks() for row in c.rows() if row.deferral
        ]
    assert reasons == [reason for n in range(5_000) for reason in (f"ill, {n}", "ill")]
