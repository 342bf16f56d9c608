"""The command line itself: quick to start, plain without colours, quiet on a broken pipe."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from batch.emulator.server import Emulator
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only

SAMPLE = "trainee_id,defer_date\nabc,2026-09-14\n"


def python(office: Office, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=office.folder,
        env=office._environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(
    "words", ["--help", "--version", "template", "explain", "explain not_sent", "run --help"]
)
def test_nothing_heavy_is_imported_to_tell_about_oneself(office: Office, words: str) -> None:
    office.environment["COVERAGE_PROCESS_CONFIG"] = ""  # measuring itself imports sqlite3
    told = python(office, "-X", "importtime", "-m", "batch", *words.split())
    modules = {line.rsplit("|", 1)[-1].strip() for line in told.stderr.splitlines()}
    assert told.returncode == 0
    assert "batch.cli" in modules
    heavy = {"polars", "httpx", "starlette", "uvicorn", "sqlite3", "jinja2", "pydantic", "rich"}
    assert not modules & heavy
    assert ("batch.options" in modules) == ("run" in words)


def test_no_color_is_honoured(office: Office) -> None:
    office.environment |= {"NO_COLOR": "1", "FORCE_COLOR": "1"}
    office.write("list.csv", SAMPLE)
    ran = office.run("run", "list.csv", "--register", "emulator")
    assert "\x1b[" not in ran.out + ran.err


def test_a_broken_pipe_leaves_no_traceback(office: Office) -> None:
    office.write("list.csv", "trainee_id,defer_date\n" + "x,\n" * 5_000)
    with office.start("check", "list.csv", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert "Traceback" not in told
    assert "BrokenPipe" not in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_the_commands(office: Office, shell: str) -> None:
    office.environment |= {
        "_DEFER_BATCH_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "defer-batch re",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "defer-batch re",
        "COMP_CWORD": "1",
    }
    call = "import sys; sys.argv[0] = 'defer-batch'; from batch.cli import main; main()"
    told = python(office, "-c", call)
    assert "resume" in told.stdout
    assert "report" in told.stdout


def test_a_wrong_option_is_one_message(office: Office) -> None:
    ran = office.run("run", "list.csv", "--regster", "emulator")
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err


def test_the_environments_token_wins_over_a_token_file_in_dotenv(
    register: Callable[..., Emulator], submit: Callable[..., Ran], office: Office
) -> None:
    office.write("wrong.txt", "wrong")
    office.write(".env", "DEFER_BATCH_API_TOKEN_FILE=wrong.txt\n")
    ran = submit(register(abc="trn_received"), "trainee_id,defer_date\nabc,2026-10-01\n")
    assert ran.code == 0, ran.err


def test_a_host_with_a_space_in_it_is_no_register(office: Office) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = "token"
    ran = office.run("run", "list.csv", "--register", "https://exa mple")
    assert (ran.code, "no such Register" in ran.err) == (2, True)


ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


@pytest.mark.parametrize("by_file", [False, True])
def test_a_dotenv_cannot_send_the_users_token_elsewhere(
    register: Callable[..., Emulator], office: Office, *, by_file: bool
) -> None:
    emulator = register(abc="trn_received")
    office.write("token.txt", TOKEN)
    given = "DEFER_BATCH_API_TOKEN_FILE" if by_file else "DEFER_BATCH_API_TOKEN"
    office.environment[given] = "token.txt" if by_file else TOKEN
    office.write(".env", f"DEFER_BATCH_REGISTER={emulator.base_url}\nDEFER_BATCH_API_TOKEN=x\n")
    office.write("list.csv", ONE)
    ran = office.run("run", "list.csv", "--yes")
    assert (ran.code, emulator.received()) == (2, [])
    assert "--register" in ran.err


def test_nor_the_token_of_a_file_that_an_option_names(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received")
    office.write("token.txt", TOKEN)
    office.write(".env", f"DEFER_BATCH_REGISTER={emulator.base_url}\nDEFER_BATCH_API_TOKEN=x\n")
    office.write("list.csv", ONE)
    ran = office.run("run", "list.csv", "--yes", "--api-token-file", "token.txt")
    assert (ran.code, emulator.received()) == (2, [])


def test_nor_the_token_of_a_file_that_it_names_itself(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received")
    office.write("token.txt", TOKEN)
    tokens = "DEFER_BATCH_API_TOKEN=x\nDEFER_BATCH_API_TOKEN_FILE=token.txt\n"
    office.write(".env", f"DEFER_BATCH_REGISTER={emulator.base_url}\n{tokens}")
    office.write("list.csv", ONE)
    assert office.run("run", "list.csv", "--yes").code == 2
    assert emulator.received() == []


def test_a_dotenv_that_brings_its_own_token_may_and_is_named_in_the_plan(
    register: Callable[..., Emulator], office: Office
) -> None:
    emulator = register(abc="trn_received")
    address = f"DEFER_BATCH_REGISTER={emulator.base_url}\n"
    office.write(".env", f"{address}DEFER_BATCH_API_TOKEN={TOKEN}\n")
    office.write("list.csv", ONE)
    ran = office.run("run", "list.csv", "--yes")
    assert ran.code == 0, ran.err
    assert "from the file .env: " in ran.err
    assert {"DEFER_BATCH_REGISTER", "DEFER_BATCH_API_TOKEN"} <= set(re.findall(r"\w+", ran.err))
    assert TOKEN not in ran.err


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("LOST_ANSWER_WAIT=59", 2),
        ("LOST_ANSWER_WAIT=60", 0),
        ("RATE_LIMIT=none", 2),
        ("RATE_LIMIT=101/60", 2),
        ("RATE_LIMIT=200/120", 2),
        ("RATE_LIMIT=50/10", 2),
        ("RATE_LIMIT=50/60", 0),
        ("RATE_LIMIT=100/61", 0),
        ("REGISTER=sandbox", 0),
    ],
)
def test_a_dotenv_may_make_a_run_slower_but_not_less_careful(
    office: Office, line: str, code: int
) -> None:
    office.write(".env", f"DEFER_BATCH_{line}\n")
    assert office.run("runs").code == code


@posix_only
@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_token_file_that_others_can_read_is_warned_about(
    register: Callable[..., Emulator], office: Office, mode: int, *, warned: bool
) -> None:
    emulator = register(abc="trn_received")
    office.write("token.txt", TOKEN).chmod(mode)
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url, "--api-token-file", "token.txt", "--yes")
    assert ("chmod 600 token.txt" in office.run("run", "list.csv", *target).err) is warned
