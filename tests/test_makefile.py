"""`make soak` and `.ci/run`: what they must not leave out, and what they may."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import shared

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
@pytest.mark.parametrize(
    ("red", "code"), [("simulation", 2), ("soak.py", 2), ("walk.py", 2), ("nothing", 0)]
)
def test_every_part_of_the_soak_runs_and_one_red_part_fails_it(
    tmp_path: Path, red: str, code: int
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\ncase "$*" in *{red}*) exit 1;; esac\n'
    )
    python.chmod(0o700)
    venv = ("-o", f"{tmp_path}/.installed", f"VENV={tmp_path}", f"BIN={tmp_path}")
    (tmp_path / ".installed").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    ended = subprocess.run(
        ["make", "soak", *venv], cwd=ROOT, env=kept, capture_output=True, check=False
    )
    assert (ended.returncode, len((tmp_path / "ran").read_text().splitlines())) == (code, 4)


def test_ci_allows_no_skip_but_those_of_the_shared_folder() -> None:
    commands = (ROOT / ".ci" / "run").read_text("utf-8")
    reason = shared.needs(ROOT / "none").kwargs["reason"]
    assert shared.NAMED in reason
    assert f"grep -v '{shared.NAMED}'" in commands
