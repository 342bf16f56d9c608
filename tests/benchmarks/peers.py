"""Other ways to send the same rows to the same server, and what they took."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
} | {"DEFER_BATCH_API_TOKEN": "x"}
"""As users have it: what is imported is compiled once, not at each start."""

OPENPYXL = """
import sys, openpyxl
for sheet in openpyxl.load_workbook(sys.argv[1], read_only=True, data_only=True):
    for row in sheet.iter_rows(values_only=True):
        pass
"""

_BODY = '{"data": {"defer_date": "2026-10-01"}}'
_SERVER = """
import csv, sys, time
from batch.emulator.server import serve
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.trainees import Trainee
known = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            began, changed = f"{2026 - number % 3}-09-01", 1.6e9 + number
            known.append(Trainee(row["trainee_id"], itt_start_date=began, updated_at=changed))
register = rehearsal_register(known, accepts_unknown=lambda _: True, rate_limit=None)
with serve(register, kept=0) as emulator:
    print(emulator.base_url, flush=True)
    time.sleep(3600)
"""


@contextmanager
def serving(*listed: Path) -> Iterator[str]:
    """Serve an emulator from a process of its own, so that both sides have a core.

    It accepts every trainee, and lists those of some files, in three cycles.
    """
    command = [sys.executable, "-c", _SERVER, *map(str, listed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def python(code: str, *words: str) -> list[str]:
    """Return a Python that does just that."""
    return [sys.executable, "-c", code, *words]


def command(*words: str) -> list[str]:
    """Return the real command."""
    return [sys.executable, "-m", "batch", *words]


def check(path: Path) -> list[str]:
    """Return the real command that checks a file."""
    return command("check", str(path))


def report(run_id: str, reports: Path) -> list[str]:
    """Return the real command that writes a run's report again."""
    return command("report", run_id, "--reports-dir", str(reports))


def plain_report(journal: Path, folder: Path) -> list[str]:
    """Return what writes the four CSVs of a journal's only run with the csv module, no more."""
    return [sys.executable, str(HERE / "plain_report.py"), str(journal), str(folder)]


def bare(url: str, path: Path) -> list[str]:
    """Return the command that sends the rows as plainly as httpx can."""
    return [sys.executable, str(HERE / "bare.py"), url, str(path)]


def ours(url: str, path: Path, reports: Path) -> list[str]:
    """Return the real command, unpaced, as it was before it looked: each row is sent at once."""
    return [*looking(url, path, reports), "--no-preview", "--no-final-check"]


def looking(url: str, path: Path, reports: Path) -> list[str]:
    """Return the real command, unpaced, with its look before and its check at the end."""
    command = [sys.executable, "-m", "batch", "run", str(path), "--register", url]
    return [*command, "--rate-limit", "none", "--reports-dir", str(reports)]


def curl(url: str, path: Path, _: Path) -> list[str]:
    """Return curl, ten at once."""
    config = path.with_suffix(".curl")
    entries = (
        f'url = "{url}/api/v2025.0/trainees/{trainee_id}/defer"\n'
        'header = "Authorization: Bearer x"\nheader = "Content-Type: application/json"\n'
        f"data = {json.dumps(_BODY)}\n"
        'output = "/dev/null"\n'
        for trainee_id in _ids(path)
    )
    config.write_text("next\n".join(entries), encoding="utf-8")
    return ["curl", "--silent", "--parallel", "--parallel-max", "10", "--config", str(config)]


def parallel(url: str, path: Path, _: Path) -> list[str]:
    """Return GNU parallel, which starts one curl a row, ten at once."""
    ids = path.with_suffix(".ids")
    ids.write_text("\n".join(_ids(path)), encoding="utf-8")
    one = (
        "curl -s -o /dev/null -H 'Authorization: Bearer x' -H 'Content-Type: application/json'"
        f" -d '{_BODY}' {url}/api/v2025.0/trainees/{{}}/defer"
    )
    return ["parallel", "--will-cite", "-j", "10", "-a", str(ids), one]


def newman(url: str, path: Path, _: Path) -> list[str]:
    """Return newman, which sends one row after another."""
    request = {
        "method": "POST",
        "url": f"{url}/api/v2025.0/trainees/{{{{trainee_id}}}}/defer",
        "header": [
            {"key": "Authorization", "value": "Bearer x"},
            {"key": "Content-Type", "value": "application/json"},
        ],
        "body": {"mode": "raw", "raw": _BODY},
    }
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    collection = {
        "info": {"name": "defer", "schema": schema},
        "item": [{"name": "defer", "request": request}],
    }
    told = path.with_suffix(".json")
    told.write_text(json.dumps(collection), encoding="utf-8")
    return ["newman", "run", str(told), "-d", str(path), "--silent"]


OTHERS = {"curl": curl, "parallel": parallel, "newman": newman}
"""By the program that has to be installed."""


def _ids(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["trainee_id"] for row in csv.DictReader(file)]
