"""A row's own values, kept by the journal, ask what the row of the file asked."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import openpyxl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.intake.checked_file import InputFile, open_input
from batch.intake.derived import derived
from batch.run_settings import InputOptions
from tests.support.reading import TODAY

SAMPLE = Path(__file__).parents[2] / "sample_data"
EDGES = st.sampled_from(["", " ", "'", "''", "=", '="', '"', "\u00a0", "-", "'=", "\t"])
INNER = st.sampled_from(["abcdefgh", "12ab", "2026-10-01", "1 October 2026", "Illness, and", "é"])
VALUES = st.tuples(EDGES, EDGES, INNER, EDGES).map("".join)


def asked(input_file: InputFile) -> tuple[list[object], list[object]]:
    """Return what the rows of a file ask, and what their own values ask again."""
    chunks = input_file.chunks()
    rows = [row for chunk in chunks for row in chunk.rows() if row.deferral]
    again = derived(
        ((row.row_number, row.values) for row in rows),
        input_file.layout.places,
        date_format="iso",
        with_formulas=not input_file.name.endswith("x"),
    )
    once = [(row.row_number, row.deferral, True) for row in rows]
    kept = [(one.row_number, one.deferral, one.is_id or not one.trainee_id) for one in again]
    return list(once), list(kept)


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_around_its_values(rows: list[tuple[str, ...]], tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("trainee_id", "defer_date", "defer_reason"), *rows])
    path = tmp_path / "list.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    with open_input(InputOptions(path, TODAY)) as input_file:
        once, again = asked(input_file)
    assert once == again


def test_the_sample_too() -> None:
    options = InputOptions(SAMPLE / "deferrals.csv", TODAY, require_trainee_id=False)
    with open_input(options) as input_file:
        once, again = asked(input_file)
    assert once == again
    assert len(once) > 20


def test_a_workbook_too(tmp_path: Path) -> None:
    book, path = openpyxl.Workbook(), tmp_path / "list.xlsx"
    sheet = book.active
    assert sheet is not None
    sheet.append(["trainee_id", "defer_date", "defer_reason"])
    sheet.append(["abcdefgh", dt.date(2026, 10, 1), " Illness"])
    sheet.append(["bcdefghi", dt.date(2026, 10, 2), "'=x"])
    sheet.append(["cdefghij", "3 October 2026", "-"])
    sheet["C4"].value, sheet["C4"].data_type = '="y"', "s"
    book.save(path)
    with open_input(InputOptions(path, TODAY)) as input_file:
        once, again = asked(input_file)
    assert once == again
    assert len(once) == 3
