"""What a file holds, whatever its columns are called."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from batch.errors import UnusableFile
from batch.intake.outline import Outline, outline_of
from batch.run_settings import InputOptions
from tests.support.reading import TODAY


def outlined(path: Path, content: str | bytes, **options: Any) -> Outline:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return outline_of(InputOptions(path, TODAY, **options))


def book(path: Path, **sheets: list[list[Any]]) -> Any:
    made = importlib.import_module("openpyxl").Workbook()
    made.remove(made.active)
    for name, lines in sheets.items():
        sheet = made.create_sheet(name)
        for line in lines:
            sheet.append(line)
    made.save(path)
    return made


def test_each_column_has_its_header_and_first_values(tmp_path: Path) -> None:
    found = outlined(tmp_path / "a.csv", "Who,,When\n1,x,a\n2,x,\n2,x,b\n3,x,c\n4,x,d\n")
    assert [(one.place, one.header, one.samples) for one in found.columns] == [
        (0, "Who", ("1", "2", "3")),
        (2, "When", ("a", "b", "c")),
    ]


def test_titles_above_a_known_header_are_passed_over(tmp_path: Path) -> None:
    found = outlined(tmp_path / "a.csv", "Our list\n\ntrn;defer_date\n1;2\n")
    assert [one.header for one in found.columns] == ["trn", "defer_date"]


def test_the_columns_that_a_report_added_are_not_offered(tmp_path: Path) -> None:
    added = "row,outcome,code,message,http_status,attempts,sent_date,register_date,settled_at"
    found = outlined(tmp_path / "a.csv", f"trn,defer_date,{added}\n")
    assert [one.header for one in found.columns] == ["trn", "defer_date"]


def test_every_sheet_with_rows_may_be_meant_and_the_fitting_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book(path, Notes=[["a"], ["b"]], List=[["trn", "defer_date"], ["1", "2"]], Empty=[])
    found = outlined(path, path.read_bytes())
    assert (found.sheet, found.fitting) == ("List", ("Notes", "List"))


def test_a_sheet_that_is_named_is_outlined(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book(path, One=[["trn", "defer_date"], ["1", "2"]], Two=[["Who"], ["x"]])
    found = outlined(path, path.read_bytes(), sheet="Two")
    assert (found.sheet, found.columns[0].header) == ("Two", "Who")


def test_hidden_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    made = book(path, List=[["trn", "defer_date"], ["1", "2"], ["3", "4"]])
    made["List"].row_dimensions[2].hidden = True
    made.save(path)
    assert outlined(path, path.read_bytes()).hidden_rows == 1


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_what_is_no_list_is_unusable(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableFile):
        outlined(tmp_path / name, b"%PDF-1.4")
