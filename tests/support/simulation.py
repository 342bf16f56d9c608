"""The real commands on a virtual clock, against the model of Register, with seeded faults.

One history is: lists that are run, processes that crash at any step or statement or are
interrupted, runs that are resumed or closed in any order, and other people at work meanwhile; at
the end the faults cease, and every run is finished or closed.
`python -m tests.support.simulation SEED` replays one and tells it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from msgspec.structs import replace

from batch.codes import Code, Outcome
from batch.commands import close as close_command
from batch.commands import execute
from batch.commands import resume as resume_command
from batch.commands import run as run_command
from batch.commands.execute import Asker, Context
from batch.commands.plan import Plan, plan_of_resume
from batch.commands.preview import check_finally
from batch.emulator.model import Actor, Deed, Event, deferrals_by_api
from batch.errors import DeferBatchError
from batch.record import database
from batch.record import journal as journal_module
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord, Who, iso
from batch.register.api import DEFERRABLE
from batch.roster import listing
from batch.rows import Deferral, Row, folded
from batch.run_settings import RateLimit, RunSettings
from batch.submission import session as session_module
from batch.submission.run_log import RunLog, without_log
from batch.submission.session import Session
from batch.submission.staging import Staged, set_aside_remembered
from tests.support import journals
from tests.support.simulated_world import (
    COLUMNS,
    LOST_ANSWER_WAIT,
    TIMEOUT,
    Network,
    World,
    rows_of_a_list,
)
from tests.support.virtual_time import Crash, MortalConnection, virtual_loop

ORIGIN = "https://register.example"
REPORTS = Path("/nowhere")
MOST_CLEAN_RESUMPTIONS = 5
WHO = Who("someone", None, "here", "0", "3", ())


@dataclass(frozen=True)
class Listed:
    """A list as somebody sends it, and the settings that it is run with."""

    name: str
    rows: tuple[Row, ...]
    settings: RunSettings


class Somebody:
    """Watches a run, and lets most of them begin."""

    is_attended = True

    def __init__(self, world: World) -> None:
        self._world = world

    def warn(self, words: str) -> None:
        self._world.tell(f"warned: {words}")

    def confirm(self, plan: Plan) -> bool:
        would = plan.preview.would if plan.preview is not None else {}
        self._world.tell(f"plan of {plan.run_id}: {plan.to_send} to send; {would}")
        return self._world.rng.random() > 0.03 or not self._world.fault_rate

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


@dataclass
class Machine:
    """One computer with its journal, on which commands are given one after another."""

    world: World
    counts: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    settled: dict[tuple[str, int], int] = field(default_factory=dict)
    """How many requests had been sent when a row was first seen settled for good."""
    reasons: dict[tuple[str, int], str | None] = field(default_factory=dict)
    """For which reason a row asks."""
    reported: dict[tuple[str, str], str] = field(default_factory=dict)
    """The run that reports a deferral (trainee, date) as made."""

    def __post_init__(self) -> None:
        self.connection = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            check_same_thread=False,
            factory=MortalConnection,
        )
        self.connection.deserialize(_empty_journal())
        self.ledger = Ledger(self.connection)
        self.context = Context(REPORTS, "token", WHO, cast("Asker", Somebody(self.world)))
        self.world.on_send = self._judge_send
        self._signal_after: float | None = None
        self._interrupted_after: float | None = None
        self._crash_at: int | None = None

    def close(self) -> None:
        self.connection.close()

    # commands

    def run(
        self, listed: Listed, *, start_over: bool = False, interrupted_after: float | None = None
    ) -> None:
        """Run a list; `interrupted_after` are the seconds after which a signal comes for certain."""
        run_id = f"run{len(self.runs) + 1}"

        def do(journal: Journal) -> None:
            run_no = journal.stage(_record_of(run_id, listed, self.world.wall()), origin=ORIGIN)
            journal.add_rows(run_no, listed.rows)
            again = listed.settings.again
            aside, others = set_aside_remembered(journal, run_no, ORIGIN, again=again)
            sha, held = listed.name, tuple(aside) if again else ()
            staged = Staged(run_no, len(listed.rows), sha, held, tuple(others), (), 0)
            try:
                run_command._execute_staged(
                    self.context, journal, run_id, staged, start_over=start_over
                )
            except DeferBatchError:
                journal.discard_if_staged(run_no)
                raise

        self.runs.append(run_id)
        if listed.settings.again:
            self.again.add(run_id)
        self._interrupted_after = interrupted_after
        self._process(f"run {run_id} ({listed.name})", run_id, do)
        self._interrupted_after = None

    def resume(self, run_id: str) -> None:
        def do(journal: Journal) -> None:
            record = journal.ledger.run(run_id)
            settings = RunSettings.from_json(record.settings)
            now = self.world.wall()
            plan = plan_of_resume(
                journal, record, settings, REPORTS, token_fingerprint=None, now=now
            )
            resume_command._continue(self.context, journal, record, plan)

        self._process(f"resume {run_id}", run_id, do)

    def end_for_good(self, run_id: str) -> None:
        def do(journal: Journal) -> None:
            record = journal.ledger.run(run_id)
            settings = RunSettings.from_json(record.settings)
            close_command._close(self.context, journal, record, settings)

        self._process(f"close {run_id}", run_id, do)

    # what the journal says

    def unfinished(self) -> list[str]:
        found = self.connection.execute("SELECT run_id FROM runs WHERE stage = 'started'")
        return [run_id for (run_id,) in found.fetchall()]

    def kept(self) -> list[str]:
        found = self.connection.execute("SELECT run_id FROM runs WHERE stage <> 'staged'")
        return [run_id for (run_id,) in found.fetchall()]

    def rows(self, run_id: str) -> list[RowRecord]:
        return list(self.ledger.rows(run_id))

    # a process

    def _process(self, words: str, run_id: str, do: Callable[[Journal], None]) -> None:
        """Run one command in a process of its own, which may crash or be interrupted."""
        world, rng = self.world, self.world.rng
        world.tell(f"--- {words}")
        world.run_id, world.shown, world.held_until = run_id, {}, -1.0
        if world.fault_rate:
            self._draw_ends(rng)
        else:
            self._signal_after, self._crash_at = self._interrupted_after, None
        self.counts["processes"] += 1
        try:
            with self._real_commands():
                do(self._journal())
        except Crash:
            self.counts["crashes"] += 1
            world.tell("crash")
        except DeferBatchError as error:
            world.tell(f"{type(error).__name__}: {error.message}")
        self.connection.revive()
        world.clock.now += rng.uniform(0, 5)
        world.catch_up()
        self._note_settled()

    def _draw_ends(self, rng: random.Random) -> None:
        self._crash_at = rng.choice((None, None, rng.randint(1, 400), rng.randint(1, 1500)))
        self._signal_after = rng.uniform(0, 90) if rng.random() < 0.15 else None
        if rng.random() < 0.1:
            self.connection.statements_left = rng.randint(1, 150)
        if rng.random() < 0.1:
            self.world.jump += rng.choice((-3600.0, 3600.0, 86_400.0))

    def _journal(self) -> Journal:
        rng = self.world.rng

        async def commit(call: Callable[[], object]) -> None:
            before = rng.random() < 0.5
            await asyncio.sleep(0.005 if before else 0)
            call()
            await asyncio.sleep(0 if before else 0.005)

        journal = Journal(self.connection, wall=self.world.wall, commit=commit)
        journal._remove_staged()
        return journal

    def _run_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        with virtual_loop(self.world.clock, self._crash_at, self.connection) as loop:
            return loop.run_until_complete(work)

    @contextmanager
    def _real_commands(self) -> Iterator[None]:
        """Put the virtual clock, network and signals where the commands take the real ones."""
        world = self.world
        today = dt.datetime.fromtimestamp(world.server_time(), dt.UTC)
        there = SimpleNamespace(datetime=SimpleNamespace(now=lambda _: today), UTC=dt.UTC)
        clock = SimpleNamespace(time=world.wall)
        a_loop = SimpleNamespace(run=self._run_loop, sleep=asyncio.sleep)
        no_files = SimpleNamespace(make_own_folder=lambda _: None)
        no_report = SimpleNamespace(refuse_long_path=lambda _: None)
        with ExitStack() as stack:
            for module, replaced in (
                (session_module, {"Client": self._client, "interruptible": self._interruptible}),
                (session_module, {"time": clock, "recent_requests": _NO_REQUESTS}),
                (journal_module, {"recent_requests": _NO_REQUESTS}),
                (session_module, {"TIME_LEFT_EVERY_SECONDS": 20.0}),
                (session_module, {"CLOCK_TICK_SECONDS": 1e-9}),  # or a seed would tell another tale
                (execute, {"dt": there, "looked_up": self._looked_up, "report_files": no_report}),
                (execute, {"check_finally": self._check_finally}),
                (run_command, {"execute": self._execute}),
                (resume_command, {"execute": self._execute}),
                (close_command, {"asyncio": a_loop, "files": no_files, "open_run_log": _no_log}),
                (listing, {"MOST_READ_UNASKED": world.rng.choice(world.read_unasked)}),
                (listing, {"PER_PAGE": world.rng.choice(world.sizes_of_a_page)}),
            ):
                stack.enter_context(mock.patch.multiple(module, **replaced))
            yield

    def _client(self, _: str, *, api_version: str, **__: object) -> Network:
        return self.world.network(api_version)

    @contextmanager
    def _interruptible(self, stopping: Any, _: object) -> Iterator[None]:
        if self._signal_after is not None:
            self.counts["signals"] += 1
            loop = asyncio.get_running_loop()
            loop.call_later(self._signal_after, stopping.interrupt, "SIGINT", 130)
        yield

    def _execute(
        self,
        context: Context,
        journal: Journal,
        plan: Plan,
        begin: Callable[[RunLog, Plan], None],
    ) -> None:
        """Do what `execute` does, but for files: its report, its log and its lock."""
        log = without_log(plan.run_id)
        if plan.to_send:
            self._run_loop(execute._submit(context, journal, plan, begin, log, ORIGIN))
            return
        begin(log, plan)
        run_no = journal.ledger.run_number(plan.run_id)
        journal.finish(run_no, exit_code=0, stopped_because=None)

    async def _looked_up(self, session: Session, journal: Journal, plan: Plan) -> Plan:
        self.counts["looks"] += 1
        looked = await _REAL_LOOK(session, journal, plan)
        for _ in range(self.world.rng.choice((0, 0, 1, 2)) if self.world.act_rate else 0):
            self.world.somebody_acts()
        return looked

    # the laws

    async def _check_finally(
        self, session: Session, journal: Journal, run_id: str, found: Any
    ) -> None:
        """Make the final check, and hold what it says against what Register holds."""
        world = self.world
        before = {row.row_number: row for row in journal.ledger.rows(run_id)}
        held = {t.trainee_id: t for t in world.register.trainees()}
        was = journal.ledger.run(run_id).final_check
        world.is_checking = True
        try:
            await _REAL_CHECK(session, journal, run_id, found)
        finally:
            world.is_checking = False
        if journal.ledger.run(run_id).final_check == was:
            return
        self.counts["final checks"] += 1
        unchanged = {folded(i) for i, t in held.items() if world.register.trainee(i) is t}
        for row in journal.ledger.rows(run_id):
            self._judge_check(run_id, before[row.row_number], row, unchanged)

    def _judge_check(
        self, run_id: str, before: RowRecord, row: RowRecord, unchanged: set[str]
    ) -> None:
        world, trainee_id = self.world, folded(row.trainee_id)
        gone = world.register.trainee(row.trainee_id) is None
        if row.attempts == 0 or (trainee_id not in unchanged and not gone):
            return  # somebody changed the trainee meanwhile
        asked = Deferral(row.trainee_id, row.defer_date or "", row.sent_reason)
        held = world.holds(asked)
        if row.code in {Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK} and not held:
            world.breaks(
                f"{run_id}, row {row.row_number}: {row.code} after a final check, not held"
            )
        if row.code == Code.REFUSED_BY_REGISTER and held:
            world.breaks(f"{run_id}, row {row.row_number}: refused after a final check, and held")
        newly = row.code == Code.DEFERRAL_NOT_HELD and before.outcome == Outcome.SUCCEEDED
        if newly and held:
            world.breaks(f"{run_id}, row {row.row_number}: deferral_not_held, and held throughout")

    def _judge_send(self, deferral: Deferral) -> None:
        """Hold a defer request against what its run knows, and what other runs did, as it leaves."""
        world, run_id = self.world, self.world.run_id
        trainee_id, date = folded(deferral.trainee_id), deferral.defer_date
        self.counts["sent"] += 1
        shown = world.shown.get(trainee_id)
        if shown is not None and shown not in DEFERRABLE:
            world.breaks(f"{run_id} sends for {trainee_id}, who was shown as {shown}")
        if run_id in self.again:
            return
        later_runs = self.runs[self.runs.index(run_id) + 1 :]
        for done_by in world.deferred_by.get(trainee_id, ()):
            if done_by in later_runs:
                world.breaks(f"{run_id} sends for {trainee_id}, whom {done_by} deferred")
        if (other := self.reported.get((trainee_id, date))) is not None:
            world.breaks(
                f"{run_id} sends for {trainee_id} on {date}, which {other} reports as made"
            )

    def _note_settled(self) -> None:
        found = self.connection.execute(
            "SELECT run_id, row_number, folded_id, defer_date, defer_reason, outcome, code"
            " FROM rows JOIN runs USING (run_no)"
            " WHERE stage <> 'staged' AND outcome IS NOT NULL AND outcome <> 'unresolved'"
        )
        self.reported = {}
        for run_id, row_number, trainee_id, date, reason, outcome, code in found.fetchall():
            self.reasons[run_id, row_number] = reason
            self.settled.setdefault((run_id, row_number), len(self.world.sent))
            if outcome == Outcome.SUCCEEDED and code != Code.ANSWER_DIFFERS:
                self.reported[trainee_id, date] = run_id


@functools.cache
def _empty_journal() -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        database._migrate(connection)
        return connection.serialize()


_REAL_LOOK, _REAL_CHECK = execute.looked_up, check_finally
_NO_REQUESTS = SimpleNamespace(noted_since=lambda *_: [], note=lambda *_, **__: None)


@contextmanager
def _no_log(_: Path, run_id: str) -> Iterator[RunLog]:
    yield without_log(run_id)


def _record_of(run_id: str, listed: Listed, now: float) -> RunRecord:
    held_in = {name: name for name in COLUMNS}
    return replace(
        journals.RUN,
        run_id=run_id,
        input_rows=len(listed.rows),
        input_sha256=listed.name,
        columns=COLUMNS,
        held_in=held_in,
        settings=listed.settings.as_json(),
        started_at=iso(now),
    )


@dataclass(frozen=True)
class History:
    """One seed's history, told to its end."""

    world: World
    machine: Machine
    rows: dict[str, list[RowRecord]]
    """What the journal says of each run's rows."""

    def complaints(self) -> list[str]:
        """Return every law that was broken."""
        found = list(self.world.broken)
        found += [
            f"{trainee_id} was deferred by us more than once between reinstatements"
            for trainee_id, events in self._events.items()
            if max(deferrals_by_api((event for _, event in events), trainee_id)) > 1
        ]
        for run_id, rows in self.rows.items():
            for row in rows:
                words = self._of_row(run_id, row)
                found += [f"{run_id}, row {row.row_number}: {law}" for law in words]
        return [*found, *self._of_strangers()]

    def _of_row(self, run_id: str, row: RowRecord) -> Iterator[str]:
        if not row.code:
            yield "has no outcome"
        if self.world.lie_rate or run_id in self.machine.again:
            return
        if row.outcome == Outcome.SUCCEEDED and not self._was_deferred_on(row):
            yield f"{row.code}, but Register never held that deferral"
        refused = row.outcome in {Outcome.UNPROCESSABLE, Outcome.NOT_FOUND}
        if refused and row.code not in _ABOUT_OTHERS and self._stands_by(run_id, row):
            yield f"{row.code}, but our request deferred the trainee"

    def _of_strangers(self) -> Iterator[str]:
        """Yield the trainees whom a run deferred although no row of it means them."""
        meant = {run: {folded(row.trainee_id) for row in rows} for run, rows in self.rows.items()}
        for place, (run_id, _) in self.world.done_for.items():
            event = self.world.register.history[place]
            if folded(event.trainee_id) not in meant.get(run_id, set()):
                yield f"{run_id} deferred {event.trainee_id}, who is in none of its rows"

    @functools.cached_property
    def _events(self) -> dict[str, list[tuple[int, Event]]]:
        """What happened to each trainee, by folded id, with the place in Register's history."""
        events: dict[str, list[tuple[int, Event]]] = {}
        for place, event in enumerate(self.world.register.history):
            events.setdefault(folded(event.trainee_id), []).append((place, event))
        return events

    def _was_deferred_on(self, row: RowRecord) -> bool:
        trainee_id = folded(row.trainee_id)
        first = self.world.at_first.get(trainee_id)
        if first is not None and (first.state, first.defer_date) == ("deferred", row.defer_date):
            return True
        return any(
            event.deed is Deed.DEFERRED and event.defer_date == row.defer_date
            for _, event in self._events.get(trainee_id, ())
        )

    def _stands_by(self, run_id: str, row: RowRecord) -> bool:
        """Whether what last happened to the trainee was our deferral on that date, for that reason.

        Ours: this run's or an earlier one's, by a request that left before the row was settled. A
        later one may well have deferred the trainee since, after a reinstatement.
        """
        events = self._events.get(folded(row.trainee_id))
        trainee = self.world.register.trainee(row.trainee_id)
        reason = self.machine.reasons[run_id, row.row_number]
        if not events or trainee is None or (trainee.defer_reason or "") != (reason or ""):
            return False
        place, last = events[-1]
        deferral = (Actor.API, Deed.DEFERRED, row.defer_date)
        if (last.who, last.deed, last.defer_date) != deferral:
            return False
        done_by, number = self.world.done_for[place]
        runs = self.machine.runs
        so_far = runs[: runs.index(run_id) + 1]
        return done_by in so_far and number <= self.machine.settled[run_id, row.row_number]


_ABOUT_OTHERS = {
    Code.REINSTATED_SINCE,
    Code.DUPLICATE_ROW,
    Code.CONFLICTING_ROWS,
    Code.SEVERAL_TRAINEES_MATCH,
    Code.DEFERRAL_NOT_HELD,
}
"""Codes that a row may well have although one of our requests deferred its trainee."""


def tell_history(seed: int) -> History:
    """Run one seed's history to its end."""
    rng = random.Random(seed)
    world = World(
        rng,
        fault_rate=rng.choice((0.05, 0.3, 0.3, 0.5)),
        lie_rate=rng.choice((0.0, 0.0, 0.15)),
        act_rate=rng.choice((0.0, 0.05)),
    )
    machine = Machine(world)
    try:
        _give_commands(machine)
        end_every_run(machine)
        rows = {run_id: machine.rows(run_id) for run_id in machine.kept()}
    finally:
        machine.close()
    return History(world, machine, rows)


def _give_commands(machine: Machine) -> None:
    """Run one to three lists, and whatever else is done with what they leave."""
    world, rng = machine.world, machine.world.rng
    lists = [list_of(world, "list1")]
    machine.run(lists[0])
    is_overtaken = bool(machine.unfinished()) and rng.random() < 0.5
    for command in _OVERTAKING if is_overtaken else rng.choices(_COMMANDS, k=rng.randint(0, 5)):
        unfinished = machine.unfinished()
        match command:
            case "run" if len(machine.runs) < 4:
                lists.append(list_of(world, f"list{len(lists) + 1}"))
                machine.run(lists[-1])
            case "run again" if len(machine.runs) < 5:
                machine.run(rng.choice(lists), start_over=rng.random() < 0.3)
            case "resume newest" if unfinished:
                machine.resume(unfinished[-1])
            case "resume" if unfinished:
                machine.resume(rng.choice(unfinished))
            case "close" if unfinished:
                machine.end_for_good(rng.choice(unfinished))
            case "reinstate":
                for trainee_id in world.ids:
                    if world.state_of(trainee_id) == "deferred" and rng.random() < 0.7:
                        world.register.reinstate(trainee_id)
            case _:
                world.clock.now += rng.choice((1.0, 100.0, 5000.0))
                world.catch_up()
                world.somebody_acts()


_COMMANDS = ("run", "run again", "resume", "resume", "resume", "close", "reinstate", "act")
_OVERTAKING = ("run", "resume newest", "reinstate", "resume", "run again", "reinstate")
"""A later list deals with the people of an unfinished run, who then come back."""


def list_of(world: World, name: str) -> Listed:
    rng, rows = world.rng, tuple(rows_of_a_list(world))
    settings = RunSettings(
        environment="other",
        origin=ORIGIN,
        api_version=None,
        rate_limit=rng.choice((RateLimit(20, 60.0), None)),
        max_at_once=rng.choice((1, 3)),
        timeout_seconds=TIMEOUT,
        lost_answer_wait_seconds=LOST_ANSWER_WAIT,
        give_up_after_seconds=120.0,
        again=rng.random() < 0.05,
        preview=rng.random() < 0.85 or any(not row.trainee_id for row in rows),
        final_check=rng.random() < 0.9,
    )
    return Listed(name, rows, settings)


def end_every_run(machine: Machine) -> None:
    """Let faults and lies cease, and finish or close every run."""
    world, rng = machine.world, machine.world.rng
    lie_rate = world.lie_rate
    world.fault_rate = world.lie_rate = world.act_rate = 0.0
    world.outage_until = -1.0
    world.clock.now += 1000
    world.catch_up()
    unfinished = machine.unfinished()
    rng.shuffle(unfinished)
    for run_id in unfinished:
        if rng.random() < 0.75:
            _finish(machine, run_id)
        if run_id in machine.unfinished():
            machine.end_for_good(run_id)
        if run_id in machine.unfinished():
            world.breaks(f"{run_id} can be neither finished nor closed")
    world.lie_rate = lie_rate


def _finish(machine: Machine, run_id: str) -> None:
    for _ in range(MOST_CLEAN_RESUMPTIONS):
        machine.resume(run_id)
        if run_id not in machine.unfinished():
            return
    left = [row for row in machine.rows(run_id) if row.outcome == Outcome.UNRESOLVED]
    for row in left:
        if row.code != Code.REGISTER_KEEPS_FAILING:
            machine.world.breaks(
                f"{run_id}, row {row.row_number}: unresolved at the end: {row.code}"
            )


def complaints_of(seed: int) -> tuple[list[str], Counter[str], Sequence[str]]:
    """Return the laws that a seed's history broke, what it counted, and the history."""
    history = tell_history(seed)
    counts = history.machine.counts + Counter(histories=1, runs=len(history.rows))
    counts += Counter(f"{row.code}" for rows in history.rows.values() for row in rows)
    return history.complaints(), counts, [line for line in history.world.told if line]


def main(seeds: range) -> int:
    """Return how many seeds broke a law; print each history's broken laws."""
    broken, counts = 0, Counter[str]()
    for seed in seeds:
        try:
            complaints, counted, told = complaints_of(seed)
        except Exception as error:  # noqa: BLE001 — one seed's accident is told, and others go on
            complaints, counted, told = [f"{type(error).__name__}: {error}"], Counter(), []
        counts += counted
        if complaints:
            broken += 1
            print(f"seed {seed}: {complaints}", flush=True)
        if len(seeds) == 1:
            print("\n".join(told))
    print(f"{len(seeds)} histories, {broken} of them broke a law; {dict(counts.most_common())}")
    return broken


if __name__ == "__main__":
    first, *more = (int(argument) for argument in sys.argv[1:])
    sys.exit(main(range(first, more[0]) if more else range(first, first + 1)) > 0)
