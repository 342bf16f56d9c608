"""A list as a student system writes it, without one id of Register's, from check to proof."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import pytest

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import serve
from batch.emulator.trainees import Trainee
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.troubles import FaultPlan

Submit = Callable[..., Ran]
LIST = """\
Student Number;TRN;Surname;Forenames;DOB;Date of Deferral;Reason for Deferral;Course
S1001;0123456;O'Brien;Máire;01/02/2001;14/09/2026;Illness;History
S1002;1234567;SMITH JONES;Ann;29/02/2000;15/09/2026;;Physics
S1003;2345678;Müller;Zoë;17/06/1999;16/09/2026;Caring for a parent, at home;PE
S1004;;Doe;Jo;03/04/2001;17/09/2026;;Art
"""
KNOWN = (
    Trainee("xqc1", trn="0123456", last_name="O’Brien", date_of_birth="2001-02-01"),
    Trainee(
        "xqc2",
        trn="1234567",
        provider_trainee_id="S1002",
        last_name="Smith-Jones",
        date_of_birth="2000-02-29",
    ),
    Trainee("xqc3", trn="2345678", last_name="Muller", date_of_birth="1999-06-17"),
    Trainee("xqc4", provider_trainee_id="S1004", last_name="Doe", date_of_birth="2001-04-03"),
    Trainee("xqc5", trn="3456789", last_name="Other", provider_trainee_id="S1001"),
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_it_goes_from_check_to_a_proved_report(office: Office, encoding: str) -> None:
    office.environment |= {
        "DEFER_BATCH_API_TOKEN": TOKEN,
        "DEFER_BATCH_DATE_FORMAT": "dmy",
        "DEFER_BATCH_RATE_LIMIT": "none",
    }
    office.write("list.csv", LIST.encode(encoding))
    with serve(rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)) as emulator:
        target = ("--register", emulator.base_url)
        assert office.run("check", "list.csv").code == 0
        previewed = office.run("preview", "list.csv", *target, "--json", "--out", "found.csv")
        assert previewed.code == 0, previewed.err
        assert json.loads(previewed.out)["to_send"] == 4
        assert not emulator.received(Endpoint.DEFER)
        ran = office.run("run", "list.csv", *target)
        assert office.run("reconcile", *target).code == 0
    assert (ran.code, ran.summary["final_check"]["confirmed"]) == (0, 4), ran.err
    sent = {row["row"]: row["sent_trainee_id"] for row in ran.rows("succeeded")}
    assert sent == {"2": "xqc1", "3": "xqc2", "4": "xqc3", "5": "xqc4"}
    assert office.run("verify", ran.folder.name).code == 0
    with (office.folder / "found.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["code"] for row in csv.DictReader(file)} == {"deferred"}


def test_it_rehearses_too(office: Office) -> None:
    office.write("list.csv", LIST)
    rehearsal = ("--register", "emulator", "--date-format", "dmy")
    assert office.run("preview", "list.csv", *rehearsal).code == 0
    ran = office.run("run", "list.csv", *rehearsal)
    assert (ran.code, ran.summary["counts"]["succeeded"]) == (0, 4), ran.err


@pytest.mark.parametrize("named_first", ["xqc2,,", ",1234567,"])
def test_who_is_named_twice_is_refused_even_where_an_earlier_run_waits_for_an_answer(
    office: Office, submit: Submit, named_first: str
) -> None:
    gone = troubles.out_of_service(troubles.Dropped(), first=3)
    waits = ("--give-up-after", "0.5", "--lost-answer-wait", "0.2", "--max-at-once", "1")
    model = rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)
    with serve(model, plan=FaultPlan([gone])) as emulator:
        old = "trainee_id,defer_date\nxqc1,2026-10-01\nxqc2,2026-10-01\n"
        assert submit(emulator, old, *SENDING_ALONE, *waits).codes()[3] == "answer_lost"
        emulator.plan, sent = None, len(emulator.received(Endpoint.DEFER))
        header = "trainee_id,trn,provider_trainee_id,defer_date\n"
        twice = f"{header}{named_first},2026-10-02\n,,S1002,2026-10-03\n,2345678,,2026-10-01\n"
        told = submit(emulator, twice).codes()
        assert told == {2: "conflicting_rows", 3: "conflicting_rows", 4: "deferred"}
        assert len(emulator.received(Endpoint.DEFER)) == sent + 1


def test_rows_of_one_trainee_stay_refused_where_a_crash_came_before_it_was_written(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit(137)

    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    twice = "1234567,2026-09-15\n1234567,2026-09-16\n2345678,2026-09-16\n2345678,2026-09-16\n"
    office.write("list.csv", f"trn,defer_date\n{twice}")
    with serve(rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)) as emulator:
        target = ("--register", emulator.base_url, "--rate-limit", "none")
        monkeypatch.setattr("batch.submission.session.Session.settle_now", killed)
        assert office.run("run", "list.csv", *target).code == 137
        monkeypatch.undo()
        ran = office.run("resume", "--yes")
        assert ran.code == 1, ran.err
        assert len(emulator.received(Endpoint.DEFER)) == 1
    told = ["conflicting_rows", "conflicting_rows", "deferred", "duplicate_row"]
    assert [code for _, code in sorted(ran.codes().items())] == told


def test_a_resumed_list_counts_a_row_once_that_another_run_deferred_since(office: Office) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trn,defer_date\n0123456,2026-09-14\n1234567,2026-09-15\n")
    office.write("other.csv", "trainee_id,defer_date\nxqc2,2026-09-15\n")
    model = rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)
    plan = FaultPlan([troubles.answered_before("xqc1", troubles.UNAUTHORISED)])
    with serve(model, plan=plan) as emulator:
        target = ("--register", emulator.base_url, "--rate-limit", "none")
        alone = ("--match-by", "trn", "--max-at-once", "1")
        assert office.run("run", "list.csv", *target, *alone).code == 3
        assert office.run("run", "other.csv", *target).code == 0
        ran = office.run("resume")
    assert (ran.code, "Nothing is left" in ran.err) == (0, False), ran.err
    assert {"2 rows", "  1 will be deferred"} < set(ran.err.splitlines())
    assert sorted(ran.codes().values()) == ["deferred", "deferred_earlier"]


@pytest.mark.parametrize(
    ("columns", "values", "code"),
    [
        ("trainee_id,dob", 'xqc3,"=""1999-06-18"""', "identity_differs"),
        ("trainee_id,surname", 'xqc3,"=""Someone Else"""', "identity_differs"),
        ("trainee_id,dob", 'xqc3,"=""1999-06-17"""', "deferred"),
        ("student_id", '"=""S1004"""', "deferred"),
    ],
)
def test_a_formula_that_is_only_text_is_its_text_whoever_it_names(
    submit: Submit, columns: str, values: str, code: str
) -> None:
    with serve(rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)) as emulator:
        told = submit(emulator, f"{columns},defer_date\n{values},2026-10-01\n").codes()
    assert told == {2: code}


def test_a_row_that_failed_its_check_contradicts_another_by_whatever_both_name_the_trainee(
    submit: Submit,
) -> None:
    header = "trn,student_id,defer_date\n"
    twice = "1234567,,2026-10-01\n1234567,,2026-02-30\n,S1004,2026-10-01\n,S1004,x\n2345678,,x\n"
    with serve(rehearsal_register(KNOWN, rate_limit=None, token=TOKEN)) as emulator:
        told = submit(emulator, header + twice)
        assert not emulator.received(Endpoint.DEFER)
    assert (told.codes()[2], told.codes()[4]) == ("conflicting_rows", "conflicting_rows")
