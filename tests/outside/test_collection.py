"""Every test can be collected where Python has no more than it has on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from test_portability import ABSENT, ABSENT_MODULES

BLOCKED = f"""
import filelock  # which asks for fcntl, and has msvcrt in its place there
import os, runpy, signal, sys
sys.modules |= dict.fromkeys({sorted(ABSENT_MODULES)})
for module, names in {ABSENT}.items():
    for name in names:
        vars(sys.modules[module]).pop(name)
sys.argv = ["pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
runpy.run_module("pytest", run_name="__main__")
"""


def test_everything_is_collected_where_a_system_has_less() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-500:]
    assert "test_interrupted.py" in ran.stdout
