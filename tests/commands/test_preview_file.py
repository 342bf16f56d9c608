"""`preview FILE`: a real process reads a real server, and nothing else happens."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from batch.record import locks
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran, keep_state_in
from tests.support.troubles import Fault

Serving = Callable[..., Emulator]
LIST = (
    "trainee_id,defer_date,defer_reason\nabc,2026-10-01,=Illness\nbcd,2026-10-01,\n"
    "cde,2026-10-01,\ndef,2026-10-01,\nefg,1 May,\n"
)
READY = "trainee_id,defer_date\nabc,2026-10-01\n"


def ask(office: Office, emulator: Emulator, content: str = LIST, *options: str) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    return office.run("preview", "list.csv", *target, *options)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def mixed(register: Serving) -> Emulator:
    """A Register in which only abc can be deferred."""
    return register(abc="trn_received", bcd="deferred", cde="withdrawn", efg="trn_received")


def test_each_row_is_given_what_it_would_become(office: Office, mixed: Emulator) -> None:
    ran = ask(office, mixed, LIST, "--json")
    found = json.loads(ran.out)
    assert ran.code == found["exit_code"] == 1, ran.err
    assert {row["row"]: row["code"] for row in found["rows"]} == {
        2: "deferred",
        3: "already_deferred",
        4: "state_not_deferrable",
        5: "trainee_not_found",
        6: "invalid_defer_date",
    }
    assert (found["to_send"], sum(found["counts"].values())) == (1, 5)


def test_the_time_holds_what_is_asked_at_the_end(office: Office, register: Serving) -> None:
    ids = [f"id{letter}" for letter in "abcdefghijklmnopqrst"]
    rows = "".join(f"{one},2026-10-01\n" for one in ids)
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    ran = ask(office, emulator, f"trainee_id,defer_date\n{rows}", "--rate-limit", "24/60", "--json")
    # 21 of the 24 are asked by now; 20 rows end in the next minute, 20 reads in the one after
    assert json.loads(ran.out)["seconds_needed"] > 60


def test_it_only_reads(office: Office, mixed: Emulator) -> None:
    ask(office, mixed)
    assert not mixed.received(Endpoint.DEFER)
    trainee = mixed.register.trainee("abc")
    assert trainee is not None
    assert trainee.state == "trn_received"
    assert not office.reports.exists()


def test_the_plan_is_the_one_of_the_run(office: Office, mixed: Emulator) -> None:
    shown = ask(office, mixed).out
    for line in ("5 rows", "1 will be deferred", "1 withdrawn", "1 failed a check"):
        assert line in shown
    assert "Type" not in shown


def test_a_file_that_can_be_sent_whole_is_ready(office: Office, mixed: Emulator) -> None:
    assert ask(office, mixed, READY).code == 0


def test_the_rows_are_written_with_what_each_would_become(office: Office, mixed: Emulator) -> None:
    ask(office, mixed, LIST, "--out", "found.csv")
    first, *_, last = rows_of(office.folder / "found.csv")
    assert list(first) == ["trainee_id", "defer_date", "defer_reason", "row", "code", "message"]
    assert (first["defer_reason"], first["row"], first["code"]) == ("'=Illness", "2", "deferred")
    assert last["code"] == "invalid_defer_date"


def test_what_is_written_never_replaces_the_list(office: Office, mixed: Emulator) -> None:
    assert ask(office, mixed, LIST, "--out", "list.csv").code == 2
    assert (office.folder / "list.csv").read_text() == LIST
    assert not mixed.requests


def test_the_memory_of_earlier_runs_is_known_and_left_as_it_is(
    office: Office, mixed: Emulator
) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", READY)
    office.run("run", "list.csv", "--register", mixed.base_url, "--rate-limit", "none")
    before = {p.name: p.read_bytes() for p in office.reports.iterdir() if p.suffix == ".db"}
    ran = ask(office, mixed, READY, "--json")
    assert [row["code"] for row in json.loads(ran.out)["rows"]] == ["deferred_earlier"]
    assert ran.code == 0
    assert len(list(office.reports.glob("2*"))) == 1
    assert before == {p.name: p.read_bytes() for p in office.reports.iterdir() if p.suffix == ".db"}


def test_beside_a_run_under_way_it_waits_for_another_time(
    office: Office, mixed: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_state_in(office.folder / "state", monkeypatch)
    with locks.one_run_at_a_time(mixed.base_url, run_id="other", since="now"):
        assert ask(office, mixed).code == 4
    assert not mixed.requests


def test_a_register_that_does_not_answer_can_be_asked_later(
    office: Office, mixed: Emulator
) -> None:
    troubles.plan_of(mixed).outage = troubles.gateway_page(503)
    began = time.monotonic()
    ran = ask(office, mixed, LIST, "--give-up-after", "0.3")
    assert (ran.code, time.monotonic() - began < 300) == (75, True)


def test_a_refused_token_ends_it(office: Office, mixed: Emulator) -> None:
    troubles.plan_of(mixed).outage = troubles.UNAUTHORISED
    assert ask(office, mixed).code == 2


def test_it_needs_a_token_unless_it_rehearses(office: Office, mixed: Emulator) -> None:
    office.write("list.csv", READY)
    assert office.run("preview", "list.csv", "--register", mixed.base_url).code == 2
    rehearsed = office.run("preview", "list.csv", "--register", "emulator")
    assert (rehearsed.code, "REHEARSAL" in rehearsed.out) == (0, True)


def test_a_header_alone_is_nothing_to_do(office: Office, mixed: Emulator) -> None:
    ran = ask(office, mixed, "trainee_id,defer_date\n")
    assert (ran.code, "nothing to do" in ran.out) == (0, True)


def test_a_row_whose_earlier_request_got_no_answer_is_said_to_be_read_first(
    office: Office, register: Serving
) -> None:
    unreadable = Fault("abc", Endpoint.READ, last=None, given=troubles.APPLICATION_ERROR)
    emulator = register(abc="trn_received", faults=[troubles.lost_before("abc"), unreadable])
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", READY)
    target = ("--register", emulator.base_url, "--rate-limit", "none", "--no-preview")
    office.run("run", "list.csv", *target, "--no-final-check", "--lost-answer-wait", "0.2")
    ran = ask(office, emulator, READY, "--json")
    assert [row["code"] for row in json.loads(ran.out)["rows"]] == ["answer_lost"]
    assert "defer-batch resume" in json.loads(ran.out)["notices"][-1]
    assert ran.code == 1


def test_nothing_that_register_says_of_a_person_is_left(office: Office) -> None:
    person: dict[str, Any] = {
        "last_name": "Zqperson",
        "trn": "7654321",
        "date_of_birth": "1999-09-09",
    }
    known = Trainee("abc", state="trn_received", **person)
    with serve(rehearsal_register([known], token=TOKEN)) as emulator:
        ran = ask(office, emulator, READY, "--json", "--out", "found.csv")
    left = [path.read_bytes() for path in office.folder.rglob("*") if path.is_file()]
    assert ran.code == 0, ran.err
    for secret in (*person.values(), TOKEN):
        assert secret not in ran.out + ran.err
        assert not [content for content in left if secret.encode() in content]


def test_its_requests_count_for_the_pace_of_the_run_that_follows(
    office: Office, register: Serving
) -> None:
    emulator = register(abc="trn_received", rate_limit=(5, 8.0))
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", READY)
    target = ("--register", emulator.base_url, "--rate-limit", "5/8")
    for _ in range(2):
        assert office.run("preview", "list.csv", *target).code == 0
    ran = office.run("run", "list.csv", *target)
    assert (ran.code, ran.summary["requests"]["throttled"]) == (0, 0), ran.err


def test_a_matched_row_that_an_earlier_run_settled_is_counted(office: Office) -> None:
    known = [Trainee("abc", trn="7654321"), Trainee("bcd", trn="7654322", state="withdrawn")]
    listed = "trn,defer_date\n7654321,2026-10-01\n7654322,2026-10-01\n"
    with serve(rehearsal_register(known, token=TOKEN)) as emulator:
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        office.write("list.csv", listed)
        office.run("run", "list.csv", "--register", emulator.base_url, "--rate-limit", "none")
        shown = ask(office, emulator, listed).out
    assert "\n2 rows\n" in shown
    assert "1 was deferred by an earlier run" in shown
