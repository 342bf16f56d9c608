"""`reconcile`: whether what a run reported still stands in Register; only reads.

The requests are written down in a journal in memory. The real one is told only that Register was
asked, when, and the counts: a run's own record, and so its report, stay as they are.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from batch.codes import Code
from batch.commands.execute import Context, no_token
from batch.commands.preview_file import OUT_COLUMNS, refuse_without_folder
from batch.commands.resume import no_such_run
from batch.commands.run_names import day_named
from batch.commands.unaltered import refuse_altered
from batch.errors import UnknownRun, UsageProblem
from batch.record import locks
from batch.record.journal import Journal, in_memory, writing
from batch.record.ledger import Ledger
from batch.record.records import ReportedRow, RunRecord, iso
from batch.record.report_files import write_table
from batch.register.body import ListedTrainee
from batch.roster.listing import Look, current_cycle, cycles_from
from batch.roster.standing import NOT_READ, Held, Standing, standing
from batch.rows import folded
from batch.run_settings import RunSettings
from batch.submission.run_log import without_log
from batch.submission.session import RequestsLeft, Session
from batch.words import counted, row_list

_NOT_READ = "Register did not answer about this trainee."
_WHO = "a reconciliation"
_CAN_BE_ASKED_ABOUT = {"started", "finished", "ended"}
_MOST_SHOWN = 10
_NOT_ASKED_EXIT_CODE = 75


class Which(Struct, frozen=True):
    """Which runs are asked about: one by its id, those since a day, or the newest finished."""

    run_id: str | None = None
    since: dt.date | None = None

    @classmethod
    def of(cls, run_id: str | None, since: str | None) -> Which:
        """Return what a command line says. Raises UsageProblem."""
        if since is None:
            return cls(run_id)
        if run_id is not None:
            raise UsageProblem(
                "a run and --since were both given", hint="give one of them: RUN, or --since DATE"
            )
        return cls(since=day_named(since))


class ReconciledRow(Struct, frozen=True):
    """A row that a run reported as succeeded, and what Register holds of it now.

    `code` is one of `roster.standing.Held`, or `not_read`.
    """

    run_id: str
    row: ReportedRow
    code: str
    message: str

    @property
    def differs(self) -> bool:
        """Whether Register holds something else than was reported."""
        return self.code not in {Held.STANDS, NOT_READ}


class Reconciled(Struct, frozen=True):
    """What became of the deferrals that some runs of one Register reported."""

    runs: tuple[RunRecord, ...]
    rows: tuple[ReconciledRow, ...]
    at: str
    api_version: str
    requests: int
    is_another_token: bool = False

    @property
    def exit_code(self) -> int:
        """0 where all stands, 1 where something differs, 75 where not all could be asked."""
        if any(row.differs for row in self.rows):
            return 1
        return _NOT_ASKED_EXIT_CODE if self.counts(self.rows)[NOT_READ] else 0

    def counts(self, rows: Iterable[ReconciledRow]) -> Counter[str]:
        """Count rows by what Register holds of them."""
        return Counter(str(row.code) for row in rows)

    def of_run(self, run_id: str) -> list[ReconciledRow]:
        """Return the rows of one run."""
        return [row for row in self.rows if row.run_id == run_id]

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "register": {"base_url": self.runs[0].base_url, "api_version": self.api_version},
            "at": self.at,
            "runs": [
                {"run_id": run.run_id, "counts": self.counts(self.of_run(run.run_id))}
                for run in self.runs
            ],
            "checked": len(self.rows),
            "differing": sum(row.differs for row in self.rows),
            "counts": self.counts(self.rows),
            "requests": {"sent": self.requests},
            "rows": [
                {
                    "run_id": row.run_id,
                    "row": row.row.row_number,
                    "code": row.code,
                    "message": row.message,
                }
                for row in self.rows
            ],
            "exit_code": self.exit_code,
        }

    def lines(self) -> list[str]:
        """Return the answer for people: of each run how much stands, then what differs."""
        lines = [line for run in self.runs for line in self._lines_of(run.run_id)]
        gone = self.counts(self.rows)[Held.GONE]
        if gone and (self.is_another_token or gone == len(self.rows)):
            lines += [
                "",
                "Is it the right provider's token? With another provider's, all are gone.",
            ]
        if any(row.differs for row in self.rows):
            lines += ["", "Look these trainees up in Register: somebody changed them since."]
        return lines

    def _lines_of(self, run_id: str) -> Iterator[str]:
        rows = self.of_run(run_id)
        by_code: dict[str, list[ReconciledRow]] = {}
        for row in rows:
            by_code.setdefault(row.code, []).append(row)
        stand = len(by_code.pop(Held.STANDS, ()))
        what = counted(len(rows), "deferral")
        yield f"{run_id}: {stand} of {what} {'stands' if stand == 1 else 'stand'} as reported"
        for code, differing in by_code.items():
            numbers = tuple(row.row.row_number for row in differing[:_MOST_SHOWN])
            yield f"  {code.replace('_', ' ')}: {row_list(numbers, len(differing))}"
            yield f"    e.g. {differing[0].message}"

    def write(self, path: Path) -> None:
        """Write every row with what Register holds of it now: a CSV as those of the reports."""
        by_run = {run.run_id: _columns(run) for run in self.runs}
        own = tuple(dict.fromkeys(column for columns in by_run.values() for column in columns))
        lines = (self._values(row, by_run[row.run_id], own) for row in self.rows)
        write_table(path, (*(name for name, _ in own), *OUT_COLUMNS, "run_id"), lines)

    def _values(
        self, row: ReconciledRow, columns: Sequence[_Column], own: Sequence[_Column]
    ) -> tuple[str, ...]:
        values = dict(zip(columns, row.row.values, strict=False))
        added = (str(row.row.row_number), str(row.code), row.message, row.run_id)
        return (*(values.get(column, "") for column in own), *added)


class NothingReported(Struct, frozen=True):
    """What there is to say where no run has finished: there is nothing to ask Register about."""

    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {"runs": [], "rows": [], "exit_code": self.exit_code}

    def lines(self) -> list[str]:
        """Return the answer for people."""
        return ["no finished run: nothing to ask Register about"]


_Column = tuple[str, int]
"""A column of one file: its name, and how many columns of that name stand before it."""


def _columns(run: RunRecord) -> tuple[_Column, ...]:
    return tuple((name, run.columns[:place].count(name)) for place, name in enumerate(run.columns))


def reconcile(
    context: Context,
    which: Which,
    changed: Mapping[str, Any],
    *,
    register: str | None,
    out: Path | None,
) -> Reconciled | NothingReported:
    """Ask Register whether what some runs reported still stands.

    `changed` are the settings that were given anew; `register` (an origin) chooses among runs of
    several Registers. Raises UnknownRun, UsageProblem, AlreadyRunning, SelfCheckFailed where the
    journal's record of a run was altered, RefusedByRegister, RegisterUnreachable, Interrupted.
    """
    if out is not None:
        refuse_without_folder(out)
    if not context.journal.exists():
        if which.run_id is not None:
            raise no_such_run(context, which.run_id)
        return NothingReported()
    since = iso(time.time())
    with writing(context.journal, run_id=_WHO, since=since, wall=time.time) as kept:
        runs = _chosen(kept.ledger, which, register)
        if not runs:
            return NothingReported()
        for run in runs:
            refuse_altered(kept, run.run_id, context.reports_dir / run.run_id)
        settings = replace(RunSettings.from_json(runs[-1].settings), **changed)
        with locks.one_run_at_a_time(settings.origin, run_id=_WHO, since=since):
            found = _ask(context, settings, runs)
        for run in runs:
            kept.note_reconciliation(run.run_id, found.at, found.counts(found.of_run(run.run_id)))
    if out is not None:
        found.write(out)
    return found


def _chosen(ledger: Ledger, which: Which, register: str | None) -> list[RunRecord]:
    """Return the runs to ask about, the oldest first, all of one Register. Raises UsageProblem."""
    if which.run_id is not None:
        return [_named(ledger, which.run_id, register)]
    runs = [
        (stage, run)
        for stage, run in ledger.runs()
        if stage in _CAN_BE_ASKED_ABOUT and not run.rehearsal and register in {None, run.base_url}
    ]
    if which.since is None:
        return [run for stage, run in runs if stage == "finished"][:1]
    chosen = [run for _, run in runs if run.started_at[:10] >= which.since.isoformat()]
    if len({run.base_url for run in chosen}) > 1:
        raise UsageProblem(
            "these runs are of several Registers, and a token is good for one",
            hint="add --register to choose one",
        )
    return chosen[::-1]


def _named(ledger: Ledger, run_id: str, register: str | None) -> RunRecord:
    run = ledger.run(run_id)
    if run.is_purged:
        raise UnknownRun(
            f"{run_id} was purged: its rows are gone", hint="`defer-batch runs` lists the others"
        )
    if run.rehearsal:
        raise UsageProblem(
            f"{run_id} was a rehearsal: Register holds nothing of it",
            hint="`defer-batch runs` lists the others",
        )
    if register not in {None, run.base_url}:
        raise UsageProblem(
            f"cannot ask {register}: the run was sent to {run.base_url}",
            hint="leave --register out",
        )
    return run


def _ask(context: Context, settings: RunSettings, runs: Sequence[RunRecord]) -> Reconciled:
    newest = runs[-1]
    with in_memory(context.journal, origin=settings.origin, wall=time.time) as journal:
        reported = [
            (run.run_id, row) for run in runs for row in journal.ledger.succeeded(run.run_id)
        ]
        before = journal.ledger.requests(newest.run_id).sent
        version, standings = settings.api_version or "", _Standings(reported)
        if reported:
            if context.token is None:
                raise no_token()
            version = asyncio.run(_look(context, journal, newest, settings, standings))
        sent = journal.ledger.requests(newest.run_id).sent - before
    token = context.fingerprint(settings)
    return Reconciled(
        tuple(runs),
        tuple(standings.rows()),
        iso(time.time()),
        version,
        sent,
        is_another_token=any(run.token_fingerprint not in {None, token} for run in runs),
    )


async def _look(
    context: Context,
    journal: Journal,
    run: RunRecord,
    settings: RunSettings,
    standings: _Standings,
) -> str:
    """Read every trainee, by list where that is cheaper; return the API version that was used."""
    ids = standings.ids
    session = Session(
        journal,
        run.run_id,
        settings,
        base_url=settings.origin,
        token=context.token or "",
        log=without_log(run.run_id),
        watcher=context.watcher,
        forecast=RequestsLeft(len(ids), reads_first=0),
    )
    today = dt.datetime.now(dt.UTC).date()
    look = Look(ids, standings.see, cycles=cycles_from(current_cycle(today)))
    async with session:
        version = await session.ask_first()
        await session.look(look)
    standings.unread.update(map(folded, look.unread))
    return version


class _Standings(Struct):
    """What Register holds of the rows that were reported, as trainees pass by and are dropped."""

    reported: Sequence[tuple[str, ReportedRow]]
    unread: set[str] = field(default_factory=set)
    _by_trainee: dict[str, list[tuple[int, ReportedRow]]] = field(default_factory=dict)
    _held: dict[int, Standing] = field(default_factory=dict)
    """By the row's place in `reported`."""

    def __post_init__(self) -> None:
        for place, (_, row) in enumerate(self.reported):
            self._by_trainee.setdefault(folded(row.deferral.trainee_id), []).append((place, row))

    @property
    def ids(self) -> list[str]:
        """The trainees, each once."""
        return [rows[0][1].deferral.trainee_id for rows in self._by_trainee.values()]

    def see(self, trainee: ListedTrainee, _cycle: int | None) -> None:
        """Take a trainee that Register shows; of several sights the last counts."""
        for place, row in self._by_trainee.get(folded(trainee.trainee_id or ""), ()):
            self._held[place] = _held(row, trainee)

    def rows(self) -> Iterator[ReconciledRow]:
        """Yield every row with what Register holds of it."""
        for place, (run_id, row) in enumerate(self.reported):
            if folded(row.deferral.trainee_id) in self.unread:
                yield ReconciledRow(run_id, row, NOT_READ, _NOT_READ)
            else:
                now = self._held.get(place) or _held(row, None)
                yield ReconciledRow(run_id, row, now.held, now.message)


def _held(row: ReportedRow, now: ListedTrainee | None) -> Standing:
    """Return what became of a deferral; one that an earlier run made has that run's reason."""
    reported = row.deferral
    if now is not None and row.code == Code.DEFERRED_EARLIER:
        reported = replace(reported, defer_reason=now.defer_reason)
    return standing(reported, now)
