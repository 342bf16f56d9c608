"""`make bench`: one table of ratios, each measured in one run against a named peer or limit.

`python tests/benchmarks/bench.py NAME …` measures some parts only (`--help` lists them), and brings
their sections of RESULTS.md up to date. What misses its aim is printed as missed.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import inspect
import io
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest import mock

import xlsxwriter

sys.path.insert(0, str(Path(__file__).parents[2]))

from batch.codes import Code
from batch.record.journal import Journal
from batch.roster.listing import IN_A_HUNDRED_ROWS, Look
from batch.rows import Deferral, Row, Settled
from batch.run_settings import RateLimit
from batch.submission.pacing import Pacer
from tests.app.conftest import opened
from tests.benchmarks import peers
from tests.support import lists
from tests.support import pages as browser
from tests.support.journals import RUN, failed, journal_of
from tests.support.pages import Pages
from tests.support.throttling import Latency, Run, Server, World, least_seconds, played

HERE = Path(__file__).parent
ROWS = 3000
ROWS_TO_CORRECT = 1
"""The exit code of `check` where some rows cannot be sent."""

_FINE, _MEGABYTES = "{:.3f}", "{:.0f} MB"
LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, and what it may be at most; None: no limit.

    Of what took processor time, `measured` is that (user and system), and `wall` the wall time.
    """

    what: str
    measured: float
    aim: float | None = None
    form: str = "{:.2f}"
    wall: float | None = None

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        shown = ["" if n is None else self.form.format(n) for n in (self.measured, self.wall)]
        aim = "" if self.aim is None else self.form.format(self.aim)
        is_missed = self.aim is not None and self.measured > self.aim
        return self.what, *shown, aim, "missed" if is_missed else ""  # type: ignore[return-value]


Part = Callable[[Path], Iterator[Line]]


def main(names: list[str]) -> None:
    """Measure everything, or the parts of those names; print the lines, and write them down."""
    if unknown := set(names) - PARTS.keys():
        sys.exit(f"{', '.join(unknown)}: no such part; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        peers.ENVIRONMENT["XDG_STATE_HOME"] = folder
        for name in names or PARTS:
            lines = []
            for line in PARTS[name](Path(folder)):
                what, measured, wall, aim, missed = line.cells
                print(f"{what:<78} {measured:>8} {wall:>8} {aim:>8} {missed}", flush=True)
                lines.append(line)
            _write_down(name, lines)


def _write_down(name: str, lines: list[Line]) -> None:
    """Put the lines of a part into RESULTS.md, in place of what was measured before."""
    path, today = HERE / "RESULTS.md", dt.datetime.now(dt.UTC).date().isoformat()
    known = dict(
        re.findall(r"^## (.+)\n\n((?:[^#\n].*\n|\n)*)", path.read_text("utf-8"), re.MULTILINE)
    )
    rows = "".join(f"| {' | '.join(line.cells)} |\n" for line in lines)
    known[name] = (
        f"{inspect.cleandoc(PARTS[name].__doc__ or '')}\n\n{today}, {_machine()}.\n\n{_HEAD}{rows}\n"
    )
    sections = (f"## {part}\n\n{known[part]}" for part in PARTS if part in known)
    path.write_text(_INTRODUCTION + "".join(sections).rstrip() + "\n", encoding="utf-8")


_HEAD = "| what | measured | wall | aim | |\n|---|---|---|---|---|\n"
_INTRODUCTION = """# What was measured

By `make bench`, or by some of its parts (`python tests/benchmarks/bench.py NAME …`).
The machine is shared and noisy; ratios are medians of runs taken in turn with their peer.
Of what takes processor time, `measured` is that (user and system), and `wall` the wall time beside it.
A line that misses its aim says so.

"""


def _machine() -> str:
    versions = (f"{name} {metadata.version(name)}" for name in _MEASURED)
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {python}, {', '.join(versions)}"


_MEASURED = ("httpx", "openpyxl", "polars", "pydantic", "typer", "uvicorn", "xlsxwriter")


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
            f"pacing, {rows} rows: median over the least", statistics.median(ratios), 1.06, _FINE
        )
        yield Line(f"pacing, {rows} rows: worst over the least", max(ratios), 1.15, _FINE)
        yield Line(f"pacing, {rows} rows: refused", refused / 30 / rows, 0.02, "{:.2%}")
    server = Server(100, 60, 20.0)
    runs = [Run(Pacer(RateLimit(100, 60.0)), 300, Latency(random.Random(seed))) for seed in (1, 2)]
    World(server, runs).play()
    least = least_seconds(Server(100, 60, 20.0), 600, seed=1)
    ratio = max(run.finished for run in runs) / least
    yield Line("pacing, two runs sharing one address: over the least", ratio, 1.3, _FINE)


def looks(folder: Path) -> Iterator[Line]:
    """What the look asks for, of a provider with twice as many trainees as rows, in three cycles.

    And the wall time of all that a run asks for, the check at the end included.
    """
    del folder
    for rows in (20, 300, 3000, 30_000):
        look, check = _requests_of(rows), _requests_of(rows, since=lists.time(2 * rows))
        most = 20 + IN_A_HUNDRED_ROWS * rows // 100
        yield Line(f"look for {rows} rows: requests", look, most, "{:.0f}")
        yield Line(f"final check of {rows} rows: requests", check, most, "{:.0f}")
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
    yield Line(f"{what}: median over the least", statistics.median(ratios), 1.02, _FINE)
    yield Line(f"{what}: worst over the least", max(ratios), 1.05, _FINE)


def throughput(folder: Path) -> Iterator[Line]:
    """The real command, durable and reported, against other ways to send the same rows."""
    with peers.serving() as url:
        pairs = Pairs()
        for turn in range(7):
            plain = written(folder / f"bare{turn}.csv", f"bare{turn}x")
            path = written(folder / f"run{turn}.csv", f"run{turn}x")
            pairs.add(peers.ours(url, path, folder / f"r{turn}"), peers.bare(url, plain))
        yield pairs.line(f"{ROWS} rows unpaced: run over a bare httpx loop", 1.0)
        for name, command in peers.OTHERS.items():
            if shutil.which(name):
                path = written(folder / f"{name}.csv", name)
                theirs = spent(command(url, path, folder))
                yield pairs.against(theirs, f"{ROWS} rows unpaced: run over {name}")


def checking(folder: Path) -> Iterator[Line]:
    """A million rows, half of the reasons quoted, 1 % bad dates, against `polars.read_csv`."""
    path = million(folder / "million.csv")
    read = peers.python(f"import polars; polars.read_csv({str(path)!r})")
    pairs = Pairs()
    for _ in range(5):
        pairs.add(peers.check(path), read, ROWS_TO_CORRECT)
    yield pairs.line("check of a million rows over polars.read_csv", 3.0)
    yield pairs.peak("check of a million rows: peak memory over polars.read_csv", 0.6)


def workbook(folder: Path) -> Iterator[Line]:
    """A workbook of 100,000 rows checked, against openpyxl merely reading it, row by row."""
    path = folder / "list.xlsx"
    path.write_bytes(_workbook(_with_mistakes(100_000)))
    pairs = Pairs()
    for _ in range(3):
        pairs.add(peers.check(path), peers.python(peers.OPENPYXL, str(path)), ROWS_TO_CORRECT)
    yield pairs.line("check of a workbook of 100,000 rows over openpyxl merely reading it", 1.2)
    yield pairs.peak("the same: peak memory", 1.2)


def start_up(folder: Path) -> Iterator[Line]:
    """A hundred rows checked, and a run to its first request, against bare imports."""
    path = written(folder / "hundred.csv", "h", rows=100)
    bare = peers.python("import polars, httpx, pydantic, structlog")
    spent(peers.check(path)), spent(bare)  # so that everything is compiled
    pairs, starts = Pairs(), []
    for turn in range(9):
        pairs.add(peers.check(path), bare)
        began = until_asked(path, folder / f"s{turn}")
        starts.append((began, spent(bare)))
    yield pairs.line("check of a hundred rows over bare imports", 1.3)
    yield Pairs(starts).line("start of run to its first request over bare imports", 1.1)


def telling(folder: Path) -> Iterator[Line]:
    """What needs neither file nor settings, against `import typer`, the parser of all commands."""
    del folder
    bare = peers.python("import typer")
    for words in ("--help", "--version", "template", "explain", "explain not_sent", "run --help"):
        pairs = Pairs()
        spent(peers.command(*words.split())), spent(bare)  # so that everything is compiled
        for _ in range(15):
            pairs.add(peers.command(*words.split()), bare)
        yield pairs.line(f"{words} over `import typer`", 1.2)


def memory(folder: Path) -> Iterator[Line]:
    """What a run of 100,000 rows, sent and reported, takes more than one of 100."""
    with peers.serving() as url:
        peaks = {}
        for rows in (100, 100_000):
            path = written(folder / f"m{rows}.csv", f"m{rows}x", rows=rows)
            peaks[rows] = spent(peers.ours(url, path, folder / f"m{rows}")).peak_kb
    more = (peaks[100_000] - peaks[100]) / 1024
    yield Line("peak memory of a run of 100,000 rows over one of 100", more, 16, _MEGABYTES)


def looking(folder: Path) -> Iterator[Line]:
    """What the look and the check at the end add to the same run without them."""
    path, pairs = written(folder / "looked.csv", "looked"), []
    for turn in range(7):
        with peers.serving(path) as url:
            with_look = spent(peers.looking(url, path, folder / f"with{turn}"))
        with peers.serving(path) as url:
            without = spent(peers.ours(url, path, folder / f"without{turn}"))
        pairs.append((with_look, without))
    yield Pairs(pairs).line(f"{ROWS} rows: a run with look and final check over one without", 1.05)
    path, peaks = written(folder / "listed.csv", "listed", rows=30_000), []
    for command in (peers.looking, peers.ours):
        with peers.serving(path) as url:
            peaks.append(spent(command(url, path, folder / command.__name__)).peak_kb)
    more = (peaks[0] - peaks[1]) / 1024
    yield Line(
        "peak memory with 30,000 trainees looked up over none looked up", more, 64, _MEGABYTES
    )


def reports(folder: Path) -> Iterator[Line]:
    """All files of a run of 100,000 rows, written and checked again, against its four CSVs alone.

    Those are written by the csv module, in a process that does nothing else: once with the rows at
    hand, of which the writing alone counts, and once read from the journal by a plain SELECT.
    """
    run_id = settled(folder / "settled", 100_000)
    plain = peers.plain_report(folder / "settled" / "journal.db", folder)
    from_memory, from_journal = [], []
    for _ in range(3):
        ours = spent(peers.report(run_id, folder / "settled"))
        from_memory.append((ours, writing_alone(plain)))
        from_journal.append((ours, spent(plain)))
    what = "report of 100,000 rows over writing the four CSVs"
    yield Pairs(from_memory).line(f"{what} from memory", 2)
    yield Pairs(from_journal).line(f"{what} from the journal", 2)


def pages_of_the_app(folder: Path) -> Iterator[Line]:
    """The slowest page of the app, from the list to its report, with 10,000 rows."""
    for suffix, write in ((".csv", _csv), (".xlsx", _workbook)):
        where = folder / f"app{suffix}"
        where.mkdir()
        # the tests' own processes begin with everything imported, which itself takes a second
        with mock.patch.object(browser, "Process", subprocess.Popen), opened(where) as pages:
            taken = dict(_pages_of(pages, f"list{suffix}", write(_with_mistakes(10_000))))
        slowest = max(taken, key=taken.__getitem__)
        what = f"app, {suffix} of 10,000 rows: the slowest of {len(taken)} pages ({slowest})"
        yield Line(what, taken[slowest], 1, "{:.2f} s")


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


def spent(command: list[str], code: int = 0) -> Spent:
    """Run a command to its end; raises where it ends otherwise, for then it measures nothing."""
    program = shutil.which(command[0]) or command[0]
    told = subprocess.run(
        [sys.executable, "-IS", str(HERE / "usage.py"), program, *command[1:]],
        env=peers.ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    seconds, peak_kb, cpu_seconds, ended = map(float, told.stdout.split())
    if ended != code:
        raise RuntimeError(f"{' '.join(command)} ended with {ended:.0f}")
    return Spent(seconds, int(peak_kb), cpu_seconds)


def writing_alone(plain_report: list[str]) -> Spent:
    """Return what writing the CSVs took of a plain report, its rows at hand."""
    told = subprocess.run(plain_report, env=peers.ENVIRONMENT, capture_output=True, check=True)
    cpu, wall = map(float, told.stdout.split())
    return Spent(wall, 0, cpu)


def until_asked(path: Path, reports: Path) -> Spent:
    """Return what a run takes from its start to the first byte that it sends."""
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
                _, _, usage = os.wait4(process.pid, 0)
                process.returncode = -signal.SIGKILL
    return Spent(seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


class Pairs:
    """What a command took beside its peer, run after run in turn."""

    def __init__(self, pairs: Iterable[tuple[Spent, Spent]] = ()) -> None:
        self._pairs = list(pairs)

    def add(self, ours: list[str], theirs: list[str], code: int = 0) -> None:
        """Run both once more, each first in its turn; ours ends in that exit code."""
        if len(self._pairs) % 2:
            second = spent(theirs)
            self._pairs.append((spent(ours, code), second))
        else:
            self._pairs.append((spent(ours, code), spent(theirs)))

    def line(self, what: str, aim: float) -> Line:
        """Return the medians of the ratios of processor time, and of wall time."""
        ratio = self._median(lambda it: it.cpu_seconds)
        return Line(what, ratio, aim, wall=self._median(lambda it: it.seconds))

    def peak(self, what: str, aim: float) -> Line:
        """Return the median of the ratios of peak memory."""
        return Line(what, self._median(lambda it: it.peak_kb), aim)

    def against(self, theirs: Spent, what: str) -> Line:
        """Return our medians over what somebody else's program took once."""
        cpu = statistics.median(ours.cpu_seconds for ours, _ in self._pairs)
        wall = statistics.median(ours.seconds for ours, _ in self._pairs)
        return Line(what, cpu / theirs.cpu_seconds, wall=wall / theirs.seconds)

    def _median(self, part: Callable[[Spent], float]) -> float:
        return statistics.median(part(ours) / part(theirs) for ours, theirs in self._pairs)


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
            day = f"{1 + n % 28:02}" if n % 100 else "31st"
            reason = f"Caring for a relative until {n}"
            if n % 2:
                reason = f'"Illness, agreed with the course leader {n}"'
            file.write(f"{trainee_id},PT{n:06},2026-{1 + n % 12:02}-{day},{reason}\n")
    return path


def settled(folder: Path, rows: int) -> str:
    """Keep a finished run of that many rows in a journal, of every outcome; return its id."""
    folder.mkdir(mode=0o700)
    names = ("trainee_id", "provider_trainee_id", "defer_date", "defer_reason")
    held_in = {name: name for name in names}
    listed = [_row(number) for number in range(2, rows + 2)]
    more = {"columns": names, "held_in": held_in, "reports_dir": str(folder)}
    with journal_of(folder, listed, **more) as journal:
        asyncio.run(_settle(journal, journal.ledger.run_number(RUN.run_id), listed))
        journal.finish(1, exit_code=1, stopped_because=None)
    return RUN.run_id


def _row(number: int) -> Row:
    values = (f"id{number:022}", f"PT{number:06}", "2026-10-01", f"Illness, agreed with {number}")
    if number % 10 == 0:
        return failed(number, *values)
    return Row(number, values, values[0], Deferral(values[0], values[2], values[3]))


async def _settle(journal: Journal, run_no: int, rows: list[Row]) -> None:
    asked = [
        row.row_number for row in rows if row.deferral is not None and row.row_number % 20 != 1
    ]
    for begin in range(0, len(asked), 500):
        some = asked[begin : begin + 500]
        for attempt_id, number in zip(
            await journal.intend_all(run_no, some, "defer"), some, strict=True
        ):
            outcome, found, status = (
                ("not_found", Code.TRAINEE_NOT_FOUND, 404)
                if number % 20 == 3
                else ("deferred", Code.DEFERRED, 200)
            )
            journal.answer(attempt_id, meaning=outcome, http_status=status)
            said = Settled(found, f"Row {number} is settled.", "2026-10-01")
            journal.settle(run_no, number, said)
    await journal.flush()


PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        pacing,
        looks,
        throughput,
        checking,
        workbook,
        start_up,
        telling,
        memory,
        looking,
        reports,
        pages_of_the_app,
    )
}


if __name__ == "__main__":
    main(sys.argv[1:])
