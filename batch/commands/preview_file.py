"""`preview`: what each row of a file would become, found out by reading Register only.

The file is staged into a journal in memory, which begins as a copy of the real one: so the memory
of earlier runs, requests without an answer and runs in the way are known as they are to `run`. What
is not known then: what other people change in Register between this look and the run's own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batch.codes import TABLE, Attention, Code, Outcome, counts_of, exit_code_of
from batch.commands.execute import REHEARSAL_TOKEN, Context, alone, looked_up, no_token, register_of
from batch.commands.plan import Plan, plan_of_run
from batch.commands.preview import Preview
from batch.commands.run import new_run_id, record_of
from batch.errors import UsageProblem
from batch.hints import resume_command
from batch.intake.checked_file import open_input
from batch.record.journal import Journal, in_memory
from batch.record.ledger import Ledger
from batch.record.records import Requests, RowRecord, RunRecord, iso
from batch.record.report_files import write_table
from batch.roster.forecast import Forecast, WillBeSent, WillNotBeSent
from batch.rows import REHEARSAL
from batch.run_settings import InputOptions, RunSettings
from batch.submission.run_log import without_log
from batch.submission.session import RequestsLeft, Session
from batch.submission.staging import stage_rows

OUT_COLUMNS = ("row", "code", "message")
"""What `--out` adds behind the file's own columns."""
_WHO = "a preview"
_READ_FIRST = (
    "An earlier request for this trainee got no answer, so `run` reads the trainee before anything "
    "is sent."
)


class PreviewedRow(Struct, frozen=True):
    """One row of the file, and what it would become."""

    row_number: int
    values: tuple[str, ...]
    code: Code
    message: str


class PreviewedFile(Struct, frozen=True):
    """What every row of a file would become, and the plan that `run` would show."""

    run: RunRecord
    plan: Plan
    rows: tuple[PreviewedRow, ...]
    requests: Requests
    corrected: frozenset[int] = frozenset()
    """The rows that later runs corrected and deferred: this file still has them as they were."""

    @property
    def done(self) -> int:
        """How many rows earlier runs have deferred, as they stand here or corrected."""
        earlier = {row.row_number for row in self.rows if row.code is Code.DEFERRED_EARLIER}
        return len(earlier | self.corrected)

    @property
    def open(self) -> int:
        """How many rows are still to be sent, or need somebody."""
        return sum(
            TABLE[row.code].attention is Attention.TO_DO or row.code is Code.DEFERRED
            for row in self.rows
            if row.row_number not in self.corrected
        )

    @property
    def codes(self) -> dict[str, int]:
        """How many rows would become what; those to be sent count as `deferred`."""
        return dict(sorted(Counter(row.code.value for row in self.rows).items()))

    @property
    def exit_code(self) -> int:
        """0 where every row can be sent or needs nothing, else 1 (interface.md, "Exit codes")."""
        return min(1, exit_code_of(self.codes))

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs; the counts are of what the rows would become."""
        preview = self.plan.preview
        return {
            "rehearsal": self.run.rehearsal,
            "input": {
                "name": self.run.input_name,
                "sha256": self.run.input_sha256,
                "rows": self.run.input_rows,
                "columns": dict(self.run.held_in),
            },
            "register": {
                "base_url": self.run.base_url,
                "api_version": self.plan.settings.api_version,
            },
            "to_send": self.plan.to_send,
            "done_by_earlier_runs": self.done,
            "open": self.open,
            "counts": counts_of(self.codes),
            "codes": self.codes,
            "requests": {"sent": self.requests.sent, "preview": self.requests.preview},
            "seconds_needed": self.plan.seconds_needed,
            "warnings": list(preview.warnings if preview else ()),
            "notices": list(self.plan.notices),
            "rows": [
                {"row": row.row_number, "code": row.code, "message": row.message}
                for row in self.rows
            ],
            "exit_code": self.exit_code,
        }

    def write(self, path: Path) -> None:
        """Write the rows with what each would become: a CSV as those of the reports."""
        lines = ((*r.values, str(r.row_number), r.code, r.message) for r in self.rows)
        write_table(path, (*self.run.columns, *OUT_COLUMNS), lines)


def preview_file(
    context: Context, settings: RunSettings, options: InputOptions, *, out: Path | None
) -> PreviewedFile:
    """Check a file, find its trainees in Register, and return what each row would become.

    Writes nothing but `out`. Raises UnusableFile, UsageProblem, AlreadyRunning, JournalProblem,
    RefusedByRegister, RegisterUnreachable, Interrupted.
    """
    _refuse(out, options.path)
    now, asked = time.time(), None if settings.is_rehearsal else settings.origin
    run_id = new_run_id(Path(options.shown_name or options.path.name), now)
    with (
        open_input(options) as input_file,
        alone(settings, run_id=_WHO, since=iso(now)),
        in_memory(context.journal, origin=asked, wall=time.time) as journal,
    ):
        run = record_of(run_id, input_file, context, settings, options, now)
        run_no = journal.stage(run, origin=settings.origin)
        staged = stage_rows(
            journal, run_no, input_file, origin=settings.origin, again=settings.again
        )
        run = journal.ledger.run(run_id)
        plan = plan_of_run(journal, run, staged, context.journal)
        plan = _with_what_is_in_the_way(plan, journal.ledger, run)
        plan = _previewed(context, journal, plan)
        found = _counted(journal.ledger, run, plan)
    if out is not None:
        found.write(out)
    return found


def _counted(ledger: Ledger, run: RunRecord, plan: Plan) -> PreviewedFile:
    """Return what the rows become, and how far the list has come where earlier runs began it."""
    corrected, unknown = ledger.corrected_later(run.input_sha256, run.base_url)
    rows, requests = tuple(_rows(ledger, plan)), ledger.requests(run.run_id)
    found = PreviewedFile(run, plan, rows, requests, frozenset(corrected))
    notices = []
    if found.done:
        notices.append(f"of this list {found.done:,} done by earlier runs, {found.open:,} open")
    if unknown and found.open:  # runs of which nothing is left that says which rows they corrected
        notices.append(
            f"some of what counts as open here may be done: {', '.join(unknown)} corrected rows of "
            "this list and was purged, so nobody can tell which"
        )
    return replace(found, plan=replace(plan, notices=(*notices, *plan.notices)))


def _refuse(out: Path | None, file: Path) -> None:
    """Raise UsageProblem where `--out` cannot be written, or would replace the file itself."""
    if out is None:
        return
    if out.resolve() == file.resolve():
        raise UsageProblem(
            f"--out {out} is the file itself: it would be replaced", hint="name another file"
        )
    refuse_without_folder(out)


def refuse_without_folder(out: Path) -> None:
    """Raise UsageProblem where no file can be written to `--out`: found out before asking."""
    if out.is_dir() or not out.parent.is_dir():
        raise UsageProblem(
            f"cannot write --out {out}: it must be a file in a folder that is there",
            hint="make the folder first, or name another file",
        )


def _with_what_is_in_the_way(plan: Plan, ledger: Ledger, run: RunRecord) -> Plan:
    """Return the plan with a notice of an unfinished run because of which `run` would refuse."""
    in_the_way = ledger.unfinished_with_sends(run.base_url, run.input_sha256)
    if not in_the_way:
        return plan
    carry_on = resume_command(in_the_way[0][1], plan.reports_dir, run.command)
    words = f"an unfinished run of this file is in the way: `{carry_on}` continues it"
    return replace(plan, notices=(*plan.notices, words))


def _previewed(context: Context, journal: Journal, plan: Plan) -> Plan:
    """Return the plan, with what Register holds of the rows that would be sent."""
    if not plan.to_send:
        codes = Counter({Code(code): count for code, count in plan.settled.items()})
        return replace(plan, preview=Preview({}, Forecast(codes)), seconds_needed=0.0)
    if context.token is None and not plan.settings.is_rehearsal:
        raise no_token()
    with register_of(plan, journal) as base_url:
        return asyncio.run(_asked(context, journal, plan, base_url))


async def _asked(context: Context, journal: Journal, plan: Plan, base_url: str) -> Plan:
    session = Session(
        journal,
        plan.run_id,
        plan.settings,
        base_url=base_url,
        token=context.token or REHEARSAL_TOKEN,
        log=without_log(plan.run_id),
        watcher=context.watcher,
        forecast=RequestsLeft(plan.to_send, reads_first=plan.to_read_first),
    )
    async with session:
        version = await session.ask_first()
        plan = replace(plan, settings=replace(plan.settings, api_version=version))
        plan = await looked_up(session, journal, plan)
        return replace(plan, seconds_needed=session.seconds_needed(plan.requests_at_the_end))


def _rows(ledger: Ledger, plan: Plan) -> Iterator[PreviewedRow]:
    remark = f"{REHEARSAL}. " if plan.settings.is_rehearsal else ""
    for row in ledger.rows(plan.run_id):
        code, message = _becomes(row, plan)
        yield PreviewedRow(row.row_number, row.values, code, remark + message)


def _becomes(row: RowRecord, plan: Plan) -> tuple[Code, str]:
    would = plan.preview.would.get(row.row_number) if plan.preview else None
    match would:
        case WillNotBeSent(settled):
            return settled.code, settled.message
        case WillBeSent(state=None):
            words = f"Would be sent, for {row.defer_date}; Register did not show the trainee."
            return Code.DEFERRED, words
        case WillBeSent():
            words = f"Would be deferred on {row.defer_date}."
            return Code.DEFERRED, " ".join((words, *would.notices))
        case None if row.outcome != Outcome.UNRESOLVED:
            return Code(row.code), row.message
        case None:
            return Code.ANSWER_LOST, _READ_FIRST
