"""`report` of a run that had no end, and what it does to modes that are too wide."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.commands.report import write_again
from batch.emulator.server import Emulator
from batch.record import report
from batch.record.database import open_for_writing
from tests.support.journals import RUN, altered, failed, journal_of
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only
from tests.support.troubles import Fault

Serving = Callable[..., Emulator]

ROWS = "trainee_id,defer_date\na/b,2026-10-01\nabc,2026-10-01\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keep a journal and the folder of its one run in `reports`."""
    (tmp_path / "reports").mkdir(mode=0o700)
    with journal_of(tmp_path / "reports", [failed(2, "id2", "x", "note")]) as journal:
        place = tmp_path / "reports" / RUN.run_id
        return report.write_report(journal, RUN.run_id, place, tool_version="1").folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def killed_while_asking(office: Office, emulator: Emulator) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ROWS)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    with office.start("run", "list.csv", *target) as process:
        while not any(request.method == "POST" for request in list(emulator.requests)):
            assert process.poll() is None
        process.kill()
    return office.run("report", next(office.reports.glob("2*")).name)


def test_the_report_of_a_killed_run_says_what_it_is(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", delay_seconds=2)])
    told = killed_while_asking(office, emulator)
    assert (told.code, told.summary["exit_code"]) == (3, 3)
    assert told.summary["stopped_because"].startswith("The run was cut off")
    assert (
        told.summary["started_at"]
        < told.summary["finished_at"]
        < told.rows("unresolved")[0]["settled_at"]
    )
    assert "Stopped early: The run was cut off" in told.out
    assert office.run("verify", told.folder.name).code == 0
    resumed = office.run("resume", "--lost-answer-wait", "2", "--rate-limit", "none")
    assert (resumed.code, resumed.summary["stopped_because"]) == (1, None)


def test_a_killed_run_whose_rows_are_all_settled_is_finished(folder: Path) -> None:
    altered(
        folder.parent / "journal.db",
        "UPDATE runs SET stage='started', finished_at=NULL, exit_code=NULL",
    )
    told = write_again(folder.parent, RUN.run_id, tool_version="1")
    assert (told.exit_code, told.run.exit_code, told.run.stopped_because) == (1, 1, None)


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
