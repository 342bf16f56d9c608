"""A trainee whom Register fails at every time ends the run with a code, not with a run without end.

Some records in Register answer 500 to every deferral (API.md, "Some trainees can't be deferred").
"""

from __future__ import annotations

import json
from collections.abc import Callable

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.troubles import Fault, Never

Serving = Callable[..., Emulator]
LIST = "trainee_id,defer_date\nabc,2026-10-01\ndef,2026-10-01\nghi,2026-10-01\n"
PACE = ("--rate-limit", "none", "--lost-answer-wait", "0.2")
NEVER_SAVED = Fault("abc", last=None, arrival=Never(), given=troubles.APPLICATION_ERROR)


def begun(office: Office, register: Serving, *, left_over: bool) -> tuple[Emulator, Ran]:
    """Run a list in which Register fails at abc; with `left_over`, def is not settled either."""
    faults = [NEVER_SAVED]
    if left_over:
        unreadable = Fault("def", Endpoint.READ, last=1, given=troubles.BLOCKED)
        faults += [troubles.lost_before("def"), unreadable]
    emulator = register(**dict.fromkeys(("abc", "def", "ghi"), "trn_received"), faults=faults)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", LIST)
    target = ("--register", emulator.base_url)
    return emulator, office.run("run", "list.csv", *target, *PACE, *SENDING_ALONE)


def test_the_second_stretch_in_which_others_are_dealt_with_settles_the_row(
    office: Office, register: Serving
) -> None:
    emulator, ran = begun(office, register, left_over=True)
    assert (ran.code, ran.codes()[2]) == (3, "register_keeps_failing")
    resumed = office.run("resume", *PACE)
    assert (resumed.code, resumed.codes()[2]) == (1, "register_cannot"), resumed.err
    assert resumed.rows("unprocessable")[0]["attempts"] == "6"
    assert json.loads(office.run("runs", "--json").out)[0]["stage"] == "finished"
    assert office.run("verify", resumed.folder.name).code == 0
    asked = len(emulator.requests)
    assert "nothing to resume" in office.run("resume").err
    assert len(emulator.requests) == asked


def test_where_register_dealt_with_nobody_else_the_row_can_be_tried_again(
    office: Office, register: Serving
) -> None:
    begun(office, register, left_over=False)
    resumed = office.run("resume", *PACE)
    assert (resumed.code, resumed.codes()[2]) == (3, "register_keeps_failing")
    assert office.run("close", resumed.folder.name).code == 0


def test_the_row_is_in_the_log_as_it_was_settled(office: Office, register: Serving) -> None:
    begun(office, register, left_over=True)
    resumed = office.run("resume", *PACE)
    lines = (resumed.folder / "run.log").read_text("utf-8").splitlines()
    settled = [line for line in map(json.loads, lines) if line.get("row") == 2 and "code" in line]
    assert settled[-1]["code"] == "register_cannot"
