"""`make soak`: a day of rows at the rate limit, on the virtual clock, and how much of it was used.

The real commands ask a Register that counts in aligned windows of a drifting clock, loses answers,
refuses requests of its own accord and is gone for minutes, while other people change trainees. A
long list is looked up, sent and interrupted; a later list deals with some of its people, who come
back; then the old run is resumed and read back. `soak.py ROWS SEED` replays.
"""

from __future__ import annotations

import asyncio
import bisect
import datetime as dt
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).parents[2]))

from batch.codes import Code
from batch.emulator import replies
from batch.emulator.list_endpoint import academic_cycle
from batch.emulator.model import Actor, Deed, Register, Request
from batch.emulator.replies import Response
from batch.emulator.trainees import Trainee, as_seen, instant
from batch.register.api import Answer, NoReply, Reply
from batch.rows import Deferral, Row, folded
from batch.run_settings import RateLimit, RunSettings
from tests.support.simulated_world import COLUMNS, EPOCH, Network, World
from tests.support.simulation import History, Listed, Machine

LIMIT, PERIOD = 100, 60.0
DATE, LATER_DATE = "2026-10-01", "2026-10-02"
STARTS = ("2026-09-07", "2026-09-07", "2025-09-08")
DRIFT_MOST = 1e-4
OUTAGE_EVERY_SECONDS = 6 * 3600.0
OUTAGE_SECONDS = (5.0, 100.0)
LOST = 0.002
REFUSED = 0.0002
OTHERS_EVERY_WINDOWS = 200
ACTS_A_WINDOW = 0.2
"""How many trainees other people change in each window, on average."""
OVERLAP = 0.05
"""How many of the old list's people the later list deals with too, as a share."""


class IndexedRegister(Register):
    """The model, with an index over its lists: a page must not cost a walk over everybody."""

    def __init__(self, trainees: list[Trainee], **more: Any) -> None:
        super().__init__(trainees, **more)
        self._by_cycle: dict[int, list[tuple[float, str]]] = {}
        for trainee in self.trainees():
            self._insert(trainee)

    def add(self, trainee: Trainee) -> None:
        """Put a trainee in, and into the index."""
        self.take_out(self._trainees.get(folded(trainee.trainee_id)))
        super().add(trainee)
        self._insert(trainee)

    def _happened(self, who: Actor, deed: Deed, trainee: Trainee) -> Trainee:
        self.take_out(self._trainees.get(folded(trainee.trainee_id)))
        changed = super()._happened(who, deed, trainee)
        self._insert(changed)
        return changed

    def page(self, query: str) -> Response:
        """Return a page as `batch.emulator.list_endpoint` does, for the parameters that a look gives."""
        wanted = {name: values[-1] for name, values in parse_qs(query).items()}
        listed = self._by_cycle.get(int(wanted["academic_cycle"]), [])
        since = wanted.get("since")
        first = bisect.bisect_left(listed, (_seconds(since), "")) if since else 0
        page, per_page = int(wanted["page"]), int(wanted["per_page"])
        begin = first + (page - 1) * per_page
        rows = [self._trainees[key] for _, key in listed[begin : begin + per_page]]
        if not rows:
            return replies.not_found("No trainees found")
        meta = {"total_count": len(listed) - first, "current_page": page, "per_page": per_page}
        return replies.answered({"data": [as_seen(row) for row in rows], "meta": meta})

    def _insert(self, trainee: Trainee) -> None:
        if not trainee.is_listed:
            return
        listed = self._by_cycle.setdefault(self._cycle(trainee), [])
        bisect.insort(listed, (_shown(trainee.updated_at), folded(trainee.trainee_id)))

    def take_out(self, trainee: Trainee | None) -> None:
        """Take a trainee, as they were until now, out of the index."""
        if trainee is not None and trainee.is_listed:
            listed = self._by_cycle[self._cycle(trainee)]
            key = _shown(trainee.updated_at), folded(trainee.trainee_id)
            del listed[bisect.bisect_left(listed, key)]

    def _cycle(self, trainee: Trainee) -> int:
        started = trainee.trainee_start_date or trainee.itt_start_date
        assert started is not None
        return academic_cycle(instant(_noon(started)).date())


def _shown(seconds: float) -> float:
    """Return an instant to the millisecond, as Register shows it and takes it as `since`."""
    return math.floor(seconds * 1000) / 1000


def _seconds(text: str) -> float:
    return _shown(dt.datetime.fromisoformat(text).timestamp() + 1e-6)


def _noon(day: str) -> float:
    return float(dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())


@dataclass
class Day(World):
    """Register and the network to it: a clock that drifts, outages, answers that are lost."""

    rows: int = 0
    through: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    acts: int = 0
    outage_seconds: float = 0.0
    ahead: float = 0.0
    drift: float = 0.0
    drift_since: float = 0.0

    def __post_init__(self) -> None:
        self.everyone = [trainee_id_of(number) for number in range(self.rows)]
        trainees = [
            Trainee(
                trainee_id,
                trn=f"{number:07}",
                itt_start_date=STARTS[number % 3],
                updated_at=EPOCH - 5_000_000 + number,
            )
            for number, trainee_id in enumerate(self.everyone)
        ]
        self.ahead = self.rng.uniform(-60, 60)
        self.register = IndexedRegister(
            trainees, clock=self.server_time, rate_limit=(LIMIT, PERIOD)
        )
        self.at_first = {folded(trainee.trainee_id): trainee for trainee in trainees}
        self.events = []
        self.next_outage = self.rng.uniform(0.5, 1.5) * OUTAGE_EVERY_SECONDS
        self.outage_until = -1.0
        self._turned = 0

    @property
    def ids(self) -> list[str]:
        return self.everyone

    def leaves(self, trainee: Trainee) -> None:
        assert isinstance(self.register, IndexedRegister)
        self.register.take_out(trainee)
        super().leaves(trainee)

    def network(self, api_version: str) -> Way:
        return Way(self, api_version=api_version)

    def tell(self, words: str) -> None:
        """Keep what is unusual: a day of requests is too much to keep."""
        if not words.startswith(("plan", "read", "list", "defer")):
            super().tell(words[:200])

    def server_time(self) -> float:
        gone = self.clock.now - self.drift_since
        return EPOCH + self.clock.now + self.ahead + self.drift * gone

    @property
    def window(self) -> int:
        return math.floor(self.server_time() / PERIOD)

    def turn(self) -> None:
        """Let the clock drift otherwise each hour, outages begin, and others act and ask."""
        now = self.clock.now
        if now - self.drift_since > 3600:
            self.ahead += self.drift * (now - self.drift_since)
            self.drift, self.drift_since = self.rng.uniform(-DRIFT_MOST, DRIFT_MOST), now
        if now >= self.next_outage:
            seconds = self.rng.uniform(*OUTAGE_SECONDS)
            self.outage_seconds += seconds
            self.outage_until = now + seconds
            self.next_outage = now + self.rng.uniform(0.5, 1.5) * OUTAGE_EVERY_SECONDS
        if self.window != self._turned:
            self._turned = self.window
            if self.rng.random() < ACTS_A_WINDOW:
                self.acts += 1
                self.somebody_acts()
            if self._turned % OTHERS_EVERY_WINDOWS == 0:
                for _ in range(LIMIT // 4):
                    self.register.answer("GET", "/api/v2025.0/info")


class Way(Network):
    """What a run asks, in place of the HTTP client, a day long."""

    _world: Day

    def __init__(self, world: Day, *, api_version: str) -> None:
        super().__init__(world, api_version=api_version)

    async def __aenter__(self) -> Self:
        return self

    def _fault(self, faults: tuple[str, ...], lies: tuple[str, ...]) -> str | None:  # noqa: ARG002
        return None

    async def _deferred(
        self,
        request: Request,
        deferral: Deferral,  # noqa: ARG002
        fault: str | None,
        by: tuple[str, int],
    ) -> Answer:
        return await self._asked(request, fault, by)

    async def _asked(
        self,
        request: Request,
        fault: str | None,  # noqa: ARG002
        by: tuple[str, int],
    ) -> Answer:
        world, rng = self._world, self._world.rng
        await asyncio.sleep(rng.uniform(0.02, 0.15))
        world.turn()
        if world.clock.now < world.outage_until:
            return NoReply(left=True, why="broke off the connection")
        lost = rng.random()
        if lost < LOST / 2:
            world.lost += 1
            return NoReply(left=True, why="broke off the connection")
        reply = self._counted(request, by)
        await asyncio.sleep(rng.uniform(0.02, 0.15))
        if lost < LOST:
            world.lost += 1
            return NoReply(left=True, why="broke off the connection")
        return reply

    def _counted(self, request: Request, by: tuple[str, int]) -> Reply:
        world = self._world
        date = {"date": formatdate(world.server_time(), usegmt=True)}
        if world.rng.random() < REFUSED:
            world.refused["out of turn"] += 1
            return Reply(429, {**date, "retry-after": "5"}, b"Retry later\n")
        reply = self._of_register(request, by)
        if reply.status == 429:
            world.refused["over the limit"] += 1
        else:
            world.through[world.window] += 1
        return Reply(reply.status, {**reply.headers, **date}, reply.body)

    def _of_register(self, request: Request, by: tuple[str, int]) -> Response:
        register = self._world.register
        assert isinstance(register, IndexedRegister)
        path, _, query = request.target.partition("?")
        if not query:
            return self._reply_to(request, by)  # type: ignore[no-any-return]
        counted = register.answer("GET", path.replace("trainees", "info"))
        return register.page(query) if counted.status == 200 else counted


def trainee_id_of(number: int) -> str:
    return f"Soak{number:08}"


def listed(name: str, ids: list[str], date: str) -> Listed:
    settings = RunSettings(
        environment="other",
        origin="https://register.example",
        api_version=None,
        rate_limit=RateLimit(LIMIT, PERIOD),
        max_at_once=10,
        timeout_seconds=30.0,
        lost_answer_wait_seconds=60.0,
        give_up_after_seconds=1800.0,
    )
    values = ("",) * len(COLUMNS)
    rows = [Row(n, values, i, Deferral(i, date, None)) for n, i in enumerate(ids, 2)]
    return Listed(name, tuple(rows), settings)


def play(day: Day, machine: Machine) -> dict[str, Counter[str]]:
    """Run, interrupt, overtake and resume; return each run's rows by code."""
    most = int(day.rows * 0.9)
    old, rest = day.everyone[:most], day.everyone[most:]
    machine.run(listed("old", old, DATE), interrupted_after=day.rows * 0.6 * 0.4)
    overtaken = day.rng.sample(old, int(len(old) * OVERLAP))
    machine.run(listed("later", [*overtaken, *rest], LATER_DATE))
    for trainee_id in overtaken:
        if day.state_of(trainee_id) == "deferred" and day.rng.random() < 0.5:
            day.register.reinstate(trainee_id)
    while run_ids := machine.unfinished():
        machine.resume(run_ids[0])
    return {run_id: Counter(row.code for row in machine.rows(run_id)) for run_id in machine.kept()}


def main(rows: int, seed: int) -> int:
    """Play one day; print what was used of the limit; return how many laws were broken."""
    day, began = (
        Day(random.Random(seed), fault_rate=0.0, act_rate=0.0, rows=rows),
        time.perf_counter(),
    )
    day.sizes_of_a_page, day.read_unasked = (250,), (20,)
    machine = Machine(day)
    codes = play(day, machine)
    windows = len(day.through)
    sent = sum(day.through.values())
    usable = (windows - day.outage_seconds / PERIOD) * LIMIT
    print(f"{rows} trainees, seed {seed}: {day.clock.now / 3600:.1f} hours, {windows} windows used")
    print(f"  utilisation of the limit: {sent / usable:.1%}, {day.outage_seconds:.0f} s of outage")
    print(f"  aside; {sent} requests got through, {day.lost} answers were lost")
    print(f"  refused: {dict(day.refused)}, {sum(day.refused.values()) / sent:.2%}")
    print(f"  other people changed {day.acts} trainees; {machine.counts['looks']} looks,")
    print(f"  {machine.counts['final checks']} final checks")
    for run_id, counted in codes.items():
        print(f"  {run_id}: {dict(counted)}")
    broken = complaints(day, machine, codes)
    print("\n".join(f"  BROKEN: {words}" for words in broken[:20]) or "  no law broken")
    print(f"  took {time.perf_counter() - began:.0f} s")
    return len(broken)


def complaints(day: Day, machine: Machine, codes: Mapping[str, Counter[str]]) -> list[str]:
    """Return every law that was broken: those of the simulation, rows lost, too many refusals."""
    history = History(day, machine, {run_id: machine.rows(run_id) for run_id in machine.kept()})
    found = history.complaints()
    superseded = sum(counted[Code.SUPERSEDED_BY_LATER_RUN] for counted in codes.values())
    if not superseded:
        found.append("no row was superseded: the old run was not overtaken")
    if sum(day.refused.values()) > 0.02 * sum(day.through.values()):
        found.append("more than 2 % of the requests were refused")
    return found


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    rows, seed = (*given, *(100_000, 1)[len(given) :])
    sys.exit(main(rows, seed) > 0)
