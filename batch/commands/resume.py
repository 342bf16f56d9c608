"""`resume`: from the journal to a finished run and its reports."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from batch.codes import exit_code_of
from batch.commands.execute import (
    Context,
    Finished,
    alone,
    delivered,
    execute,
    finished,
    resumption,
    write_and_check,
)
from batch.commands.plan import Plan, plan_of_resume
from batch.commands.unaltered import refuse_altered, refuse_other_rows
from batch.errors import RegisterUnreachable, StoppedEarly, UnknownRun, UsageProblem
from batch.hints import resume_command
from batch.record.database import JOURNAL
from batch.record.journal import Journal, writing
from batch.record.ledger import Ledger
from batch.record.manifest import tells_the_end
from batch.record.missing import is_older_than_report, older_than, unknown_reports
from batch.record.records import RunRecord, iso
from batch.roster.forecast import superseded
from batch.run_settings import RunSettings
from batch.submission.run_log import RunLog
from batch.submission.staging import set_aside_remembered

_OLDER_THAN_REPORT = (
    "the journal does not know this run's newest report, which may say that it has finished since"
)


_OF_A_SIGNAL = 128
"""Exit codes above it are those of signals."""


def newest_unfinished(reports_dir: Path) -> str | None:
    """Return the id of the newest run that can be resumed, None where there is none.

    A run whose rows are settled, and which ended before its report was written, is one.
    """
    if not (reports_dir / JOURNAL).exists():
        return None

    def is_left(stage: str, run: RunRecord) -> bool:
        folder = reports_dir / run.run_id
        is_reported = not folder.exists() or tells_the_end(folder, run)
        return stage == "started" or (stage == "finished" and not is_reported)

    with contextlib.closing(Ledger.read(reports_dir / JOURNAL)) as ledger:
        return next((run.run_id for stage, run in ledger.runs() if is_left(stage, run)), None)


def resume_run(
    context: Context, run_id: str, changed: Mapping[str, Any], *, register: str | None, yes: bool
) -> Finished:
    """Continue an unfinished run; one that is finished is left as it is.

    `changed` are the settings that were given anew; `register` (an origin) may only repeat what
    the run began with. Raises UnknownRun, AlreadyRunning, SelfCheckFailed where the
    journal's record of it was altered, and what `execute` raises.
    """
    now = time.time()
    if not context.journal.exists():
        raise no_such_run(context, run_id)
    with contextlib.ExitStack() as stack:
        since = iso(now)
        opened = writing(context.journal, run_id=run_id, since=since, wall=time.time)
        journal = stack.enter_context(opened)
        run, stage = journal.ledger.run(run_id), journal.ledger.stage_of(run_id)
        _refuse_another_target(run, register)
        refuse_altered(journal, run_id, context.reports_dir / run_id)
        if stage != "started":
            return _without_resuming(context, journal, run, stage)
        refuse_other_rows(journal, run)
        settings = replace(RunSettings.from_json(run.settings), **changed)
        stack.enter_context(alone(settings, run_id=run_id, since=since))
        plan = plan_of_resume(
            journal,
            run,
            settings,
            context.journal,
            token_fingerprint=context.fingerprint(settings),
            command=context.who.command,
            now=now,
        )
        plan = _asking_where_unsure(context, journal, plan, yes=yes)
        return _continue(context, journal, run, plan)


def no_such_run(context: Context, run_id: str) -> UnknownRun:
    """Return the error for a run of a journal that is not there."""
    return UnknownRun(
        f"there is no run {run_id[:80]}: {context.journal}, the record of runs, is not there",
        hint="name the folder that holds journal.db with --reports-dir",
    )


def _asking_where_unsure(context: Context, journal: Journal, plan: Plan, *, yes: bool) -> Plan:
    """Return the plan, which asks before it is carried out where nobody can be sure; warn of why.

    Raises UsageProblem where nobody is there to ask, and `yes` was not given.
    """
    if unknown := unknown_reports(journal.ledger, context.reports_dir):
        context.watcher.warn(older_than(unknown))
    if is_older_than_report(journal.ledger, plan.run_id, context.reports_dir / plan.run_id):
        plan = replace(plan, needs_yes=_OLDER_THAN_REPORT)
    if yes:
        return replace(plan, needs_yes=None)
    if plan.needs_yes is not None and not context.watcher.is_attended:
        raise UsageProblem(
            f"not resumed: {plan.needs_yes}", hint="add --yes to resume it all the same"
        )
    return plan


def _continue(context: Context, journal: Journal, run: RunRecord, plan: Plan) -> Finished:
    def begin(log: RunLog, plan: Plan) -> None:
        """Write down who resumes the run and how; let its unresolved rows be settled anew."""
        run_no = journal.ledger.run_number(run.run_id)
        journal.note_resumption(run_no, resumption(context, plan.settings))
        journal.reopen(run_no)
        set_aside_remembered(journal, run_no, plan.settings.origin, again=plan.settings.again)
        later = journal.ledger.superseded(run.run_id)  # also where nobody is looked up
        journal.settle_now(run_no, {number: superseded(later[number]) for number in later})
        log.resume(journal.ledger, rows=plan.to_send, was_cut_off=run.finished_at is None)

    try:
        return execute(context, journal, plan, begin)
    except RegisterUnreachable as unreachable:
        command = resume_command(run.run_id, context.reports_dir, context.who.command)
        hint = f"to continue later, run: {command}"
        raise StoppedEarly(unreachable.message, hint=hint) from unreachable


def _without_resuming(context: Context, journal: Journal, run: RunRecord, stage: str) -> Finished:
    """Return how a run ended that needs nothing but, perhaps, its report."""
    if stage != "finished":
        raise UnknownRun(
            f"{run.run_id} can no longer be resumed: it was {'purged' if run.is_purged else stage}",
            hint="`defer-batch runs` lists the others",
        )
    folder = context.reports_dir / run.run_id
    if tells_the_end(folder, run):
        context.watcher.warn(f"{run.run_id} is finished: there is nothing to resume.")
        return _by_its_rows(finished(journal, run.run_id, folder))
    context.watcher.warn(f"{run.run_id} is finished; only its report was missing. Writing it now.")
    ended = write_and_check(journal, run.run_id, folder, tool_version=context.who.tool_version)
    return delivered(_by_its_rows(ended), context.deliver_to)


def _by_its_rows(ended: Finished) -> Finished:
    """Return how a finished run ended; a signal that came once was not for this command."""
    if ended.exit_code <= _OF_A_SIGNAL:
        return ended
    return replace(ended, exit_code=exit_code_of(ended.codes) or int(bool(ended.warnings)))


def _refuse_another_target(run: RunRecord, register: str | None) -> None:
    if register not in {None, run.base_url}:
        raise UsageProblem(
            f"cannot resume with --register {register}: the run began with {run.base_url}",
            hint="leave --register out, or start a new run",
        )
