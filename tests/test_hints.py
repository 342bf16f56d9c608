"""Commands in hints are complete: each does what it says as it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from batch import systems
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from batch.hints import completed, completed_in, resume_command
from tests.support import troubles
from tests.support.office import TOKEN, Office
from tests.support.shells import words_of

Serving = Callable[..., Emulator]
ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ((), "defer-batch resume R"),
        (("run", "list.csv", "--yes"), "defer-batch resume R"),
        (
            ("--api-token-file", "my token"),
            f"defer-batch resume R --api-token-file {systems.as_argument(Path('my token'))}",
        ),
        (("--api-token-file=a", "--api-token-file=b"), "defer-batch resume R --api-token-file b"),
        (("--api-version", "v2027.0"), "defer-batch resume R --api-version v2027.0"),
        (("run", "--api-token-file"), "defer-batch resume R"),
    ],
)
def test_what_was_given_by_option_is_given_again(given: tuple[str, ...], command: str) -> None:
    assert resume_command("R", Path("reports"), given) == command


def test_advice_about_rows_names_the_run() -> None:
    advice = "Run `defer-batch resume` later; `defer-batch close` ends the run."
    assert completed(advice, "R", Path("elsewhere"), ()) == (
        "Run `defer-batch resume R --reports-dir elsewhere` later; "
        "`defer-batch close R --reports-dir elsewhere` ends the run."
    )


def test_an_error_names_the_folder_and_the_token_that_were_given(office: Office) -> None:
    office.write("token.txt", TOKEN)
    office.write("list.csv", ONE)
    rehearsed = office.run("run", "list.csv", "--register", "emulator", *ELSEWHERE)
    assert rehearsed.code == 0
    (folder,) = (office.folder / "my reports").glob("2*")
    ran = office.run("reconcile", folder.name, *ELSEWHERE)
    assert ran.code == 2
    assert f"`defer-batch runs --reports-dir {systems.as_argument(Path('my reports'))}`" in ran.err


def test_whatever_is_unfinished_is_continued_with_the_same_token() -> None:
    words = "make room, then run `defer-batch resume` to continue"
    given = ("run", "list.csv", "--api-token-file", "token.txt")
    told = completed_in(words, Path("reports"), given)
    assert "`defer-batch resume --api-token-file token.txt` to continue" in told


@pytest.fixture
def unfinished(office: Office, register: Serving) -> Emulator:
    """A run that was refused at its only row, with a token from a file, in a folder of its own."""
    emulator = register(abc="trn_received", faults=[UNAUTHORISED])
    office.write("token.txt", TOKEN)
    office.write("list.csv", ONE)
    return emulator


UNAUTHORISED = troubles.answered_before("abc", troubles.UNAUTHORISED)
ELSEWHERE = ("--api-token-file", "token.txt", "--reports-dir", "my reports")


def arguments_after(words: str, output: str) -> list[str]:
    """Return the arguments of the command that stands behind some words, as a shell takes them."""
    line = output.split(words, 1)[1].lstrip().splitlines()[0]
    name, *arguments = words_of(line)
    assert name == "defer-batch"
    return arguments


def test_the_command_that_continues_works_as_it_stands(
    office: Office, unfinished: Emulator
) -> None:
    target = ("--register", unfinished.base_url)
    ran = office.run("run", "list.csv", *target, *ELSEWHERE)
    assert ran.code == 3
    listed = office.run("runs", "--reports-dir", "my reports").out
    command = arguments_after("To continue, run:", ran.out)
    assert command == arguments_after("To continue what is unfinished:", listed)
    assert office.run(*command).code == 0


@pytest.mark.parametrize(
    ("words", "code", "sent"),
    [("to continue it, run:", 0, 2), ("to end it for good, run:", 0, 1)],
)
def test_a_run_in_the_way_can_be_continued_or_ended_as_the_hint_says(
    office: Office, unfinished: Emulator, words: str, code: int, sent: int
) -> None:
    target = ("--register", unfinished.base_url)
    office.run("run", "list.csv", *target, *ELSEWHERE)
    refused = office.run("run", "list.csv", *target, *ELSEWHERE)
    assert refused.code == 2
    assert office.run(*arguments_after(words, refused.err)).code == code
    assert len(unfinished.received(Endpoint.DEFER)) == sent


def test_where_the_final_check_could_not_be_made_the_hint_is_to_reconcile(
    office: Office, register: Serving
) -> None:
    unread = troubles.Fault("abc", Endpoint.READ, last=5, given=troubles.APPLICATION_ERROR)
    emulator = register(abc="trn_received", faults=[unread])
    office.write("token.txt", TOKEN)
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, "--no-preview")
    ran = office.run("run", "list.csv", *target, "--api-token-file", "token.txt")
    assert (ran.code, ran.summary["final_check"]) == (0, None)
    assert "resume" not in ran.out
    assert "defer-batch reconcile" in (ran.folder / "report.html").read_text("utf-8")
    assert office.run(*arguments_after("To do so now, run:", ran.out)).code == 0
