"""The emulator as a command of its own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from batch.commands.emulator import serve_until_interrupted
from batch.errors import UnusableFile, UsageProblem
from tests.support.preloaded import Process
from tests.support.terminals import posix_only

INTERRUPT = signal.SIGINT


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "batch", "emulator", "--port", "0", *arguments]
    with Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            yield found.group(), process
        finally:
            process.kill()


def read(base_url: str, trainee_id: str, token: str = "any") -> httpx.Response:
    url = f"{base_url}/api/v2025.0/trainees/{trainee_id}"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


@posix_only
def test_emulator_serves_the_trainees_of_a_file_until_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "trainees.csv"
    path.write_text("trainee_id,state\nAb1,withdrawn\n")
    with served("--trainees", str(path)) as (base_url, process):
        assert read(base_url, "ab1").json()["state"] == "withdrawn"
        assert read(base_url, "zzzz").status_code == 404
        process.send_signal(INTERRUPT)
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")


def test_emulator_without_a_file_knows_the_sample_and_wants_a_token() -> None:
    with served() as (base_url, _):
        assert read(base_url, "SPEBLwwdJV4w9hbcS2zxW73y").json()["state"] == "deferred"
        assert httpx.get(f"{base_url}/api/v2025.0/info", trust_env=False).status_code == 401


def test_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageProblem, match="cannot listen on port"):
            serve_until_interrupted(taken.getsockname()[1])


def test_port_that_is_none_is_told() -> None:
    with pytest.raises(UsageProblem, match="cannot listen on port"):
        serve_until_interrupted(99999)


def test_file_that_cannot_be_used_is_told_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile):
        serve_until_interrupted(0, trainees=tmp_path / "missing.csv")
