"""`verify` as an auditor uses it: which run, which journal, and what it says of a copy."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.commands.run_names import Named, named
from batch.commands.verify import verify_run
from batch.emulator.server import Emulator
from batch.record import report
from batch.record.ledger import Ledger
from tests.support.journals import RUN, altered, failed, journal_of
from tests.support.office import Office, Ran
from tests.support.terminals import bound_by_modes, posix_only

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]
OTHER = "20261124T110000Z-list-beef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keep a journal and the folder of its one run in `reports`."""
    (tmp_path / "reports").mkdir()
    with journal_of(tmp_path / "reports", [failed(2, "id2", "x", "note")]) as journal:
        place = tmp_path / "reports" / RUN.run_id
        return report.write_report(journal, RUN.run_id, place, tool_version="1").folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Put a copy of the folder far from the journal."""
    return Path(shutil.copytree(folder, tmp_path / "elsewhere" / "a copy"))


def differences(run_name: str, reports: Path) -> tuple[str, ...]:
    return verify_run(named(run_name), reports, None, tool_version="1").differences


def test_the_folder_of_another_run_is_not_taken_for_this_one(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name(OTHER))
    for name in (OTHER, str(folder.with_name(OTHER))):
        found = differences(name, folder.parent)
        assert f"manifest.json is of another run: {RUN.run_id}" in found


def test_a_copy_under_another_name_is_still_of_its_run(copy: Path, folder: Path) -> None:
    assert verify_run(named(str(copy)), folder.parent, None, tool_version="1").run_id == RUN.run_id
    assert differences(str(copy), folder.parent) == ()


def test_a_copy_is_held_against_the_journal_that_knows_its_run(copy: Path, folder: Path) -> None:
    altered(folder.parent / "journal.db", "UPDATE rows SET message='another'")
    found = differences(str(copy), folder.parent)
    assert "unprocessable.csv differs from the journal at row 2" in found


def test_a_database_of_something_else_beside_a_copy_is_left_alone(copy: Path) -> None:
    altered(copy.parent / "journal.db", "CREATE TABLE recipes (name)")
    told = verify_run(named(str(copy)), copy.parent, None, tool_version="1")
    assert (told.holds, "database of something else" in told.unchecked[0]) == (True, True)


def test_a_damaged_journal_beside_a_folder_is_a_difference(folder: Path) -> None:
    (folder.parent / "journal.db").write_bytes(b"no journal at all")
    (found,) = differences(str(folder), folder.parent)
    assert "journal.db: file is not a database" in found


def test_a_damaged_journal_is_an_error_of_its_own_where_a_run_is_named(
    folder: Path, office: Office
) -> None:
    (folder.parent / "journal.db").write_bytes(b"no journal at all")
    assert office.run("verify", folder.name).code == 2


def test_a_folder_that_is_gone_is_named(folder: Path, office: Office) -> None:
    shutil.rmtree(folder)
    told = office.run("verify", RUN.run_id)
    assert (told.code, told.out) == (
        1,
        f"{RUN.run_id}: its folder {Path('reports') / RUN.run_id} is missing\n",
    )


def test_a_missing_manifest_is_a_difference_in_json_too(folder: Path, office: Office) -> None:
    (folder / "manifest.json").unlink()
    told = office.run("verify", folder.name, "--json")
    assert told.code == 1
    assert json.loads(told.out)["differences"] == ["manifest.json is missing"]


def test_a_folder_that_is_no_runs_is_refused(tmp_path: Path, office: Office) -> None:
    (tmp_path / "holidays").mkdir()
    told = office.run("verify", "holidays")
    assert (told.code, "holds no manifest" in told.err) == (2, True)


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_run_is_named_by_any_path_to_its_folder(
    folder: Path, office: Office, command: str
) -> None:
    for place, run_name in (
        (office.folder, f"reports/{RUN.run_id}/"),
        (office.reports, RUN.run_id),
        (folder, "."),
        (folder, str(folder)),
    ):
        told = Office(place, office.environment).run(command, run_name)
        assert told.code != 2, (run_name, told.err)


def test_the_report_of_another_version_can_be_named_too(folder: Path) -> None:
    (folder / "report-2").mkdir()
    assert named(str(folder / "report-2")) == Named(str(folder / "report-2"), folder, "report-2")


@posix_only
def test_a_read_only_copy_is_verified_with_its_journal(
    copy: Path, folder: Path, office: Office
) -> None:
    journal = Path(shutil.copy(folder.parent / "journal.db", copy.parent))
    for path in (*copy.iterdir(), copy, journal, copy.parent):
        path.chmod(0o555)
    arguments = ("verify", str(copy), "--reports-dir", str(copy.parent), "--json")
    ran = office.run(*arguments, through=bound_by_modes())
    for path in (copy.parent, copy):
        path.chmod(0o755)  # or no ordinary user could clear it away
    assert ran.code == 0, ran.out + ran.err
    told = json.loads(ran.out)
    assert (told["differences"], told["unchecked"]) == ([], [])


@posix_only
def test_a_file_that_may_not_be_read_is_not_said_to_be_altered(
    folder: Path, office: Office
) -> None:
    (folder / "results.xlsx").chmod(0o000)
    ran = office.run("verify", folder.name, "--json", through=bound_by_modes())
    assert ran.code == 1, ran.out + ran.err
    assert json.loads(ran.out)["differences"] == ["results.xlsx cannot be read"]


def test_a_journal_of_the_version_before_is_read_as_it_is(folder: Path) -> None:
    path = folder.parent / "journal.db"
    for sql in ("DROP TABLE reports", "DROP TABLE resumptions", "PRAGMA user_version=2"):
        altered(path, sql)
    told = verify_run(named(str(folder)), folder.parent, None, tool_version="1")
    assert (told.differences, len(told.unchecked)) == ((), 1)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
    Ledger.read(path).close()
