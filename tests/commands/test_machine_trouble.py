"""What the machine does to a command: full disks, closed streams, odd names, other programs."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from batch.record.database import disk_failed
from batch.unexpected import fault_of_this_tool, trace_lines
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.terminals import bound_by_modes, posix_only, pseudo_terminal
from tests.support.troubles import Fault, Never
from tests.support.waiting import until

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


def in_a_shell(office: Office, words: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which `$1` is defer-batch, `$2`, … the arguments."""
    command = shlex.join([sys.executable, "-m", "batch"])
    return subprocess.run(
        ["bash", "-c", words.replace("$1", command), "bash", "", *arguments],
        cwd=office.folder,
        env=office._environment() | {"DEFER_BATCH_API_TOKEN": TOKEN},
        capture_output=True,
        check=False,
    )


@posix_only
@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_changes_nothing(register: Serving, office: Office, stream: str) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    ended = in_a_shell(office, f'$1 run list.csv --register "$2" {stream}', emulator.base_url)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), ended.stderr
    assert len(emulator.received(Endpoint.DEFER)) == 1


full_device_only = pytest.mark.skipif(
    sys.platform == "win32" or not Path("/dev/full").exists(),
    reason="only Linux has a device that is always full",
)


@full_device_only
@pytest.mark.parametrize("stream", [">/dev/full", "2>/dev/full", ">/dev/full 2>&1"])
def test_the_exit_code_is_the_runs_own_whatever_becomes_of_the_output(
    register: Serving, office: Office, stream: str
) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    ended = in_a_shell(office, f'$1 run list.csv --register "$2" {stream}', emulator.base_url)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False), ended.stderr
    assert len(emulator.received(Endpoint.DEFER)) == 1
    assert len(list(office.reports.glob("2*/summary.json"))) == 1


@full_device_only
def test_output_that_was_lost_is_told_of(office: Office) -> None:
    ended = in_a_shell(office, "$1 template >/dev/full")
    assert (ended.returncode, b"could not be written" in ended.stderr) == (0, True)


def test_a_run_goes_on_when_nobody_reads_its_errors_any_more(
    register: Serving, office: Office
) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    failing = Fault(None, Endpoint.DEFER, given=troubles.gateway_page(503), arrival=Never(), last=4)
    emulator = register(abc="trn_received", faults=[failing])
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, *SENDING_ALONE, "--lost-answer-wait", "0.1")
    with office.start("run", "list.csv", *target) as process:
        assert process.stderr is not None
        process.stderr.close()
        out, code = process.stdout.read() if process.stdout else "", process.wait()
    assert (code, "report.html" in out) == (3, True)


@posix_only
def test_a_run_goes_on_when_its_terminal_has_gone(register: Serving, office: Office) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    ids = [f"abc{number}" for number in range(40)]
    slow = Fault(None, Endpoint.DEFER, last=None, delay_seconds=0.1)
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=[slow])
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    ours, theirs = pseudo_terminal()
    words = f'trap "" HUP; exec {shlex.join([sys.executable, "-m", "batch"])} "$@"'
    target = ("--register", emulator.base_url, "--yes", "--max-at-once", "2")
    with subprocess.Popen(
        ["bash", "-c", words, "bash", "run", "list.csv", *target],
        stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=office.folder, env=office._environment(), start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        until(lambda: emulator.received(Endpoint.DEFER))
        os.close(ours)
        assert process.wait() == 0
    assert len(emulator.received(Endpoint.DEFER)) == 40
    assert len(list(office.reports.glob("2*/summary.json"))) == 1


def test_a_fault_of_this_tool_exits_70_and_leaves_a_private_trace(
    register: Serving, submit: Submit, office: Office
) -> None:
    run_id = submit(register(abc="trn_received"), ONE).folder.name
    with contextlib.closing(sqlite3.connect(office.reports / "journal.db")) as journal, journal:
        journal.execute("INSERT INTO resumptions VALUES (1, 'x', '{\"Jane Smith\": 1}')")
    ran = office.run("verify", run_id)
    (trace,) = office.reports.glob("fault-*.txt")
    told = trace.read_text(encoding="utf-8")
    assert (ran.code, "Traceback" in ran.err, trace.name in ran.err) == (70, False, True)
    assert "batch/record/ledger.py, line " in told
    assert not {word for word in ("Jane", str(office.folder), "abc") if word in told + ran.err}
    assert trace.stat().st_mode & 0o077 == 0 or os.name == "nt"


@posix_only
def test_a_trace_that_no_file_takes_is_shown(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    fault = fault_of_this_tool(KeyError("Jane Smith"), tmp_path / "taken" / "reports")
    assert "KeyError" in str(fault)
    assert "Jane" not in str(fault)


def test_a_trace_names_what_lay_behind_and_no_message() -> None:
    behind = ValueError("Jane Smith")
    told = list(trace_lines(ExceptionGroup("Jane", [RuntimeError("Jane")])))
    assert told == ["ExceptionGroup", "RuntimeError"]
    error = KeyError("x")
    error.__cause__ = behind
    assert list(trace_lines(error)) == ["ValueError", "KeyError"]


@posix_only
def test_nobody_can_confirm_a_purge_through_a_closed_stream(
    register: Serving, submit: Submit, office: Office
) -> None:
    submit(register(abc="trn_received"), ONE)
    ended = in_a_shell(office, "$1 purge --older-than 0d <&-")
    assert (ended.returncode, b"nobody is there to confirm it" in ended.stderr) == (2, True)


@posix_only
def test_who_does_not_read_the_output_still_gets_the_exit_code(office: Office) -> None:
    office.write("list.csv", ONE)
    ended = in_a_shell(office, "$1 check list.csv | true; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_letters_that_the_terminal_lacks_end_no_run(office: Office) -> None:
    office.environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    office.write("trainées.csv", ONE)
    ran = office.run("run", "trainées.csv", "--register", "emulator")
    assert ran.summary["input"]["name"] == "trainées.csv"
    assert "report.html" in ran.out


@posix_only
def test_a_file_name_that_is_no_text_is_reported_all_the_same(office: Office) -> None:
    path = os.fsencode(office.folder) + b"/caf\xe9.csv"
    with open(path, "wb") as file:  # noqa: PTH123 — Path takes no bytes
        file.write(ONE.encode())
    ended = in_a_shell(office, "$1 run caf*.csv --register emulator")
    assert b"report.html" in ended.stdout, ended.stderr
    ran = Ran(ended.returncode, "", "", office.reports)
    assert ran.summary["input"]["name"] == "caf\N{REPLACEMENT CHARACTER}.csv"


def test_settings_that_are_no_text_are_named(office: Office) -> None:
    office.write(".env", b"DEFER_BATCH_RATE_LIMIT=\xff\n")
    ran = office.run("runs")
    assert ran.code == 2
    assert "cannot read the settings in .env" in ran.err


@posix_only
def test_a_disk_that_is_full_before_anything_was_sent_keeps_no_run(
    register: Serving, office: Office
) -> None:
    ids = [f"trainee{number:05}" for number in range(3000)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    rows = (f"{i},2026-10-01,{'x' * 200}\n" for i in ids)
    office.write("list.csv", "trainee_id,defer_date,defer_reason\n" + "".join(rows))
    ended = in_a_shell(office, 'ulimit -f 200; $1 run list.csv --register "$2"', emulator.base_url)
    assert ended.returncode == 2
    assert b"nothing was sent" in ended.stderr
    assert b"make room" in ended.stderr
    assert emulator.received(Endpoint.DEFER) == []
    assert office.run("runs").out == "no runs yet\n"


@posix_only
@pytest.mark.parametrize("kilobytes", [4, 16])
def test_a_disk_that_is_full_at_the_start_is_not_called_damage(
    register: Serving, office: Office, kilobytes: int
) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    words = f'ulimit -f {kilobytes}; $1 run list.csv --register "$2"'
    ended = in_a_shell(office, words, emulator.base_url)
    assert (ended.returncode, b"make room" in ended.stderr) == (2, True), ended.stderr
    assert b"backup" not in ended.stderr
    assert emulator.received(Endpoint.DEFER) == []


def test_damage_and_a_full_disk_get_hints_of_their_own(tmp_path: Path) -> None:
    damaged, full = tmp_path / "damaged.db", sqlite3.connect(":memory:")
    damaged.write_bytes(b"no journal at all" * 100)
    full.execute("PRAGMA max_page_count=1")
    told = {}
    for connection in (sqlite3.connect(damaged), full):
        with contextlib.closing(connection), pytest.raises(sqlite3.Error) as raised:
            connection.execute("CREATE TABLE rows (own_values)")
        told[connection] = [
            disk_failed(raised.value, has_begun=begun).hint for begun in (False, True)
        ]
    for_damage, for_full = told.values()
    assert all("backup" in hint and "make room" not in hint for hint in for_damage)
    assert all("backup" not in hint and "make room" in hint for hint in for_full)


def test_a_journal_that_another_program_writes_to_is_not_called_a_full_disk(
    register: Serving, submit: Submit, office: Office
) -> None:
    emulator = register(abc="trn_received", bcd="trn_received")
    submit(emulator, ONE)
    other = sqlite3.connect(office.reports / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ran = submit(emulator, ONE.replace("abc", "bcd"))
    other.close()
    assert ran.code == 2
    assert "close the other program" in ran.err
    assert emulator.received(Endpoint.DEFER, "bcd") == []


def test_a_journal_whose_making_was_cut_off_is_made_anew(
    register: Serving, submit: Submit, office: Office
) -> None:
    office.reports.mkdir(mode=0o700)
    cut_off = sqlite3.connect(office.reports / "journal.db")
    cut_off.execute("PRAGMA journal_mode=WAL")
    cut_off.close()
    assert submit(register(abc="trn_received"), ONE).code == 0


def test_a_reports_folder_that_cannot_be_made_is_named_and_nothing_is_sent(
    register: Serving, submit: Submit, office: Office
) -> None:
    office.write("taken", "")
    emulator = register(abc="trn_received")
    ran = submit(emulator, ONE, "--reports-dir", "taken/reports")
    assert ran.code == 2
    assert "taken" in ran.err
    assert emulator.received(Endpoint.DEFER) == []


@posix_only
def test_a_journal_that_this_user_cannot_write_is_not_called_a_full_disk(
    register: Serving, submit: Submit, office: Office
) -> None:
    emulator = register(abc="trn_received", bcd="trn_received")
    submit(emulator, ONE)
    (office.reports / "journal.db").chmod(0o400)
    office.write("list.csv", ONE.replace("abc", "bcd"))
    target = ("run", "list.csv", "--register", emulator.base_url)
    ran = office.run_apart(*target, through=bound_by_modes())
    assert (ran.code, "let this user write journal.db" in ran.err) == (2, True), ran.err
    assert emulator.received(Endpoint.DEFER, "bcd") == []
