"""`make soak`: random commands of the real process, signals, and a Register with faults.

Each history has a folder, a Register and some lists of its own. Commands are given one after
another, some are interrupted or killed at a random moment, other people work in Register, answers
get lost; at the end all faults cease, and what Register holds is compared with every report.
`python tests/soak/walk.py HISTORIES FIRST_SEED` walks; one history with a seed tells its commands.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from batch.codes import Code, Outcome
from batch.emulator.model import Actor, Deed, Register, deferrals_by_api
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint, Route
from batch.emulator.server import Emulator, Exchange, Strike, serve
from batch.emulator.trainees import Trainee
from batch.record.ledger import Ledger
from batch.record.records import RowRecord
from batch.rows import folded
from tests.support.office import TOKEN, Office
from tests.support.troubles import (
    APPLICATION_ERROR,
    SIGN_IN_PAGE,
    AsUsual,
    Canned,
    Deferring,
    Dropped,
    Fault,
    FaultPlan,
    Given,
    Hung,
    Late,
    Never,
    OtherDeed,
    Reinstating,
    SettingState,
    Truncated,
    gateway_page,
    json_content,
    others_act,
    throttled,
)
from tests.support.waiting import until

DATES = ("2026-10-05", "2026-10-06")
REASON = "A reason that no log may hold"
NAME = "Walkername"
LATEST_ARRIVAL = 0.8
LOST_ANSWER_WAIT = 2.0
PACE = ("--timeout", "0.5", "--give-up-after", "3", "--max-at-once", "3")
MOST_SECONDS = 600.0
MOST_RESUMPTIONS = 6
OUTCOMES = ("succeeded", "not_found", "unprocessable", "unresolved")
EXIT_CODES = {
    "check": {0, 1, 2},
    "preview": {0, 1, 2, 4, 75},
    "run": {0, 1, 2, 3, 4, 75},
    "resume": {0, 1, 2, 3, 4, 75},
    "close": {0, 1, 2, 4},
    "reconcile": {0, 1, 2, 4, 75},
    "report": {0, 1, 2, 4},
    "verify": {0, 1, 2, 4},
    "runs": {0},
    "purge": {0, 1, 2, 4},
}
_LOST: tuple[Given, ...] = (
    Dropped(),
    Dropped(reset=True),
    Hung(),
    Truncated(),
    APPLICATION_ERROR,
    SIGN_IN_PAGE,
    gateway_page(502),
    gateway_page(504),
    json_content(200, {}),
    json_content(200, {"data": []}),
    json_content(200, [None]),
)


class Troubles(FaultPlan):
    """Faults at random, at a `rate`, for as long as it is not 0; and outages now and then."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        super().__init__()
        self._rng = rng
        self.rate = rate
        self._out_until = 0.0
        self.struck = 0
        self.told_of_the_second: set[str] = set()
        """Trainees about whom a request came twice, and the second answer went back: a refusal."""
        self.overdue = False
        """Whether a late request came later than a run waits: this machine was too slow."""

    def strike(self, route: Route) -> Strike | None:
        rng = self._rng
        if self.rate and rng.random() < 0.01:
            self._out_until = time.monotonic() + rng.uniform(0.2, 4.0)
        if self.rate and time.monotonic() < self._out_until:
            return partial(self._struck, Fault(None, None, arrival=Never(), given=Dropped()))
        if rng.random() >= self.rate:
            return None
        self.struck += 1
        if rng.random() < 0.1:
            return self._twice
        if route.endpoint is not Endpoint.DEFER or rng.random() < 0.15:
            return partial(self._struck, self._of_any(route))
        return partial(self._of_somebody, self._of_defer())

    def _of_any(self, route: Route) -> Fault:
        given = self._rng.choice((*_LOST, throttled("1"), throttled(None), AsUsual()))
        seconds = self._rng.uniform(0, 0.4) if isinstance(given, AsUsual) else 0.0
        is_lost = isinstance(given, Canned)
        arrival = Never() if is_lost and route.endpoint is Endpoint.DEFER else None
        fault = Fault(None, None, given=given, delay_seconds=seconds)
        return fault if arrival is None else Fault(None, None, given=given, arrival=arrival)

    def _of_defer(self) -> Fault:
        rng = self._rng
        given = rng.choice(_LOST)
        after: tuple[OtherDeed, ...] = ()
        match rng.choice(("before", "after", "after", "late", "late", "other", "reinstated")):
            case "before":
                return Fault(None, arrival=Never(), given=given)
            case "late":
                late = Late(rng.uniform(0.05, LATEST_ARRIVAL), checked_first=rng.random() < 0.5)
                return Fault(None, arrival=late, given=rng.choice((Dropped(), Hung())))
            case "other":
                return Fault(None, before=(rng.choice(_OTHERS),))
            case "reinstated":
                after = (Reinstating(),)
            case _:
                pass
        return Fault(None, after=after, given=given)

    async def _of_somebody(self, fault: Fault, exchange: Exchange) -> None:
        """Strike a request about somebody whom Register knows, and note what came too late."""
        if exchange.register.trainee(exchange.route.trainee_id) is None:
            await exchange.answer(exchange.processed())
            return
        began = time.monotonic()
        await self._struck(fault, exchange)
        if isinstance(fault.arrival, Late):
            task_is_late = time.monotonic() - began > LOST_ANSWER_WAIT - 0.3
            self.overdue |= task_is_late

    async def _twice(self, exchange: Exchange) -> None:
        """Have something on the way send the request a second time, and give either answer."""
        answers = exchange.processed(), exchange.processed()
        is_second = self._rng.random() < 0.5
        if is_second and exchange.route.endpoint is Endpoint.DEFER:
            self.told_of_the_second.add(folded(exchange.route.trainee_id))
        await exchange.answer(answers[is_second])

    def wait_until_all_arrived(self) -> None:
        until(lambda: not self._late)


_OTHERS: tuple[OtherDeed, ...] = (
    Deferring(DATES[0]),
    Deferring(DATES[1]),
    SettingState("withdrawn"),
    SettingState("trn_received"),
)


class Forks:
    """Starts commands as forks of a process that has imported everything: ten times as fast."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            with contextlib.suppress(BaseException):
                _serve_forks(theirs)
            os._exit(0)
        theirs.close()
        self._socket = ours
        self._file = ours.makefile("r", encoding="utf-8")

    def start(self, arguments: list[str], cwd: Path, environment: dict[str, str]) -> int:
        """Return the pid of a command that has begun; its output goes to files in `cwd`."""
        order = {"arguments": arguments, "cwd": str(cwd), "environment": environment}
        self._socket.sendall((json.dumps(order) + "\n").encode())
        return int(self._file.readline())

    def ended(self) -> int:
        """Wait for the command that was started last, and return its exit code."""
        return int(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self._socket.close()
        os.waitpid(self._pid, 0)


def _serve_forks(place: socket.socket) -> None:
    import batch.cli  # noqa: PLC0415 — in this process alone

    for name in _IMPORTED_LATER:
        __import__(name)
    for line in place.makefile("r", encoding="utf-8"):
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(batch.cli.main, place, **order)
        place.sendall(f"{pid}\n".encode())
        place.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


_IMPORTED_LATER = (
    "batch.commands.check",
    "batch.commands.close",
    "batch.commands.preview_file",
    "batch.commands.purge",
    "batch.commands.reconcile",
    "batch.commands.report",
    "batch.commands.resume",
    "batch.commands.run",
    "batch.commands.runs",
    "batch.commands.verify",
    "batch.settings",
    "polars",
)


def _become(
    main: object, place: socket.socket, arguments: list[str], cwd: str, environment: dict[str, str]
) -> None:
    """Be a command of its own from here on, and end with its exit code."""
    code = 99
    try:
        place.close()
        os.setsid()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        for number, name in ((0, os.devnull), (1, "stdout.txt"), (2, "stderr.txt")):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(name, flags, 0o600), number)
        sys.argv = ["defer-batch", *arguments]
        main()  # type: ignore[operator]
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 — as an interpreter does
        traceback.print_exc()
        code = 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


@dataclass
class Counted:
    """What a walk has seen, over all its histories."""

    commands: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    histories: int = 0
    runs: int = 0
    faults: int = 0
    too_slow: int = 0

    def lines(self) -> Iterator[str]:
        total, signals = self.commands.total(), self.signals.total()
        yield f"{self.histories} histories, {total} commands, {signals} signals, {self.runs} runs,"
        yield f"  {self.faults} faults of the server; not judged, for late arrivals: {self.too_slow}"
        for name in ("commands", "signals", "exits", "codes"):
            yield f"  {name}: {dict(getattr(self, name).most_common())}"


class History:
    """One folder, one Register, some lists, and the commands that are given there."""

    def __init__(
        self, seed: int, folder: Path, forks: Forks, emulator: Emulator, counted: Counted
    ) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.counted = counted
        self.told: list[str] = []
        self.broken: list[str] = []
        self._forks = forks
        self._emulator = emulator
        self.office = Office(folder, {"DEFER_BATCH_API_TOKEN": TOKEN})
        self.people = [_record(self.rng, number) for number in range(self.rng.randint(3, 25))]
        self.register = rehearsal_register(self.people, rate_limit=None, token=TOKEN)
        self.troubles = Troubles(self.rng, self.rng.choice((0.0, 0.1, 0.25, 0.4)))
        emulator.register, emulator.plan = self.register, self.troubles
        emulator.requests.clear()
        self.lists: list[str] = []
        self.seen: dict[str, list[RowRecord]] = {}
        """The rows of each run, as the journal had them last; a purge takes none away."""

    def walk(self) -> None:
        """Run some commands, then let faults cease, end every run, and judge."""
        self._write_list()
        self.give("run", self.lists[0], interrupted=self.rng.random() < 0.6)
        for _ in range(self.rng.randint(2, 6)):
            self._step()
        self.troubles.rate = 0.0
        self.troubles.wait_until_all_arrived()
        self._end_every_run()
        self._judge()

    def _step(self) -> None:
        rng, runs = self.rng, sorted(self._stages())
        interrupted = rng.random() < 0.4
        match rng.choice(_STEPS):
            case "list":
                self._write_list()
                self.give("run", self.lists[-1], interrupted=interrupted)
            case "run" | "check" | "preview" as command:
                self.give(command, rng.choice(self.lists), interrupted=interrupted)
            case "resume":
                named = (rng.choice(runs),) if runs and rng.random() < 0.6 else ()
                self.give("resume", *named, interrupted=interrupted)
            case "close" | "report" | "verify" | "reconcile" as command if runs:
                self.give(command, rng.choice(runs), interrupted=interrupted)
            case "purge":
                self.give("purge", "--older-than", "0d", interrupted=interrupted)
            case "act":
                for _ in range(rng.randint(1, 3)):
                    others_act(self.register, rng.choice(self.people).trainee_id, (_any(rng),))
            case _:
                self.give("runs")

    def give(self, command: str, *arguments: str, interrupted: bool = False) -> int:
        """Run one command, perhaps interrupted, and return its exit code."""
        whole = [command, *arguments, *self._options(command)]
        is_fork = self.rng.random() < 0.95
        signals = self._signals() if interrupted and command not in {"check", "runs"} else []
        began = time.monotonic()
        code, said = self._ran(whole, signals, is_fork=is_fork)
        self.counted.commands[command] += 1
        self.counted.exits[f"{command} {code}"] += 1
        seconds = time.monotonic() - began
        due = ", ".join(f"{number.name} at {after:.2f} s" for after, number in signals)
        self.told.append(f"{' '.join(whole)} {due} -> {code} after {seconds:.1f} s")
        self._judge_command(command, code, said, signals)
        self._note_runs()
        return code

    def _options(self, command: str) -> tuple[str, ...]:
        target = ("--register", self._emulator.base_url)
        limit = ("--rate-limit", self.rng.choice(("none", "40/1")))
        wait = ("--lost-answer-wait", f"{LOST_ANSWER_WAIT:g}")
        match command:
            case "run":
                looks = () if self.rng.random() < 0.8 else ("--no-final-check",)
                over = ("--start-over",) if self.rng.random() < 0.1 else ()
                return ("--yes", *target, *PACE, *limit, *wait, *looks, *over)
            case "preview":
                return (*target, *PACE, *limit)
            case "resume" | "close" | "purge":
                return ("--yes",)
            case _:
                return ()

    def _signals(self) -> list[tuple[float, signal.Signals]]:
        rng = self.rng
        first = rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL))
        after = rng.choice((rng.uniform(0, 0.3), rng.uniform(0, 1.0), rng.uniform(0, 3.0)))
        second = [(after + rng.uniform(0, 0.5), signal.SIGINT)] if rng.random() < 0.2 else []
        return [(after, first), *second]

    def _ran(
        self, arguments: list[str], signals: list[tuple[float, signal.Signals]], *, is_fork: bool
    ) -> tuple[int, str]:
        if not is_fork:
            return self._ran_anew(arguments, signals)
        pid = self._forks.start(arguments, self.folder, self.office._environment())
        for _, number in self._due(signals):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(pid, number)
                self.counted.signals[number.name] += 1
        code = self._forks.ended()
        said = [(self.folder / name) for name in ("stdout.txt", "stderr.txt")]
        return code, "\n".join(p.read_text(encoding="utf-8") for p in said if p.exists())

    def _ran_anew(
        self, arguments: list[str], signals: list[tuple[float, signal.Signals]]
    ) -> tuple[int, str]:
        with self.office.start(*arguments) as process:
            for _, number in self._due(signals):
                if process.poll() is None:
                    process.send_signal(number)
                    self.counted.signals[number.name] += 1
            out, err = process.communicate(timeout=MOST_SECONDS)
        return process.returncode, out + err

    def _due(
        self, signals: list[tuple[float, signal.Signals]]
    ) -> Iterator[tuple[float, signal.Signals]]:
        began = time.monotonic()
        for after, number in signals:
            time.sleep(max(0.0, began + after - time.monotonic()))
            yield after, number

    def _judge_command(
        self, command: str, code: int, said: str, signals: list[tuple[float, signal.Signals]]
    ) -> None:
        allowed = EXIT_CODES[command] | {
            _ended_by(number, is_negative) for _, number in signals for is_negative in (True, False)
        }
        if code not in allowed:
            self._breaks(f"{command} exits {code}: {said[-300:]}")
        # Ctrl-C while Python still imports, or as it clears up, is Python's own to tell
        pythons = ("Exception ignored in", "Failed to import the site module")
        is_pythons = code == -signal.SIGINT or any(words in said for words in pythons)
        if "Traceback" in said and not is_pythons:
            self._breaks(f"{command} shows a traceback: {said[-1500:]}")
        if TOKEN in said or NAME in said or REASON in said:
            self._breaks(f"{command} says what nobody may read")

    def _stages(self) -> dict[str, str]:
        journal = self.office.reports / "journal.db"
        if not journal.exists():
            return {}
        with contextlib.closing(Ledger.read(journal)) as ledger:
            return {run.run_id: stage for stage, run in ledger.runs()}

    def _note_runs(self) -> None:
        journal = self.office.reports / "journal.db"
        if not journal.exists():
            return
        with contextlib.closing(Ledger.read(journal)) as ledger:
            for stage, run in ledger.runs():
                if stage not in {"purging", "purged"}:
                    self.seen[run.run_id] = list(ledger.rows(run.run_id))

    def _end_every_run(self) -> None:
        for run_id, stage in self._stages().items():
            if stage == "started":
                self._finish_or_close(run_id)
        if any(self.office.reports.glob(".*.purged")):  # a purge was killed; the next one ends it
            self.give("purge", "--older-than", "0d")
        for run_id, stage in self._stages().items():
            if stage in {"started", "purging"}:
                self._breaks(f"{run_id} is {stage}, and nothing ends it")
            elif stage != "purged":
                self._have_reported(run_id, stage)
                self._prove(run_id)

    def _finish_or_close(self, run_id: str) -> None:
        if self.rng.random() < 0.7:
            for _ in range(MOST_RESUMPTIONS):
                if self.give("resume", run_id) in {0, 1}:
                    return
        self.give("close", run_id)

    def _have_reported(self, run_id: str, stage: str) -> None:
        """Have the report written that a kill prevented, as the hints say."""
        if stage == "finished":
            self.give("resume", run_id)
        elif not (self.office.reports / run_id / "manifest.json").exists():
            self.give("report", run_id)

    def _prove(self, run_id: str) -> None:
        if self._has_leftovers(run_id):  # of a report that was killed as it was written
            self.give("report", run_id)
        if code := self.give("verify", run_id):
            said = (self.folder / "stdout.txt").read_text(encoding="utf-8")
            self._breaks(f"verify of {run_id} exits {code}: {said[-600:]}")
            return
        reported = [row for outcome in OUTCOMES for row in self._reported(run_id, outcome)]
        journal = {str(r.row_number): (r.outcome, r.code) for r in self.seen[run_id]}
        if {row["row"]: (row["outcome"], row["code"]) for row in reported} != journal:
            self._breaks(f"the report of {run_id} differs from the journal")
        log = (self.office.reports / run_id / "run.log").read_text(encoding="utf-8")
        if TOKEN in log or NAME in log or REASON in log:
            self._breaks(f"the log of {run_id} holds what nobody may read")

    def _has_leftovers(self, run_id: str) -> bool:
        return any((self.office.reports / run_id).glob(".*"))

    def _reported(self, run_id: str, outcome: str) -> list[dict[str, str]]:
        path = self.office.reports / run_id / f"{outcome}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def _judge(self) -> None:
        """Hold what Register did against all that was reported of it."""
        self.counted.histories += 1
        self.counted.runs += len(self.seen)
        self.counted.faults += self.troubles.struck
        for rows in self.seen.values():
            self.counted.codes.update(row.code for row in rows)
        if self.troubles.overdue:
            self.counted.too_slow += 1
            return
        for law in _broken(
            self.register, self.people, self.seen, refused_after=self.troubles.told_of_the_second
        ):
            self._breaks(law)

    def _breaks(self, law: str) -> None:
        self.broken.append(law)
        self.told.append(f"BROKEN: {law}")

    def _write_list(self) -> None:
        rng = self.rng
        kind = rng.choice(("trainee_id", "trainee_id", "trn", "both"))
        chosen = rng.sample(self.people, rng.randint(1, len(self.people)))
        lines = ["trainee_id,trn,last_name,defer_date,defer_reason"]
        lines += [_line(rng, person, kind) for person in chosen]
        lines += rng.sample(_BAD_LINES, rng.randint(0, 2))
        name = f"list{len(self.lists) + 1}.csv"
        self.office.write(name, "\n".join(lines) + "\n")
        self.lists.append(name)


_STEPS = (
    *("list", "list", "run", "run", "check", "preview", "resume", "resume", "resume", "close"),
    *("report", "verify", "reconcile", "runs", "purge", "act", "act"),
)
_BAD_LINES = (
    "Nobody77,,,2026-10-05,",
    ",9999999,,2026-10-05,",
    "Walker1,1000001,,2026-13-05,",
    ",,,2026-10-05,",
    "Walker2,,,,",
)


def _any(rng: random.Random) -> OtherDeed:
    return rng.choice((*_OTHERS, Reinstating(), Reinstating()))


def _record(rng: random.Random, number: int) -> Trainee:
    state = rng.choice(("trn_received",) * 8 + ("submitted_for_trn", "withdrawn", "deferred"))
    return Trainee(
        f"Walker{number}",
        state=state,
        defer_date=DATES[0] if state == "deferred" else None,
        trn=f"{1_000_000 + (number if rng.random() < 0.9 else max(0, number - 1))}",
        last_name=f"{NAME}{number}",
        itt_start_date=rng.choice((None, "2026-09-07", "2025-09-08")),
    )


def _line(rng: random.Random, person: Trainee, kind: str) -> str:
    by_trn = kind == "trn" or (kind == "both" and rng.random() < 0.5)
    trainee_id = "" if by_trn else person.trainee_id
    name = person.last_name if rng.random() < 0.5 else ""
    date = rng.choice((DATES[0], DATES[0], DATES[1]))
    return f"{trainee_id},{person.trn},{name},{date},{rng.choice(('', REASON))}"


def _ended_by(number: signal.Signals, is_negative: bool) -> int:  # noqa: FBT001
    """Return how a command ends at a signal: at once, or in good order."""
    return -number if is_negative or number is signal.SIGKILL else 128 + number


_NOT_OURS = {Code.DUPLICATE_ROW, Code.CONFLICTING_ROWS}


def _broken(
    register: Register,
    people: list[Trainee],
    seen: dict[str, list[RowRecord]],
    *,
    refused_after: set[str],
) -> Iterator[str]:
    """Yield the laws that Register's history and the reports break between them.

    `refused_after`: trainees about whom Register's refusal came back although it had deferred them
    a moment before, so that nobody can tell whose deferral it is.
    """
    at_first = {folded(p.trainee_id): p.defer_date for p in people if p.state == "deferred"}
    for person in people:
        if max(deferrals_by_api(register.history, person.trainee_id)) > 1:
            yield f"{person.trainee_id} was deferred more than once between reinstatements"
    made = {
        (folded(event.trainee_id), event.defer_date)
        for event in register.history
        if event.deed is Deed.DEFERRED
    }
    told: dict[tuple[str, str | None], set[str]] = {}
    for run_id, rows in seen.items():
        for row in rows:
            key = folded(row.trainee_id), row.defer_date
            if row.code not in _NOT_OURS:
                told.setdefault(key, set()).add(row.outcome)
            was_so = row.trainee_id and at_first.get(key[0], "") == row.defer_date
            if row.outcome == Outcome.SUCCEEDED and key not in made and not was_so:
                yield f"{run_id}, row {row.row_number}: {row.code}, and Register never held it"
    last = {folded(event.trainee_id): event for event in register.history}
    for trainee_id, event in last.items():
        is_ours = event.who is Actor.API and event.deed is Deed.DEFERRED
        outcomes = told.get((trainee_id, event.defer_date), set())
        is_told = outcomes & {Outcome.SUCCEEDED, Outcome.UNRESOLVED}
        if is_ours and not is_told and trainee_id not in refused_after:
            yield f"{trainee_id} is deferred by us on {event.defer_date}, reported as {outcomes}"


def main(histories: int, first_seed: int, most_seconds: float) -> int:
    """Walk so many histories; print the broken laws and the counts; return how many broke one."""
    forks, counted, broken = Forks(), Counted(), 0
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(rehearsal_register([]), kept=1) as emulator,
    ):
        for seed in range(first_seed, first_seed + histories):
            if time.monotonic() - began > most_seconds:
                break
            place = Path(folder) / f"{seed}"
            place.mkdir(mode=0o700)
            history = History(seed, place, forks, emulator, counted)
            history.walk()
            if history.broken:
                broken += 1
                print(f"seed {seed}: {history.broken}", flush=True)
            if history.broken or histories == 1:
                print("\n".join(f"  {line}" for line in history.told), flush=True)
            subprocess.run(["rm", "-rf", str(place)], check=True)
    forks.close()
    print("\n".join(counted.lines()))
    print(f"  took {time.monotonic() - began:.0f} s; {broken} histories broke a law")
    return broken


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    histories, seed, seconds = (*given, *(500, 0, 10**9)[len(given) :])
    sys.exit(main(histories, seed, seconds) > 0)
