"""The files of a run: what they hold, that they can be written again, and that they are proven."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable

import openpyxl
import pytest

from batch import __version__
from batch.emulator.server import Emulator
from tests.support.office import Office, Ran
from tests.support.terminals import posix_only

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

MESSY = (
    "note,trainee_id,defer_date,defer_reason\n"
    "=cmd|x,abc,2026-10-01,'=already guarded\n"
    '+1,missing,2026-10-01,"two\nlines, été"\n'
    "'plain,a/b,2026-10-01,-x\n"
    "007,abc2,2026-10-01,ill, very ill\n"
)


@pytest.fixture
def ran(register: Serving, submit: Submit) -> Ran:
    return submit(register(abc="trn_received"), MESSY)


def test_a_csv_is_utf_8_with_a_mark_and_crlf(ran: Ran) -> None:
    content = (ran.folder / "succeeded.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == 2


def test_the_inputs_own_columns_come_first_and_unchanged(ran: Ran) -> None:
    (row,) = ran.rows("not_found")
    assert list(row)[:4] == ["note", "trainee_id", "defer_date", "defer_reason"]
    assert row["defer_reason"] == "two\nlines, été"


def test_the_columns_that_a_report_adds_are_in_their_order(ran: Ran) -> None:
    (row,) = ran.rows("succeeded")
    added = "row outcome code message http_status attempts sent_date register_date settled_at"
    assert list(row)[4:] == added.split()
    assert (row["row"], row["attempts"], row["sent_date"]) == ("2", "1", "2026-10-01")
    assert row["settled_at"].endswith("Z")


def test_a_cell_that_a_spreadsheet_would_run_is_guarded(ran: Ran) -> None:
    (row,) = ran.rows("succeeded")
    assert (row["note"], row["defer_reason"]) == ("'=cmd|x", "'=already guarded")


def test_a_plain_apostrophe_stays_as_it_was(ran: Ran) -> None:
    assert ran.rows("unprocessable")[0]["note"] == "'plain"


def test_surplus_values_are_joined_onto_the_last_own_column(ran: Ran) -> None:
    row = ran.rows("unprocessable")[1]
    assert (row["code"], row["defer_reason"]) == ("wrong_number_of_values", "ill, very ill")


def test_every_csv_has_its_header(ran: Ran) -> None:
    text = (ran.folder / "unresolved.csv").read_text(encoding="utf-8-sig")
    assert text.startswith("note,trainee_id,defer_date,defer_reason,row,outcome,")


def test_a_report_runs_again_as_it_is(ran: Ran, office: Office) -> None:
    text = (ran.folder / "unprocessable.csv").read_text(encoding="utf-8-sig").replace("a/b", "ab")
    office.write("corrected.csv", text.encode("utf-8-sig"))
    again = office.run("check", "corrected.csv")
    assert again.code == 0, again.out


def test_the_summary_has_what_programs_rely_on(ran: Ran) -> None:
    told = ran.summary
    assert told["input"]["rows"] == 4
    assert told["counts"] == {"succeeded": 1, "not_found": 1, "unprocessable": 2, "unresolved": 0}
    assert told["requests"] == {"sent": 3, "throttled": 0, "read_back": 0}
    assert (told["stopped_because"], told["exit_code"], told["rehearsal"]) == (None, 1, False)


def test_the_workbook_holds_strings_as_strings(ran: Ran) -> None:
    sheet = openpyxl.load_workbook(ran.folder / "results.xlsx")["succeeded"]
    assert [cell.data_type for cell in sheet[2]][:4] == ["s", "s", "s", "s"]
    assert sheet["A2"].value == "=cmd|x"
    assert sheet.freeze_panes == "A2"


def test_the_workbook_has_a_sheet_for_each_outcome(ran: Ran) -> None:
    book = openpyxl.load_workbook(ran.folder / "results.xlsx")
    assert book.sheetnames == ["summary", "succeeded", "not_found", "unprocessable", "unresolved"]


def test_the_log_is_json_lines_with_the_run_on_each(ran: Ran) -> None:
    lines = [json.loads(line) for line in (ran.folder / "run.log").read_text().splitlines()]
    assert {line["run_id"] for line in lines} == {ran.folder.name}
    events = [line["event"] for line in lines]
    assert events.count("defer_answered") == 2
    assert {line["row"] for line in lines if line["event"] == "row_settled"} == {2, 3, 4, 5}


def test_verify_agrees(ran: Ran, office: Office) -> None:
    told = office.run("verify", ran.folder.name)
    assert (told.code, len(told.out.splitlines())) == (0, 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [("succeeded.csv", "succeeded.csv was altered"), ("run.log", "run.log was altered")],
)
def test_verify_names_a_file_that_was_altered(
    ran: Ran, office: Office, name: str, said: str
) -> None:
    path = ran.folder / name
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    told = office.run("verify", str(ran.folder))
    assert told.code == 1
    assert said in told.out


def test_verify_names_files_that_are_missing_or_added(ran: Ran, office: Office) -> None:
    (ran.folder / "results.xlsx").unlink()
    (ran.folder / "extra.txt").write_text("x")
    told = office.run("verify", ran.folder.name)
    assert told.code == 1
    assert "results.xlsx is missing" in told.out
    assert "extra.txt was added" in told.out


def test_verify_names_a_row_of_the_journal_that_was_altered(ran: Ran, office: Office) -> None:
    with sqlite3.connect(office.reports / "journal.db") as journal:
        journal.execute("UPDATE rows SET register_date='2020-01-01' WHERE row_number=2")
    journal.close()
    told = office.run("verify", ran.folder.name)
    assert told.code == 1
    assert "row 2" in told.out


def test_verify_works_on_a_copy_without_the_journal(ran: Ran, office: Office) -> None:
    copy = office.folder / "elsewhere" / ran.folder.name
    copy.parent.mkdir()
    ran.folder.rename(copy)
    told = office.run("verify", str(copy), "--reports-dir", "nowhere")
    assert told.code == 0
    assert "not checked" in told.out


def test_verify_of_a_copy_does_not_ask_a_journal_of_other_runs(
    ran: Ran, office: Office, register: Serving, submit: Submit
) -> None:
    copy = office.folder / "elsewhere" / ran.folder.name
    shutil.copytree(ran.folder, copy)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (office.reports / name).unlink(missing_ok=True)
    submit(register(abc="trn_received"), MESSY)
    told = office.run("verify", str(copy))
    assert (told.code, "not checked" in told.out) == (0, True)


def test_report_of_another_version_shows_what_it_wrote_beside(ran: Ran, office: Office) -> None:
    manifest = ran.folder / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"report_tool_version": "0.0.1"}))
    assert f"report-{__version__}" in office.run("report", ran.folder.name).out


def test_verify_checks_a_printed_hash(ran: Ran, office: Office) -> None:
    printed = ran.out.splitlines()[-1].split()[-1]
    assert office.run("verify", ran.folder.name, "--manifest-sha256", printed).code == 0
    other = office.run("verify", ran.folder.name, "--manifest-sha256", "0" * 64)
    assert (other.code, "not the one" in other.out) == (1, True)


def test_report_writes_the_same_bytes_again(ran: Ran, office: Office) -> None:
    before = {path.name: path.read_bytes() for path in ran.folder.iterdir()}
    assert office.run("report", ran.folder.name).code == 1
    assert {path.name: path.read_bytes() for path in ran.folder.iterdir()} == before


def test_report_mends_what_was_altered_and_removed(ran: Ran, office: Office) -> None:
    printed = ran.out.splitlines()[-1].split()[-1]
    (ran.folder / "succeeded.csv").write_text("forged")
    (ran.folder / "manifest.json").unlink()
    office.run("report", ran.folder.name)
    assert office.run("verify", ran.folder.name, "--manifest-sha256", printed).code == 0


def test_report_says_that_the_log_was_altered(ran: Ran, office: Office) -> None:
    (ran.folder / "run.log").write_text("{}\n")
    told = office.run("report", ran.folder.name)
    assert "run.log was altered" in told.err
    assert "run.log was altered" in office.run("verify", ran.folder.name).out


def test_runs_lists_the_newest_first_as_json_too(ran: Ran, office: Office) -> None:
    (told,) = json.loads(office.run("runs", "--json").out)
    assert (told["run_id"], told["stage"]) == (ran.folder.name, "finished")


@posix_only
def test_a_reports_folder_that_others_can_write_to_is_refused(
    register: Serving, submit: Submit, office: Office
) -> None:
    office.reports.mkdir()
    office.reports.chmod(0o777)
    told = submit(register(abc="trn_received"), MESSY)
    assert told.code == 2
    assert "chmod go-w" in told.err
