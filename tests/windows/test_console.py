"""Someone at a console of Windows, which Wine makes of a pseudo-terminal; run by `make windows`."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support.office import TOKEN
from tests.support.terminals import pseudo_terminal
from tests.support.waiting import until
from tests.windows import wine

Serving = Callable[..., Emulator]

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"
ENTER, CTRL_C, CTRL_Z = "\r", "\x03", "\x1a"
_RIGHT = re.compile(r"\x1b\[(\d*)C")
_OTHER_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@dataclass
class Console:
    """A command at a console, and all that it has shown so far."""

    process: subprocess.Popen[bytes]
    ours: int
    shown: bytes = b""

    @property
    def text(self) -> str:
        """What is shown, without what moves the cursor and colours it."""
        moved = _RIGHT.sub(lambda found: " " * int(found[1] or 1), self.shown.decode("utf-8"))
        return _OTHER_CONTROL.sub("", moved)

    def shows(self, words: str) -> bool:
        """Whether the words have been shown by now."""
        with contextlib.suppress(OSError):  # its other end was closed
            while select.select([self.ours], [], [], 0.1)[0]:
                self.shown += os.read(self.ours, 65_536)
        return words in self.text

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def close(self) -> None:
        """Close the window; the descriptor stays, at the end of nothing."""
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, self.ours)
        os.close(nothing)

    def ended(self) -> int:
        until(lambda: not self.shows("\0") and self.process.poll() is not None)
        return self.process.returncode


@contextlib.contextmanager
def at_a_console(folder: Path, *arguments: str) -> Iterator[Console]:
    ours, theirs = pseudo_terminal(columns=100)
    tty.setraw(theirs)  # Enter is Enter, and no line feed
    environment = {**wine.environment(), "DEFER_BATCH_API_TOKEN": TOKEN}
    command = wine.command("-m", "batch", *arguments)
    streams: Any = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, **streams
    ) as process:
        os.close(theirs)
        try:
            yield Console(process, ours)
        finally:
            process.kill()
    os.close(ours)


@contextlib.contextmanager
def asked(folder: Path, emulator: Emulator) -> Iterator[Console]:
    (folder / "list.csv").write_text(ONE)
    with at_a_console(folder, "run", "list.csv", "--register", emulator.base_url) as console:
        until(lambda: console.shows("Type 1 to send it:"))
        yield console


@pytest.mark.parametrize(
    ("keys", "code", "words", "sent"),
    [
        (f"1{ENTER}", 0, "1 of 1 deferred", 1),
        (f"no{ENTER}", 2, "declined", 0),
        (f"{CTRL_Z}{ENTER}", 2, "nobody is there", 0),
    ],
)
def test_who_sits_at_a_console_is_asked(
    register: Serving, tmp_path: Path, keys: str, code: int, words: str, sent: int
) -> None:
    emulator = register(abc="trn_received")
    with asked(tmp_path, emulator) as console:
        console.type(keys)
        assert (console.ended(), words in console.text) == (code, True), console.text
    assert len(emulator.received(Endpoint.DEFER)) == sent


def test_ctrl_c_at_the_question_sends_nothing(register: Serving, tmp_path: Path) -> None:
    emulator = register(abc="trn_received")
    with asked(tmp_path, emulator) as console:
        console.type(CTRL_C)
        assert console.ended() in {2, 130}, console.text
        assert "nothing was sent" in console.text
    assert emulator.received(Endpoint.DEFER) == []


def test_a_console_shows_a_bar_and_no_line_is_wider(tmp_path: Path) -> None:
    rows = "".join(f"id{number:03},2026-10-01\n" for number in range(30))
    (tmp_path / "list.csv").write_text(f"trainee_id,defer_date\n{rows}")
    with at_a_console(tmp_path, "run", "list.csv", "--register", "emulator") as console:
        assert console.ended() == 0, console.text
    assert "30/30" in console.text
    assert "manifest sha256" in console.text


def test_a_console_that_is_closed_in_mid_run_loses_nothing(
    register: Serving, tmp_path: Path
) -> None:
    ids = [f"trainee{number:02}" for number in range(30)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    (tmp_path / "list.csv").write_text(
        "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    )
    pace = ("--rate-limit", "5/1", "--lost-answer-wait", "1")
    target = ("--register", emulator.base_url, *pace)
    with at_a_console(tmp_path, "run", "list.csv", *target, "--yes") as console:
        until(lambda: len(emulator.received(Endpoint.DEFER)) > 5)
        console.close()
        console.process.wait(60)
    more = ("--rate-limit", "none", "--yes")
    with at_a_console(tmp_path, "resume", *more) as console:
        assert console.ended() == 0, console.text
    sent = [request.route.trainee_id for request in emulator.received(Endpoint.DEFER)]
    assert sorted(sent) == ids
