"""`results.xlsx`: a sheet for each outcome and a summary, for those who never open a CSV."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from batch import files
from batch.columns import REPORT_COLUMNS
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord
from batch.rows import Code, Outcome

MOST_ROWS = 1_048_575
MOST_CHARACTERS = 32_767
_WIDTHS = {"message": 60, "code": 24, "outcome": 15, "settled_at": 25, "register_date": 14}


def write_workbook(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write a run's workbook. A sheet holds a million rows: what is beyond stands in the CSVs."""
    run = ledger.run(run_id)
    with files.replacing(path) as file:
        book = xlsxwriter.Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        book.set_properties({"created": _began(run), "title": f"Run {run_id}"})
        bold = book.add_format({"bold": True})
        _write_summary(book.add_worksheet("summary"), ledger, run, bold)
        for outcome in Outcome:
            _write_rows(book.add_worksheet(outcome.value), ledger, run, outcome, bold)
        book.close()


def _began(run: RunRecord) -> datetime:
    return datetime.fromisoformat(run.started_at).replace(tzinfo=None)


def _write_summary(sheet: Any, ledger: Ledger, run: RunRecord, bold: Any) -> None:
    lines: list[tuple[str, str | int]] = [
        ("REHEARSAL: nothing was sent to Register", "") if run.rehearsal else ("Run", run.run_id),
        ("File", run.input_name),
        ("Rows", run.input_rows),
        ("Register", run.base_url),
        ("Started", run.started_at),
        ("Finished", run.finished_at or ""),
    ]
    codes = ledger.counts(run.run_id)
    lines += [
        (outcome.value, sum(n for code, n in codes.items() if Code(code).outcome is outcome))
        for outcome in Outcome
    ]
    sheet.set_column(0, 0, 44)
    sheet.set_column(1, 1, 60)
    for place, (name, value) in enumerate(lines):
        sheet.write_string(place, 0, name, bold)
        if isinstance(value, int):
            sheet.write_number(place, 1, value)
        else:
            sheet.write_string(place, 1, value)


def _write_rows(sheet: Any, ledger: Ledger, run: RunRecord, outcome: Outcome, bold: Any) -> None:
    names = (*run.columns, *REPORT_COLUMNS)
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(names):
        sheet.set_column(place, place, _WIDTHS.get(name, 16))
    for place, name in enumerate(names):
        sheet.write_string(0, place, name[:MOST_CHARACTERS], bold)
    last = 0
    for last, row in enumerate(ledger.rows(run.run_id, outcome), 1):
        if last > MOST_ROWS:
            break
        _write_row(sheet, last, row)
    sheet.autofilter(0, 0, min(last, MOST_ROWS), len(names) - 1)


def _write_row(sheet: Any, place: int, row: RowRecord) -> None:
    texts = (row.outcome, row.code, row.message)
    tail = (row.sent_date, row.register_date, row.settled_at)
    for column, value in enumerate(row.values):
        sheet.write_string(place, column, value[:MOST_CHARACTERS])
    first = len(row.values)
    sheet.write_number(place, first, row.row_number)
    for column, value in enumerate(texts, first + 1):
        sheet.write_string(place, column, value)
    if row.http_status is not None:
        sheet.write_number(place, first + 4, row.http_status)
    sheet.write_number(place, first + 5, row.attempts)
    for column, text in enumerate(tail, first + 6):
        sheet.write_string(place, column, text or "")
