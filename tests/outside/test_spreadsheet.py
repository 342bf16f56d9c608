"""The reports in a real spreadsheet: text stays text, accents are right."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from batch.codes import Code, Outcome
from batch.intake.checked_file import open_input
from batch.record import report_files, to_correct
from batch.record.report_files import csv_name
from batch.rows import Deferral, Problem, Row, Settled
from batch.run_settings import InputOptions
from tests.support.journals import RUN, journal_of

STARTS = ("=", "+", "-", "@", "\t=", "\r=", "'=", "''@")
FORMULAS = [f'{start}HYPERLINK("x")' for start in STARTS]
HIDDEN = ["fine;=1+1", "fine\t=1+1", "fine =1+1", "fine|=1+1", 'fine";=1+1', "fine\n=1+1"]
VALUES = [*FORMULAS, *HIDDEN]
CODES = (Code.DEFERRED, Code.TRAINEE_NOT_FOUND, Code.REFUSED_BY_REGISTER, Code.NOT_SENT)
COMMAS, EVERYTHING = "44", "44/59/9/124/32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report in which each outcome has a row with every hostile value."""
    place = tmp_path_factory.mktemp("hostile")
    columns = ("trainee_id", "defer_date", "=1+1", "Été;=1+1", *map(str, range(len(VALUES))))
    rows = [
        Row(
            number,
            (f"id{number}", "2026-10-01", "Été", "007", *VALUES),
            f"id{number}",
            Deferral(f"id{number}", "2026-10-01", None),
        )
        for number in range(2, 6)
    ]
    with journal_of(place, rows, columns=columns) as journal:
        told = {n: Settled(code, "=1+1; =2+2") for n, code in enumerate(CODES, 2)}
        journal.settle_now(journal.ledger.run_number(RUN.run_id), told)
        report_files.write_report(journal, RUN.run_id, place / "run", tool_version="1")
    return place / "run"


def opened(paths: list[Path], separators: str, folder: Path) -> dict[str, Worksheet]:
    """Let LibreOffice open files and save them as workbooks; give the last sheet of each."""
    office = shutil.which("soffice")
    assert office, "this test takes LibreOffice: apt-get install libreoffice-calc"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    reading = [f"--infilter=CSV:{separators},34,76,1"] if separators else []  # quotes, UTF-8
    where = ["--convert-to", "xlsx", "--outdir", str(folder)]
    command = [office, profile, "--headless", *reading, *where, *map(str, paths)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return {
        path.stem: openpyxl.load_workbook(folder / f"{path.stem}.xlsx").worksheets[-1]
        for path in paths
    }


def guarded(value: str) -> str:
    """Return a hostile value as it should be seen; a spreadsheet has one kind of line end."""
    return ("'" + value if value in FORMULAS else value).replace("\r", "\n")


@pytest.mark.parametrize("separators", [COMMAS, EVERYTHING])
def test_every_csv_opens_as_text_with_right_accents(
    folder: Path, tmp_path: Path, separators: str
) -> None:
    paths = [folder / csv_name(outcome) for outcome in Outcome]
    for sheet in opened(paths, separators, tmp_path).values():
        header, row = sheet.iter_rows()
        assert "f" not in {cell.data_type for cell in (*header, *row)}
        assert [cell.value for cell in header][2:4] == ["'=1+1", "Été;=1+1"]
        assert row[2].value == "Été"
        assert [cell.value for cell in row[4 : 4 + len(VALUES)]] == list(map(guarded, VALUES))


def test_what_is_guarded_would_be_a_formula(tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("=1+1,fine;=1+1\n", encoding="utf-8")
    cells = next(iter(opened([bare], EVERYTHING, tmp_path)["bare"].iter_rows()))
    assert [cell.data_type for cell in cells] == ["f", "s", "f"]


def test_the_workbook_opens_as_text(folder: Path, tmp_path: Path) -> None:
    sheet = opened([folder / "results.xlsx"], "", tmp_path)["results"]
    header, row = sheet.iter_rows()
    assert {cell.data_type for cell in (*header, *row[: 4 + len(VALUES)])} == {"s"}
    assert (header[2].value, row[2].value, row[3].value) == ("=1+1", "Été", "007")


def test_rows_to_correct_come_back_from_a_spreadsheet_as_they_were(tmp_path: Path) -> None:
    columns = ("trainee_id", "defer_date", "=1+1", *map(str, range(len(VALUES))))
    problem = Problem(Code.MALFORMED_TRAINEE_ID, "trainee_id", "No id.")
    row = Row(7, ("a/b", "2026-10-01", "007", *VALUES), "a/b", None, (problem,))
    held_in = {"trainee_id": "trainee_id", "defer_date": "defer_date"}
    with journal_of(tmp_path, [row], columns=columns, held_in=held_in) as journal:
        written = tmp_path / "to-correct.xlsx"
        to_correct.write_to_correct(journal.ledger, RUN.run_id, written)
    saved = tmp_path / "saved"
    opened([written], "", saved)
    options = InputOptions(saved / "to-correct.xlsx", date(2026, 11, 27))
    with open_input(options) as read:
        ((back,),) = (list(chunk.rows()) for chunk in read.chunks())
    assert back.values == (*row.values, "7", RUN.run_id)
    assert read.columns == (*columns, "original_row", "original_run")
