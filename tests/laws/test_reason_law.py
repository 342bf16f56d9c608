"""No reason that is sent differs from what a spreadsheet shows in its cell, edges trimmed."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
from pathlib import Path

import openpyxl
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.columns import SPACES
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions

TODAY = dt.date(2026, 11, 24)
REASONS = st.text(
    st.one_of(
        st.sampled_from('ab,;"“” \n=#N/A\\-+@é'),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=14,
)
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def sent(content: bytes, name: str) -> dict[str, str | None]:
    """Return the reason that would be sent, by id; nothing where the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            with open_input(InputOptions(path, TODAY)) as file:
                rows = [row for chunk in file.chunks() for row in chunk.rows()]
        except UnusableFile:
            return {}
    return {r.deferral.trainee_id: r.deferral.defer_reason for r in rows if r.deferral}


def shown(reason: str) -> str | None:
    """Return what a spreadsheet shows of a CSV's value: of a formula that is text, the text."""
    guarded = re.match(r"'('*[=+\-@\t\r])", reason)
    text: str = CONTROLS.sub("", reason[1:] if guarded else reason).strip(SPACES)
    if (formula := re.fullmatch(r'="(.*)"', text, re.DOTALL)) is not None:
        text = formula[1].replace('""', '"').strip(SPACES)
    return text or None


@settings(deadline=None, max_examples=100)
@given(st.lists(REASONS, min_size=1, max_size=5), st.sampled_from(",;\t|"))
def test_a_reason_of_a_csv_is_sent_as_it_is_shown(reasons: list[str], separator: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["trainee_id", "defer_date", "defer_reason"])
    writer.writerows([f"id{n}", "2026-10-01", reason] for n, reason in enumerate(reasons))
    found = sent(text.getvalue().encode(), "list.csv")
    assert found == {name: shown(reasons[int(name[2:])]) for name in found}


@settings(deadline=None, max_examples=60)
@given(st.lists(REASONS, min_size=1, max_size=5))
def test_a_text_of_a_workbook_is_sent_as_it_is_shown(reasons: list[str]) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["trainee_id", "defer_date", "defer_reason"])
    for number, reason in enumerate(reasons, 2):
        sheet.append([f"id{number - 2}", "2026-10-01"])
        cell = sheet.cell(number, 3, reason)
        cell.data_type = "s"
    made = io.BytesIO()
    book.save(made)
    found = sent(made.getvalue(), "list.xlsx")
    for name, arrives in found.items():
        guarded = re.sub(r"^'('*[=+\-@\t\r])", r"\1", reasons[int(name[2:])])
        assert arrives == (CONTROLS.sub("", guarded).strip(SPACES) or None)
