"""Ctrl-C at any moment: it ends the command, and Python shows no trace of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xlsxwriter

from tests.support.office import Office
from tests.support.terminals import posix_only

pytestmark = posix_only

_IN_A_FINALISER = """
import os, signal, sys, time
from batch.failures import exit_code_of

class Closed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

def call():
    Closed()
    time.sleep(60)

sys.exit(exit_code_of(call))
"""

_WHILE_PYTHON_ENDS = """
import atexit, os, signal, sys, time
from batch.__main__ import main

def pressed():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)

atexit.register(pressed)
sys.argv = ["defer-batch", "explain", "not_sent"]
main()
"""


def ended(script: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, check=False, timeout=300)


def test_a_ctrl_c_that_python_drops_in_a_finaliser_comes_again() -> None:
    began = time.monotonic()
    process = ended(_IN_A_FINALISER)
    assert (process.returncode, process.stderr) == (130, b"interrupted; nothing more was sent\n")
    assert time.monotonic() - began < 60


def test_a_ctrl_c_while_python_ends_shows_no_trace() -> None:
    process = ended(_WHILE_PYTHON_ENDS)
    assert (process.returncode, process.stderr) == (-signal.SIGINT, b"")


def is_loading(process: subprocess.Popen[str]) -> bool:
    """Whether a library of ours is being loaded: before that, a trace is Python's own.

    That Ctrl-C is not caught does not tell: Python does not catch it at once when it starts.
    """
    return "pydantic_core" in Path(f"/proc/{process.pid}/maps").read_text()


def write_lists(office: Office) -> None:
    """Write a list of 20,000 rows as a CSV and as a workbook."""
    ids = [f"abcdefghijkmnopqr{n:06}" for n in range(20_000)]
    header = ("trainee_id", "defer_date", "defer_reason")
    rows = [header, *((i, "2026-10-01", "ill") for i in ids)]
    office.write("list.csv", "\n".join(map(",".join, rows)))
    with xlsxwriter.Workbook(office.folder / "list.xlsx") as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what is loaded")
@pytest.mark.parametrize("command", ["check list.csv", "check list.xlsx", "run list.csv"])
def test_ctrl_c_at_any_moment_shows_no_trace(office: Office, command: str) -> None:
    """Reading takes about a second here, so that most of the moments fall into it.

    Not measured: while coverage traces a thread, Python 3.11 can loop for ever as a signal waits.
    """
    office.environment["COVERAGE_PROCESS_CONFIG"] = ""
    write_lists(office)
    arguments = (*command.split(), *(("--register", "emulator") if "run" in command else ()))
    for moment, presses in enumerate((1, 4, 1, 4, 1)):
        with office.start(*arguments, anew=True) as process:
            while process.poll() is None and not is_loading(process):
                time.sleep(0.001)
            time.sleep(moment / 3)
            for _ in range(presses):
                process.send_signal(signal.SIGINT)
                time.sleep(0.002)
            _, err = process.communicate(timeout=300)
        assert process.returncode in {0, 130, -signal.SIGINT}
        assert "Traceback" not in err
        assert "Exception ignored" not in err
