"""`resume`: from the journal to a finished run and its reports."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path

from batch.commands.execute import Desk, carry_out, finished, open_journal, write_and_check
from batch.commands.plan import plan_of_resume
from batch.commands.report import refuse_altered
from batch.errors import UnknownRun, UsageProblem
from batch.record import locks
from batch.record.database import JOURNAL
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.manifest import tells_the_end
from batch.record.records import RunRecord, iso
from batch.run_settings import Terms
from batch.submission.watching import Finished


def newest_unfinished(reports_dir: Path) -> str | None:
    """Return the id of the newest run that can be resumed, None where there is none.

    A run whose rows are settled, and which ended before its report was written, is one.
    """
    if not (reports_dir / JOURNAL).exists():
        return None
    ledger = Ledger.read(reports_dir / JOURNAL)

    def is_left(stage: str, run: RunRecord) -> bool:
        folder = reports_dir / run.run_id
        is_reported = not folder.exists() or tells_the_end(folder, run)
        return stage == "started" or (stage == "finished" and not is_reported)

    try:
        return next((run.run_id for stage, run in ledger.runs() if is_left(stage, run)), None)
    finally:
        ledger.close()


def resume_run(
    desk: Desk,
    run_id: str,
    changed: dict[str, object],
    *,
    register: str | None,
    api_version: str | None,
    yes: bool,
) -> Finished:
    """Carry on an unfinished run; one that is finished is left as it is.

    `changed` are the terms that were given anew; `register` (an origin) and `api_version` may only
    repeat what the run began with. Raises as `run_file` does, and UnknownRun.
    """
    now = time.time()
    if not desk.journal.exists():
        raise UnknownRun(
            f"no run {run_id[:80]}: there is no journal at {desk.journal}",
            hint="name its folder with --reports-dir",
        )
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(open_journal(desk, run_id=run_id, since=iso(now)))
        run, stage = journal.ledger.run(run_id), journal.ledger.stage_of(run_id)
        terms = replace(Terms(**run.settings), **changed)  # type: ignore[arg-type]
        _refuse_another_target(terms, register, api_version)
        if stage != "started":
            return _again(desk, journal, run, stage)
        if not terms.is_rehearsal:
            stack.enter_context(
                locks.one_run_at_a_time(terms.origin, run_id=run_id, since=iso(now))
            )
        run_no = journal.ledger.run_number(run_id)
        plan = plan_of_resume(desk, terms, journal, run, now, yes=yes)
        if plan.needs_yes is not None and not desk.watcher.is_attended:
            raise UsageProblem(
                f"not resumed: {plan.needs_yes}", hint="--yes resumes it all the same"
            )
        return carry_out(desk, terms, journal, run_no, plan)


def _again(desk: Desk, journal: Journal, run: RunRecord, stage: str) -> Finished:
    if stage != "finished":
        raise UnknownRun(
            f"{run.run_id} can no longer be resumed: it was {'purged' if run.is_purged else stage}",
            hint="`defer-batch runs` lists the others",
        )
    folder = desk.reports_dir / run.run_id
    refuse_altered(journal, run.run_id, folder)
    if not tells_the_end(folder, run):
        desk.watcher.warn(f"{run.run_id} is finished, only its report was not: written now.")
        return write_and_check(
            journal,
            run.run_id,
            folder,
            tool_version=desk.who.tool_version,
        )
    desk.watcher.warn(f"{run.run_id} is finished: nothing to resume.")
    return finished(journal, run.run_id, folder)


def _refuse_another_target(terms: Terms, register: str | None, api_version: str | None) -> None:
    for option, given, begun in (
        ("--register", register, terms.origin),
        ("--api-version", api_version, terms.api_version),
    ):
        if given not in {None, begun}:
            raise UsageProblem(
                f"cannot resume with {option} {given}: the run began with {begun}",
                hint=f"leave {option} out, or begin a new run",
            )
