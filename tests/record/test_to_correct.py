"""`to-correct.xlsx`: which rows it holds, what of them, and that it can be run as it is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from batch.codes import CORRECTABLE, TABLE, Code
from batch.record import manifest, to_correct
from batch.record.report_files import write_report
from batch.rows import Deferral, Problem, Row, Settled
from tests.support.journals import RUN, failed, journal_of

HELD_IN = {"trainee_id": "trainee_id", "defer_date": "defer_date"}
GOOD = Deferral("abc", "2026-10-01", None)


def sheet_of(folder: Path, *rows: Row, **more: object) -> Worksheet:
    with journal_of(folder, rows, held_in=HELD_IN, **more) as journal:
        to_correct.write_to_correct(journal.ledger, RUN.run_id, folder / "to-correct.xlsx")
    sheet = openpyxl.load_workbook(folder / "to-correct.xlsx").active
    assert isinstance(sheet, Worksheet)
    return sheet


def wrong(number: int, *values: str, **problems: str) -> Row:
    """Return a row that failed checks: `wrong(2, "a/b", "", trainee_id="…", defer_date="…")`."""
    codes = {"trainee_id": Code.MALFORMED_TRAINEE_ID, "defer_date": Code.INVALID_DEFER_DATE}
    found = tuple(Problem(codes[name], name, words) for name, words in problems.items())
    return Row(number, values, values[0], None, found)


def test_a_row_stands_as_it_was_with_what_is_wrong_behind_it(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, wrong(7, "a/b", "2026-10-01", "x", trainee_id="No id."))
    header, row = ([cell.value for cell in line] for line in sheet.iter_rows())
    added = ["problem", "column", "original_row", "original_run"]
    assert header == ["trainee_id", "defer_date", "note", *added]
    assert row == [
        *("a/b", dt.datetime.fromisoformat("2026-10-01"), "x"),
        *("No id.", "trainee_id", "7", RUN.run_id),
    ]


def test_each_cell_at_fault_is_marked_and_says_why(tmp_path: Path) -> None:
    row = wrong(2, "a/b", "31/02/2026", "x", trainee_id="No id.", defer_date="No day.")
    first, second, third, *_ = next(sheet_of(tmp_path, row).iter_rows(min_row=2))
    notes = [cell.comment.text if cell.comment else None for cell in (first, second, third)]
    assert notes == ["No id.", "No day.", None]
    assert [cell.fill.fgColor.rgb != "00000000" for cell in (first, second, third)] == [
        *(True, True, False),
    ]


@pytest.mark.parametrize("date", ["03/04/2026", "2026-02-31", "next week", ""])
def test_a_date_that_is_at_fault_is_no_date(tmp_path: Path, date: str) -> None:
    sheet = sheet_of(tmp_path, wrong(2, "abc", date, "x", defer_date="No day."))
    assert sheet["B2"].value == (date or None)
    assert sheet["B2"].number_format == "yyyy-mm-dd", "what is typed there becomes a date"


@pytest.mark.parametrize(("date_format", "day"), [("dmy", 3), ("iso", None)])
def test_a_date_is_read_as_the_run_read_it(
    tmp_path: Path, date_format: str, day: int | None
) -> None:
    row = wrong(2, "a/b", "03/04/2026", "x", trainee_id="No id.")
    value = sheet_of(tmp_path, row, date_format=date_format)["B2"].value
    assert str(value)[:10] == ("03/04/2026" if day is None else f"2026-04-{day:02}")


def test_a_date_whose_day_and_month_could_be_swapped_stays_text(tmp_path: Path) -> None:
    problem = Problem(Code.AMBIGUOUS_DEFER_DATE, "defer_date", "Could be swapped.")
    row = Row(2, ("abc", "2026-04-03", "x"), "abc", None, (problem,))
    assert sheet_of(tmp_path, row)["B2"].value == "2026-04-03"


def test_what_is_typed_over_an_id_stays_text(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, wrong(2, "", "2026-10-01", "x", trainee_id="No id."))
    assert sheet["A2"].number_format == "@"
    assert sheet["A2"].comment is not None


@pytest.mark.parametrize("value", ["=1+1", "'=1+1", "@x", "-1"])
def test_a_formula_is_guarded_as_in_the_csvs(tmp_path: Path, value: str) -> None:
    cell = sheet_of(tmp_path, wrong(2, "a/b", "x", value, trainee_id="No id."))["C2"]
    assert (cell.value, cell.data_type) == ("'" + value, "s")


def test_only_rows_that_a_person_can_correct_are_there(tmp_path: Path) -> None:
    rows = [failed(number, "a", "x", "y", code=code) for number, code in enumerate(Code, 2)]
    sheet = sheet_of(tmp_path, *rows)
    kept = {str(cell.value) for cell in sheet["F"][1:]}
    told = {
        str(number)
        for number, code in enumerate(Code, 2)
        if code in CORRECTABLE and code.outcome == "unprocessable"
    }
    assert kept == told


def test_every_code_of_a_check_but_a_repeat_can_be_corrected() -> None:
    checked = {code for code, entry in TABLE.items() if entry.failed_check}
    looked_up = {Code.SEVERAL_TRAINEES_MATCH, Code.IDENTITY_DIFFERS}
    assert checked - {Code.DUPLICATE_ROW} | looked_up == CORRECTABLE


def test_what_looking_up_found_at_fault_is_marked_too(tmp_path: Path) -> None:
    row = Row(2, ("abc", "2026-10-01", "x"), "abc", GOOD)
    with journal_of(tmp_path, [row], held_in=HELD_IN) as journal:
        other = Settled(Code.IDENTITY_DIFFERS, "Another person.", column="note")
        journal.settle_now(1, {2: other})
        (found,) = to_correct.rows_to_correct(journal.ledger, journal.ledger.run(RUN.run_id))
    assert (found.notes, found.at_fault) == ({2: "Another person."}, "note")


def test_a_problem_of_the_whole_file_joins_those_of_the_row(tmp_path: Path) -> None:
    row = wrong(2, "abc", "03/04/2026", "x", defer_date="Swapped?")
    with journal_of(tmp_path, [row], held_in=HELD_IN) as journal:
        journal.add_problems(1, [(2, Problem(Code.CONFLICTING_ROWS, "", "Two."))])
        (found,) = to_correct.rows_to_correct(journal.ledger, journal.ledger.run(RUN.run_id))
    assert found.notes == {0: "Two.", 1: "Swapped?"}


def test_the_first_row_and_run_are_kept_and_stand_last(tmp_path: Path) -> None:
    names = ("trainee_id", "original_row", "original_run", "defer_date")
    row = wrong(2, "a/b", "41", "20260101T000000Z-first-abcd", "2026-10-01", trainee_id="No id.")
    header, cells = sheet_of(tmp_path, row, columns=names).iter_rows(values_only=True)
    assert header[:2] == ("trainee_id", "defer_date")
    assert cells[-2:] == ("41", "20260101T000000Z-first-abcd")


def test_a_row_added_by_hand_is_of_this_run(tmp_path: Path) -> None:
    names = ("trainee_id", "defer_date", "original_row", "original_run")
    row = wrong(9, "a/b", "2026-10-01", "", "", trainee_id="No id.")
    *_, cells = sheet_of(tmp_path, row, columns=names).iter_rows(values_only=True)
    assert cells[-2:] == ("9", RUN.run_id)


def test_a_rehearsal_says_so_in_each_row(tmp_path: Path) -> None:
    row = wrong(2, "a/b", "2026-10-01", "x", trainee_id="No id.")
    assert str(sheet_of(tmp_path, row, rehearsal=True)["D2"].value).startswith("REHEARSAL")


def test_where_nothing_can_be_corrected_there_is_no_file(tmp_path: Path) -> None:
    row = failed(2, "a", "x", "y", code=Code.DUPLICATE_ROW)
    (tmp_path / manifest.TO_CORRECT).write_text("of an earlier report")
    with journal_of(tmp_path, [row]) as journal:
        to_correct.write_to_correct(journal.ledger, RUN.run_id, tmp_path / manifest.TO_CORRECT)
    assert not (tmp_path / manifest.TO_CORRECT).exists()


def test_the_same_journal_gives_the_same_bytes(tmp_path: Path) -> None:
    with journal_of(tmp_path, [wrong(2, "a/b", "x", "y", trainee_id="No.")]) as journal:
        written = []
        for _ in range(2):
            to_correct.write_to_correct(journal.ledger, RUN.run_id, tmp_path / "to-correct.xlsx")
            written.append((tmp_path / "to-correct.xlsx").read_bytes())
    assert written[0] == written[1]


def test_corrections_made_in_its_place_outlive_a_report_written_anew(tmp_path: Path) -> None:
    with journal_of(tmp_path, [wrong(2, "a/b", "x", "y", trainee_id="No.")]) as journal:
        folder = tmp_path / RUN.run_id
        write_report(journal, RUN.run_id, folder, tool_version="1")
        before = (folder / manifest.TO_CORRECT).read_bytes()
        (folder / manifest.TO_CORRECT).write_bytes(b"somebody's work")
        again = write_report(journal, RUN.run_id, folder, tool_version="1")
    assert (folder / manifest.TO_CORRECT).read_bytes() == before
    (kept,) = tmp_path.glob("*-corrected-*.xlsx")
    assert kept.read_bytes() == b"somebody's work"
    assert kept.name in again.warnings[0]
