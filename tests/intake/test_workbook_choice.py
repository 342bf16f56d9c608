"""Which sheet and rows of a workbook are read, and what its cells show."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openpyxl
import pytest

from batch.columns import REPORT_COLUMNS
from batch.errors import UnusableFile
from batch.intake import cells, workbook_reader
from batch.intake.encoding import look_at
from batch.run_settings import InputOptions
from tests.support.reading import Reading

NAMES = ("trainee_id", "defer_date", "defer_reason")
ROW = ("abc", "2026-10-01", "x")


def day(hour: int = 0, minute: int = 0) -> dt.datetime:
    """Return a moment as a spreadsheet has it: without a zone."""
    return dt.datetime.combine(dt.date(2026, 10, 1), dt.time(hour, minute))


def book_of(
    sheets: Mapping[str, Sequence[tuple[object, ...]]], change: Callable[..., Any] = id
) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    change(book)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def test_the_only_visible_sheet_with_columns_and_rows_is_read(read: Reading) -> None:
    sheets: dict[str, list[tuple[object, ...]]] = {
        "Notes": [("How to",)],
        "Template": [NAMES],
        "Autumn": [NAMES, ROW],
    }
    told = read(book_of(sheets), "list.xlsx")
    assert told.sent == [ROW]
    assert told.file.reading().lines()[0].startswith("list.xlsx, sheet Autumn (1 of 3), 1 row")


def test_several_sheets_with_rows_are_refused_with_a_command_each(read: Reading) -> None:
    content = book_of({"Spring": [NAMES, ROW], "Autumn": [NAMES, ROW]})
    with pytest.raises(UnusableFile) as refused:
        read(content, "list.xlsx")
    assert "--sheet Spring" in refused.value.hint
    assert "--sheet Autumn" in refused.value.hint
    assert len(read(content, "list.xlsx", sheet="Autumn").sent) == 1


@pytest.mark.parametrize("named", ["New Date", "new date", "new_date"])
def test_several_sheets_are_refused_however_the_columns_were_named(
    read: Reading, named: str
) -> None:
    rows = [("trainee_id", "New Date"), ("abc", "2026-10-01")]
    content = book_of({"Spring": rows, "Autumn": rows})
    with pytest.raises(UnusableFile, match="2 sheets"):
        read(content, "list.xlsx", columns={"defer_date": named})


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_never_taken_unasked(read: Reading, state: str) -> None:
    def hide(book: Any) -> None:
        book["Old"].sheet_state = state

    content = book_of({"Old": [NAMES, ROW], "Notes": [("x",)]}, hide)
    with pytest.raises(UnusableFile, match="hidden sheet Old"):
        read(content, "list.xlsx")
    assert read(content, "list.xlsx", sheet="Old").sent == [ROW]


def hide_row_3(book: Any) -> None:
    book.worksheets[0].row_dimensions[3].hidden = True


def test_hidden_rows_are_refused_skipped_or_included(read: Reading) -> None:
    content = book_of({"A": [NAMES, ROW, ("def", "2026-10-01", "y")]}, hide_row_3)
    with pytest.raises(UnusableFile) as refused:
        read(content, "list.xlsx")
    assert "--hidden-rows skip" in refused.value.hint
    assert len(read(content, "list.xlsx", hidden_rows="skip").sent) == 1
    assert len(read(content, "list.xlsx", hidden_rows="include").sent) == 2


def test_a_hidden_row_without_anything_in_it_hides_nothing(read: Reading) -> None:
    assert len(read(book_of({"A": [NAMES, ROW]}, hide_row_3), "list.xlsx").sent) == 1


def test_our_own_results_are_recognised(read: Reading) -> None:
    header = (*NAMES, *REPORT_COLUMNS)
    outcomes = ("succeeded", "not_found", "unprocessable", "unresolved")
    sheets = {outcome: [header, ROW] for outcome in outcomes}
    with pytest.raises(UnusableFile) as refused:
        read(book_of({"Summary": [("x",)], **sheets}), "results.xlsx")
    assert "--sheet unprocessable" in refused.value.hint


def test_titles_above_a_sheets_header_are_skipped(read: Reading) -> None:
    told = read(book_of({"A": [("Autumn list",), (), NAMES, ROW]}), "list.xlsx")
    assert [row.row_number for row in told.rows] == [4]


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (12, "General", "12"), (0.1 + 0.2, "General", "0.3"), (1.5, "General", "1.5"),
        (123456789012, "General", "1.23457E+11"), (1 / 3, "General", "0.333333333"),
        (0.5, "0%", "50%"), (0.1234, "0.00%", "12.34%"), (3, "0.000", None), (5, '"£"0', None),
        (day(), "mm-dd-yy", "01/10/2026"),
        (day(), "d-mmm-yy", "1-Oct-26"),
        (day(9, 5), "m/d/yy h:mm", "01/10/2026 09:05"),
        (day(), "ddd d.m.yy", None), (True, "General", "TRUE"),
        ("_x0041_b_x000D_", "General", "Ab"),
    ],
)  # fmt: skip
def test_a_reason_is_sent_as_the_spreadsheet_shows_it(
    read: Reading, value: object, number_format: str, shown: str | None
) -> None:
    def formatted(book: Any) -> None:
        book.worksheets[0]["C2"].number_format = number_format

    told = read(book_of({"A": [NAMES, (*ROW[:2], value)]}, formatted), "list.xlsx")
    assert told.sent == ([(*ROW[:2], shown)] if shown else [])
    assert told.codes == {2: [] if shown else ["unusable_reason"]}


def test_date_cells_beside_day_first_texts_may_be_swapped(read: Reading) -> None:
    cells_and_texts = [
        dt.date(2026, 5, 10), dt.date(2026, 10, 10), dt.date(2026, 10, 9), "17/10/2026", "23/09/2026",
    ]  # fmt: skip
    rows = [(f"id{n}", value, "x") for n, value in enumerate(cells_and_texts)]
    told = read(book_of({"A": [NAMES, *rows]}), "list.xlsx", date_format="dmy")
    assert told.conflicts == [(2, "ambiguous_defer_date")]


def test_date_cells_with_late_days_show_that_nothing_was_swapped(read: Reading) -> None:
    values = [dt.date(2026, 5, 10), dt.date(2026, 10, 30), "17/10/2026"]
    rows = [(f"id{n}", value, "x") for n, value in enumerate(values)]
    told = read(book_of({"A": [NAMES, *rows]}), "list.xlsx", date_format="dmy")
    assert told.conflicts == []


@pytest.mark.parametrize("content", ["trainee_id,defer_date\n", "<html><table>", "%PDF-1.7"])
def test_what_is_no_workbook_is_told_as_what_it_is(read: Reading, content: str) -> None:
    words = {"t": "a CSV under the name", "<": "a web page", "%": "a PDF"}[content[0]]
    with pytest.raises(UnusableFile, match=words):
        read(content, "list.xlsx")


def test_a_name_that_is_not_there_while_another_is_gets_that(read: Reading, tmp_path: Any) -> None:
    (tmp_path / "list.xlsx").write_bytes(b"x")
    with pytest.raises(UnusableFile) as refused:
        look_at(InputOptions(tmp_path / "list.csv", dt.date(2026, 11, 24)))
    assert "list.xlsx lies beside it" in refused.value.hint


def test_more_rows_than_a_workbook_should_have_are_refused(
    read: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_reader, "MOST_ROWS", 1)
    with pytest.raises(UnusableFile, match="save the sheet as CSV UTF-8"):
        read(book_of({"A": [NAMES, ROW, ROW]}), "list.xlsx")


def with_sheet_data(inserted: bytes) -> bytes:
    made = io.BytesIO()
    content = io.BytesIO(book_of({"A": [NAMES, ROW]}))
    with zipfile.ZipFile(content) as whole, zipfile.ZipFile(made, "w", 8) as changed:
        for name in whole.namelist():
            data = whole.read(name)
            if name.startswith("xl/worksheets/"):
                data = data.replace(b"</sheetData>", inserted + b"</sheetData>")
            changed.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize(
    "inserted",
    [
        b'<row r="3"><c r="A3" t="inlineStr"><is><t>' + b"a" * (3 << 20) + b"</t></is></c></row>",
        b'<row r="3">' + b"<c><v>1</v></c>" * 500_000 + b"</row>",
        b'<row r="3">' + b"<c><v>1</v></c>" * 17_000 + b"</row>",
        b"<!--" + b"x" * (3 << 20) + b"-->",
        b"<row/>" * 2_200_000,
    ],
    ids=["a long value", "a wide row", "more cells than columns", "a long comment", "rows"],
)
def test_what_no_sheet_holds_is_refused_by_a_sentence(read: Reading, inserted: bytes) -> None:
    with pytest.raises(UnusableFile):
        read(with_sheet_data(inserted), "list.xlsx")


@pytest.mark.parametrize(
    "inserted",
    [
        b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t> </t></is></c></row>',
        b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, 30_000)),
    ],
    ids=["a far cell", "blank rows"],
)
def test_what_holds_nothing_changes_nothing(read: Reading, inserted: bytes) -> None:
    assert read(with_sheet_data(inserted), "list.xlsx").sent == [ROW]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (-5.0, "-5"), (1e-10, "1E-10"), (0.1, "0.1"), (1234567.891, "1234567.891"),
        (123456.7891234, "123456.7891"), (99999999999.0, "99999999999"), (2.0, "2"), (1e20, "1E+20"),
        (1e-5, "0.00001"), (1 / 30000, None),
    ],
)  # fmt: skip
def test_a_number_without_a_format_is_shown_in_11_characters(
    value: float, shown: str | None
) -> None:
    assert cells.general(value) == shown
