"""The reports in a real spreadsheet: text stays text, accents are right."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from conftest import Ran
from journals import RUN, journal_of

from batch.record import report
from batch.register.gateway import Emulator
from batch.rows import Deferral, Row

HOSTILE = "note,trainee_id,defer_date,defer_reason\n" + "".join(
    f'"{start}HYPERLINK(""x"")","id{number}",2026-10-01,Été\n'
    for number, start in enumerate(("=", "+", "-", "@", "'=", "\t="))
)
HOSTILE += '"=HYPERLINK(""x"")","a/b",2026-10-01,Été\n'


def converted(path: Path, to: str, folder: Path) -> Path:
    """Let LibreOffice open a file and save it as another kind."""
    office = shutil.which("soffice")
    assert office, "this test takes LibreOffice: apt-get install libreoffice-calc"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    reading = ["--infilter=CSV:44,34,76,1"] if path.suffix == ".csv" else []  # commas, UTF-8
    where = ["--outdir", str(folder)]
    command = [office, profile, "--headless", *reading, "--convert-to", to, *where, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / f"{path.stem}.{to.split(':', maxsplit=1)[0]}"


@pytest.fixture
def ran(register: Callable[..., Emulator], submit: Callable[..., Ran]) -> Ran:
    return submit(register(id0="trn_received"), HOSTILE)


@pytest.mark.parametrize("name", ["succeeded", "not_found", "unprocessable"])
def test_a_csv_opens_as_text_with_right_accents(ran: Ran, tmp_path: Path, name: str) -> None:
    opened = converted(ran.folder / f"{name}.csv", "xlsx", tmp_path)
    sheet = openpyxl.load_workbook(opened).active
    assert sheet is not None
    rows = list(sheet.iter_rows(min_row=2))
    assert rows
    for row in rows:
        assert "f" not in {cell.data_type for cell in row}
        assert row[3].value == "Été"


def test_unresolved_rows_open_as_text_too(tmp_path: Path) -> None:
    row = Row(2, ("=1+1", "@x", "Été"), "a", Deferral("a", "2026-10-01", None))
    with journal_of(tmp_path, [row]) as journal:
        written = report.write_report(journal, RUN.run_id, tmp_path / "run", tool_version="1")
    sheet = openpyxl.load_workbook(
        converted(written.folder / "unresolved.csv", "xlsx", tmp_path)
    ).active
    assert sheet is not None
    assert [cell.value for cell in sheet[2]][:3] == ["'=1+1", "'@x", "Été"]
    assert "f" not in {cell.data_type for cell in sheet[2]}


def test_the_workbook_opens_as_text(ran: Ran, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(converted(ran.folder / "results.xlsx", "xlsx", tmp_path))
    rows = list(book["not_found"].iter_rows(min_row=2))
    assert {cell.data_type for row in rows for cell in row[:4]} == {"s"}
    assert {row[3].value for row in rows} == {"Été"}
