"""The units of the README, as systemd itself reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
UNITS = dict(
    re.findall(
        r"^`/etc/systemd/system/([\w.-]+)`(?:(?!```).)*```ini\n(.*?)^```$",
        README,
        re.MULTILINE | re.DOTALL,
    )
)
MOST_EXPOSED = "20"
"""On systemd's scale of 0 to 100: what it calls OK begins below 50."""


def analysed(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "this test takes systemd-analyze: apt-get install systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    for name, content in UNITS.items():
        with_programs_of_here = re.sub(
            r"(?m)^(Exec\w+)=/(usr/local|opt)\S+", r"\1=/bin/true", content
        )
        (tmp_path / name).write_text(with_programs_of_here, encoding="utf-8")
    return [str(tmp_path / name) for name in UNITS]


def test_systemd_understands_every_line_and_finds_every_unit(units: list[str]) -> None:
    assert len(units) == README.count("```ini\n") == 3
    ran = analysed("verify", *units)
    assert "defer-batch" not in ran.stderr
    assert ran.returncode == 0


def test_the_service_is_shut_off_as_well_as_it_can_be(units: list[str]) -> None:
    service = next(path for path in units if path.endswith("/defer-batch.service"))
    ran = analysed("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", service)
    assert ran.returncode == 0, ran.stdout.splitlines()[-1]
