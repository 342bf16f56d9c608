"""`--deliver-to` and `--operator`, from the command line to the folder of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batch.commands.execute import Finished, delivered
from batch.commands.report import write_again
from batch.rows import Deferral, Row
from tests.support.journals import RUN, failed, journal_of
from tests.support.office import Office, Ran

LIST = "trainee_id,defer_date\nabc,2026-10-01\nabd,\n"


@pytest.fixture
def to(office: Office) -> Path:
    place = office.folder / "for others"
    place.mkdir()
    return place


@pytest.fixture
def ran(office: Office, to: Path) -> Ran:
    office.write("list.csv", LIST)
    office.environment |= {
        "DEFER_BATCH_DELIVER_TO": str(to),
        "DEFER_BATCH_OPERATOR": "Anna Tester",
    }
    return office.run("run", "list.csv", "--register", "emulator")


def test_a_run_delivers_its_report_and_says_where(ran: Ran, to: Path) -> None:
    place = to / ran.folder.name
    assert f"Delivered: {place / 'report.html'}" in ran.err
    assert (place / "manifest.json").read_bytes() == (ran.folder / "manifest.json").read_bytes()
    assert not (place / "run.log").exists()


def test_a_delivered_copy_is_proved_with_the_journal_wherever_that_is(
    ran: Ran, to: Path, office: Office
) -> None:
    copy = str(to / ran.folder.name)
    told = office.run("verify", copy, "--reports-dir", str(office.reports))
    assert (told.code, "run.log" in told.out) == (0, True)
    assert office.run("verify", copy, "--reports-dir", str(to)).code == 6


def test_the_operator_of_the_environment_is_in_manifest_and_page(ran: Ran) -> None:
    told = json.loads((ran.folder / "manifest.json").read_text(encoding="utf-8"))
    assert told["operator"]["name"] == "Anna Tester"
    assert "Anna Tester" in (ran.folder / "report.html").read_text(encoding="utf-8")


def test_the_folder_must_be_there_before_anything_is_sent(office: Office, to: Path) -> None:
    office.write("list.csv", LIST)
    wrong = str(to / "missing")
    told = office.run("run", "list.csv", "--register", "emulator", "--deliver-to", wrong)
    assert (told.code, "no such folder" in told.err) == (2, True)
    assert not list(office.reports.glob("2*"))


@pytest.fixture
def ended(tmp_path: Path) -> Finished:
    with journal_of(tmp_path, [failed(2, "abc", "x", "y")]):
        pass
    return write_again(tmp_path, RUN.run_id, tool_version="1")


def test_a_delivery_that_fails_is_told_and_leaves_the_exit_code(
    ended: Finished, tmp_path: Path
) -> None:
    told = delivered(ended, tmp_path / "unmounted")
    assert (told.delivered, told.exit_code) == (None, ended.exit_code)
    assert f"defer-batch report {RUN.run_id}" in told.not_delivered
    assert "--deliver-to" in told.not_delivered


def test_report_delivers_again(ended: Finished, tmp_path: Path) -> None:
    to = tmp_path / "mounted again"
    to.mkdir()
    told = write_again(tmp_path, RUN.run_id, tool_version="1", deliver_to=to)
    assert told.delivered == to / RUN.run_id
    assert ended.delivered is None


def test_what_is_unfinished_is_not_delivered(tmp_path: Path) -> None:
    row = Row(2, ("abc", "2026-10-01", "x"), "abc", Deferral("abc", "2026-10-01", None))
    with journal_of(tmp_path, [row]):
        pass
    to = tmp_path / "for others"
    to.mkdir()
    told = write_again(tmp_path, RUN.run_id, tool_version="1", deliver_to=to)
    assert (told.delivered, list(to.iterdir())) == (None, [])
