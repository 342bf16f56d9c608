"""No reason that is sent differs from what a spreadsheet shows in its cell, edges trimmed."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.columns import SPACES
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import serve
from batch.emulator.trainees import Trainee
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.office import TOKEN, Office

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


def cells_and_what_they_show(path: Path) -> list[str | None]:
    """Write a workbook of reasons of every kind; return what a spreadsheet shows of each."""
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Autumn")
    percent, long_date = (book.add_format({"num_format": n}) for n in ("0.0%", "d mmmm yyyy"))
    short_date, bold = book.add_format({"num_format": 14}), book.add_format({"bold": True})
    quoted = book.add_format({"quote_prefix": True})
    sheet.write_row(0, 0, ["trainee_id", "defer_date", "defer_reason"])
    when = dt.datetime.combine(dt.date(2026, 10, 1), dt.time())
    shown: list[tuple[Callable[[int], object], str | None]] = [
        (
            lambda n: sheet.write_string(n, 2, "Illness, “long” – £5 é 😀"),
            "Illness, “long” – £5 é 😀",
        ),
        (lambda n: sheet.write_string(n, 2, "one\ntwo"), "one\ntwo"),
        (lambda n: sheet.write_rich_string(n, 2, "much ", bold, "worse", " now"), "much worse now"),
        (lambda n: sheet.write_string(n, 2, "=1+1", quoted), "=1+1"),
        (lambda n: sheet.write_string(n, 2, "'tis"), "'tis"),
        (lambda n: sheet.write_string(n, 2, "a & b <c> \x0b_x0041_"), "a & b <c> _x0041_"),
        (lambda n: sheet.write_number(n, 2, 12), "12"),
        (lambda n: sheet.write_number(n, 2, 0.1 + 0.2), "0.3"),
        (lambda n: sheet.write_number(n, 2, 0.125, percent), "12.5%"),
        (lambda n: sheet.write_datetime(n, 2, when, short_date), "01/10/2026"),
        (lambda n: sheet.write_formula(n, 2, '="Ill"&"ness"', None, "Illness"), "Illness"),
        (lambda n: sheet.write_formula(n, 2, "=5*2", None, 10), "10"),
        (lambda n: sheet.write_boolean(n, 2, True), "TRUE"),
        (lambda n: sheet.write_datetime(n, 2, when, long_date), None),
        (lambda n: sheet.write_formula(n, 2, "=NA()", None, "#N/A"), None),
        (lambda n: sheet.write_number(n, 2, 3, book.add_format({"num_format": "0.000"})), None),
    ]
    for number, (write, _) in enumerate(shown, 1):
        sheet.write_string(number, 0, f"id{number}")
        sheet.write_datetime(number, 1, when, short_date)
        write(number)
    book.close()
    return [text for _, text in shown]


def test_what_a_workbook_shows_is_what_register_holds(office: Office) -> None:
    shown = cells_and_what_they_show(office.folder / "list.xlsx")
    expected = {f"id{number}": text for number, text in enumerate(shown, 1)}
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    model = rehearsal_register(
        [Trainee(name, state="trn_received") for name in expected], rate_limit=None, token=TOKEN
    )
    with serve(model) as emulator:
        ran = office.run("run", "list.xlsx", "--register", emulator.base_url, "--rate-limit=none")
        held = {t.trainee_id: t.defer_reason for t in model.trainees() if t.state == "deferred"}
    assert ran.code == 1, ran.err
    assert held == {name: text for name, text in expected.items() if text is not None}
    refused = {row["trainee_id"]: row["code"] for row in ran.rows("unprocessable")}
    assert refused == {n: "unusable_reason" for n, text in expected.items() if text is None}
