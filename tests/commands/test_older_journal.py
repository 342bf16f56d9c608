"""A journal that was restored from a backup has forgotten runs, and says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from batch.commands.verify import verify_all
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.journals import altered
from tests.support.office import Office, Ran

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

HEADER = "trainee_id,defer_date\n"
VERSION = "1"


@pytest.fixture
def emulator(register: Serving) -> Emulator:
    return register(abc="trn_received", abd="trn_received", abe="trn_received")


@pytest.fixture
def restored(emulator: Emulator, submit: Submit, office: Office) -> list[str]:
    """The ids of three runs, of which the journal knows the first alone."""
    ids = [submit(emulator, f"{HEADER}abc,2026-10-01\n").folder.name]
    shutil.copy(office.reports / "journal.db", office.folder / "backup.db")
    ids.append(submit(emulator, f"{HEADER}abd,2026-10-01\n").folder.name)
    ids.append(submit(emulator, f"{HEADER}abe,2026-10-01\n").folder.name)
    shutil.copy(office.folder / "backup.db", office.reports / "journal.db")
    return ids


def run_again(emulator: Emulator, office: Office, *options: str) -> Ran:
    target = ("--register", emulator.base_url, "--rate-limit", "none", "--yes")
    return office.run("run", "list.csv", *target, *options)


def test_nobody_there_nothing_is_sent_until_it_is_accepted(
    emulator: Emulator, restored: list[str], office: Office
) -> None:
    emulator.register.reinstate("abe")
    asked = len(emulator.requests)
    refused = run_again(emulator, office)
    assert refused.code == 2
    assert all(run_id in refused.err for run_id in restored[1:])
    assert "--accept-older-journal" in refused.err
    assert len(emulator.requests) == asked
    accepted = run_again(emulator, office, "--accept-older-journal")
    assert accepted.code in {0, 1}
    office.write("list.csv", f"{HEADER}abd,2026-10-01\n")
    later = run_again(emulator, office)
    assert later.code in {0, 1}
    assert "older" in later.err


def test_it_is_told_wherever_runs_are_shown(
    emulator: Emulator, restored: list[str], office: Office
) -> None:
    assert restored[1] in office.run("runs").err
    doctor = office.run("doctor")
    assert (doctor.code, restored[2] in doctor.out) == (1, True)
    verified = office.run("verify", "--all", "--json")
    assert verified.code == 1
    assert json.loads(verified.out)["unknown"] == restored[1:]


def test_a_rehearsal_is_told_and_goes_on(restored: list[str], office: Office) -> None:
    ran = office.run("run", "list.csv", "--register", "emulator")
    assert (ran.code, restored[1] in ran.err) == (0, True)


def test_every_run_is_proved_where_none_is_missing(
    emulator: Emulator, submit: Submit, office: Office
) -> None:
    submit(emulator, f"{HEADER}abc,2026-10-01\n")
    submit(emulator, f"{HEADER}abd,2026-10-01\n")
    verified = office.run("verify", "--all")
    assert (verified.code, verified.out.count("proved")) == (0, 2)


def test_a_run_taken_out_of_journal_and_folder_is_missing_from_the_chain(
    emulator: Emulator, submit: Submit, office: Office
) -> None:
    submit(emulator, f"{HEADER}abc,2026-10-01\n")
    gone = submit(emulator, f"{HEADER}abd,2026-10-01\n")
    sha256 = gone.out.split()[-1]
    shutil.rmtree(gone.folder)
    after = submit(emulator, f"{HEADER}abe,2026-10-01\n").folder.name
    for table in ("runs", "rows", "attempts", "reports"):
        altered(office.reports / "journal.db", f"DELETE FROM {table} WHERE run_no = 2")
    found = verify_all(office.reports, tool_version=VERSION)
    assert [(one.run_id, one.manifest_sha256) for one in found.missing] == [(after, sha256)]
    assert found.verdict.exit_code == 1


def test_a_purged_run_is_not_missing(emulator: Emulator, submit: Submit, office: Office) -> None:
    submit(emulator, f"{HEADER}abc,2026-10-01\n")
    altered(
        office.reports / "journal.db", "UPDATE runs SET started_at = '2020-01-01T00:00:00.000Z'"
    )
    assert office.run("purge", "--older-than", "90d", "--yes").code == 0
    submit(emulator, f"{HEADER}abd,2026-10-01\n")
    assert office.run("verify", "--all").code == 0


def test_without_a_journal_nothing_is_proved(
    emulator: Emulator, submit: Submit, office: Office
) -> None:
    submit(emulator, f"{HEADER}abc,2026-10-01\n")
    for path in office.reports.glob("journal.db*"):
        path.unlink()
    assert office.run("verify", "--all").code == 6


def test_a_run_that_was_killed_before_its_report_is_known_by_its_log(
    restored: list[str], office: Office
) -> None:
    for path in (office.reports / restored[1]).iterdir():
        if path.name != "run.log":
            path.unlink()
    assert restored[1] in office.run("runs").err


def test_an_unfinished_run_of_an_older_journal_wants_a_yes(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    stopped = submit(register(abc="trn_received", faults=faults), f"{HEADER}abc,2026-10-01\n")
    shutil.copy(office.reports / "journal.db", office.folder / "backup.db")
    assert (stopped.code, office.run("resume").code) == (3, 0)
    shutil.copy(office.folder / "backup.db", office.reports / "journal.db")
    assert office.run("resume").code == 2
    assert office.run("resume", "--yes").code == 1
