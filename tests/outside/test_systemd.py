"""The units in sample_data/schedules, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCHEDULES = Path(__file__).parents[2] / "sample_data" / "schedules"
UNITS = ("defer-batch.service", "defer-batch.timer", "defer-batch-alert.service")
MOST_EXPOSED = "20"
"""On systemd's scale of 0 to 100: what it calls OK begins below 50."""


def analysed(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "this test needs systemd-analyze: apt-get install systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Copy the units, with programs that are on this machine: systemd looks for each."""
    for name in UNITS:
        content = (SCHEDULES / name).read_text(encoding="utf-8")
        here = re.sub(r"(?m)^(Exec\w+)=/(usr/local|opt)\S+", r"\1=/bin/true", content)
        (tmp_path / name).write_text(here, encoding="utf-8")
    return [str(tmp_path / name) for name in UNITS]


def test_there_is_no_other_unit() -> None:
    there = {path.name for path in SCHEDULES.iterdir() if path.suffix in {".service", ".timer"}}
    assert there == set(UNITS)


def test_systemd_understands_every_line_and_finds_every_unit(units: list[str]) -> None:
    ran = analysed("verify", *units)
    assert "defer-batch" not in ran.stderr
    assert ran.returncode == 0


def test_the_service_is_shut_off_as_well_as_it_can_be(units: list[str]) -> None:
    ran = analysed("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", units[0])
    assert ran.returncode == 0, ran.stdout.splitlines()[-1]
