"""The workbook, read by another library than the one that wrote it."""

from __future__ import annotations

import errno
import gc
import io
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet
from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet as Sheet

from batch.record import workbook
from batch.record.ledger import Ledger
from tests.support.journals import RUN, failed, journal_of

TEXTS = st.characters(exclude_categories=["Cs"])
MARKED_UP = '<r><t>x</t></r></is></c><c r="A9" t="inlineStr"><is><r><t>ghost</t></r>'


def written(folder: Path, *values: str, **more: object) -> Path:
    path = folder / "results.xlsx"
    with journal_of(folder, [failed(2, *values)], **more) as journal:
        write(journal.ledger, path)
    return path


def write(ledger: Ledger, path: Path) -> None:
    with workbook.writing_results(ledger, ledger.run(RUN.run_id), path) as results:
        for row in ledger.rows(RUN.run_id):
            results.add(row)


def sheet_of(path: Path, name: str = "unprocessable") -> Worksheet:
    sheet = openpyxl.load_workbook(path)[name]
    assert isinstance(sheet, Worksheet)
    return sheet


@pytest.mark.parametrize("value", [MARKED_UP, "=1+1", "http://x.example", "007", " <&> ", "é😀"])
def test_a_value_is_the_text_that_it_was(tmp_path: Path, value: str) -> None:
    sheet = sheet_of(written(tmp_path, "abc", "x", value))
    assert (sheet["C2"].value, sheet["C2"].data_type) == (value, "s")
    assert sheet.max_row == 2


def test_a_header_is_text_too(tmp_path: Path) -> None:
    path = written(tmp_path, "a", "b", "c", columns=("trainee_id", "=1+1", MARKED_UP))
    assert [cell.value for cell in sheet_of(path)[1]][1:3] == ["=1+1", MARKED_UP]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_is_called_one_and_no_fault_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Workbook.close

    def closed_on_a_full_disk(book: Workbook) -> None:
        close(book)
        raise FileCreateError(OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(Workbook, "close", closed_on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path, "abc", "x", "y")
    gc.collect()  # the library leaves its own files open


@pytest.mark.parametrize("letter", ["a", "😀"])
def test_a_value_too_long_for_a_cell_is_cut_and_says_so(tmp_path: Path, letter: str) -> None:
    value = str(sheet_of(written(tmp_path, "abc", "x", letter * 40_000))["C2"].value)
    assert value.endswith("(cut: the CSV holds all of it)")
    assert len(value.encode("utf-16-le")) <= 2 * workbook.MOST_CHARACTERS


def test_rows_beyond_what_a_sheet_holds_are_said_to_be_in_the_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 1)
    with journal_of(tmp_path, [failed(2, "a", "b", "c"), failed(3, "a", "b", "c")]) as journal:
        write(journal.ledger, tmp_path / "results.xlsx")
    assert sheet_of(tmp_path / "results.xlsx").max_row == 2
    cells = [row[2].value for row in sheet_of(tmp_path / "results.xlsx", "summary").iter_rows()]
    assert "the sheet holds the first 1, the CSV all" in cells


def test_the_header_is_frozen_and_filtered_over_every_row(tmp_path: Path) -> None:
    sheet = sheet_of(written(tmp_path, "a", "b", "c"))
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:N2")


def test_a_column_is_as_wide_as_what_it_holds_within_reason(tmp_path: Path) -> None:
    path = written(tmp_path, "x" * 24, "2026-10-01", "y" * 200)
    widths = [sheet_of(path).column_dimensions[letter].width for letter in "ABC"]
    assert 24 < widths[0] < 32
    assert 10 < widths[1] < 18
    assert widths[2] < 70


def test_a_sheet_prints_on_one_width_of_paper_with_its_header(tmp_path: Path) -> None:
    sheet = sheet_of(written(tmp_path, "a", "b", "c"))
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
    assert sheet.print_title_rows == "$1:$1"


def test_a_rehearsal_says_so_first(tmp_path: Path) -> None:
    sheet = sheet_of(written(tmp_path, "a", "b", "c", rehearsal=True), "summary")
    assert sheet["A1"].value == "REHEARSAL: nothing was sent to Register"


def test_the_summary_says_the_result_in_a_sentence(tmp_path: Path) -> None:
    sheet = sheet_of(written(tmp_path, "a", "b", "c"), "summary")
    lines = {row[0].value: row[1].value for row in sheet.iter_rows()}
    assert lines["Result"] == "No row is deferred; 1 needs your attention."


def test_nothing_of_the_rows_is_left_on_the_way(tmp_path: Path) -> None:
    written(tmp_path, "a", "b", "c")
    assert {path.name for path in tmp_path.iterdir()} == {"journal.db", "results.xlsx"}


def fails_in_the_midst(folder: Path) -> None:
    with journal_of(folder, [failed(2, "abc", "x", "y")]) as journal:
        run = journal.ledger.run(RUN.run_id)
        with workbook.writing_results(journal.ledger, run, folder / "results.xlsx") as results:
            results.add(next(iter(journal.ledger.rows(RUN.run_id))))
            raise ZeroDivisionError


def test_what_goes_wrong_in_the_midst_is_told_and_nothing_stays(tmp_path: Path) -> None:
    """On Windows no file can be deleted that is still open."""
    with pytest.raises(ZeroDivisionError):
        fails_in_the_midst(tmp_path)
    assert not [path for path in tmp_path.iterdir() if ".xlsx" in path.name]


def test_no_moment_of_writing_is_inside(tmp_path: Path) -> None:
    with ZipFile(written(tmp_path, "a", "b", "c")) as book:
        assert {entry.date_time[0] for entry in book.infolist()} == {1980}
        assert b"2026-11-24T10:00:00Z" in book.read("docProps/core.xml")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.none() | st.integers(0, 10**9) | st.text(TEXTS), max_size=30), max_size=5)
)
@example([["<&>", " x ", "a\tb\r\nc", "_x0041_", "\x01", "", None, 0, 7, "\ufffe", "é😀", "'=1"]])
def test_a_row_written_at_once_is_what_the_library_would_write(rows: list[list[Any]]) -> None:
    assert written_by(workbook._Rows, rows) == written_by(Sheet, rows)


def written_by(kind: type[Sheet], rows: list[list[Any]]) -> bytes:
    """Return the sheet that is written cell by cell, or row by row where it can be."""
    told = io.BytesIO()
    book = Workbook(told, workbook._OPTIONS)
    sheet, left = book.add_worksheet("rows", worksheet_class=kind), book.add_format({"bold": True})
    sheet.write_string(0, 0, "header")
    for place, row in enumerate(rows, 1):
        if isinstance(sheet, workbook._Rows):
            sheet.number_style = left
            sheet.write_cells(place, row)
            continue
        for column, value in enumerate(row):
            if isinstance(value, int):
                sheet.write_number(place, column, value, left)
            elif value:
                sheet.write_string(place, column, value)
    book.close()
    return ZipFile(told).read("xl/worksheets/sheet1.xml")
