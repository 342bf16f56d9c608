"""The files of a run: what they hold, and that `report` writes them again, but launders nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from batch.codes import Outcome
from batch.commands.report import write_again
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from batch.errors import SelfCheckFailed
from batch.record import report_files
from batch.record.database import open_for_writing
from tests.support.journals import RUN, altered, failed, journal_of
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only
from tests.support.troubles import Fault
from tests.support.waiting import until

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

MESSY = (
    "note,trainee_id,defer_date,defer_reason\n"
    "=cmd|x,abc,2026-10-01,'=already guarded\n"
    '+1,missing,2026-10-01,"two\nlines, été"\n'
    "'plain,a/b,2026-10-01,-x\n"
    "007,abc2,2026-10-01,ill, very ill\n"
)
ROWS = "trainee_id,defer_date\na/b,2026-10-01\nabc,2026-10-01\n"


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
    added = (
        "row outcome code message http_status attempts sent_trainee_id sent_date sent_reason "
        "register_date settled_at"
    )
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
    asked = {"throttled": 0, "read_back": 0, "preview": 2, "final_check": 1}
    assert told["requests"] == {"sent": 5, **asked}
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
    assert events.count("defer_answered") == 1
    assert {line["row"] for line in lines if line["event"] == "row_settled"} == {2, 3, 4, 5}


def test_report_writes_the_same_bytes_again(ran: Ran, office: Office) -> None:
    before = {path.name: path.read_bytes() for path in ran.folder.iterdir()}
    assert office.run("report", ran.folder.name).code == 0
    assert {path.name: path.read_bytes() for path in ran.folder.iterdir()} == before


def test_report_restores_what_was_altered_and_removed(ran: Ran, office: Office) -> None:
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keep a journal and the folder of its one run in `reports`."""
    (tmp_path / "reports").mkdir(mode=0o700)
    with journal_of(tmp_path / "reports", [failed(2, "id2", "x", "note")]) as journal:
        place = tmp_path / "reports" / RUN.run_id
        return report_files.write_report(journal, RUN.run_id, place, tool_version="1").folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def killed_while_asking(office: Office, emulator: Emulator) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ROWS)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    with office.start("run", "list.csv", *target) as process:
        until(lambda: emulator.received(Endpoint.DEFER) or process.poll() is not None)
        process.kill()
    return office.run("report", next(office.reports.glob("2*")).name)


def test_the_report_of_a_killed_run_says_what_it_is(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", delay_seconds=2)])
    told = killed_while_asking(office, emulator)
    assert (told.code, told.summary["exit_code"]) == (0, 3)
    assert told.summary["stopped_because"].startswith("The run was cut off")
    assert (
        told.summary["started_at"]
        < told.summary["finished_at"]
        < told.rows("unresolved")[0]["settled_at"]
    )
    assert "The run was cut off" in told.out
    assert office.run("verify", told.folder.name).code == 0
    resumed = office.run("resume", "--lost-answer-wait", "2", "--rate-limit", "none")
    assert (resumed.code, resumed.summary["stopped_because"]) == (1, None)


def test_a_killed_run_whose_rows_are_all_settled_is_finished(folder: Path) -> None:
    altered(
        folder.parent / "journal.db",
        "UPDATE runs SET stage='started', finished_at=NULL, exit_code=NULL",
    )
    altered(folder.parent / "journal.db", "DELETE FROM reports")
    told = write_again(folder.parent, RUN.run_id, tool_version="1")
    assert (told.exit_code, told.run.exit_code, told.run.stopped_because) == (0, 1, None)


@posix_only
def test_what_others_could_read_or_write_is_narrowed(folder: Path) -> None:
    wide = {folder: 0o777, folder.parent / "journal.db": 0o666, folder / "run.log": 0o644}
    (folder / "run.log").write_text("")
    for path, bits in wide.items():
        path.chmod(bits)
    write_again(folder.parent, RUN.run_id, tool_version="1")
    assert [mode(path) for path in wide] == [0o700, 0o600, 0o600]
    assert {mode(path) for path in folder.iterdir()} == {0o600}


@posix_only
def test_a_journal_of_the_wrong_kind_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    altered(path, "CREATE TABLE recipes (name)")
    path.chmod(0o644)
    with pytest.raises(Exception, match="something else"):
        open_for_writing(path)
    assert mode(path) == 0o644


@posix_only
def test_report_leaves_a_reports_folder_alone_that_others_can_write_to(
    folder: Path, office: Office
) -> None:
    office.reports.chmod(0o777)
    told = office.run("report", folder.name)
    assert (told.code, "chmod go-w" in told.err) == (2, True)


def test_a_value_longer_than_csv_reads_by_default_passes_the_self_check(tmp_path: Path) -> None:
    with journal_of(tmp_path, [failed(2, "a", "b", "x" * 200_000)]) as journal:
        report_files.write_report(journal, RUN.run_id, tmp_path / "run", tool_version="1")
        assert report_files.self_check(journal.ledger, RUN.run_id, tmp_path / "run") == []


@pytest.mark.parametrize("outcome", Outcome)
def test_the_self_check_says_which_csv_is_missing(tmp_path: Path, outcome: Outcome) -> None:
    with journal_of(tmp_path, [failed(2, "a", "b", "x")]) as journal:
        folder = report_files.write_report(
            journal, RUN.run_id, tmp_path / "run", tool_version="1"
        ).folder
        (folder / f"{outcome}.csv").unlink()
        (found,) = report_files.self_check(journal.ledger, RUN.run_id, folder)
    assert f"{outcome}.csv" in found


@pytest.mark.parametrize(
    "change", ["rows SET message='x'", "rows SET outcome='succeeded'", "runs SET origin='x'"]
)
def test_a_finished_run_that_was_altered_in_the_journal_gets_no_report(
    folder: Path, change: str
) -> None:
    before = (folder / "manifest.json").read_bytes()
    altered(folder.parent / "journal.db", f"UPDATE {change}")
    with pytest.raises(SelfCheckFailed):
        write_again(folder.parent, RUN.run_id, tool_version="1")
    assert (folder / "manifest.json").read_bytes() == before


def test_resume_of_an_altered_run_is_refused_too(ran: Ran, office: Office) -> None:
    altered(office.reports / "journal.db", "UPDATE rows SET message='x'")
    assert office.run("resume", ran.folder.name).code == 5


def test_a_manifest_names_that_of_the_run_before(
    ran: Ran, register: Serving, submit: Submit, office: Office
) -> None:
    before = ran.out.splitlines()[-1].split()[-1]
    told = submit(register(abd="trn_received"), "trainee_id,defer_date\nabd,2026-10-01\n")
    manifest = json.loads((told.folder / "manifest.json").read_text())
    assert manifest["previous_manifest_sha256"] == before
    assert office.run("verify", told.folder.name).code == 0
