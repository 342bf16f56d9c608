"""Lines for a terminal, however narrow, and with colours or without."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from conftest import TOKEN, Office
from terminals import posix_only, shown_at_a_terminal

from batch.lines import fitted, wrapped
from batch.register import troubles
from batch.register.gateway import Emulator

LIST = "trainee_id,defer_date\nabc,2026-09-14\ndef,17/06/2026\nghi,\n"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r")


def test_a_line_that_fits_is_left_as_it_is() -> None:
    assert wrapped("rows  2\n\n  done", 7) == "rows  2\n\n  done"


def test_a_long_line_is_broken_between_words_and_indented_further() -> None:
    assert wrapped("  e.g. this date is no date", 14) == "  e.g. this\n    date is no\n    date"


def test_a_command_in_backquotes_is_never_broken() -> None:
    assert wrapped("try `defer-batch resume`: now", 12) == "try\n  `defer-batch resume`:\n  now"


def test_what_is_no_terminal_gets_long_lines() -> None:
    assert fitted("x " * 500, io.StringIO()) == "x " * 500


@posix_only
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("run", "--help"),
        ("check", "list.csv"),
        ("run", "list.csv", "--register", "emulator"),
        ("run", "missing file.csv", "--register", "emulator"),
        ("run", "list.csv", "--regster"),
        ("runs",),
        ("verify", "nothing"),
    ],
)
def test_forty_columns_break_no_word(office: Office, arguments: tuple[str, ...]) -> None:
    office.write("list.csv", LIST)
    shown = CONTROLS.sub("", shown_at_a_terminal(office, *arguments, columns=40))
    too_long = [line.strip() for line in shown.split("\n") if len(line) > 40]
    assert not [line for line in too_long if " " in line]
    assert shown.strip()


@posix_only
def test_json_is_not_broken_at_a_terminal(office: Office) -> None:
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
def test_the_time_left_knows_of_the_wait_for_a_lost_answer(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.lost_before("abc")])
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\nabc,2026-10-01\n")
    target = ("--register", emulator.base_url, "--lost-answer-wait", "5", "--yes")
    shown = shown_at_a_terminal(office, "run", "list.csv", *target)
    assert "about 4 s left" in shown
    assert CONTROLS.sub("", shown.split("1/1")[-1]).splitlines()[0].strip() == "1 succeeded"
