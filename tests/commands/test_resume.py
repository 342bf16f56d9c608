"""Runs that were killed, interrupted, repeated, or met another: real processes."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from batch.emulator.model import Actor
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.terminals import posix_only
from tests.support.troubles import Fault, plan_of
from tests.support.waiting import until

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
KILLS = 10


def many(count: int) -> tuple[str, dict[str, str]]:
    """Return a file of that many rows, and the trainees for it."""
    ids = [f"trainee{number:04}" for number in range(count)]
    content = "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    return content, dict.fromkeys(ids, "trn_received")


def begin(office: Office, emulator: Emulator, content: str, *options: str) -> Any:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none", "--lost-answer-wait", "0.2")
    return office.start("run", "list.csv", *target, *SENDING_ALONE, *options)


def deferred_by_us(emulator: Emulator) -> dict[str, int]:
    events = [event for event in emulator.register.history if event.who is Actor.API]
    return {i: sum(e.trainee_id == i for e in events) for i in {e.trainee_id for e in events}}


def logged(office: Office, words: str) -> bool:
    return any(words in path.read_text("utf-8") for path in office.reports.glob("2*/run.log"))


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def asked_more_or_ended(emulator: Emulator, asked: int, process: subprocess.Popen[str]) -> bool:
    return len(emulator.requests) > asked or process.poll() is not None


def test_many_kills_lose_nothing_and_send_nothing_twice(register: Serving, office: Office) -> None:
    content, states = many(400)
    emulator = register(**states)
    rng = random.Random(1)
    process = begin(office, emulator, content)
    until(lambda: len(emulator.requests) > 1)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0, 0.1))
        kill(process)
        asked = len(emulator.requests)
        process = office.start("resume", "--lost-answer-wait", "0.2")
        until(partial(asked_more_or_ended, emulator, asked, process))
    process.communicate()
    ran = office.run("resume")
    assert set(deferred_by_us(emulator).values()) == {1}
    assert len(deferred_by_us(emulator)) == 400
    assert office.run("verify", next(office.reports.glob("2*")).name).code == 0
    assert ran.code == 0


@posix_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_the_run_in_good_order(
    register: Serving, office: Office, number: signal.Signals, code: int
) -> None:
    content, states = many(300)
    emulator = register(**states, faults=[Fault(None, last=None, delay_seconds=0.05)])
    process = begin(office, emulator, content, "--max-at-once", "2")
    until(lambda: len(emulator.requests) > 5)
    process.send_signal(number)
    out, err = process.communicate()
    ran = Ran(process.returncode, out, err, office.reports)
    assert ran.code == code, err
    assert set(ran.codes().values()) == {"deferred", "not_sent"}
    assert len(ran.rows("succeeded")) == len(deferred_by_us(emulator))
    assert "defer-batch resume" in out


@posix_only
def test_resume_carries_on_where_the_run_was_interrupted(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    process = begin(office, emulator, content, "--max-at-once", "2")
    until(lambda: len(emulator.requests) > 5)
    process.send_signal(signal.SIGINT)
    process.communicate()
    (office.folder / "list.csv").unlink()
    ran = office.run("resume")
    assert ran.code == 0, ran.err
    assert len(ran.rows("succeeded")) == 300
    assert set(deferred_by_us(emulator).values()) == {1}


def test_nothing_to_resume_says_so(office: Office) -> None:
    ran = office.run("resume")
    assert (ran.code, ran.err) == (0, "nothing is unfinished: nothing to resume\n")


def test_resuming_a_finished_run_changes_nothing(
    register: Serving, submit: Submit, office: Office
) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    before = {path.name: path.read_bytes() for path in ran.folder.iterdir()}
    again = office.run("resume", ran.folder.name)
    assert again.code == 0
    assert {path.name: path.read_bytes() for path in ran.folder.iterdir()} == before


def test_an_unknown_run_names_the_nearest(
    register: Serving, submit: Submit, office: Office
) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    unknown = office.run("resume", ran.folder.name[:-1] + "x")
    assert unknown.code == 2
    assert ran.folder.name in unknown.err


def test_an_unfinished_run_is_in_the_way(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    process = begin(office, emulator, content, "--max-at-once", "1")
    until(lambda: len(emulator.requests) > 5)
    kill(process)
    with begin(office, emulator, content) as second:
        _, err = second.communicate()
    assert second.returncode == 2
    assert "defer-batch resume" in err
    assert "--start-over" in err


def test_start_over_ends_the_old_run_for_good(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    process = begin(office, emulator, content, "--max-at-once", "1")
    until(lambda: len(emulator.requests) > 5)
    kill(process)
    old = (
        sqlite3.connect(office.reports / "journal.db")
        .execute("SELECT run_id FROM runs")
        .fetchone()[0]
    )
    with begin(office, emulator, content, "--start-over") as second:
        second.communicate()
    assert second.returncode == 0
    assert set(deferred_by_us(emulator).values()) == {1}
    assert office.run("resume", old).code == 2


@pytest.mark.parametrize("token", [None, "wrong"])
def test_start_over_that_never_began_leaves_the_old_run(
    register: Serving, office: Office, token: str | None
) -> None:
    content, states = many(300)
    emulator = register(**states)
    killed_run(office, emulator, content)
    old = next(office.reports.glob("2*")).name
    del office.environment["DEFER_BATCH_API_TOKEN"]
    office.environment |= {"DEFER_BATCH_API_TOKEN": token} if token else {}
    over = office.run("run", "list.csv", "--register", emulator.base_url, "--start-over")
    assert over.code in {2, 3}
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    ran = office.run("resume", old, "--lost-answer-wait", "0.2")
    assert ran.code == 0, ran.err
    assert len(deferred_by_us(emulator)) == 300


@posix_only
def test_the_first_signal_of_a_run_that_is_ending_lets_it_end(
    register: Serving, office: Office
) -> None:
    content, states = many(20)
    slow = Fault(None, Endpoint.DEFER, last=None, delay_seconds=2)
    refused = troubles.answered_before("trainee0000", troubles.UNAUTHORISED)
    emulator = register(**states, faults=[refused, slow])
    process = begin(office, emulator, content)
    until(lambda: logged(office, '"http_status": 401'))
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 3
    assert list(office.reports.glob("2*/report.html"))


def test_a_second_run_at_the_same_time_exits_4(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    process = begin(office, emulator, content, "--rate-limit", "10/60")  # so that it still runs
    until(lambda: len(emulator.requests) > 5)
    elsewhere = office.run(
        "run", "list.csv", "--register", emulator.base_url, "--reports-dir", "elsewhere"
    )
    kill(process)
    assert elsewhere.code == 4
    assert "another run" in elsewhere.err
    assert "since" in elsewhere.err


def test_the_same_file_again_sends_nothing_and_needs_no_token(
    register: Serving, submit: Submit, office: Office
) -> None:
    emulator = register(abc="trn_received")
    submit(emulator, ONE)
    emulator.register.reinstate("abc")
    asked = len(emulator.requests)
    del office.environment["DEFER_BATCH_API_TOKEN"]
    ran = office.run("run", "list.csv", "--register", emulator.base_url)
    assert (ran.code, ran.codes()) == (0, {2: "deferred_earlier"})
    assert len(emulator.requests) == asked


def test_again_sends_what_the_memory_holds_back(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received")
    submit(emulator, ONE)
    emulator.register.reinstate("abc")
    ran = submit(emulator, ONE, "--again")
    assert ran.codes() == {2: "deferred"}
    assert "--again" in ran.err


def test_a_second_deferral_can_be_added_to_a_growing_list(
    register: Serving, submit: Submit
) -> None:
    emulator = register(abc="trn_received")
    submit(emulator, ONE)
    emulator.register.reinstate("abc")
    ran = submit(emulator, ONE + "ABC,2026-12-01\n")
    assert ran.codes() == {2: "deferred_earlier", 3: "deferred"}
    assert "another date" in ran.err


def test_what_was_found_deferred_is_not_asked_again(register: Serving, submit: Submit) -> None:
    emulator = register(abc="deferred")
    content = "trainee_id,defer_date\nabc,2026-01-01\n"
    submit(emulator, content)
    asked = len(emulator.requests)
    ran = submit(emulator, content)
    assert ran.codes() == {2: "already_deferred"}
    assert len(emulator.requests) == asked


PURGE = ("purge", "--older-than", "0d", "--yes")


@pytest.mark.parametrize("between", [None, PURGE])
def test_who_was_reinstated_is_not_deferred_again(
    register: Serving, submit: Submit, office: Office, between: tuple[str, ...] | None
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.reinstated_after("abc")])
    first = submit(emulator, ONE, "--lost-answer-wait", "0.3")
    assert first.codes() == {2: "reinstated_since"}
    assert between is None or office.run(*between).code == 0
    assert submit(emulator, ONE).codes() == {2: "reinstated_since"}
    assert deferred_by_us(emulator) == {"abc": 1}


def test_a_purge_forgets_nobody_who_was_found_deferred(
    register: Serving, submit: Submit, office: Office
) -> None:
    emulator = register(abc="deferred")
    content = "trainee_id,defer_date\nabc,2026-01-01\n"
    submit(emulator, content)
    office.run(*PURGE)
    emulator.register.reinstate("abc")
    assert submit(emulator, content).codes() == {2: "already_deferred"}
    assert deferred_by_us(emulator) == {}


def test_a_purge_keeps_a_run_whose_request_has_no_answer(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", delay_seconds=5)])
    process = begin(office, emulator, ONE)
    until(lambda: any(request.method == "POST" for request in emulator.requests))
    kill(process)
    with sqlite3.connect(office.reports / "journal.db") as journal:
        journal.execute("UPDATE runs SET stage='ended'")
    journal.close()
    assert "No run was purged" in office.run(*PURGE).out


def test_another_target_cannot_be_resumed_against(register: Serving, office: Office) -> None:
    content, states = many(300)
    process = begin(office, register(**states), content, "--max-at-once", "1")
    until(lambda: logged(office, "row_settled"))
    kill(process)
    ran = office.run("resume", "--register", "sandbox")
    assert ran.code == 2
    assert "cannot resume with --register" in ran.err


def test_another_token_wants_a_yes(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    process = begin(office, emulator, content, "--max-at-once", "1")
    until(lambda: len(emulator.requests) > 5)
    kill(process)
    office.environment["DEFER_BATCH_API_TOKEN"] = "another"
    ran = office.run("resume")
    assert ran.code == 2
    assert "another token" in ran.err


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all", b"SQLite format 3\x00" + b"\x00" * 2000]
)
def test_a_journal_that_is_none_is_left_as_it_was(
    register: Serving, submit: Submit, office: Office, content: bytes
) -> None:
    office.reports.mkdir(mode=0o700)
    (office.reports / "journal.db").write_bytes(content)
    ran = submit(register(abc="trn_received"), ONE)
    if content:
        assert ran.code == 2
        assert "cannot use" in ran.err
        assert (office.reports / "journal.db").read_bytes() == content
    else:
        assert ran.code == 0


def test_a_foreign_database_is_left_as_it_was(
    register: Serving, submit: Submit, office: Office
) -> None:
    office.reports.mkdir(mode=0o700)
    path: Path = office.reports / "journal.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    ran = submit(register(abc="trn_received"), ONE)
    assert ran.code == 2
    assert "something else" in ran.err
    assert path.read_bytes() == before


def test_a_newer_journal_is_refused(register: Serving, submit: Submit, office: Office) -> None:
    submit(register(abc="trn_received"), ONE)
    with sqlite3.connect(office.reports / "journal.db") as journal:
        journal.execute("PRAGMA user_version=99")
    journal.close()
    ran = office.run("runs")
    assert ran.code == 2
    assert "newer" in ran.err


@posix_only
def test_a_full_disk_stops_the_run_and_loses_nothing(register: Serving, office: Office) -> None:
    content, states = many(300)
    emulator = register(**states)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    limited = 'ulimit -f 300; exec "$0" -m batch run list.csv --register "$1" --rate-limit none'
    command = ["bash", "-c", limited, sys.executable, emulator.base_url]
    ended = subprocess.run(
        command,
        cwd=office.folder,
        env=office._environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    assert "can no longer be written" in ended.stderr
    ran = office.run("resume", "--lost-answer-wait", "0.2")
    assert ran.code == 0, ran.err
    assert set(deferred_by_us(emulator).values()) == {1}
    assert len(deferred_by_us(emulator)) == 300


def killed_run(office: Office, emulator: Emulator, content: str) -> None:
    process = begin(office, emulator, content, "--max-at-once", "1")
    until(lambda: len(emulator.requests) > 5)
    kill(process)


def test_an_old_run_unattended_wants_a_yes(register: Serving, office: Office) -> None:
    content, states = many(300)
    killed_run(office, register(**states), content)
    with sqlite3.connect(office.reports / "journal.db") as journal:
        journal.execute("UPDATE runs SET started_at='2026-01-01T00:00:00.000Z'")
    journal.close()
    ran = office.run("resume")
    assert ran.code == 2
    assert "days ago" in ran.err
    assert office.run("resume", "--yes", "--lost-answer-wait", "0.2").code == 0


@posix_only
def test_a_second_signal_leaves_at_once_and_the_journal_is_good(
    register: Serving, office: Office
) -> None:
    content, states = many(50)
    emulator = register(**states, faults=[Fault(None, last=None, delay_seconds=20)])
    process = begin(office, emulator, content)
    until(lambda: len(emulator.requests) > 5)
    process.send_signal(signal.SIGTERM)
    while "Ctrl-C" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert office.run("runs").code == 0


def test_a_rehearsal_can_be_resumed(office: Office) -> None:
    content, _ = many(40)
    office.write("list.csv", content)
    target = ("--register", "emulator", "--rate-limit", "20/5", "--max-at-once", "1")
    process = office.start("run", "list.csv", *target)
    until(lambda: logged(office, "row_settled"))
    kill(process)
    ran = office.run("resume", "--lost-answer-wait", "0.2", "--rate-limit", "none")
    assert ran.code == 0, ran.err
    assert len(ran.rows("succeeded")) == 40


def test_a_crash_with_a_request_in_flight_reads_before_it_sends(
    register: Serving, office: Office
) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", delay_seconds=5)])
    process = begin(office, emulator, ONE)
    until(lambda: any(request.method == "POST" for request in emulator.requests))
    kill(process)
    asked = len(emulator.requests)
    ran = office.run("resume", "--lost-answer-wait", "6", "--rate-limit", "none")
    later = [request.method for request in list(emulator.requests)[asked:]]
    assert ran.code == 0
    assert later[:2] == ["GET", "GET"]
    assert deferred_by_us(emulator) == {"abc": 1}


def test_resume_tells_beforehand_what_other_runs_have_settled_since(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", bcd="trn_received", faults=faults)
    stopped = submit(emulator, ONE + "bcd,2026-10-01\n", "--max-at-once", "1").folder.name
    submit(emulator, ONE)
    ran = office.run("resume", stopped)
    assert "1 will be deferred" in ran.err
    assert "1 was deferred by an earlier run" in ran.err
    assert ran.codes() == {2: "deferred_earlier", 3: "deferred"}


def test_resume_of_a_run_whose_rows_are_all_known_sends_nothing(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", faults=faults)
    stopped = submit(emulator, ONE).folder.name
    submit(emulator, "defer_date,trainee_id\n2026-10-01,abc\n")
    asked = len(emulator.requests)
    ran = office.run("resume", stopped)
    assert (ran.code, ran.codes()) == (0, {2: "deferred_earlier"})
    assert len(emulator.requests) == asked


def test_a_row_whose_answer_ended_the_run_is_not_called_unsent(
    register: Serving, submit: Submit
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    (row,) = ran.rows("unresolved")
    assert (row["code"], row["message"].split(":")[0]) == ("not_sent", "Not deferred")


def test_nothing_to_resume_is_json_where_json_is_asked_for(office: Office) -> None:
    told = json.loads(office.run("resume", "--json").out)
    assert (told["run_id"], told["exit_code"]) == (None, 0)


def test_a_register_that_cannot_be_asked_leaves_the_run_to_be_resumed(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", faults=faults)
    stopped = submit(emulator, ONE).folder.name
    plan_of(emulator).add(troubles.out_of_service(troubles.gateway_page(503), last=None))
    assert office.run("resume", "--give-up-after", "1").code == 3
    assert [run["stage"] for run in json.loads(office.run("runs", "--json").out)] == ["started"]
    assert office.run("verify", stopped).code == 0


@pytest.mark.parametrize(
    ("given", "code"), [(troubles.UNAUTHORISED, "not_sent"), (troubles.Dropped(), "answer_lost")]
)
def test_an_old_run_that_looks_nobody_up_does_not_overtake_a_later_one_either(
    register: Serving, submit: Submit, office: Office, given: troubles.Given, code: str
) -> None:
    gone = troubles.out_of_service(given, first=3)
    emulator = register(abc="trn_received", later="trn_received", faults=[gone])
    content = "trainee_id,defer_date\nabc,2026-10-01\nlater,2026-10-01\n"
    waits = ("--give-up-after", "0.5", "--lost-answer-wait", "0.2")
    quick = (*SENDING_ALONE, "--max-at-once", "1", *waits)
    old = submit(emulator, content, *quick)
    assert old.codes()[3] == code
    name, emulator.plan = old.folder.name, None
    assert submit(emulator, "trainee_id,defer_date\nlater,2026-10-02\n", *quick).code == 0
    emulator.register.reinstate("later")
    assert office.run("resume", name).code == 1
    assert office.run("report", name).codes()[3] == "superseded_by_later_run"
    assert deferred_by_us(emulator)["later"] == 1


@posix_only
def test_a_run_that_a_signal_ended_with_every_row_settled_has_nothing_to_resume(
    register: Serving, office: Office
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.slow("abc", 0.5)])
    with begin(office, emulator, ONE) as process:
        until(lambda: emulator.received(Endpoint.DEFER))
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 143
    (folder,) = office.reports.glob("2*")
    assert office.run("resume", folder.name).code == 0
