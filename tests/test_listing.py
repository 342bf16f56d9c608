"""The table of runs: what it says, and that it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Office, Ran

from batch.listing import runs_lines
from batch.register.gateway import Emulator
from batch.rows import REHEARSAL

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

OUTCOMES = ("succeeded", "not_found", "unprocessable", "unresolved")


def a_run(run_id: str, **more: Any) -> dict[str, Any]:
    usual = {
        "run_id": run_id,
        "stage": "finished",
        "rehearsal": False,
        "register": "https://register.example",
        "counts": dict.fromkeys(OUTCOMES, 1200),
        "carry_on": None,
    }
    return usual | more


def test_a_wide_table_has_a_line_for_each_run() -> None:
    lines = runs_lines([a_run("20261124T100000Z-list-abcd"), a_run("b", stage="started")], 200)
    assert [line.split()[0] for line in lines] == ["run", "20261124T100000Z-list-abcd", "b"]
    assert lines[1].split()[1:] == ["finished", *["1,200"] * 4, "https://register.example"]
    assert len({line.index("unprocessable") for line in lines[:1]}) == 1


@pytest.mark.parametrize("width", [40, 60, 80])
def test_where_it_is_narrow_no_line_is_wider_and_no_id_is_lost(width: int) -> None:
    run_id = "20261124T100000Z-a-list-with-a-long-name-abcd"
    lines = runs_lines([a_run(run_id, rehearsal=True)], width)
    assert max(map(len, lines)) <= width
    assert run_id in "".join(line.split()[0] for line in lines if line)
    assert sum("1,200" in line for line in lines) == 4


def test_the_commands_that_carry_on_are_never_broken() -> None:
    command = "defer-batch resume 20261124T100000Z-list-abcd --reports-dir '/a/long/way/off'"
    assert f"  {command}" in runs_lines([a_run("x", stage="started", carry_on=command)], 40)


def test_no_runs_are_said() -> None:
    assert runs_lines([]) == ["no runs yet"]


def test_a_rehearsal_is_called_one_wherever_it_is_shown(office: Office) -> None:
    office.write("list.csv", "trainee_id,defer_date\nabc,2026-10-01\n")
    ran = office.run("run", "list.csv", "--register", "emulator", "--json")
    assert REHEARSAL in ran.err
    assert REHEARSAL in office.run("runs").out
    assert ran.rows("succeeded")[0]["message"] == f"{REHEARSAL}. Deferred."


def test_what_carries_on_names_the_reports_folder_where_it_is_another(
    register: Serving, submit: Submit, office: Office
) -> None:
    office.write("token.txt", "wrong")
    elsewhere = ("--reports-dir", "my reports")
    ran = submit(
        register(abc="trn_received"),
        "trainee_id,defer_date\nabc,2026-10-01\n",
        *("--api-token-file", "token.txt", *elsewhere),
    )
    (folder,) = (office.folder / "my reports").glob("2*")
    command = f"defer-batch resume {folder.name} --reports-dir 'my reports'"
    page = (folder / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert f"`{command}` carries on." in ran.out
    assert f"<code>{command}</code>" in page
    assert f"  {command}" in office.run("runs", *elsewhere).out.splitlines()
