"""What stands on a terminal: the table of runs, colours, the time left, JSON as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch import systems
from batch.commands.plan import Plan
from batch.commands.preview import Preview
from batch.emulator.server import Emulator
from batch.roster.forecast import Forecast
from batch.rows import REHEARSAL
from batch.run_settings import RateLimit, RunSettings
from batch.terminal import plan_lines, runs_lines
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only, shown_at_a_terminal

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
        "follows": [],
    }
    return usual | more


def test_a_wide_table_has_a_line_for_each_run() -> None:
    lines = runs_lines([a_run("20261124T100000Z-list-abcd"), a_run("b", stage="started")], 200)
    assert [line.split()[0] for line in lines] == ["run", "20261124T100000Z-list-abcd", "b"]
    assert lines[1].split()[1:] == ["finished", *["1,200"] * 4, "https://register.example"]
    assert len({line.index("could not be deferred") for line in lines[:1]}) == 1


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


def test_the_command_that_continues_names_the_reports_folder_where_it_is_another(
    register: Serving, submit: Submit, office: Office
) -> None:
    elsewhere = ("--reports-dir", "my reports")
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", faults=faults)
    ran = submit(emulator, "trainee_id,defer_date\nabc,2026-10-01\n", *elsewhere)
    (folder,) = (office.folder / "my reports").glob("2*")
    command = (
        f"defer-batch resume {folder.name} --reports-dir {systems.as_argument(Path('my reports'))}"
    )
    page = html.unescape((folder / "report.html").read_text(encoding="utf-8"))
    assert command in ran.out
    assert f"<code>{command}</code>" in page
    assert f"  {command}" in office.run("runs", *elsewhere).out.splitlines()


def a_plan(environment: str, origin: str, **more: Any) -> Plan:
    limit = RateLimit(100, 60.0)
    settings = RunSettings(environment, origin, "v2026.1", limit, 10, 30.0, 60.0, 120.0)
    forecast = Forecast(to_send=148)
    usual: dict[str, Any] = {
        "to_send": 148,
        "to_read_first": 0,
        "settled": {},
        "deferrals_known": 9,
        "journal": Path("reports/journal.db"),
        "journal_is_new": False,
        "seconds_needed": 180.0,
        "preview": Preview({}, forecast),
    }
    return Plan("20261127", settings, "list.csv", 148, **(usual | more))


def test_the_plan_reads_as_the_issue_shows_it() -> None:
    lines = plan_lines(a_plan("production", "https://www.example"))
    assert lines[0] == "production (Register of trainee teachers), v2026.1 (v2025.0 was retired)"
    assert lines[-4:] == [
        "148 rows",
        "  148 will be deferred",
        "about 3 minutes at 100 requests a minute; Register's API cannot undo a deferral,",
        "and undoing one by hand clears the trainee's funding choices",
    ]


def test_a_plan_names_a_register_without_a_name_by_its_address() -> None:
    lines = plan_lines(a_plan("https://register.example", "https://register.example"))
    assert lines[0].startswith("https://register.example, v2026.1")


ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
LIST = "trainee_id,defer_date\nabc,2026-09-14\ndef,17/06/2026\nghi,\n"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r")


@posix_only
def test_json_is_the_same_however_wide_the_terminal(office: Office) -> None:
    office.write("list.csv", LIST)
    wide, narrow = (
        shown_at_a_terminal(office, "check", "list.csv", "--json", columns=columns)
        for columns in (200, 40)
    )
    assert narrow == wide


@posix_only
@pytest.mark.parametrize(("no_color", "coloured"), [("1", False), ("", True)])
def test_no_color_is_honoured_at_a_terminal(
    office: Office, no_color: str, *, coloured: bool
) -> None:
    office.environment |= {"NO_COLOR": no_color, "TERM": "xterm-256color"}
    office.write("list.csv", LIST)
    shown = shown_at_a_terminal(office, "run", "list.csv", "--register", "emulator")
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9;]*m", shown)) is coloured


@posix_only
def test_the_progress_line_tells_of_the_wait_for_a_lost_answer(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.lost_before("abc")])
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, "--lost-answer-wait", "3", "--yes")
    shown = shown_at_a_terminal(office, "run", "list.csv", *target)
    assert re.search(r"waiting to learn what became of 1 request, \d s", shown)
    assert CONTROLS.sub("", shown.split("1/1")[-1]).splitlines()[0].strip() == "1 succeeded"


@posix_only
def test_the_progress_line_tells_of_the_rate_limit_also_while_looking(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received", rate_limit=(1, 2.0))
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, "--rate-limit", "1/2", "--yes")
    shown = shown_at_a_terminal(office, "run", "list.csv", *target)
    assert "waiting for Register's rate limit, " in shown
    assert "Reading the deferrals back: waiting for" in shown


@posix_only
def test_the_progress_line_tells_of_a_register_that_is_down(
    register: Callable[..., Emulator], office: Office
) -> None:
    down = troubles.out_of_service(troubles.gateway_page(503), first=2, last=5)
    emulator = register(abc="trn_received", faults=[down])
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, "--lost-answer-wait", "0.2", "--yes")
    shown = shown_at_a_terminal(office, "run", "list.csv", *target, "--no-preview")
    assert "Register is not answering, trying again in 2 s" in shown
    assert "1 of 1 deferrals confirmed" in shown
