"""The disk is full at any moment of a real run: it says so, and goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support.office import TOKEN, Office, Ran

SHIM = Path(__file__).parents[1] / "support" / "full_disk.c"
ROWS = 40
KILOBYTES = (20, 60, 100, 120, 140, 160, 180, 200, 220, 240, 260, 430)
"""From the making of the journal to the last file of the report."""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what makes a disk full."""
    compiler = shutil.which("cc")
    assert compiler, "this test takes a C compiler: apt-get install gcc"
    built = tmp_path_factory.mktemp("shim") / "full_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", built, SHIM, "-ldl"], check=True)
    return built


def on_a_full_disk(office: Office, shim: Path, kilobytes: int, *arguments: str) -> Ran:
    before = dict(office.environment)
    office.environment |= {
        "LD_PRELOAD": str(shim),
        "FULL_ROOT": str(office.reports),
        "FULL_AFTER": str(kilobytes * 1024),
    }
    ran = office.run_apart(*arguments)
    office.environment = before
    return ran


@pytest.mark.parametrize("kilobytes", KILOBYTES)
def test_a_disk_that_is_full_at_any_moment_loses_nothing(
    register: Callable[..., Emulator], office: Office, shim: Path, kilobytes: int
) -> None:
    ids = [f"trainee{number:03}" for number in range(ROWS)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    rows = "".join(f"{i},2026-10-01,{'ill ' * 60}\n" for i in ids)
    office.write("list.csv", f"trainee_id,defer_date,defer_reason\n{rows}")
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    target = ("run", "list.csv", "--register", emulator.base_url, "--rate-limit", "none")
    ran = on_a_full_disk(office, shim, kilobytes, *target)
    assert ran.code in {2, 3}, ran.err
    assert "make room" in ran.err
    assert "Traceback" not in ran.err
    if ran.code == 2:
        assert emulator.received(Endpoint.DEFER) == []
    again = office.run(*(target if ran.code == 2 else ("resume",)))
    assert (again.code, len(emulator.received(Endpoint.DEFER))) == (0, ROWS), again.err
    assert office.run("verify", "--all").code == 0
