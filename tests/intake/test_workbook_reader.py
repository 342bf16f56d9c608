"""Excel workbooks as input: the outcomes of the CSV of the same content."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from batch.errors import UnusableFile
from tests.support.reading import Reading

CASES: list[tuple[object, ...]] = [
    ("trainee_id", "defer_date", "defer_reason"),
    ("A00123", "2026-10-01", "Été, with comma"),
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
    with pytest.raises(UnusableFile, match="no sheet Spring"):
        read(content, "list.xlsx", sheet="Spring")


def test_a_broken_workbook_is_unusable(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="not a workbook"):
        read(b"PK\x03\x04broken", "list.xlsx")


def test_a_workbook_with_the_name_of_a_csv_is_told(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="spreadsheet workbook"):
        read(b"PK\x03\x04whatever", "list.csv")


def test_a_workbook_is_read_without_another_package(
    read: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = workbook(tmp_path / "made.xlsx", CASES)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert len(read(content, "list.xlsx").rows) == 5


def sheet_of(tmp_path: Path, *rows: tuple[object, ...], first_column: int = 1) -> bytes:
    """Make a workbook whose strings may be formulas and errors, as openpyxl tells them."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate([CASES[0], *rows], 1):
        for place, value in enumerate(row, first_column):
            sheet.cell(number, place, value)  # type: ignore[call-overload]
    book.save(tmp_path / "made.xlsx")
    return (tmp_path / "made.xlsx").read_bytes()


@pytest.mark.parametrize("value", [123, 1.5, True, dt.date(2026, 10, 1)])
def test_an_id_that_is_no_text_is_malformed(read: Reading, tmp_path: Path, value: object) -> None:
    told = read(sheet_of(tmp_path, (value, "2026-10-01", "x")), "list.xlsx")
    assert told.codes == {2: ["malformed_trainee_id"]}
    assert "format the column as text" in told.messages[0]


def test_problems_are_told_from_the_first_row_to_the_last(read: Reading, tmp_path: Path) -> None:
    rows = [(123, "2026-10-01", "x"), ("a/b", "2026-10-01", "x"), (456, "2026-10-01", "x")]
    told = read(sheet_of(tmp_path, *rows), "list.xlsx").told
    assert told == [(number, "malformed_trainee_id") for number in (2, 3, 4)]


def test_true_is_shown_as_a_spreadsheet_shows_it(read: Reading, tmp_path: Path) -> None:
    told = read(sheet_of(tmp_path, ("abc", True, True)), "list.xlsx")
    assert told.rows[0].values == ("abc", "TRUE", "TRUE")
    assert told.messages[0].startswith("TRUE is not a date")


def test_an_error_is_a_problem_of_its_row(read: Reading, tmp_path: Path) -> None:
    told = read(
        sheet_of(
            tmp_path,
            ("#REF!", "#N/A", None),
            ("abc", "2026-10-01", "#N/A"),
            ("#REF!", "#REF!", "#REF!"),
        ),
        "list.xlsx",
    )
    assert told.codes == {
        2: ["malformed_trainee_id", "invalid_defer_date"],
        3: ["unusable_reason"],
        4: ["malformed_trainee_id", "invalid_defer_date", "unusable_reason"],
    }
    assert told.rows[0].values == ("#REF!", "#N/A", "")
    assert told.messages[:2] == [
        "The id's formula gave #REF!: correct the formula.",
        "The date's formula gave #N/A: correct the formula.",
    ]


def test_a_formula_without_a_value_is_a_problem_of_its_row(read: Reading, tmp_path: Path) -> None:
    told = read(
        sheet_of(
            tmp_path,
            ("=A9", "=B9", "x"),
            ("abc", "2026-10-01", "=C9"),
            (),
            ("=A9", "=B9", "=C9"),
        ),
        "list.xlsx",
    )
    assert told.codes == {
        2: ["missing_trainee_id", "missing_defer_date"],
        3: ["unusable_reason"],
        5: ["missing_trainee_id", "missing_defer_date", "unusable_reason"],
    }
    assert told.messages[0].startswith("The id's formula was never calculated")


def test_a_text_that_shows_midnight_is_a_date(read: Reading, tmp_path: Path) -> None:
    told = read(sheet_of(tmp_path, ("abc", "2026-10-01 00:00:00", "x")), "list.xlsx")
    assert told.sent == [("abc", "2026-10-01", "x")]


def test_the_sha256_of_a_workbook_is_of_the_bytes_that_were_read(
    read: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sheet_of(tmp_path, ("abc", "2026-10-01", "x"))
    later = sheet_of(tmp_path, ("def", "2026-10-01", "x"))
    reading = Path.read_bytes

    def read_once(path: Path) -> bytes:
        data = reading(path)
        path.write_bytes(later)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_once)
    told = read(first, "list.xlsx")
    assert told.file.sha256 == hashlib.sha256(first).hexdigest()
    assert told.sent == [("abc", "2026-10-01", "x")]


def test_a_sheet_may_begin_right_of_column_a(read: Reading, tmp_path: Path) -> None:
    told = read(sheet_of(tmp_path, (123, "2026-10-01", "x"), first_column=3), "list.xlsx")
    assert told.messages[0].startswith("The id's cell holds a number (123)")
    assert told.file.layout.cell(2, 2) == "E2"


def test_a_sheet_of_a_csv_is_refused(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="which has no sheets"):
        read("trainee_id,defer_date\n", sheet="Sheet")


def test_an_encoding_of_a_workbook_is_refused(read: Reading, tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="says itself how it is encoded"):
        read(sheet_of(tmp_path), "list.xlsx", encoding="utf-8")


def test_a_workbook_behind_a_password_is_told(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="protected by a password"):
        read(b"\xd0\xcf\x11\xe0 and so on", "list.xlsx")


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet", b'<!DOCTYPE x [<!ENTITY y "z">]><worksheet'),
        ("xl/worksheets/sheet1.xml", b"<sheetData>", b"<sheetData"),
        ("xl/workbook.xml", b"<sheets>", b"<sheets"),
    ],
)
def test_a_workbook_with_a_damaged_part_is_refused(
    read: Reading, tmp_path: Path, part: str, before: bytes, after: bytes
) -> None:
    content = sheet_of(tmp_path, ("abc", "2026-10-01", "x"))
    with pytest.raises(UnusableFile, match="not a workbook that can be read"):
        read(changed(content, part, before, after), "list.xlsx")


def changed(book: bytes, part: str, before: bytes, after: bytes) -> bytes:
    """Return a workbook with something else in one of its parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as whole, zipfile.ZipFile(made, "w") as other:
        for name in whole.namelist():
            data = whole.read(name)
            assert name != part or before in data
            other.writestr(name, data.replace(before, after) if name == part else data)
    return made.getvalue()


@pytest.mark.parametrize("index", [b"-1", b"9", b"x"])
def test_a_text_that_is_not_there_is_no_other_text(read: Reading, index: bytes) -> None:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made) as book:
        sheet = book.add_worksheet()
        for number, line in enumerate((CASES[0], ("abc", "2026-10-01", "x"))):
            sheet.write_row(number, 0, line)
    cell = b'<c r="A2" t="s"><v>%s</v>'
    damaged = changed(made.getvalue(), "xl/worksheets/sheet1.xml", cell % b"3", cell % index)
    with pytest.raises(UnusableFile, match="not a workbook that can be read"):
        read(damaged, "list.xlsx")


def test_a_formula_is_read_by_its_stored_value(read: Reading, tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "made.xlsx")
    sheet = book.add_worksheet()
    date_format = book.add_format({"num_format": "dd/mm/yyyy"})
    sheet.write_row(0, 0, CASES[0])
    sheet.write_formula(1, 0, '="A00"&"123"', None, "A00123")
    sheet.write_formula(1, 1, "=DATE(2026,10,1)", date_format, 46296)
    sheet.write_formula(1, 2, '="Ill"&"ness"', None, "Illness")
    book.close()
    told = read((tmp_path / "made.xlsx").read_bytes(), "list.xlsx")
    assert told.sent == [("A00123", "2026-10-01", "Illness")]
