"""What only Windows has: consoles that are none, files that are kept open, its own signals.

`make windows` runs it there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from batch import systems
from batch.app import serving
from batch.app.journeys import FOLDER
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.troubles import Fault
from tests.support.waiting import until

assert sys.platform == "win32", "`make windows` runs this file there"

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
PYTHONW = Path(sys.executable).with_name("pythonw.exe")


def test_nul_is_nobody_so_a_scheduled_run_is_not_asked(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    ran = office.run_apart("run", "list.csv", "--register", emulator.base_url)  # its input is NUL
    assert (ran.code, ran.codes(), "Type" in ran.err) == (0, {2: "deferred"}, False)


def test_what_needs_a_yes_is_refused_at_nul(register: Serving, submit: Submit) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    office = Office(ran.reports.parent)
    purged = office.run_apart("purge", "--older-than", "0d")
    assert (purged.code, "nobody is there" in purged.err) == (2, True)


def test_nul_as_output_is_no_terminal_either(office: Office) -> None:
    office.write("list.csv", ONE)
    with Path(os.devnull).open("w") as nothing:
        command = [sys.executable, "-m", "batch", "run", "list.csv", "--register", "emulator"]
        streams = {"stdin": subprocess.DEVNULL, "stdout": nothing, "stderr": nothing}
        environment = office._environment()
        ended = subprocess.run(command, cwd=office.folder, env=environment, check=False, **streams)
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("name", "is_attended"),
    [("msys-1888ae32e00d56aa-pty0-from-master", True), ("msys-1888ae32e00d56aa-pipe-0x3", False)],
)
def test_the_window_of_git_bash_can_be_typed_at(name: str, *, is_attended: bool) -> None:
    path = rf"\\.\pipe\{name}"
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateNamedPipeW.restype = ctypes.c_void_p
    served = kernel.CreateNamedPipeW(path, 3, 0, 1, 4096, 4096, 0, None)  # both ways, as bytes
    assert served != ctypes.c_void_p(-1).value, ctypes.get_last_error()
    with open(path, "rb", buffering=0) as pipe:  # noqa: PTH123 — a pipe is no Path
        assert systems.can_be_typed_at(pipe) == is_attended  # type: ignore[arg-type]
    kernel.CloseHandle(ctypes.c_void_p(served))


def test_without_any_stream_it_does_its_work(office: Office) -> None:
    """As a service, and as `pythonw` begins what has no console."""
    office.write("list.csv", ONE)
    command = [str(PYTHONW), "-m", "batch", "run", "list.csv", "--register", "emulator"]
    ended = subprocess.run(
        command, cwd=office.folder, env=office._environment(), close_fds=True, check=False
    )
    (folder,) = office.reports.glob("2*")
    assert (ended.returncode, (folder / "manifest.json").exists()) == (0, True)


@pytest.mark.parametrize("encoding", ["cp850", "cp1252", "cp437", "ascii"])
def test_a_code_page_without_a_letter_ends_no_command(office: Office, encoding: str) -> None:
    office.environment["PYTHONIOENCODING"] = encoding
    office.write("Łódź ’26 → ☃.csv", "trainee_id,defer_date,Ł☃\nabc,2026-10-01,x\n")
    command = [sys.executable, "-m", "batch", "check", "Łódź ’26 → ☃.csv"]
    environment = office._environment()
    ran = subprocess.run(
        command, cwd=office.folder, env=environment, capture_output=True, check=False
    )
    assert (ran.returncode, b"1 of 1" in ran.stdout, ran.stderr) == (0, True, b"")


def test_each_line_ends_as_windows_ends_lines_and_only_once(office: Office) -> None:
    with office.start("template") as process:
        assert process.stdout is not None
        said = process.stdout.buffer.read()  # type: ignore[attr-defined]
    assert said == b"trainee_id,defer_date,defer_reason\r\n"


_PRESSED = """
import pathlib, signal, sys, threading, time

def press():
    for name in ("press", "press again"):
        while not pathlib.Path(name).exists():
            time.sleep(0.02)
        signal.raise_signal(NUMBER)

NUMBER = signal.Signals[sys.argv.pop(1)]
threading.Thread(target=press, daemon=True).start()
from batch.__main__ import main
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGBREAK", 130), ("SIGTERM", 143)])
def test_ctrl_c_and_ctrl_break_end_a_run_in_good_order(
    register: Serving, office: Office, name: str, code: int
) -> None:
    ids = [f"trainee{number:02}" for number in range(20)]
    slow = Fault(None, Endpoint.DEFER, last=None, delay_seconds=0.2)
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=[slow])
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    target = ("--register", emulator.base_url, "--max-at-once", "1", *SENDING_ALONE)
    command = [sys.executable, "-c", _PRESSED, name, "run", "list.csv", *target]
    process = subprocess.Popen(command, cwd=office.folder, env=office._environment())
    until(lambda: len(emulator.received(Endpoint.DEFER)) > 2)
    office.write("press", "")
    assert process.wait(60) == code
    assert office.run("resume", "--rate-limit", "none").code == 0
    sent = [request.route.trainee_id for request in emulator.received(Endpoint.DEFER)]
    assert (sorted(sent), office.run("verify", "--all").code) == (ids, 0)


def test_ctrl_break_ends_a_second_time_at_once(register: Serving, office: Office) -> None:
    hung = Fault(None, Endpoint.DEFER, last=None, delay_seconds=60)
    emulator = register(abc="trn_received", faults=[hung])
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    target = ("--register", emulator.base_url, *SENDING_ALONE)
    command = [sys.executable, "-c", _PRESSED, "SIGBREAK", "run", "list.csv", *target]
    streams: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True}
    environment = office._environment()
    with subprocess.Popen(command, cwd=office.folder, env=environment, **streams) as process:
        until(lambda: emulator.received(Endpoint.DEFER))
        office.write("press", "")
        until(lambda: "Ctrl-C" in process.stderr.readline())
        office.write("press again", "")
        process.stderr.read()
    assert process.returncode == 130


def test_a_report_that_a_spreadsheet_holds_is_named_and_whole(
    register: Serving, submit: Submit, office: Office
) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    held = ran.folder / "results.xlsx"
    before = held.read_bytes()
    with held.open("rb"):
        again = office.run("report", ran.folder.name)
    assert (again.code, "results.xlsx" in again.err, "Traceback" in again.err) == (2, True, False)
    assert "close the program" in again.err
    assert held.read_bytes() == before
    assert [path.name for path in ran.folder.glob(".*")] == []
    assert office.run("report", ran.folder.name).code == 0
    assert office.run("verify", ran.folder.name).code == 0


def test_a_resumed_run_whose_old_report_is_held_is_told_to_go_on(
    register: Serving, submit: Submit, office: Office
) -> None:
    emulator = register(
        abc="trn_received", faults=[troubles.answered_before("abc", troubles.UNAUTHORISED)]
    )
    first = submit(emulator, ONE)
    assert first.code == 3
    with (first.folder / "results.xlsx").open("rb"):
        resumed = office.run("resume")
    assert (resumed.code, "results.xlsx" in resumed.err) == (3, True)
    assert len(emulator.received(Endpoint.DEFER)) == 2
    assert office.run("resume").code == 0
    assert len(emulator.received(Endpoint.DEFER)) == 2
    assert office.run("verify", "--all").code == 0


def test_a_run_whose_report_is_held_is_not_purged_by_halves(
    register: Serving, submit: Submit, office: Office
) -> None:
    folder = submit(register(abc="trn_received"), ONE).folder
    with (folder / "results.xlsx").open("rb"):
        purged = office.run("purge", "--older-than", "0d", "--yes")
    assert (purged.code, folder.name in purged.err) == (1, True)
    assert office.run("verify", folder.name).code == 0
    assert office.run("purge", "--older-than", "0d", "--yes").code == 0
    assert not folder.exists()


def test_a_journal_that_another_program_has_open_is_purged_all_the_same(
    register: Serving, submit: Submit, office: Office
) -> None:
    submit(register(abc="trn_received"), ONE)
    with (office.reports / "journal.db").open("rb"):
        assert office.run("purge", "--older-than", "0d", "--yes").code == 0
    assert not list(office.reports.glob("2*"))


@pytest.mark.parametrize("name", ["con.csv", "aux.csv", "nul.csv", "NUL", "list?.csv", "a|b.csv"])
def test_a_name_that_windows_keeps_for_itself_is_refused_in_words(
    office: Office, name: str
) -> None:
    ran = office.run_apart("check", name)
    assert (ran.code, "Traceback" in ran.err) == (2, False), ran.err


@pytest.mark.parametrize("name", ["a & b", "50% (old), new", "o’brien"])
def test_a_folder_of_any_name_is_continued_as_the_hint_says(
    register: Serving, submit: Submit, office: Office, name: str
) -> None:
    emulator = register(
        abc="trn_received", faults=[troubles.answered_before("abc", troubles.UNAUTHORISED)]
    )
    stopped = submit(emulator, ONE, "--reports-dir", name)
    assert stopped.code == 3
    assert f'--reports-dir "{name}"' in stopped.out if name != "o’brien" else name in stopped.out


_DOUBLE_CLICK = """
import webbrowser
webbrowser.open = print  # Wine's own browser would never end
from batch.app.serving import open_app
open_app()
"""


def test_a_double_click_serves_the_pages_without_any_stream(office: Office) -> None:
    home = office.folder / "home"
    home.mkdir()
    environment = office._environment() | {"USERPROFILE": str(home)}
    command = [str(PYTHONW), "-c", _DOUBLE_CLICK]
    process = subprocess.Popen(command, cwd=office.folder, env=environment, close_fds=True)
    told = home / serving.REPORTS_OF_A_DOUBLE_CLICK / FOLDER / serving.RUNNING
    until(told.exists)
    until(lambda: told.read_text(encoding="utf-8"))
    port = json.loads(told.read_text(encoding="utf-8"))["port"]
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 403  # nobody's browser has the key
    process.kill()
    process.wait()


def test_the_journal_is_backed_up_while_it_is_in_use(
    register: Serving, submit: Submit, office: Office
) -> None:
    submit(register(abc="trn_received"), ONE)
    script = Path(__file__).parents[2] / "sample_data" / "schedules" / "backup_journal.py"
    command = [sys.executable, str(script), str(office.reports), str(office.folder / "backups")]
    with contextlib.closing(sqlite3.connect(office.reports / "journal.db")) as reader:
        reader.execute("SELECT * FROM runs").fetchone()
        ended = subprocess.run(command, capture_output=True, check=False)
    (copy,) = (office.folder / "backups").glob("journal-*.db")
    assert (ended.returncode, ended.stdout) == (0, b"")
    shutil.copy(copy, office.reports / "journal.db")
    assert office.run("verify", "--all").code == 0
