"""A report of any earlier version verifies, as long as nobody altered it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from batch import columns
from batch.commands.report import write_again
from batch.commands.run_names import named
from batch.commands.runs import listed_runs
from batch.commands.verify import verify_run
from batch.record import page, report_files, workbook
from batch.record.manifest import sha256_of
from batch.record.proof import Verdict

FIXTURES = Path(__file__).parent.parent / "record" / "fixtures"
REPORTS = [path.parent for path in sorted(FIXTURES.glob("*/*/manifest.json"))]
NEWER = "99.0"


@pytest.fixture(params=REPORTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def old(request: Any, tmp_path: Path) -> Path:
    """Return a copy of an old run's folder, in a copy of its reports folder."""
    folder: Path = request.param
    return Path(shutil.copytree(folder.parent, tmp_path / "reports")) / folder.name


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tool write one key, one column and one sheet more than it did."""
    summary, write_rows = report_files.summary, workbook._write_summary
    added = (*columns.REPORT_COLUMNS, "weather")
    monkeypatch.setattr(report_files, "summary", lambda *run: {**summary(*run), "weather": "fine"})
    monkeypatch.setattr(columns, "REPORT_COLUMNS", added)
    monkeypatch.setattr(workbook, "REPORT_COLUMNS", added)
    values, cells = report_files.report_values, workbook._cells
    monkeypatch.setattr(report_files, "report_values", lambda row: [*values(row), "fine"])
    monkeypatch.setattr(workbook, "_cells", lambda row: (*cells(row), "fine"))

    def with_a_sheet(made: Any, ledger: Any, run: Any) -> None:
        write_rows(made, ledger, run)
        made.book.add_worksheet("weather")

    monkeypatch.setattr(workbook, "_write_summary", with_a_sheet)
    monkeypatch.setattr(page, "MOST_ROWS_SHOWN_AT_ONCE", 1)


def verdict(folder: Path, version: str = NEWER, sha256: str | None = None) -> Verdict:
    return verify_run(named(str(folder)), folder.parent, sha256, tool_version=version).verdict


def test_there_are_reports_of_earlier_versions() -> None:
    assert len(REPORTS) >= 3


@pytest.mark.parametrize("version", ["0.1.0", NEWER])
def test_a_report_of_an_earlier_version_is_proved(old: Path, version: str) -> None:
    assert verdict(old, version) is Verdict.PROVED


def test_it_is_proved_by_a_version_that_writes_more(old: Path, newer: None) -> None:
    assert verdict(old) is Verdict.PROVED


def test_it_is_proved_by_its_manifest_alone(old: Path) -> None:
    manifest = json.loads((old / "manifest.json").read_text())
    sha256 = sha256_of(old / "manifest.json")
    (old.parent / "journal.db").unlink()
    assert manifest["report_tool_version"] == "0.1.0"
    assert (verdict(old), verdict(old, sha256=sha256)) == (Verdict.NOT_PROVED, Verdict.PROVED)


@pytest.mark.parametrize("name", ["succeeded.csv", "results.xlsx", "report.html", "run.log"])
def test_an_altered_file_of_it_differs(old: Path, name: str) -> None:
    with (old / name).open("ab") as file:
        file.write(b"x")
    assert verdict(old) is Verdict.DIFFERS


@pytest.mark.parametrize("change", ["rows SET defer_reason='x'", "attempts SET http_status=201"])
def test_its_journal_altered_since_differs(old: Path, change: str) -> None:
    connection = sqlite3.connect(old.parent / "journal.db")
    connection.execute(f"UPDATE {change}")
    connection.commit()
    connection.close()
    assert verdict(old) is Verdict.DIFFERS


def test_its_journal_is_read_as_it_is(old: Path) -> None:
    assert len(listed_runs(old.parent)) == 3
    assert verdict(old) is Verdict.PROVED
    connection = sqlite3.connect(old.parent / "journal.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()


def test_written_anew_it_is_proved_and_names_what_it_replaces(old: Path, newer: None) -> None:
    before = sha256_of(old / "manifest.json")
    finished = write_again(old.parent, old.name, tool_version=NEWER)
    assert any(before in words for words in finished.warnings)
    told = json.loads((old / "manifest.json").read_text())
    assert told["replaces_manifest_sha256"] == before
    assert verdict(old) is Verdict.PROVED


def test_the_others_of_its_journal_stay_proved(old: Path, newer: None) -> None:
    write_again(old.parent, old.name, tool_version=NEWER)
    for path in old.parent.glob("2*"):
        assert verdict(path) is Verdict.PROVED
