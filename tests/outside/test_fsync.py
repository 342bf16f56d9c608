"""SIGKILL cannot show a missing fsync, so the system calls of a real run are counted."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable

from batch.emulator.server import Emulator
from tests.support.office import TOKEN, Office


def test_each_request_leaves_after_its_intent_was_synced(
    register: Callable[..., Emulator], office: Office
) -> None:
    strace = shutil.which("strace")
    assert strace, "this test takes strace: apt-get install strace"
    ids = [f"id{number}" for number in range(12)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    trace = office.folder / "trace"
    run = [sys.executable, "-m", "batch", "run", "list.csv", "--register", emulator.base_url]
    watched = [strace, "-f", "-s", "40", "-e", "trace=fsync,fdatasync,sendto", "-o", str(trace)]
    ended = subprocess.run(
        [*watched, *run, "--max-at-once", "1"],
        cwd=office.folder,
        env=office._environment() | {"DEFER_BATCH_API_TOKEN": TOKEN},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    calls = re.findall(r"(f(?:data)?sync)\(|sendto\(\d+, \"(POST)", trace.read_text())
    story = "".join("s" if sync else "P" for sync, _ in calls)
    assert story.count("P") == 12
    assert "PP" not in story
    assert re.match("s+P", story)
