"""The last screen of a run: the verdict and what to do first, and no more than fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.shells import words_of
from tests.support.terminals import posix_only, shown_at_a_terminal

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]
MIXED = "trainee_id,defer_date\nabc,2026-10-01\nbcd,2026-10-01\ncde,1 May\n"


def ran_mixed(register: Serving, office: Office, *options: str) -> Ran:
    emulator = register(abc="trn_received", bcd="deferred")
    office.write("list.csv", MIXED)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    return office.run("run", "list.csv", "--register", emulator.base_url, *options)


def test_the_verdict_comes_first_and_the_sha256_last(register: Serving, office: Office) -> None:
    first, *_, last = ran_mixed(register, office).out.splitlines()
    assert first == (
        "1 of 3 deferred, all confirmed by reading them back. "
        "1 needs your attention, 1 is for information."
    )
    assert last.startswith("manifest sha256: ")


def test_what_is_to_correct_is_run_as_the_hint_says(register: Serving, office: Office) -> None:
    ran = ran_mixed(register, office)
    command = words_of(ran.out.split("then: ")[1].splitlines()[0])
    assert command[:2] == ["defer-batch", "run"]
    assert command[2].endswith("to-correct.xlsx")
    assert office.run(*command[1:]).code == 1


def test_few_problems_are_shown_by_group_and_many_where_somebody_asks(
    register: Serving, office: Office
) -> None:
    many = "".join(f"abc,{day} May\n" for day in range(1, 13))
    assert "invalid_defer_date: row 4" in ran_mixed(register, office).out
    office.write("many.csv", f"trainee_id,defer_date\n{many}")
    ran = office.run("run", "many.csv", "--register", "emulator")
    assert "12 to correct" in ran.out
    assert "invalid_defer_date:" not in ran.out
    again = office.run("run", "many.csv", "--register", "emulator", "--verbose")
    assert "invalid_defer_date:" in again.out


def test_an_unfinished_run_says_how_to_continue(register: Serving, submit: Submit) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    ran = submit(
        register(abc="trn_received", faults=faults), "trainee_id,defer_date\nabc,2026-10-01\n"
    )
    assert ran.out.startswith("None of 1 deferred. 1 needs your attention.")
    assert "To continue, run: defer-batch resume" in ran.out


@posix_only
@pytest.mark.parametrize(("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_labels_are_coloured_at_a_terminal_that_has_colour(
    office: Office, environment: dict[str, Any], *, is_coloured: bool
) -> None:
    office.write("list.csv", "trainee_id,defer_date\nabc,1 May\n")
    office.environment |= {"TERM": "xterm", **environment}
    shown = shown_at_a_terminal(office, "run", "list.csv", "--register", "emulator")
    assert ("33mTo do" in shown) is is_coloured
    assert "To do" in shown
