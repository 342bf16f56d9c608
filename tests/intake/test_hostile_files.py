"""Files as a colleague in a hurry fills them in: read right and told, or refused in words."""

from __future__ import annotations

import io
import os
from pathlib import Path

import openpyxl
import pytest

from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.certain import small_blocks
from tests.support.reading import HEADER, TODAY, Reading
from tests.support.terminals import posix_only

ID = "N1VXpwPC6FNNhu4EPkLG8LC"
FIRST, SECOND = f"{ID}1,2026-10-01,x\n", f"{ID}2,2026-10-01,y\n"
WIDTH = ["wrong_number_of_values"]
MALFORMED = ["malformed_trainee_id", "missing_defer_date"]

WIDTHS: list[tuple[str, str, dict[int, list[str]]]] = [
    ("a surplus", HEADER + FIRST + f"{ID}2,2026-10-01,ill, sad\n", {2: [], 3: WIDTH}),
    ("a shifted row", HEADER + f",{FIRST}{SECOND}", {2: WIDTH, 3: []}),
    ("some wider rows", HEADER + f"{ID}1,2026-10-01,x,,,\n{SECOND}", {2: [], 3: []}),
    ("no date", HEADER + f"{ID}1\n{SECOND}", {2: ["missing_defer_date"], 3: []}),
    ("a nameless column", f"{HEADER[:-1]},\n{FIRST[:-1]},later\n{SECOND}", {2: WIDTH, 3: []}),
    ("a continuation", HEADER + f"{FIRST}and sad\n{SECOND}", {2: WIDTH, 3: WIDTH, 4: []}),
    ("one with a comma", HEADER + f"{FIRST}sad, very\n{SECOND}", {2: WIDTH, 3: WIDTH, 4: []}),
    ("one with a day", HEADER + f"{FIRST}sad, since May 2\n{SECOND}", {2: WIDTH, 3: WIDTH, 4: []}),
    ("semicolons", HEADER + FIRST + f"{ID}3;2026-10-01;x\n", {2: [], 3: MALFORMED}),
    ("a short row", HEADER + f"{FIRST}{ID}3,tbc\n", {2: [], 3: ["invalid_defer_date"]}),
]
QUOTES: list[tuple[str, str, dict[int, list[str]]]] = [
    ("spaces around", HEADER + f'{ID}1 , "2026-10-01" , "ill, sad" \n', {2: []}),
    ("a space, unclosed", HEADER + f'{ID}1,2026-10-01, "ill\n', {2: ["unusable_reason"]}),
    ("an inch", HEADER + f'{ID}1,2026-10-01,5" cut\n', {2: []}),
    ("typographic", HEADER + f"{ID}1,2026-10-01,“ill, sad”\n", {2: WIDTH}),
    ("typographic, unclosed", HEADER + f"{ID}1,2026-10-01,“ill\n", {2: ["unusable_reason"]}),
    ("typographic, closed", HEADER + f"{ID}1,2026-10-01,“ill” and sad\n", {2: []}),
    ("as Germans write", HEADER + f"{ID}1,2026-10-01,„ill“\n", {2: []}),
    ("one line whole", HEADER + f'{FIRST}"{SECOND[:-1]}"\n', {2: [], 3: WIDTH}),
    ("a quoted rest", HEADER + f'{FIRST}"sad, very, much"\n', {2: WIDTH, 3: WIDTH}),
    ("two lines whole", HEADER + f'"{FIRST[:-1]}"\n"{SECOND[:-1]}"\n', {2: WIDTH, 3: WIDTH}),
]


@pytest.mark.parametrize(("name", "content", "codes"), WIDTHS + QUOTES)
def test_each_row_gets_the_code_of_what_is_wrong_with_it(
    read: Reading, name: str, content: str, codes: dict[int, list[str]]
) -> None:
    assert read(content).codes == codes, name


def workbook(*rows: tuple[str | None, ...], merged: str | None = None) -> bytes:
    book, made = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    if merged is not None:
        book.worksheets[0].merge_cells(merged)
    book.save(made)
    return made.getvalue()


NAMES = tuple(HEADER.strip().split(","))


@pytest.mark.parametrize(
    ("left", "codes"), [("ill", WIDTH), ("12", []), ("\u00a0", []), (None, [])]
)
def test_a_value_left_of_a_table_is_surplus_unless_it_counts_the_rows(
    read: Reading, left: str | None, codes: list[str]
) -> None:
    content = workbook((None, *NAMES), (left, f"{ID}1", "2026-10-01", "x"))
    assert read(content, "list.xlsx").codes == {2: codes}


@pytest.mark.parametrize("merged", ["C2:C3", "B2:D3"])
def test_a_reason_that_is_merged_over_rows_is_refused(read: Reading, merged: str) -> None:
    rows = (f"{ID}1", "2026-10-01", "x"), (f"{ID}2", "2026-10-01", None)
    with pytest.raises(UnusableFile, match="merged"):
        read(workbook(NAMES, *rows, merged=merged), "list.xlsx")


@pytest.mark.parametrize("merged", ["C3:C4", "A2:C2", "D2:D3", "C2:C2"])
def test_merged_cells_that_hide_no_reason_change_nothing(read: Reading, merged: str) -> None:
    rows = (f"{ID}1", "2026-10-01", None), (f"{ID}2", "2026-10-01", "y")
    assert len(read(workbook(NAMES, *rows, merged=merged), "list.xlsx").rows) == 2


def test_no_command_is_advised_for_two_columns_of_one_name(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read(f"defer_date,{HEADER}2026-10-01,{FIRST}")
    assert "--column" not in refused.value.hint


XML = '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook/>'
KINDS: list[tuple[str, str | bytes, str]] = [
    ("list.xlsx", HEADER, "a CSV under the name"),
    ("list.csv", workbook(NAMES), "not a CSV"),
    ("list.xls", "<table><tr><td>trainee_id</td></tr></table>", "web page"),
    ("list.xls", XML, "XML"),
    ("list.csv", "\ufeff" + XML, "XML"),
    ("list.csv", r"{\rtf1 trainee_id,defer_date}", "word processor"),
    ("list.csv", '[{"trainee_id": "abc"}]', "JSON"),
    ("list.csv", "%PDF-1.7", "PDF"),
    ("list.xlsx", "", "empty"),
    ("list.csv", "\ufeff", "header"),
    ("~$list.xlsx", b"\x05Somebody" + b" " * 150, "open"),
    ("list.xlsx", workbook(NAMES)[:1500], "not a workbook"),
]


@pytest.mark.parametrize(("name", "content", "word"), KINDS)
def test_a_file_of_another_kind_is_called_what_it_is(
    read: Reading, name: str, content: str | bytes, word: str
) -> None:
    with pytest.raises(UnusableFile, match=word) as refused:
        read(content, name)
    assert refused.value.hint


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    "kind", ["folder", pytest.param("pipe", marks=posix_only), "loop", "missing", "too long"]
)
def test_what_is_no_file_is_refused_in_words(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / (("a" * 300 if kind == "too long" else "list") + suffix)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    with pytest.raises(UnusableFile), open_input(InputOptions(path, TODAY)):
        pass


@pytest.mark.parametrize("letters", [1, 2, 3, 50])
def test_no_line_end_is_cut_in_two(read: Reading, letters: int) -> None:
    rows = "a,2026-10-01,x\r\n\r\r\nb,2026-10-01,y\r\rc,2026-10-01,z\n\r\n"
    with small_blocks(letters=letters):
        told = read(HEADER + rows)
    assert [row.row_number for row in told.rows] == [2, 5, 7]
    assert told.file.blank_row_count == 4


@pytest.mark.parametrize("before", [0, 3, 150, 30_000])
@pytest.mark.parametrize("end", ["", "\n", "\nc,2026-10-01,z\n"])
def test_a_line_longer_than_those_of_any_list_is_named(
    read: Reading, before: int, end: str
) -> None:
    rows = "".join(f"id{n},2026-10-01,x\n" for n in range(before))
    with pytest.raises(UnusableFile, match=f"row {before + 2} is longer"):
        read(HEADER + rows + "b,2026-10-01" + ",y" * 5_000_000 + end)
