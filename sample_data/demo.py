"""`make demo`: rehearses the sample, and says whether every row ended as it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run the sample; 0 where it exits 1, for it has bad rows, with the expected counts."""
    command = [sys.executable, "-m", "batch", "run", str(HERE / "deferrals.csv")]
    before = set(Path("reports").glob("*/summary.json"))
    exit_code = subprocess.run([*command, "--register", "emulator"], check=False).returncode
    new = sorted(set(Path("reports").glob("*/summary.json")) - before)
    counts = json.loads(new[-1].read_text(encoding="utf-8"))["counts"] if new else None
    expected = json.loads((HERE / "expected_counts.json").read_text(encoding="utf-8"))
    if exit_code != 1 or counts != expected:
        sys.stderr.write(f"demo: exit code {exit_code}, counts {counts}; expected {expected}\n")
        return 1
    sys.stderr.write("demo: every row ended as expected\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
