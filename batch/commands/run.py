"""`run`: from a file to a finished run and its reports."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from batch.commands.execute import Context, Finished, alone, execute, no_token
from batch.commands.plan import Plan, plan_of_run
from batch.errors import UsageProblem
from batch.files import as_text
from batch.intake.checked_file import InputFile, open_input
from batch.record.delivery import refuse_unusable
from batch.record.journal import Journal, writing
from batch.record.ledger import Ledger
from batch.record.missing import older_than, unknown_reports
from batch.record.records import RunRecord, iso
from batch.run_settings import InputOptions, RunSettings
from batch.submission.run_log import RunLog
from batch.submission.staging import Staged, stage_rows, superseded
from batch.words import no_rows


def run_file(
    context: Context,
    settings: RunSettings,
    options: InputOptions,
    *,
    start_over: bool,
    accept_older_journal: bool = False,
) -> Finished | None:
    """Check, confirm, submit and report one file; None where it has no rows.

    Where reports beside the journal are of runs that it does not know, someone must accept that.

    Raises UnusableFile, UnfinishedRun, AlreadyRunning, and what `execute` raises.
    """
    if context.token is None and not _may_need_none(context, settings):
        raise no_token()
    if context.deliver_to is not None:
        refuse_unusable(context.deliver_to, context.reports_dir)
    now = time.time()
    run_id = new_run_id(Path(options.shown_name or options.path.name), now)
    with (
        open_input(options) as input_file,
        alone(settings, run_id=run_id, since=iso(now)),
        writing(context.journal, run_id=run_id, since=iso(now), wall=time.time) as journal,
    ):
        accepted = _accepted_reports(context, journal, settings, accept=accept_older_journal)
        run = record_of(run_id, input_file, context, settings, options, now)
        run = replace(run, accepted_reports=accepted)
        run_no = journal.stage(run, origin=settings.origin)
        try:
            staged = stage_rows(
                journal, run_no, input_file, origin=settings.origin, again=settings.again
            )
            return _execute_staged(context, journal, run_id, staged, start_over=start_over)
        except BaseException:
            journal.discard_if_staged(run_no)
            raise


def _accepted_reports(
    context: Context, journal: Journal, settings: RunSettings, *, accept: bool
) -> tuple[str, ...]:
    """Return the runs with a report that the journal does not know, where that is accepted.

    By the option, by an earlier run, or by whoever is there and is told: a rehearsal sends nothing.
    Raises UsageProblem where it is not.
    """
    unknown = unknown_reports(journal.ledger, context.reports_dir)
    if not unknown:
        return ()
    earlier = {one for _, run in journal.ledger.runs() for one in run.accepted_reports}
    context.watcher.warn(f"{older_than(unknown)}. What they deferred is not remembered.")
    if accept or settings.is_rehearsal or context.watcher.is_attended or earlier >= {*unknown}:
        return () if settings.is_rehearsal else unknown
    raise UsageProblem(
        f"{older_than(unknown)}. Nothing was sent",
        hint="restore the newer journal.db; or take the rows of those runs' succeeded.csv out of "
        "the list, and run it with --accept-older-journal",
    )


def _execute_staged(
    context: Context, journal: Journal, run_id: str, staged: Staged, *, start_over: bool
) -> Finished | None:
    run = journal.ledger.run(run_id)
    if not staged.input_rows:
        journal.discard(staged.run_no)
        context.watcher.warn(no_rows(run.input_name, run.hidden_rows))
        return None
    ending = superseded(journal, run, start_over=start_over, reports_dir=context.reports_dir)

    def begin(log: RunLog, plan: Plan) -> None:
        journal.start(staged.run_no, ending=ending)
        repairs = ((repair.row_number, repair.column, repair.kind) for repair in staged.repairs)
        log.begin(
            journal.ledger, rows=plan.to_send, repairs=repairs, more=staged.repairs_not_listed
        )

    return execute(context, journal, plan_of_run(journal, run, staged, context.journal), begin)


def _may_need_none(context: Context, settings: RunSettings) -> bool:
    """Whether earlier runs may have settled every row: only the file then tells.

    Raises JournalProblem.
    """
    if settings.is_rehearsal:
        return True
    if not context.journal.exists():
        return False
    with contextlib.closing(Ledger.read(context.journal)) as ledger:
        runs = [run for _, run in ledger.runs()]
    return any(run.base_url == settings.origin and not run.rehearsal for run in runs)


def record_of(
    run_id: str,
    input_file: InputFile,
    context: Context,
    settings: RunSettings,
    options: InputOptions,
    now: float,
) -> RunRecord:
    """Return the run of a file as it is staged; `now` is in Unix seconds."""
    return RunRecord(
        run_id=run_id,
        rehearsal=settings.is_rehearsal,
        input_name=as_text(input_file.name),
        input_sha256="",
        input_size=0,
        input_rows=0,
        columns=input_file.columns,
        separator=input_file.separator,
        base_url=settings.origin,
        api_version=settings.api_version or "",
        settings=settings.as_json(),
        token_fingerprint=context.fingerprint(settings),
        operator=context.who.operator,
        operator_name=context.who.operator_name,
        host=context.who.host,
        tool_version=context.who.tool_version,
        python_version=context.who.python_version,
        command=context.who.command,
        started_at=iso(now),
        reports_dir=str(context.reports_dir),
        date_format=options.date_format,
        held_in={
            name: input_file.layout.own[place] for name, place in input_file.layout.places.items()
        },
    )


def new_run_id(path: Path, now: float) -> str:
    """Return an id for a run of that file: it begins with the time and ends at random."""
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:40] or "input"
    return f"{moment}-{name}-{secrets.token_hex(2)}"
