"""What a stretch of a run leaves in the record: who took it up, and every row in its log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from batch.record.ledger import Ledger
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.troubles import Fault
from tests.support.waiting import until

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

ROWS = "trainee_id,defer_date\na/b,2026-10-01\nabc,2026-10-01\nbcd,2026-10-01\n"


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run.log").read_text().splitlines()]


def rows_told(folder: Path, event: str) -> Counter[int]:
    return Counter(line["row"] for line in log_of(folder) if line["event"] == event)


def test_the_manifest_says_who_resumed_the_run_and_how(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", bcd="trn_received", faults=faults)
    submit(emulator, ROWS, "--operator", "A. First")
    ran = office.run("resume", "--timeout", "7", "--operator", "B. Second")
    assert ran.code == 1
    told = json.loads((ran.folder / "manifest.json").read_text())
    (resumed,) = told["resumed"]
    assert (told["operator"]["name"], resumed["operator"]["name"]) == ("A. First", "B. Second")
    assert resumed["command"] == ["resume", "--timeout", "7", "--operator", "B. Second"]
    assert resumed["settings"]["timeout_seconds"] == 7
    assert resumed["token_fingerprint"] == told["token_fingerprint"]
    assert told["started_at"] < resumed["resumed_at"] < told["finished_at"]
    assert TOKEN not in json.dumps(told)
    assert office.run("verify", ran.folder.name).code == 0


def test_every_answer_is_in_the_journal_those_of_the_final_check_too(
    register: Serving, submit: Submit, office: Office
) -> None:
    ran = submit(register(abc="trn_received", bcd="trn_received"), ROWS)
    with closing(Ledger.read(office.reports / "journal.db")) as ledger:
        asked = [(one.kind, one.meaning) for one in ledger.attempts(ran.folder.name)]
    assert asked[-1] == ("final_check", "found")
    assert None not in {meaning for _, meaning in asked}


def test_the_log_has_a_line_for_rows_that_failed_a_check_and_for_those_left(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("bcd", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", bcd="trn_received", faults=faults)
    stopped = submit(emulator, ROWS, "--max-at-once", "1").folder
    assert rows_told(stopped, "row_settled") == Counter([2, 3])
    assert rows_told(stopped, "row_left_unresolved") == Counter([4])
    office.run("resume", "--rate-limit", "none")
    assert rows_told(stopped, "row_settled") == Counter([2, 3, 4])


def test_the_log_has_a_line_for_rows_that_are_held_back(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received", bcd="trn_received")
    submit(emulator, ROWS)
    assert rows_told(submit(emulator, ROWS).folder, "row_settled") == Counter([2, 3, 4])


def test_the_log_of_a_killed_run_is_made_whole_when_it_is_resumed(
    register: Serving, office: Office
) -> None:
    faults = [Fault("bcd", delay_seconds=3)]
    emulator = register(abc="trn_received", bcd="trn_received", faults=faults)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ROWS)
    target = ("--register", emulator.base_url, "--rate-limit", "none", "--max-at-once", "1")
    with office.start("run", "list.csv", *target) as process:
        until(lambda: len(emulator.received(Endpoint.DEFER)) > 1 or process.poll() is not None)
        process.kill()
    (folder,) = office.reports.glob("2*")
    (folder / "run.log").write_text("")
    office.run("resume", "--lost-answer-wait", "3", "--rate-limit", "none")
    assert rows_told(folder, "row_settled") == Counter([2, 3, 4])
    assert rows_told(folder, "defer_left_unanswered")[4] == 1


def test_a_rehearsals_log_says_that_it_is_one(office: Office) -> None:
    office.write("list.csv", ROWS)
    ran = office.run("run", "list.csv", "--register", "emulator")
    (began,) = [line for line in log_of(ran.folder) if line["event"] == "run_started"]
    assert began["remark"] == "REHEARSAL: nothing was sent to Register"
