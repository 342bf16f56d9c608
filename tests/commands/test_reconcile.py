"""`reconcile`: a later look at what runs reported, by a real process at a real server."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.emulator import replies
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from batch.record import locks
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran, keep_state_in
from tests.support.troubles import Canned, Fault

Serving = Callable[..., Emulator]
LIST = (
    "trainee_id,defer_date,defer_reason\nabc,2026-10-01,=Illness\nbcd,2026-10-01,\n"
    "cde,2026-10-01,\ndef,2026-10-01,\n"
)
STATES = dict.fromkeys(("abc", "bcd", "cde", "def"), "trn_received")
UNKNOWN = Canned(replies.not_found("Trainee(s) not found"))


def run(office: Office, emulator: Emulator, content: str = LIST) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    return office.run("run", "list.csv", *target)


def found(ran: Ran) -> dict[str, Any]:
    return dict(json.loads(ran.out))


@pytest.fixture
def emulator(register: Serving, office: Office) -> Emulator:
    """A Register that holds what one run deferred."""
    emulator = register(**STATES)
    assert run(office, emulator).code == 0
    return emulator


def test_what_stands_as_reported_is_said_to_stand(office: Office, emulator: Emulator) -> None:
    ran = office.run("reconcile", "--json")
    assert ran.code == 0, ran.err
    assert found(ran)["counts"] == {"stands": 4}
    assert (found(ran)["differing"], len(found(ran)["rows"])) == (0, 4)


def test_whatever_differs_is_named_row_by_row(office: Office, emulator: Emulator) -> None:
    emulator.register.reinstate("abc")
    emulator.register.set_state("bcd", "withdrawn")
    emulator.register.set_state("cde", "awarded")
    troubles.plan_of(emulator).add(Fault("def", Endpoint.READ, last=None, given=UNKNOWN))
    ran = office.run("reconcile", "--json")
    assert ran.code == found(ran)["exit_code"] == 1
    assert {row["row"]: row["code"] for row in found(ran)["rows"]} == {
        2: "back_in_training",
        3: "withdrawn",
        4: "awarded",
        5: "gone",
    }


def test_another_date_and_another_reason_differ(office: Office, emulator: Emulator) -> None:
    emulator.register.reinstate("abc")
    emulator.register.defer("abc", "2026-11-11")
    emulator.register.reinstate("bcd")
    emulator.register.defer("bcd", "2026-10-01", "Zqelsewhere")
    ran = office.run("reconcile")
    assert (ran.code, "2026-11-11" in ran.out) == (1, True)
    assert "reason differs: row 3" in ran.out
    assert "Zqelsewhere" not in ran.out + ran.err


def test_it_only_reads_and_the_report_is_still_proved(office: Office, emulator: Emulator) -> None:
    sent = len(emulator.received(Endpoint.DEFER))
    folder = next(office.reports.glob("2*"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    office.run("reconcile")
    assert len(emulator.received(Endpoint.DEFER)) == sent
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert office.run("verify", folder.name).code == 0


def test_runs_shows_when_it_was_asked_and_the_counts(office: Office, emulator: Emulator) -> None:
    assert found_runs(office)[0]["reconciled"] is None
    emulator.register.reinstate("abc")
    office.run("reconcile")
    told = found_runs(office)[0]["reconciled"]
    assert (told["checked"], told["stand"]) == (4, 3)
    assert "3 of 4 stood" in office.run("runs").out


def found_runs(office: Office) -> list[dict[str, Any]]:
    return list(json.loads(office.run("runs", "--json").out))


def test_the_rows_are_written_with_what_register_has(office: Office, emulator: Emulator) -> None:
    emulator.register.reinstate("abc")
    office.run("reconcile", "--out", "now.csv")
    first, second, *_ = rows_of(office.folder / "now.csv")
    assert (first["defer_reason"], first["row"]) == ("'=Illness", "2")
    assert (first["code"], second["code"]) == ("back_in_training", "stands")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_several_runs_are_asked_about_at_once(office: Office, register: Serving) -> None:
    emulator = register(**STATES)
    run(office, emulator, "trainee_id,defer_date\nabc,2026-10-01\n")
    run(office, emulator, "note,register_id,defer_date\nx,abc,2026-10-01\ny,bcd,2026-10-02\n")
    ran = office.run("reconcile", "--since", "2026-01-01", "--json", "--out", "now.csv")
    assert ran.code == 0, ran.out
    assert [sum(one["counts"].values()) for one in found(ran)["runs"]] == [1, 2]
    assert [row["note"] for row in rows_of(office.folder / "now.csv")] == ["", "x", "y"]


def test_what_an_earlier_run_deferred_has_that_runs_reason(
    office: Office, emulator: Emulator
) -> None:
    again = run(office, emulator, "trainee_id,defer_date,defer_reason\nabc,2026-10-01,Other\n")
    assert again.codes() == {2: "deferred_earlier"}
    assert office.run("reconcile", again.folder.name).code == 0


def test_many_trainees_are_read_by_list(office: Office, register: Serving) -> None:
    ids = [f"trainee{number:03}" for number in range(120)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    run(office, emulator, "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    ran = office.run("reconcile", "--json")
    assert (ran.code, found(ran)["counts"]) == (0, {"stands": 120})
    assert found(ran)["requests"]["sent"] <= 23


def test_nothing_that_register_says_of_a_person_is_left(office: Office) -> None:
    person: dict[str, Any] = {
        "last_name": "Zqperson",
        "trn": "7654321",
        "date_of_birth": "1999-09-09",
    }
    known = [Trainee(f"abc{n}", state="trn_received", **person) for n in range(30)]
    content = "trainee_id,defer_date\n" + "".join(f"abc{n},2026-10-01\n" for n in range(30))
    with serve(rehearsal_register(known, token=TOKEN)) as emulator:
        run(office, emulator, content)
        ran = office.run("reconcile", "--json", "--out", "now.csv")
        assert emulator.received(Endpoint.LIST)
    left = [path.read_bytes() for path in office.folder.rglob("*") if path.is_file()]
    assert ran.code == 0, ran.out
    for secret in (*person.values(), TOKEN):
        assert secret not in ran.out + ran.err
        assert not [content for content in left if secret.encode() in content]


def test_a_register_that_cannot_be_asked_can_be_asked_later(
    office: Office, emulator: Emulator
) -> None:
    troubles.plan_of(emulator).outage = troubles.gateway_page(503)
    assert office.run("reconcile", "--give-up-after", "0.3").code == 75
    assert found_runs(office)[0]["reconciled"] is None


def test_a_trainee_who_cannot_be_read_is_not_said_to_be_gone(
    office: Office, emulator: Emulator
) -> None:
    fault = Fault("abc", Endpoint.READ, last=None, given=troubles.APPLICATION_ERROR)
    troubles.plan_of(emulator).add(fault)
    ran = office.run("reconcile", "--json")
    assert (ran.code, found(ran)["counts"]) == (75, {"not_read": 1, "stands": 3})
    assert "3 of 3 stood" in office.run("runs").out


def test_a_rehearsal_is_nothing_to_ask_about(office: Office) -> None:
    office.write("list.csv", LIST)
    rehearsed = office.run("run", "list.csv", "--register", "emulator")
    assert office.run("reconcile", rehearsed.folder.name).code == 2
    assert office.run("reconcile").code == 0


def test_beside_a_run_under_way_it_waits_for_another_time(
    office: Office, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_state_in(office.folder / "state", monkeypatch)
    asked = len(emulator.requests)
    with locks.one_run_at_a_time(emulator.base_url, run_id="other", since="now"):
        assert office.run("reconcile").code == 4
    assert len(emulator.requests) == asked


@pytest.mark.parametrize("options", [("--since", "yesterday"), ("x", "--since", "2026-01-01")])
def test_what_cannot_be_meant_is_refused(office: Office, options: tuple[str, ...]) -> None:
    assert office.run("reconcile", *options).code == 2
