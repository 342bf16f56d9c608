"""`make bench`: one table of ratios, each measured in one run against a named peer or limit."""

from __future__ import annotations

import csv
import datetime as dt
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))

from throttling import Latency, Run, Server, World, least_seconds, played

from batch.submission.pacing import Pacer

HERE = Path(__file__).parent
ROWS = 3000
LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True)
class Line:
    """One line of the table: what, how much, and what is allowed."""

    what: str
    figure: str
    limit: str


def main() -> None:
    """Measure everything; print the table, and write it down with the machine."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        for measure in (pacing, throughput, checking, start_up, memory):
            for line in measure(Path(folder)):
                print(f"{line.what:<78} {line.figure:>10}   {line.limit}", flush=True)
                lines.append(line)
    (HERE / "RESULTS.md").write_text(table(lines), encoding="utf-8")


def table(lines: list[Line]) -> str:
    """Give the table as Markdown."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    rows = "".join(f"| {line.what} | {line.figure} | {line.limit} |\n" for line in lines)
    head = f"# What was measured\n\n`make bench` on {today}: {machine}.\n"
    note = "The machine is shared and noisy; ratios are medians of runs taken in turn.\n\n"
    return f"{head}{note}| what | measured | limit |\n|---|---|---|\n{rows}"


def pacing(folder: Path) -> Iterator[Line]:
    """Wall time against the least that aligned windows allow, on a clock of numbers."""
    del folder
    for rows in (150, 250, 1000):
        ratios, refused = [], 0
        for step in range(30):
            phase, drift = 2.0 * step, (step % 3 - 1) * 1e-4
            run = played(Server(100, 60, phase, drift), rows, seed=step)
            least = least_seconds(Server(100, 60, phase, drift), rows, seed=step)
            ratios.append(run.finished / least)
            refused += len(run.refused)
        yield Line(
            f"pacing, {rows} rows: median over the least",
            f"{statistics.median(ratios):.3f}",
            "1.06",
        )
        yield Line(f"pacing, {rows} rows: worst over the least", f"{max(ratios):.3f}", "1.15")
        yield Line(f"pacing, {rows} rows: refused", f"{refused / 30 / rows:.2%}", "2 %")
    server = Server(100, 60, 20.0)
    runs = [Run(Pacer(100, 60.0), 300, Latency(random.Random(seed))) for seed in (1, 2)]
    World(server, runs).play()
    least = least_seconds(Server(100, 60, 20.0), 600, seed=1)
    ratio = max(run.finished for run in runs) / least
    yield Line("pacing, two runs sharing one address: over the least", f"{ratio:.3f}", "1.3")


def throughput(folder: Path) -> Iterator[Line]:
    """The real command, durable and reported, against a bare httpx loop on the same server."""
    with serving() as url:
        bare, ours, curl = [], [], []
        for turn in range(3):
            plain = written(folder / f"bare{turn}.csv", f"bare{turn}x")
            bare.append(timed(partial(bare_run, url, plain)))
            path = written(folder / f"run{turn}.csv", f"run{turn}x")
            ours.append(timed(partial(submitted, url, path, folder / f"r{turn}")))
            if shutil.which("curl"):
                curl.append(timed(partial(curled, url, f"curl{turn}x", folder)))
        ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
        yield Line(f"{ROWS} rows unpaced: run over a bare httpx loop", f"{ratio:.2f}", "1.5")
        if curl:
            ratio = statistics.median(a / b for a, b in zip(ours, curl, strict=True))
            yield Line(f"{ROWS} rows unpaced: run over curl --parallel", f"{ratio:.2f}", "")


def checking(folder: Path) -> Iterator[Line]:
    """A million rows, half of the reasons quoted, against `polars.read_csv`."""
    path = million(folder / "million.csv")
    read = [sys.executable, "-c", f"import polars; polars.read_csv({str(path)!r})"]
    check = [sys.executable, "-m", "batch", "check", str(path)]
    pairs = [(spent(check), spent(read)) for _ in range(3)]
    ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in pairs)
    peak = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
    yield Line("check of a million rows: time over polars.read_csv", f"{ratio:.2f}", "6")
    yield Line("check of a million rows: peak memory over polars.read_csv", f"{peak:.2f}", "1")


def start_up(folder: Path) -> Iterator[Line]:
    """A hundred rows checked, and a run to its first request, against bare imports."""
    path = written(folder / "hundred.csv", "h", rows=100)
    check = [sys.executable, "-m", "batch", "check", str(path)]
    bare = [sys.executable, "-c", "import polars, httpx, pydantic, structlog"]
    ratio = statistics.median(spent(check)[0] / spent(bare)[0] for _ in range(7))
    yield Line("check of a hundred rows over bare imports", f"{ratio:.2f}", "1.3")
    with serving() as url:
        ratios = []
        for turn in range(5):
            one = written(folder / f"one{turn}.csv", f"one{turn}x", rows=100)
            began = time.time()
            submitted(url, one, folder / f"s{turn}")
            log = next((folder / f"s{turn}").glob("2*/run.log")).read_text(encoding="utf-8")
            first = log.split('"timestamp": "', 1)[1].split('"', 1)[0]
            until = dt.datetime.fromisoformat(first).timestamp() - began
            ratios.append(until / spent(bare)[0])
    figure = f"{statistics.median(ratios):.2f}"
    yield Line("start of run to its first answer over bare imports", figure, "1.3")


def memory(folder: Path) -> Iterator[Line]:
    """What 100,000 rows take more than 100 to stage and report; sending is not measured here."""
    few = written(folder / "few.csv", "few", rows=100, date="")
    many = written(folder / "many.csv", "many", rows=100_000, date="")
    run = [sys.executable, "-m", "batch", "run"]
    peaks = [
        spent(
            [*run, str(path), "--register", "emulator", "--reports-dir", str(folder / path.stem)]
        )[1]
        for path in (few, many)
    ]
    figure = f"{(peaks[1] - peaks[0]) / 1024:.0f} MB"
    yield Line("peak memory of 100,000 rows over 100: staged and reported, none sent", figure, "")


def timed(work: Callable[[], object]) -> float:
    """Give how long some work takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spent(command: list[str]) -> tuple[float, int]:
    """Give a command's wall seconds and its peak memory in KB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_maxrss


SERVER = """
import time
from batch.register.emulator import serve
from batch.register.rehearsal import rehearsal_register
register = rehearsal_register((), accepts_unknown=lambda _: True, rate_limit=None)
with serve(register, kept=0) as emulator:
    print(emulator.base_url, flush=True)
    time.sleep(900)
"""


@contextmanager
def serving() -> Iterator[str]:
    """Serve an emulator from a process of its own, so that both sides have a core."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def bare_run(url: str, path: Path) -> None:
    """Send the rows as plainly as httpx can, from a process of its own like ours."""
    subprocess.run([sys.executable, str(HERE / "bare.py"), url, str(path)], check=True)


def submitted(url: str, path: Path, reports: Path) -> None:
    """Run the real command, unpaced."""
    command = [sys.executable, "-m", "batch", "run", str(path), "--register", url]
    environment = os.environ | {"DEFER_BATCH_API_TOKEN": "x", "XDG_STATE_HOME": str(reports)}
    options = ["--rate-limit", "none", "--reports-dir", str(reports)]
    subprocess.run([*command, *options], env=environment, check=True, capture_output=True)


def curled(url: str, prefix: str, folder: Path) -> None:
    """Send the same requests with curl, ten at once."""
    config = folder / f"{prefix}.curl"
    entries = (
        f'url = "{url}/api/v2025.0/trainees/{prefix}{number:05}/defer"\n'
        'header = "Authorization: Bearer x"\nheader = "Content-Type: application/json"\n'
        'data = "{\\"data\\": {\\"defer_date\\": \\"2026-10-01\\"}}"\noutput = "/dev/null"\n'
        for number in range(ROWS)
    )
    config.write_text("next\n".join(entries), encoding="utf-8")
    command = ["curl", "--silent", "--parallel", "--parallel-max", "10", "--config", str(config)]
    subprocess.run(command, check=True, capture_output=True)


def written(path: Path, prefix: str, *, rows: int = ROWS, date: str = "2026-10-01") -> Path:
    """Write a file of that many rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("trainee_id", "defer_date"))
        writer.writerows((f"{prefix}{number:05}", date) for number in range(rows))
    return path


def million(path: Path) -> Path:
    """Write a million rows, some 90 MB, every second reason quoted."""
    rng = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("trainee_id,provider_trainee_id,defer_date,defer_reason\n")
        for n in range(1_000_000):
            trainee_id = "".join(rng.choices(LETTERS, k=24))
            reason = f"Caring for a relative until {n}"
            if n % 2:
                reason = f'"Illness, agreed with the course leader {n}"'
            file.write(f"{trainee_id},PT{n:06},2026-{1 + n % 12:02}-{1 + n % 28:02},{reason}\n")
    return path


if __name__ == "__main__":
    main()
