"""Looking before sending, and reading back at the end: a real process and a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from batch.emulator import replies
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran

Serving = Callable[..., Emulator]
LIST = (
    "trainee_id,defer_date\nabc,2026-10-01\nbcd,2026-10-01\ncde,2026-10-01\n"
    "def,2026-10-01\nefg,2026-10-01\nfgh,2026-10-01\n"
)


def run(office: Office, emulator: Emulator, content: str = LIST, *options: str) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    return office.run("run", "list.csv", *target, *options)


@pytest.fixture
def mixed(register: Serving) -> Emulator:
    """A Register in which only abc can be deferred."""
    emulator = register(abc="trn_received", bcd="deferred", cde="withdrawn", fgh="trn_received")
    emulator.register.defer("fgh", "2026-10-01")
    emulator.register.reinstate("fgh")
    return emulator


def test_nothing_is_sent_for_a_trainee_who_cannot_be_deferred(
    office: Office, mixed: Emulator
) -> None:
    ran = run(office, mixed)
    assert ran.codes() == {
        2: "deferred",
        3: "already_deferred",
        4: "state_not_deferrable",
        5: "trainee_not_found",
        6: "trainee_not_found",
        7: "reinstated_since",
    }
    assert len(mixed.received(Endpoint.DEFER)) == 1
    assert {row["attempts"] for row in ran.rows("unprocessable")} == {"0"}


def test_the_plan_says_what_the_rows_will_become(office: Office, mixed: Emulator) -> None:
    plan = run(office, mixed).err
    for line in ("1 will be deferred", "2 are not trainees of this provider", "1 withdrawn"):
        assert line in plan


def test_again_sends_who_has_come_back(office: Office, mixed: Emulator) -> None:
    assert run(office, mixed, LIST, "--again").codes()[7] == "deferred"


def test_every_deferral_is_read_back_at_the_end(office: Office, mixed: Emulator) -> None:
    ran = run(office, mixed)
    summary = ran.summary
    assert "1 of 1 deferrals confirmed" in ran.out
    checked = summary["final_check"]
    assert (checked["checked"], checked["confirmed"]) == (1, 1)
    assert (summary["requests"]["preview"], summary["requests"]["final_check"]) == (6, 1)


def test_a_deferral_that_register_does_not_hold_is_named(office: Office, register: Serving) -> None:
    faults = [troubles.reinstated_after("abc", given=troubles.AsUsual())]
    ran = run(
        office,
        register(abc="trn_received", faults=faults),
        "trainee_id,defer_date\nabc,2026-10-01\n",
    )
    assert (ran.code, ran.codes()) == (1, {2: "deferral_not_held"})
    assert ran.summary["final_check"]["confirmed"] == 0
    logged = (ran.folder / "run.log").read_text("utf-8").splitlines()
    settled = [line["code"] for line in map(json.loads, logged) if line["event"] == "row_settled"]
    assert settled == ["deferred", "deferral_not_held"]


REFUSED = troubles.Canned(replies.refused("Defer date can not be before the start date"))
UNKNOWN = troubles.Canned(replies.not_found("Trainee(s) not found"))


def test_a_deferral_that_another_ones_answer_called_refused_is_found_by_the_check(
    office: Office, register: Serving
) -> None:
    faults = [troubles.Fault("abc", given=REFUSED)]
    emulator = register(abc="trn_received", bcd="trn_received", faults=faults)
    ran = run(office, emulator, "trainee_id,defer_date\nabc,2026-10-01\nbcd,2026-10-01\n")
    checked = ran.summary["final_check"]
    assert ran.codes() == {2: "already_deferred", 3: "deferred"}
    assert (checked["checked"], checked["confirmed"]) == (1, 1)


def test_a_trainee_whose_deferral_was_refused_is_checked_and_stays_refused(
    office: Office, register: Serving
) -> None:
    faults = [troubles.Fault("abc", arrival=troubles.Never(), given=REFUSED)]
    ran = run(office, register(abc="trn_received", faults=faults), LIST.split("bcd", maxsplit=1)[0])
    assert (ran.codes(), ran.summary["final_check"]) == ({2: "refused_by_register"}, None)
    assert ran.summary["requests"]["final_check"] == 1


def run_of_many_refused(
    office: Office,
    register: Serving,
    *options: str,
    given: troubles.Canned = REFUSED,
    more: Sequence[troubles.Fault] = (),
) -> Ran:
    """Run a list of abc, who is deferred, and 30 who are refused; the first of them wrongly."""
    refused = [f"row{number}" for number in range(30)]
    faults = [troubles.Fault(one, given=given, arrival=troubles.Never()) for one in refused[1:]]
    faults += [troubles.Fault(refused[0], given=given), *more]
    emulator = register(**dict.fromkeys(["abc", *refused], "trn_received"), faults=faults)
    rows = "".join(f"{one},2026-10-01\n" for one in ["abc", *refused])
    return run(office, emulator, "trainee_id,defer_date\n" + rows, *options)


@pytest.mark.parametrize(
    ("given", "options", "code"),
    [(REFUSED, (), "refused_by_register"), (UNKNOWN, ("--no-preview",), "trainee_not_found")],
)
def test_many_who_were_not_deferred_are_looked_for_in_the_lists_of_the_changed(
    office: Office, register: Serving, given: troubles.Canned, options: tuple[str, ...], code: str
) -> None:
    ran = run_of_many_refused(office, register, *options, given=given)
    rest = dict.fromkeys(range(4, 33), code)
    assert ran.codes() == {2: "deferred", 3: "already_deferred"} | rest
    assert ran.summary["requests"]["final_check"] < 15


def test_lists_that_fail_at_the_end_take_no_deferrals_check_away(
    office: Office, register: Serving
) -> None:
    asked = run_of_many_refused(office, register).summary["requests"]["preview"]
    fails = troubles.Canned(replies.unauthorised())
    later = troubles.Fault(None, endpoint=Endpoint.LIST, first=asked + 1, last=None, given=fails)
    ran = run_of_many_refused(office, register, more=[later])
    assert ran.codes()[3] == "refused_by_register"
    assert ran.summary["final_check"]["confirmed"] == 1


def test_without_looking_and_checking_there_are_no_more_requests_than_rows(
    office: Office, mixed: Emulator
) -> None:
    options = ("--no-preview", "--no-final-check")
    ran = run(office, mixed, "trainee_id,defer_date\nabc,2026-10-01\n", *options)
    assert (ran.summary["requests"]["sent"], ran.summary["final_check"]) == (2, None)


def many(count: int) -> list[Trainee]:
    return [
        Trainee(f"trainee{number:017}", itt_start_date="2026-09-01", updated_at=float(number))
        for number in range(count)
    ]


def test_a_date_before_the_course_began_is_told_in_plan_row_and_page(office: Office) -> None:
    known = many(1)
    content = f"trainee_id,defer_date\n{known[0].trainee_id},2026-08-20\n"
    with serve(rehearsal_register(known, rate_limit=None, token=TOKEN)) as emulator:
        ran = run(office, emulator, content)
    assert (ran.code, ran.codes()) == (0, {2: "deferred"})
    for told in (ran.err, ran.rows("succeeded")[0]["message"], page_of(ran)):
        assert "course began" in told


def page_of(ran: Ran) -> str:
    return (ran.folder / "report.html").read_text("utf-8")


def test_three_hundred_rows_take_few_requests_to_look_up_and_to_check(office: Office) -> None:
    known = many(600)
    content = "trainee_id,defer_date\n"
    content += "".join(f"{trainee.trainee_id},2026-10-01\n" for trainee in known[:300])
    with serve(rehearsal_register(known, rate_limit=None, token=TOKEN)) as emulator:
        ran = run(office, emulator, content)
    requests: dict[str, Any] = ran.summary["requests"]
    assert ran.code == 0
    assert ran.summary["final_check"]["confirmed"] == 300
    assert requests["preview"] <= 20
    assert requests["final_check"] <= 20 + 6


def test_while_register_is_down_the_look_waits_and_nothing_is_sent_unseen(
    office: Office, register: Serving
) -> None:
    down = troubles.out_of_service(troubles.gateway_page(503), first=2, last=4)
    emulator = register(abc="withdrawn", faults=[down])
    ran = run(office, emulator, "trainee_id,defer_date\nabc,2026-10-01\n")
    assert ran.codes() == {2: "state_not_deferrable"}
    assert not emulator.received(Endpoint.DEFER)


def test_a_register_without_lists_is_read_trainee_by_trainee(
    office: Office, register: Serving
) -> None:
    ids = [f"id{number}" for number in range(25)]
    faults = [troubles.Fault(None, Endpoint.LIST, last=None, given=troubles.gateway_page(404))]
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=faults)
    content = "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    ran = run(office, emulator, content)
    assert (ran.code, ran.summary["counts"]["succeeded"]) == (0, 25)


def listed(known: list[Trainee]) -> str:
    return "trainee_id,defer_date\n" + "".join(f"{one.trainee_id},2026-10-01\n" for one in known)


def test_without_a_look_the_check_begins_by_registers_clock(office: Office) -> None:
    known, hours_behind = many(60), 2 * 3600
    register = rehearsal_register(known, rate_limit=None, token=TOKEN)
    register.clock = lambda: time.time() - hours_behind
    with serve(register, date_clock=register.clock) as emulator:
        ran = run(office, emulator, listed(known), "--no-preview")
    assert ran.summary["final_check"]["confirmed"] == 60
    assert ran.summary["requests"]["final_check"] <= 20 + 1


def test_a_resumed_run_is_checked_by_lists_too(office: Office) -> None:
    known = many(90)
    refused = troubles.answered_before(known[40].trainee_id, troubles.UNAUTHORISED)
    plan = troubles.FaultPlan([refused])
    register = rehearsal_register(known, rate_limit=None, token=TOKEN)
    with serve(register, plan=plan) as emulator:
        assert run(office, emulator, listed(known), "--max-at-once", "1").code == 3
        ran = office.run("resume")
    assert ran.summary["final_check"]["confirmed"] == 90
    assert ran.summary["requests"]["final_check"] <= 20 + 1
