"""Excel workbooks as input: the outcomes of the CSV of the same content."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import openpyxl
import pytest
from reading import Reading

from batch.errors import UnusableFile

CASES: list[tuple[object, ...]] = [
    ("trainee_id", "defer_date", "defer_reason"),
    ("000123", "2026-10-01", "Été, with comma"),
    (" abc ", "17/06/2024", "=1+1"),
    (None, None, None),
    ("a/b", None, "x" * 501),
    ("dup", "2026-10-01", None),
    ("dup", "2026-10-02", None),
]


def workbook(path: Path, rows: list[tuple[object, ...]], title: str = "Sheet") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for number, row in enumerate(rows, 1):
        for place, value in enumerate(row, 1):
            cell = sheet.cell(number, place, value)  # type: ignore[call-overload]
            if isinstance(value, str):
                cell.data_type = "s"
    book.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("date_format", ["iso", "dmy"])
def test_a_workbook_has_the_outcomes_of_the_csv(
    read: Reading, tmp_path: Path, date_format: str
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["" if v is None else v for v in row] for row in CASES])
    as_csv = read(text.getvalue(), date_format=date_format)
    as_workbook = read(
        workbook(tmp_path / "made.xlsx", CASES), "list.xlsx", date_format=date_format
    )
    assert as_workbook.rows == as_csv.rows
    assert as_workbook.conflicts == as_csv.conflicts


def test_a_real_date_is_a_date_whatever_the_format(read: Reading, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [CASES[0], ("abc", dt.date(2026, 10, 1), "x")]
    content = workbook(tmp_path / "made.xlsx", rows)
    for date_format in ("iso", "dmy"):
        told = read(content, "list.xlsx", date_format=date_format)
        assert told.sent == [("abc", "2026-10-01", "x")]


def test_the_rows_of_a_sheet_keep_their_numbers(read: Reading, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [(), (), CASES[0], (), ("abc", "2026-10-01", "x")]
    told = read(workbook(tmp_path / "made.xlsx", rows), "list.xlsx")
    assert [row.row_number for row in told.rows] == [5]


def test_a_sheet_can_be_named(read: Reading, tmp_path: Path) -> None:
    content = workbook(tmp_path / "made.xlsx", CASES[:2], title="Autumn")
    assert len(read(content, "list.xlsx", sheet="Autumn").rows) == 1
    with pytest.raises(UnusableFile, match="no sheet 'Spring'"):
        read(content, "list.xlsx", sheet="Spring")


def test_a_broken_workbook_is_unusable(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="not a workbook"):
        read(b"PK\x03\x04broken", "list.xlsx")


def test_a_workbook_with_the_name_of_a_csv_is_told(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="spreadsheet workbook"):
        read(b"PK\x03\x04whatever", "list.csv")


def test_without_the_extra_a_workbook_says_what_to_install(
    read: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = workbook(tmp_path / "made.xlsx", CASES)
    monkeypatch.setitem(__import__("sys").modules, "fastexcel", None)
    with pytest.raises(UnusableFile) as refused:
        read(content, "list.xlsx")
    assert "pip install 'defer-batch[excel]'" in refused.value.hint
