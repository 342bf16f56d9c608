"""`close RUN`: a run that nobody wants to resume is ended, and says so everywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from batch.emulator import replies
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.journals import altered
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.terminals import posix_only, pseudo_terminal
from tests.support.troubles import Canned, Fault

Serving = Callable[..., Emulator]
TWO = "trainee_id,defer_date\nabc,2026-10-01\ndef,2026-10-02\n"
ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
UNREADABLE = Fault("abc", Endpoint.READ, last=1, given=troubles.BLOCKED)
"""The first read says nothing about the trainee: so the row is left in doubt."""


def leave_unfinished(
    office: Office, register: Serving, *faults: Fault, content: str = TWO
) -> tuple[Emulator, str]:
    """Run a list whose first answer is lost and cannot be read; return the run's id."""
    faults = faults or (troubles.lost_after("abc"),)
    states = {"abc": "trn_received", "def": "trn_received"}
    emulator = register(**states, faults=[*faults, UNREADABLE])
    ran = run(office, emulator, content)
    assert ran.code == 3, ran.err
    return emulator, ran.folder.name


def run(office: Office, emulator: Emulator, content: str = TWO, *options: str) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    pace = ("--rate-limit", "none", "--lost-answer-wait", "0.2")
    return office.run(
        "run", "list.csv", "--register", emulator.base_url, *pace, *SENDING_ALONE, *options
    )


def test_a_lost_answer_is_read_before_the_run_is_closed(office: Office, register: Serving) -> None:
    emulator, run_id = leave_unfinished(office, register)
    sent = len(emulator.received(Endpoint.DEFER))
    ran = office.run("close", run_id)
    assert ran.code == 0, ran.err
    assert ran.codes() == {2: "confirmed_by_read_back", 3: "deferred"}
    assert len(emulator.received(Endpoint.DEFER)) == sent


def test_who_shows_no_deferral_after_the_wait_is_not_sent_again(
    office: Office, register: Serving
) -> None:
    emulator, run_id = leave_unfinished(office, register, troubles.lost_before("abc"))
    ran = office.run("close", run_id)
    assert ran.code == 0, ran.err
    assert ran.codes()[2] == "not_sent"
    assert ran.rows("unresolved")[0]["attempts"] == "1"
    trainee = emulator.register.trainee("abc")
    assert trainee is not None
    assert trainee.state == "trn_received"


def test_what_cannot_be_read_stays_in_doubt_and_is_closed_all_the_same(
    office: Office, register: Serving
) -> None:
    emulator, run_id = leave_unfinished(office, register)
    troubles.plan_of(emulator).outage = troubles.UNAUTHORISED
    ran = office.run("close", run_id)
    assert ran.code == 1
    assert "401" in ran.err
    assert ran.codes()[2] == "answer_lost"
    assert json.loads(office.run("runs", "--json").out)[0]["stage"] == "ended"


@pytest.mark.parametrize(("hours", "kept"), [(1, True), (48, False)])
def test_a_closed_run_can_be_purged_once_its_doubts_are_old(
    office: Office, register: Serving, hours: int, *, kept: bool
) -> None:
    emulator, run_id = leave_unfinished(office, register)
    troubles.plan_of(emulator).outage = troubles.UNAUTHORISED
    office.run("close", run_id)
    older = f"intended_at = intended_at - {hours * 3600}"
    altered(office.reports / "journal.db", f"UPDATE attempts SET {older}")
    assert office.run("purge", "--older-than", "0d", "--yes").code == 0
    assert (office.reports / run_id).exists() is kept


def test_without_a_token_it_says_so_and_closes(office: Office, register: Serving) -> None:
    _, run_id = leave_unfinished(office, register)
    del office.environment["DEFER_BATCH_API_TOKEN"]
    ran = office.run("close", run_id)
    assert (ran.code, "token" in ran.err) == (1, True)
    assert ran.codes()[2] == "answer_lost"


def test_another_token_that_knows_nobody_settles_nothing(office: Office, register: Serving) -> None:
    emulator, run_id = leave_unfinished(office, register)
    emulator.register.token = "another"
    unknown = Canned(replies.not_found("Trainee(s) not found"))
    troubles.plan_of(emulator).add(Fault(None, Endpoint.READ, last=None, given=unknown))
    office.environment["DEFER_BATCH_API_TOKEN"] = "another"
    assert office.run("close", run_id).codes()[2] == "answer_lost"


def test_a_closed_run_cannot_be_resumed(office: Office, register: Serving) -> None:
    emulator, run_id = leave_unfinished(office, register)
    office.run("close", run_id)
    asked = len(emulator.requests)
    assert office.run("resume", run_id).code == 2
    assert "nothing to resume" in office.run("resume").err
    assert len(emulator.requests) == asked


def test_a_closed_run_is_not_in_the_way_of_the_same_file(office: Office, register: Serving) -> None:
    emulator, run_id = leave_unfinished(office, register)
    assert run(office, emulator).code == 2
    office.run("close", run_id)
    assert run(office, emulator).codes() == {2: "deferred_earlier", 3: "deferred_earlier"}


def test_the_report_of_a_closed_run_is_proved_and_names_who_closed_it(
    office: Office, register: Serving
) -> None:
    _, run_id = leave_unfinished(office, register)
    ran = office.run("close", run_id, "--operator", "Ann Example")
    manifest = json.loads((ran.folder / "manifest.json").read_text("utf-8"))
    assert office.run("verify", run_id).code == 0
    assert [one["operator"]["name"] for one in manifest["resumed"]] == ["Ann Example"]
    assert manifest["resumed"][0]["command"][0] == "close"


def test_no_report_of_a_closed_run_advises_to_resume_it(office: Office, register: Serving) -> None:
    emulator, run_id = leave_unfinished(office, register)
    troubles.plan_of(emulator).outage = troubles.UNAUTHORISED
    ran = office.run("close", run_id)
    page = (ran.folder / "report.html").read_text("utf-8")
    assert "defer-batch resume" not in page + ran.out
    assert "Closed" in page


def test_closing_twice_or_a_finished_run_changes_nothing(office: Office, register: Serving) -> None:
    _, run_id = leave_unfinished(office, register)
    ran = office.run("close", run_id)
    before = (ran.folder / "manifest.json").read_bytes()
    assert office.run("close", run_id).code == 0
    assert (ran.folder / "manifest.json").read_bytes() == before


def test_the_report_of_a_closed_run_can_be_written_again(office: Office, register: Serving) -> None:
    _, run_id = leave_unfinished(office, register)
    assert office.run("close", run_id).code == 0
    before = (office.reports / run_id / "manifest.json").read_bytes()
    assert office.run("report", run_id).code == 0
    assert (office.reports / run_id / "manifest.json").read_bytes() == before
    assert office.run("verify", run_id).code == 0


def test_a_run_that_is_not_there_is_named(office: Office) -> None:
    assert office.run("close", "20261126T000000Z-list-abcd").code == 2


@posix_only
@pytest.mark.parametrize(("answer", "stage"), [("no", "started"), ("yes", "ended")])
def test_where_someone_is_there_it_asks(
    office: Office, register: Serving, answer: str, stage: str
) -> None:
    _, run_id = leave_unfinished(office, register)
    ours, theirs = pseudo_terminal()
    os.write(ours, f"{answer}\n".encode())
    with office.start("close", run_id, stdin=theirs) as done:
        done.communicate()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == (2 if answer == "no" else 0)
    assert json.loads(office.run("runs", "--json").out)[0]["stage"] == stage
