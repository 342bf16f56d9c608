"""What every command says of the file itself: hidden rows where no other is, and an odd name."""

from __future__ import annotations

import io

import openpyxl
import pytest

from tests.support.office import Office
from tests.support.terminals import posix_only

EMULATOR = ("--register", "emulator")
COMMANDS = (("check",), ("preview", *EMULATOR), ("run", *EMULATOR))
TWO_LINES = "list.csv\nerror: all rows were sent.csv"


def all_hidden() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (("trainee_id", "defer_date"), ("a", "2026-10-01"), ("b", "2026-10-01")):
        sheet.append(row)
    for row_number in (2, 3):
        sheet.row_dimensions[row_number].hidden = True
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_where_every_row_is_hidden_and_skipped_that_is_told(
    office: Office, command: tuple[str, ...]
) -> None:
    office.write("list.xlsx", all_hidden())
    ran = office.run(*command, "list.xlsx", "--hidden-rows", "skip")
    assert ran.code == 0
    assert "2 hidden rows" in ran.out + ran.err
    assert "--hidden-rows include" in ran.out + ran.err


@posix_only
@pytest.mark.parametrize("content", ["", "trainee_id,defer_date\n", "a,b\n"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_line_end_in_a_files_name_begins_no_line(
    office: Office, command: tuple[str, ...], content: str
) -> None:
    office.write(TWO_LINES, content)
    ran = office.run(*command, TWO_LINES)
    told = (ran.out + ran.err).splitlines()
    assert any("\ufffderror: all rows were sent" in line for line in told)
    assert not any(line.startswith("error: all rows") for line in told)


@posix_only
@pytest.mark.parametrize(
    "command", [("check",), ("run", "--yes", "--rate-limit", "none", *EMULATOR)]
)
def test_nor_where_its_rows_are_told(office: Office, command: tuple[str, ...]) -> None:
    office.write(TWO_LINES, "trainee_id,defer_date\nabc,2026-10-01\n")
    ran = office.run(*command, TWO_LINES)
    assert not any(line.startswith("error: all") for line in (ran.out + ran.err).splitlines())
