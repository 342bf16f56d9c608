"""The command line itself: quick to start, plain without colours, quiet on a broken pipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from batch.emulator.server import Emulator
from tests.support.office import Office, Ran

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


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_nothing_heavy_is_imported_to_tell_about_oneself(office: Office, option: str) -> None:
    office.environment["COVERAGE_PROCESS_CONFIG"] = ""  # measuring itself imports sqlite3
    told = python(office, "-X", "importtime", "-m", "batch", option)
    modules = {line.rsplit("|", 1)[-1].strip() for line in told.stderr.splitlines()}
    assert told.returncode == 0
    assert "batch.cli" in modules
    assert not modules & {"polars", "httpx", "starlette", "uvicorn", "sqlite3", "jinja2"}


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
