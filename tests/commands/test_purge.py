"""What `purge` deletes, what it keeps, and what it says where it could not."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.commands.purge import Purged, purge_runs
from batch.emulator.server import Emulator
from batch.record.manifest import set_aside
from tests.support.journals import altered
from tests.support.office import Office, Ran
from tests.support.terminals import posix_only
from tests.support.waiting import until

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]
Killed = Callable[[Ran, str], None]

PURGE = ("purge", "--older-than", "90d")
REASON = b"ill, very ill"


@pytest.fixture
def ran(register: Serving, submit: Submit) -> Ran:
    """Keep a run that is long over."""
    content = f'trainee_id,defer_date,defer_reason\nabc,2026-10-01,"{REASON.decode()}"\n'
    told = submit(register(abc="trn_received"), content)
    made_old(told.reports)
    return told


@pytest.fixture
def a_reader(ran: Ran) -> Iterator[sqlite3.Connection]:
    """Hold the journal open as `runs` or `verify` do while they read."""
    reader = sqlite3.connect(ran.reports / "journal.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchall()
    yield reader
    reader.close()


def made_old(reports: Path) -> None:
    altered(reports / "journal.db", "UPDATE runs SET started_at='2020-01-01T00:00:00.000Z'")


def in_the_journal(reports: Path) -> bool:
    """Whether the reason stands anywhere in the journal's files."""
    return any(REASON in path.read_bytes() for path in reports.glob("journal.db*"))


def purged(reports: Path) -> Purged:
    return purge_runs(reports, "90d", confirm=lambda _: True, patience_seconds=0.05)


def listed(office: Office) -> list[dict[str, Any]]:
    return list(json.loads(office.run("runs", "--json").out))


def test_purge_leaves_one_line_and_nothing_of_the_rows(ran: Ran, office: Office) -> None:
    folder = ran.folder
    assert in_the_journal(ran.reports)
    told = office.run(*PURGE, "--yes")
    assert (told.code, told.out[:12]) == (0, "1 run purged")
    assert not in_the_journal(ran.reports)
    assert not folder.exists()
    (line,) = listed(office)
    assert (line["run_id"], line["stage"], line["counts"]["succeeded"]) == (
        folder.name,
        "purged",
        1,
    )


def test_a_reader_of_the_journal_is_said_to_keep_the_text_in_it(
    ran: Ran, a_reader: sqlite3.Connection
) -> None:
    done = purged(ran.reports)
    assert in_the_journal(ran.reports)
    assert (done.exit_code, "still in that file" in done.left[0]) == (1, True)
    a_reader.close()
    again = purged(ran.reports)
    assert (again.exit_code, again.lines()) == (
        0,
        ["Nothing of 1 run purged earlier is left in journal.db now."],
    )
    assert not in_the_journal(ran.reports)


def test_a_reader_that_goes_meanwhile_is_waited_for(
    ran: Ran, office: Office, a_reader: sqlite3.Connection
) -> None:
    with office.start(*PURGE, "--yes") as purging:
        wal = ran.reports / "journal.db-wal"
        until(lambda: b"purging" in wal.read_bytes() or purging.poll() is not None)
        a_reader.close()
        purging.communicate()
    assert purging.returncode == 0
    assert not in_the_journal(ran.reports)


def test_corrections_that_were_set_aside_go_with_their_run(ran: Ran) -> None:
    (ran.folder / "to-correct.xlsx").write_bytes(b"somebody's rows and reasons")
    kept = set_aside(ran.folder / "to-correct.xlsx")
    other = kept.with_name("20260101T000000Z-other-abcd-corrected-12345678.xlsx")
    other.write_bytes(b"of another run")
    assert purged(ran.reports) == Purged(1)
    assert (kept.exists(), other.exists()) == (False, True)


def test_a_folder_that_cannot_be_deleted_is_named_and_tried_again(ran: Ran) -> None:
    folder = ran.folder
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    folder.write_text("a file stands where the folder was")
    done = purged(ran.reports)
    assert (done.runs, done.exit_code) == (0, 1)
    assert str(folder) in done.left[0]
    folder.unlink()
    elsewhere.rename(folder)
    assert purged(ran.reports) == Purged(1)
    assert not folder.exists()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Killed:
    """Purge all runs, in a process that is killed when it reaches what is named."""

    def purge(ran: Ran, where: str) -> None:
        def kill(*_: object) -> None:
            raise SystemExit(137)

        with monkeypatch.context() as patch:
            patch.setattr(f"batch.commands.purge.{where}", kill)
            with pytest.raises(SystemExit):
                purge_runs(ran.reports, "0d", confirm=lambda _: True)

    return purge


@pytest.mark.parametrize("command", ["resume", "report"])
def test_a_report_comes_back_whole_where_a_purge_was_killed_before_its_run_was_deleted(
    register: Serving, submit: Submit, office: Office, killed: Killed, command: str
) -> None:
    ran = submit(register(abc="trn_received"), "trainee_id,defer_date\nabc,2026-10-01\n")
    folder = ran.folder
    killed(ran, "remember_for_good")
    assert (folder.exists(), [run["stage"] for run in listed(office)]) == (False, ["finished"])
    assert office.run(command, folder.name).code == 0
    assert office.run("verify", folder.name).code == 0


def test_the_next_purge_ends_one_that_was_killed_before_its_run_was_deleted(
    ran: Ran, office: Office, killed: Killed
) -> None:
    killed(ran, "remember_for_good")
    assert office.run(*PURGE, "--yes").code == 0
    assert not [path for path in ran.reports.iterdir() if path.is_dir()]


def test_what_a_killed_purge_left_beside_a_run_goes_with_it(ran: Ran) -> None:
    (ran.reports / f".{ran.folder.name}.purged").mkdir()
    (ran.reports / f".{ran.folder.name}.purged" / "succeeded.csv").write_text("a row")
    assert purged(ran.reports) == Purged(1)
    assert not [path for path in ran.reports.iterdir() if path.is_dir()]


def test_the_next_purge_deletes_the_folder_that_one_that_was_killed_left(
    ran: Ran, office: Office, killed: Killed
) -> None:
    folder = ran.folder
    killed(ran, "shutil.rmtree")
    assert [run["stage"] for run in listed(office)] == ["purging"]
    told = office.run("report", folder.name)
    assert (told.code, folder.exists()) == (2, False)
    assert office.run(*PURGE, "--yes").code == 0
    assert not [path for path in ran.reports.iterdir() if path.is_dir()]


def test_files_of_a_purged_run_that_cannot_be_deleted_are_named(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder = ran.folder
    monkeypatch.setattr("batch.commands.purge.shutil.rmtree", refused)
    done = purged(ran.reports)
    assert (done.runs, done.exit_code) == (1, 1)
    (words,) = done.left
    assert f".{folder.name}.purged" in words


def test_a_purged_run_is_not_reported_as_if_it_had_no_rows(ran: Ran, office: Office) -> None:
    folder = ran.folder
    office.run(*PURGE, "--yes")
    told = office.run("report", folder.name)
    assert (told.code, "it was purged" in told.err) == (2, True)
    assert not folder.exists()


def test_the_memory_outlives_the_purge(register: Serving, submit: Submit, office: Office) -> None:
    emulator = register(abc="trn_received")
    content = "trainee_id,defer_date\nabc,2026-10-01\n"
    made_old(submit(emulator, content).reports)
    office.run(*PURGE, "--yes")
    assert submit(emulator, content).codes() == {2: "deferred_earlier"}


@posix_only
def test_a_disk_that_is_full_is_said_and_the_next_purge_ends_it(ran: Ran, office: Office) -> None:
    limited = 'ulimit -f 36; exec "$0" -m batch purge --older-than 90d --yes'
    told = subprocess.run(
        ["bash", "-c", limited, sys.executable],
        cwd=office.folder,
        env=office._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, "cannot be written" in told.stderr) == (2, True)
    assert office.run(*PURGE, "--yes").code == 0
    assert not in_the_journal(ran.reports)


def test_purge_asks(ran: Ran, office: Office) -> None:
    told = office.run(*PURGE)
    assert (told.code, "Will delete 1 run (its rows and its folder)" in told.err) == (2, True)
    assert ran.folder.exists()


@posix_only
def test_purge_leaves_a_reports_folder_alone_that_others_can_write_to(
    ran: Ran, office: Office
) -> None:
    office.reports.chmod(0o777)
    told = office.run(*PURGE, "--yes")
    assert (told.code, "chmod go-w" in told.err) == (2, True)
    assert ran.folder.exists()


@pytest.mark.parametrize(("hours", "kept"), [(1, True), (48, False)])
def test_a_row_that_register_answered_otherwise_goes_once_its_request_is_old(
    ran: Ran, office: Office, hours: int, *, kept: bool
) -> None:
    folder = ran.folder
    for change in (
        "rows SET code = 'answer_differs'",
        f"attempts SET meaning = 'differs', intended_at = intended_at - {hours * 3600}",
    ):
        altered(ran.reports / "journal.db", f"UPDATE {change}")
    assert office.run("purge", "--older-than", "0d", "--yes").code == 0
    assert folder.exists() is kept


def test_a_finished_run_whose_report_was_never_written_is_kept(ran: Ran, office: Office) -> None:
    altered(ran.reports / "journal.db", "DELETE FROM reports")
    (ran.folder / "manifest.json").unlink()
    told = office.run(*PURGE, "--yes")
    assert (told.code, "defer-batch report" in told.err) == (1, True)
    assert ran.folder.exists()
    office.run("report", ran.folder.name)
    assert office.run(*PURGE, "--yes").code == 0
