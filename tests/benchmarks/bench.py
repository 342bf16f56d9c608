"""`make bench`: one table of ratios, each measured in one run against a named peer or limit."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import platform
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import xlsxwriter

sys.path.insert(0, str(Path(__file__).parents[2]))

from batch.roster.listing import IN_A_HUNDRED_ROWS, Look
from batch.run_settings import RateLimit
from batch.submission.pacing import Pacer
from tests.app.conftest import opened
from tests.benchmarks import peers
from tests.support import lists
from tests.support.pages import Pages
from tests.support.throttling import Latency, Run, Server, World, least_seconds, played

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
        peers.ENVIRONMENT["XDG_STATE_HOME"] = folder
        for measure in (
            pacing,
            looks,
            throughput,
            checking,
            start_up,
            memory,
            looking,
            pages_of_the_app,
        ):
            for line in measure(Path(folder)):
                print(f"{line.what:<78} {line.figure:>10}   {line.limit}", flush=True)
                lines.append(line)
    (HERE / "RESULTS.md").write_text(table(lines), encoding="utf-8")


def table(lines: list[Line]) -> str:
    """Return the table as Markdown."""
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
    runs = [Run(Pacer(RateLimit(100, 60.0)), 300, Latency(random.Random(seed))) for seed in (1, 2)]
    World(server, runs).play()
    least = least_seconds(Server(100, 60, 20.0), 600, seed=1)
    ratio = max(run.finished for run in runs) / least
    yield Line("pacing, two runs sharing one address: over the least", f"{ratio:.3f}", "1.3")


def looks(folder: Path) -> Iterator[Line]:
    """What the look asks for, of a provider with twice as many trainees as rows, in three cycles.

    And the wall time of all that a run asks for, the check at the end included.
    """
    del folder
    for rows in (20, 300, 3000, 30_000):
        look, check = _requests_of(rows), _requests_of(rows, since=lists.time(2 * rows))
        most = 20 + IN_A_HUNDRED_ROWS * rows // 100
        yield Line(f"look for {rows} rows: requests", f"{look}", f"{most}")
        yield Line(f"final check of {rows} rows: requests", f"{check}", f"{most}")
        if rows in {300, 3000}:
            yield from _time_of_all(rows, 1 + look + rows + check)


def _requests_of(rows: int, *, since: str | None = None) -> int:
    """Return how many requests find that many trainees; with `since`, all changed after it."""
    known = [
        lists.trainee(number, number + (2 * rows if since else 0)) for number in range(2 * rows)
    ]
    cycles = {year: known[place::3] for place, year in enumerate((2026, 2025, 2024))}
    there = lists.Register({year: cycles.get(year, []) for year in range(2026, 2019, -1)})
    sought = [str(trainee.trainee_id) for trainee in known[:rows]]
    if since is not None:  # only what the run itself deferred has changed
        changed = {one.trainee_id for one in known[:rows]}
        there = lists.Register(
            {
                year: [one for one in there.cycles[year] if one.trainee_id in changed]
                for year in there.cycles
            }
        )
    look = Look(sought, lambda _, __: None, cycles=tuple(there.cycles), since=since)
    return len(lists.played(look, there.answer))


def _time_of_all(rows: int, requests: int) -> Iterator[Line]:
    ratios = []
    for step in range(30):
        phase, drift = 2.0 * step, (step % 3 - 1) * 1e-4
        run = played(Server(100, 60, phase, drift), requests, seed=step)
        least = least_seconds(Server(100, 60, phase, drift), requests, seed=step)
        ratios.append(run.finished / least)
    what = f"all {requests} requests of a run of {rows} rows"
    yield Line(f"{what}: median over the least", f"{statistics.median(ratios):.3f}", "1.02")
    yield Line(f"{what}: worst over the least", f"{max(ratios):.3f}", "1.05")


def throughput(folder: Path) -> Iterator[Line]:
    """The real command, durable and reported, against other ways to send the same rows."""
    with peers.serving() as url:
        pairs = []
        for turn in range(5):
            plain = written(folder / f"bare{turn}.csv", f"bare{turn}x")
            path = written(folder / f"run{turn}.csv", f"run{turn}x")
            bare = spent(peers.bare(url, plain)).seconds
            pairs.append((spent(peers.ours(url, path, folder / f"r{turn}")).seconds, bare))
        figure = f"{statistics.median(ours / bare for ours, bare in pairs):.2f}"
        yield Line(f"{ROWS} rows unpaced: run over a bare httpx loop", figure, "1.5")
        ours = statistics.median(ours for ours, _ in pairs)
        for name, command in peers.OTHERS.items():
            if shutil.which(name):
                path = written(folder / f"{name}.csv", name)
                theirs = spent(command(url, path, folder)).seconds
                yield Line(f"{ROWS} rows unpaced: run over {name}", f"{ours / theirs:.2f}", "")


def checking(folder: Path) -> Iterator[Line]:
    """A million rows, half of the reasons quoted, against `polars.read_csv`."""
    path = million(folder / "million.csv")
    read = [sys.executable, "-c", f"import polars; polars.read_csv({str(path)!r})"]
    check = [sys.executable, "-m", "batch", "check", str(path)]
    pairs = [(spent(check), spent(read)) for _ in range(3)]
    ratio = statistics.median(ours.seconds / theirs.seconds for ours, theirs in pairs)
    peak = statistics.median(ours.peak_kb / theirs.peak_kb for ours, theirs in pairs)
    yield Line("check of a million rows: time over polars.read_csv", f"{ratio:.2f}", "6")
    yield Line("check of a million rows: peak memory over polars.read_csv", f"{peak:.2f}", "1")


def start_up(folder: Path) -> Iterator[Line]:
    """A hundred rows checked, and a run to its first request, against bare imports."""
    path = written(folder / "hundred.csv", "h", rows=100)
    check = [sys.executable, "-m", "batch", "check", str(path)]
    bare = [sys.executable, "-c", "import polars, httpx, pydantic, structlog"]
    spent(check), spent(bare)  # so that everything is compiled
    checks = [spent(check).seconds / spent(bare).seconds for _ in range(9)]
    yield Line("check of a hundred rows over bare imports", _median(checks), "1.3")
    starts = [until_asked(path, folder / f"s{turn}") / spent(bare).seconds for turn in range(9)]
    yield Line("start of run to its first request over bare imports", _median(starts), "1.3")


def memory(folder: Path) -> Iterator[Line]:
    """What a run of 100,000 rows, sent and reported, takes more than one of 100."""
    with peers.serving() as url:
        peaks = {}
        for rows in (100, 100_000):
            path = written(folder / f"m{rows}.csv", f"m{rows}x", rows=rows)
            peaks[rows] = spent(peers.ours(url, path, folder / f"m{rows}")).peak_kb
    figure = f"{(peaks[100_000] - peaks[100]) / 1024:.0f} MB"
    yield Line("peak memory of a run of 100,000 rows over one of 100", figure, "64 MB")


def looking(folder: Path) -> Iterator[Line]:
    """What the look and the check at the end add to the same run without them."""
    path = written(folder / "looked.csv", "looked")
    ratios = []
    for turn in range(3):
        with peers.serving(path) as url:
            with_look = spent(peers.looking(url, path, folder / f"with{turn}"))
        with peers.serving(path) as url:
            without = spent(peers.ours(url, path, folder / f"without{turn}"))
        ratios.append(with_look.cpu_seconds / without.cpu_seconds)
    what = f"{ROWS} rows: CPU of a run with its look and final check over one without"
    yield Line(what, f"{statistics.median(ratios):.2f}", "1.05")
    path, peaks = written(folder / "listed.csv", "listed", rows=30_000), []
    for command in (peers.looking, peers.ours):
        with peers.serving(path) as url:
            peaks.append(spent(command(url, path, folder / command.__name__)).peak_kb)
    figure = f"{(peaks[0] - peaks[1]) / 1024:.0f} MB"
    yield Line("peak memory with 30,000 trainees looked up over none looked up", figure, "64 MB")


def pages_of_the_app(folder: Path) -> Iterator[Line]:
    """The slowest page of the app, from the list to its report, with 10,000 rows."""
    for suffix, write in ((".csv", _csv), (".xlsx", _workbook)):
        where = folder / f"app{suffix}"
        where.mkdir()
        with opened(where) as pages:
            taken = dict(_pages_of(pages, f"list{suffix}", write(_with_mistakes(10_000))))
        slowest = max(taken, key=taken.__getitem__)
        what = f"app, {suffix} of 10,000 rows: the slowest of {len(taken)} pages ({slowest})"
        yield Line(what, f"{taken[slowest]:.2f} s", "1 s")


def _pages_of(pages: Pages, name: str, data: bytes) -> Iterator[tuple[str, float]]:
    """Go the whole way; yield what each page is and the seconds until it is there."""
    began = time.perf_counter()

    def taken() -> float:
        nonlocal began
        before, began = began, time.perf_counter()
        return began - before

    journey = pages.begin(data, name)
    yield "columns", taken()
    pages.columns(journey)
    yield "check", taken()
    for row, place, value in ((5, 3, "2026-10-14"), (9990, 4, "ill")):
        pages.post(f"{journey}/check", {f"r{row}c{place}": value, "shown": [str(row)]})
        yield f"row {row} corrected", taken()
    for page in (1, 400):
        pages.get(f"{journey}/check?rows=all&page={page}")
        yield f"all rows, page {page}", taken()
    pages.post(f"{journey}/where", {"where": "0"})
    yield "looking", taken()
    _wait(pages)
    taken()
    found = pages.get(f"{journey}/preview")
    yield "preview", taken()
    pages.post(f"{journey}/preview", {"search": "surname99"})
    yield "preview, searched", taken()
    (number,) = re.findall(r"<b>([\d,]+)</b> Will be sent", found)
    pages.post(f"{journey}/confirm", {"number": number})
    yield "confirmed", taken()
    _wait(pages)
    taken()
    pages.get(pages.path)
    yield "run", taken()
    run = f"/runs/{max(pages.reports.glob('2*')).name}"
    for what in ("verify", "report"):
        pages.post(f"{run}/{what}")
        yield what, taken()
        _wait(pages)
        taken()
    pages.get("/")
    yield "start", taken()
    pages.post(f"{run}/correct", {"file": "to-correct.xlsx"})
    yield "rows to correct", taken()


def _wait(pages: Pages) -> None:
    for work in pages.works():
        work.wait()


def _with_mistakes(rows: int) -> list[list[str]]:
    """Return a list with its header in which every twentieth date is none."""
    listed = [["trainee_id", "last_name", "course", "defer_date", "defer_reason"]]
    for n in range(rows):
        day = "14/13/2026" if n % 20 == 3 else f"2026-{1 + n % 10:02}-{1 + n % 28:02}"
        listed.append([f"id{n:06}", f"Surname{n}", "History with QTS", day, "Illness, agreed"])
    return listed


def _csv(listed: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(listed)
    return text.getvalue().encode()


def _workbook(listed: list[list[str]]) -> bytes:
    written = io.BytesIO()
    book = xlsxwriter.Workbook(written, {"in_memory": True})
    sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(listed):
        sheet.write_row(number, 0, row)
        if row[3].startswith("2"):
            sheet.write_datetime(number, 3, dt.datetime.fromisoformat(row[3]), day)
    book.close()
    return written.getvalue()


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    seconds: float
    peak_kb: int
    cpu_seconds: float


def spent(command: list[str]) -> Spent:
    """Run a command to its end; raises where it failed, for then it measures nothing."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=peers.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return Spent(seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


def until_asked(path: Path, reports: Path) -> float:
    """Return the seconds from the start of a run to the first byte that it sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.perf_counter()
        with subprocess.Popen(
            peers.ours(url, path, reports),
            env=peers.ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                seconds = time.perf_counter() - began
                process.kill()
    return seconds


def _median(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}"


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
