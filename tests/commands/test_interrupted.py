"""Signals, closed streams and kills at the moments when they frighten most: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, Any

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.terminals import posix_only, pseudo_terminal
from tests.support.troubles import Fault, Hung, Never, plan_of
from tests.support.waiting import until

pytestmark = posix_only

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
THREE = "trainee_id,defer_date\nabc,2026-10-01\nbcd,2026-10-01\ncde,2026-10-01\n"
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def begin(office: Office, emulator: Emulator, content: str, *options: str) -> Any:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    return office.start("run", "list.csv", *target, *SENDING_ALONE, *options)


def ended(process: Any) -> Any:
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_register_is_asked_first_keeps_no_run(
    register: Serving, office: Office, number: signal.Signals, code: int
) -> None:
    slow = Fault(None, Endpoint.INFO, last=None, delay_seconds=20)
    emulator = register(abc="trn_received", faults=[slow])
    process = begin(office, emulator, ONE)
    until(lambda: emulator.received(Endpoint.INFO))
    process.send_signal(number)
    returned, _, err = ended(process)
    assert returned == code
    assert "nothing was sent" in err
    assert not list(office.reports.glob("2*"))
    assert office.run("runs").out == "no runs yet\n"


def read_until(stream: IO[str] | None, words: bytes) -> None:
    """Read what a process writes, until these words have come."""
    assert stream is not None
    read = b""
    while words not in read:
        part = os.read(stream.fileno(), 4096)
        assert part, read
        read += part


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_a_signal_at_the_question_sends_nothing_and_leaves_no_folder(
    register: Serving, office: Office, name: str, code: int
) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    ours, theirs = pseudo_terminal()
    with office.start("run", "list.csv", "--register", emulator.base_url, stdin=theirs) as process:
        read_until(process.stderr, b"Type 1 to send")
        process.send_signal(signal.Signals[name])
        os.write(ours, b"1\n")
        _, err = process.communicate()
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, "nothing was sent" in err) == (code, code > 0)
    assert not list(office.reports.glob("2*"))
    assert emulator.received(Endpoint.DEFER) == []


def test_a_row_whose_refusal_waits_for_its_read_was_refused(
    register: Serving, office: Office
) -> None:
    hold = Fault("abc", Endpoint.READ, arrival=Never(), given=troubles.throttled("300"))
    emulator = register(abc="withdrawn", bcd="trn_received", faults=[hold])
    rows = "trainee_id,defer_date\nabc,2026-10-01\nbcd,2026-10-01\n"
    process = begin(office, emulator, rows, "--max-at-once", "1", "--timeout", "2")
    until(
        lambda: any("throttled" in path.read_text() for path in office.reports.glob("2*/run.log"))
    )
    process.send_signal(signal.SIGINT)
    returned, out, err = ended(process)
    ran = Ran(returned, out, err, office.reports)
    assert (returned, ran.codes()[2]) == (130, "refused_by_register")
    office.run("resume")
    assert len(emulator.received(Endpoint.DEFER, "abc")) == 1


def test_who_is_in_the_way_is_named_and_a_run_under_way_is_not_to_be_resumed(
    register: Serving, submit: Submit, office: Office
) -> None:
    hung = Fault("abc", last=None, given=Hung())
    emulator = register(abc="trn_received", faults=[hung])
    process = begin(office, emulator, ONE)
    until(lambda: emulator.received(Endpoint.DEFER))
    another = submit(emulator, ONE)
    runs = office.run("runs")
    process.kill()
    ended(process)
    assert (another.code, f"process {process.pid}" in another.err) == (4, True)
    assert ("resume" in runs.out, "under way" in runs.out) == (False, True)
    assert "resume" in office.run("runs").out


def test_a_signal_while_a_429_holds_everyone_back_leaves_rows_not_sent(
    register: Serving, office: Office
) -> None:
    hold = troubles.answered_before("abc", troubles.throttled("300"))
    emulator = register(abc="trn_received", bcd="trn_received", cde="trn_received", faults=[hold])
    process = begin(office, emulator, THREE, "--max-at-once", "1")
    until(
        lambda: any("throttled" in path.read_text() for path in office.reports.glob("2*/run.log"))
    )
    process.send_signal(signal.SIGTERM)
    returned, out, err = ended(process)
    ran = Ran(returned, out, err, office.reports)
    assert returned == 143
    assert set(ran.codes().values()) == {"not_sent"}
    assert "No more rows will be sent" in err


def test_a_resume_that_is_not_confirmed_leaves_a_report_that_verifies(
    register: Serving, office: Office
) -> None:
    failing = Fault("abc", given=troubles.gateway_page(503), arrival=Never(), last=None)
    emulator = register(abc="trn_received", faults=[failing])
    ended(begin(office, emulator, ONE, "--lost-answer-wait", "0.1"))
    plan_of(emulator).add(Fault(None, Endpoint.INFO, last=None, delay_seconds=20))
    asked = len(emulator.received(Endpoint.INFO))
    process = office.start("resume")
    until(lambda: len(emulator.received(Endpoint.INFO)) > asked)
    process.send_signal(signal.SIGINT)
    returned, _, err = ended(process)
    (folder,) = office.reports.glob("2*")
    assert returned == 130, err
    assert office.run("verify", folder.name).code == 0


def test_resume_writes_the_report_of_a_run_that_was_killed_before_it(
    register: Serving, submit: Submit, office: Office
) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    folder = ran.folder
    for path in folder.iterdir():
        if path.name != "run.log":
            path.unlink()
    again = office.run("resume", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["counts"]["succeeded"] == 1
    assert office.run("verify", folder.name).code == 0


def test_a_register_that_fails_before_anything_is_sent_is_told_of(
    register: Serving, submit: Submit
) -> None:
    failing = Fault(None, Endpoint.INFO, given=troubles.gateway_page(503), last=2)
    ran = submit(register(abc="trn_received", faults=[failing]), ONE)
    assert ran.code == 0
    assert "503" in ran.err


def test_waiting_for_a_429s_window_is_no_failing(register: Serving, submit: Submit) -> None:
    hold = Fault(None, Endpoint.INFO, given=troubles.throttled("2"), arrival=Never())
    ran = submit(register(abc="trn_received", faults=[hold]), ONE, "--give-up-after", "1")
    assert ran.code == 0, ran.out


def test_nothing_but_429_ends_the_run(register: Serving, submit: Submit) -> None:
    blocked = Fault(None, Endpoint.DEFER, last=None, given=troubles.throttled("0"), arrival=Never())
    ran = submit(register(abc="trn_received", faults=[blocked]), ONE, "--give-up-after", "2")
    assert (ran.code, ran.codes()) == (3, {2: "not_sent"})
    assert "429" in ran.summary["stopped_because"]


_WHILE_LOADING = """
import os, signal, sys

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "batch.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Slow())
from batch.__main__ import main
main()
"""


def test_ctrl_c_while_it_is_still_being_loaded_shows_no_trace() -> None:
    command = [sys.executable, "-c", _WHILE_LOADING]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (("SIGTERM", "SIGTERM"), {143}),
        (("SIGINT", "SIGTERM", "SIGINT"), {130, 143}),
        (("SIGHUP",), {-1}),
        (("SIGSTOP", "SIGCONT"), {0}),
    ],
)
def test_whatever_signals_come_each_row_is_sent_once(
    register: Serving, office: Office, names: tuple[str, ...], codes: set[int]
) -> None:
    ids = [f"trainee{number:03}" for number in range(60)]
    slow = Fault(None, last=None, delay_seconds=0.1)
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=[slow])
    rows = "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    process = begin(office, emulator, rows, "--rate-limit", "10/1", "--lost-answer-wait", "20")
    until(lambda: len(emulator.received(Endpoint.DEFER)) > 5)
    for name in names:
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    returned, _, err = ended(process)
    assert (returned in codes, "Traceback" in err) == (True, False), err
    assert office.run("resume", "--rate-limit", "none").code == 0
    assert office.run("verify", "--all").code == 0
    sent = [request.route.trainee_id for request in emulator.received(Endpoint.DEFER)]
    assert sorted(set(sent)) == ids
    assert len(sent) == len(ids)
