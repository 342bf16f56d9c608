"""Corrected copies: what is changed in them, what never is, and that rows keep their numbers."""

from __future__ import annotations

import datetime as dt
import importlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.app.copies import copied
from batch.app.journeys import Journey
from batch.app.lists import CheckedList, Corrections, is_changed, read_list
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.reading import TODAY

Correcting = Callable[..., tuple[InputOptions, CheckedList]]


@pytest.fixture
def correct(tmp_path: Path) -> Correcting:
    """Correct a list: `correct(content, {row: {place: value}}, {left out})`.

    What is told of it from memory is what reading the copy shows.
    """

    def correcting(
        content: str | Path, values: dict[int, dict[int, str]], left_out: set[int] | None = None
    ) -> tuple[InputOptions, CheckedList]:
        path = tmp_path / "list.csv" if isinstance(content, str) else content
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        options = InputOptions(path, TODAY, require_trainee_id=False)
        corrections = Corrections(values, left_out or set())
        read = read_list(options)
        copy = copied(read, corrections).options
        found = read.checked(corrections)
        assert found.problems == read_list(copy).checked().problems
        return copy, found

    return correcting


def rows(options: InputOptions) -> dict[int, tuple[str, ...]]:
    with open_input(options) as file:
        return {row.row_number: row.values for chunk in file.chunks() for row in chunk.rows()}


def workbook(path: Path, *lines: list[Any]) -> Path:
    book = importlib.import_module("openpyxl").Workbook()
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


HEADER = "trainee_id,defer_date,defer_reason\n"


def test_a_value_is_changed_and_nothing_else(correct: Correcting) -> None:
    copy, found = correct(f"{HEADER}abc,x,ill\ndef,2026-10-01,\n", {2: {1: "2026-10-14"}})
    assert rows(copy) == {2: ("abc", "2026-10-14", "ill"), 3: ("def", "2026-10-01", "")}
    assert found.to_correct == []


def test_rows_keep_their_numbers_where_others_are_left_out_or_blank(correct: Correcting) -> None:
    copy, _ = correct(f"A title\n\n{HEADER}abc,x,\n\ndef,2026-10-01,\n", {}, {4})
    assert list(rows(copy)) == [6]


@pytest.mark.parametrize("value", ["=1+1", "'=1+1", "-", "a;b", 'a "quoted", b', "a\nb", "’é😀"])
def test_a_corrected_value_reads_back_as_it_was_typed(correct: Correcting, value: str) -> None:
    copy, _ = correct(f"{HEADER}abc,2026-10-01,x\n", {2: {2: value}})
    assert rows(copy)[2][2] == value


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_stays(correct: Correcting, separator: str) -> None:
    content = f"{HEADER}abc,x,\n".replace(",", separator)
    copy, _ = correct(content, {2: {1: "2026-10-01"}})
    assert rows(copy) == {2: ("abc", "2026-10-01", "")}


def test_a_row_with_too_many_values_stays_one_unless_it_is_corrected(correct: Correcting) -> None:
    content = f"{HEADER}abc,2026-10-01,ill, again\ndef,x,\n"
    copy, found = correct(content, {3: {1: "2026-10-01"}})
    assert found.to_correct == [2]
    copy, found = correct(content, {2: {2: "ill, again"}})
    assert rows(copy)[2][2] == "ill, again"
    assert found.to_correct == [3]


def test_a_report_is_corrected_without_the_columns_that_it_added(correct: Correcting) -> None:
    added = "row,outcome,code,message,http_status,attempts,sent_date,register_date,settled_at"
    content = f"trainee_id,defer_date,{added}\nabc,x,2,unprocessable,a,b,,0,,,\n"
    copy, found = correct(content, {2: {1: "2026-10-01"}})
    assert rows(copy) == {2: ("abc", "2026-10-01")}
    assert found.to_correct == []


def test_a_workbook_stays_one_and_its_numbers_stay_numbers(
    correct: Correcting, tmp_path: Path
) -> None:
    day = dt.date(2026, 10, 1)
    path = workbook(
        tmp_path / "list.xlsx",
        ["trainee_id", "defer_date", "n"], ["abc", "x", 1], [12345, day, 2], ["def", day, 3],
    )  # fmt: skip
    before = path.read_bytes()
    copy, found = correct(path, {2: {1: "2026-10-14"}}, {4})
    assert copy.path.suffix == ".xlsx"
    assert rows(copy)[2] == ("abc", "2026-10-14", "1")
    assert found.to_correct == [3]  # an id that is a number still is one
    assert list(rows(copy)) == [2, 3]
    assert path.read_bytes() == before


def test_a_formula_that_is_typed_into_a_workbook_is_text(
    correct: Correcting, tmp_path: Path
) -> None:
    path = workbook(
        tmp_path / "list.xlsx", ["trainee_id", "defer_date", "n"], ["abc", "2026-10-01", "x"]
    )
    copy, _ = correct(path, {2: {2: "=1+1"}})
    cell = importlib.import_module("openpyxl").load_workbook(copy.path).active["C2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_what_was_changed_is_told_without_values() -> None:
    told = Corrections({3: {1: "Zq-secret"}}, {7}).as_noted(["trainee_id", "defer_date"], {8})
    assert told == {"changed": [{"row": 3, "column": "defer_date"}], "left_out": [7, 8]}


def test_problems_stand_in_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}abc,x,\ndef,2026-10-01,\ndef,2026-10-01,\n", encoding="utf-8")
    found = read_list(InputOptions(path, TODAY)).checked()
    shown = found.rows_of(found.to_correct)
    assert [cell.place for cell in shown[2].cells if cell.messages] == [1]
    assert found.to_send == 3 - len(found.to_correct)


def test_nothing_that_shows_a_list_to_programmers_shows_its_values(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}Zq-secret,x,Zq-secret\n", encoding="utf-8")
    read = read_list(InputOptions(path, TODAY))
    journey = Journey("id", tmp_path, path, "Zq-secret.csv", "iso", None)
    journey.corrections = Corrections({2: {2: "Zq-secret"}})
    assert "Zq-secret" not in f"{read!r} {read.checked()!r} {journey!r}"


def test_any_rows_are_paged(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "".join(f"id{n},2026-10-01,\n" for n in range(60)), encoding="utf-8")
    shown = read_list(InputOptions(path, TODAY)).checked().any_rows(50, 25)
    assert [row.number for row in shown] == list(range(52, 62))


def test_three_dates_are_shown_however_many_chunks_the_rows_come_in(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    lines = (f"id{n},2026-10-{n % 28 + 1:02},\n" for n in range(33_000))
    as_the_strict_reader_does = 'abc,2026-10-01,"a ""b"""\n'
    path.write_text(HEADER + as_the_strict_reader_does + "".join(lines), encoding="utf-8")
    found = read_list(InputOptions(path, TODAY)).checked()
    assert len(found.chunks) > 1
    assert [written for written, _ in found.dates] == ["2026-10-01", "2026-10-02", "2026-10-03"]


@pytest.mark.parametrize("separator", ["^", ":"])
def test_a_separator_that_only_the_file_named_is_named_in_the_copy(
    correct: Correcting, separator: str
) -> None:
    content = f"sep={separator}\n{HEADER}abc,x,\n".replace(",", separator)
    copy, _ = correct(content, {3: {1: "2026-10-01"}})
    assert rows(copy) == {3: ("abc", "2026-10-01", "")}


def test_a_sheet_whose_name_excel_does_not_take_is_refused_in_words(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER.strip().split(","), ["abc", "x", ""])
    with zipfile.ZipFile(path) as book:
        parts = {part: book.read(part) for part in book.namelist()}
    with zipfile.ZipFile(path, "w") as book:
        for part, data in parts.items():
            book.writestr(part, data.replace(b'name="Sheet"', b'name="Autumn: 1"'))
    read = read_list(InputOptions(path, TODAY))
    with pytest.raises(UnusableFile, match="Autumn: 1"):
        copied(read, Corrections({2: {1: "2026-10-01"}}))


@pytest.mark.parametrize(
    ("before", "told", "changed"),
    [("a", "a", False), ("a\nb", "a\r\nb", False), ("a\rb", "a\nb", False), ("a", "a ", True)],
)
def test_what_a_form_does_to_line_ends_is_no_change(
    before: str, told: str, changed: object
) -> None:
    assert is_changed(before, told) is changed


CUT = f"{HEADER}abc,2026-10-01\nand more,\ndef,2026-10-02,x\n"
"""A line break that was not quoted: rows 2 and 3 are two halves of one."""


def test_a_row_that_cannot_be_copied_as_it_stands_is_left_out_of_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(CUT, encoding="utf-8")
    read = read_list(InputOptions(path, TODAY, require_trainee_id=False))
    assert read.checked().to_correct == [2, 3]
    corrections = Corrections(left_out={3})  # the other half reads as a whole row now
    copy = copied(read, corrections)
    assert read.checked(corrections).to_correct == [2]
    assert (set(copy.lost), list(rows(copy.options))) == ({2}, [4])


def test_a_row_that_was_cut_in_two_is_made_whole(correct: Correcting) -> None:
    copy, found = correct(CUT, {2: {2: "more"}}, {3})
    assert found.to_correct == []
    assert rows(copy)[2] == ("abc", "2026-10-01", "more")


def test_a_row_that_is_emptied_is_none(correct: Correcting) -> None:
    copy, found = correct(f"{HEADER}abc,x,\ndef,2026-10-02,\n", {2: {0: "", 1: ""}})
    assert (found.rows, list(rows(copy))) == (1, [3])


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({}, [2, 3, 4, 5, 6]),
        ({2: {0: "abc1"}}, [3, 4, 5, 6]),
        ({3: {1: "2026-10-01"}}, [2, 4, 5, 6]),
        ({4: {2: "ill"}}, [2, 3, 5, 6]),
        ({5: {0: "jkl"}}, [2, 3, 4]),
        ({6: {1: "2026-10-01"}}, [2, 3, 4, 6]),
        ({6: {2: "x"}}, [2, 3, 4, 5, 6]),
    ],
)
def test_what_a_workbooks_cells_are_is_corrected_cell_by_cell(
    correct: Correcting, tmp_path: Path, values: dict[int, dict[int, str]], left: list[int]
) -> None:
    day = dt.date(2026, 10, 1)
    path = workbook(
        tmp_path / "list.xlsx",
        ["trainee_id", "defer_date", "defer_reason"], [12345, day, ""], ["abc", "x", ""],
        ["def", day, '"ill'], ["ghi", day, ""], ["ghi", dt.date(2026, 10, 2), ""],
    )  # fmt: skip
    _, found = correct(path, values)
    assert found.to_correct == left


@pytest.mark.parametrize("format_", ["£0.00", "General"])
def test_a_reason_that_is_refused_stays_so_where_only_the_date_was_corrected(
    tmp_path: Path, format_: str
) -> None:
    reason = "=A2" if format_ == "General" else 5
    path = tmp_path / "list.xlsx"
    book = importlib.import_module("openpyxl").Workbook()
    for line in [HEADER.strip().split(","), ["abc", "x", reason], ["def", "2026-10-01", ""]]:
        book.active.append(line)
    book.active["C2"].number_format = format_
    book.save(path)
    read = read_list(InputOptions(path, TODAY))
    corrections = Corrections({2: {1: "2026-10-14"}})
    assert read.checked(corrections).to_correct == [2]
    copy = copied(read, corrections)
    assert (set(copy.lost), list(rows(copy.options))) == ({2}, [3])
