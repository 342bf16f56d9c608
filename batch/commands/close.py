"""`close`: an unfinished run is ended for good, and nothing of it is sent any more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from batch import files
from batch.codes import Code, exit_code_of
from batch.commands.execute import (
    Context,
    Finished,
    alone,
    delivered,
    finished,
    resumption,
    write_and_check,
)
from batch.commands.resume import no_such_run
from batch.commands.unaltered import refuse_altered, refuse_other_rows
from batch.errors import RefusedByRegister, RegisterUnreachable, UnknownRun, UsageProblem
from batch.record.journal import Journal, writing
from batch.record.records import RunRecord, iso
from batch.rows import RowUnderWay, Settled
from batch.run_settings import RunSettings
from batch.submission.run_log import RunLog, open_run_log
from batch.submission.session import RequestsLeft, Session
from batch.words import counted

_CLOSED = "It was closed before every row was settled: nothing of it is sent any more."
_CLOSED_WHOLE = "It was closed, with every row settled."


def close_run(
    context: Context, run_id: str, changed: Mapping[str, Any], *, confirm: Callable[[str], bool]
) -> Finished:
    """End an unfinished run for good; its unresolved rows stay so, and its report is written anew.

    A row whose request may have arrived is read first, as far as it can be. `changed` are the
    settings that were given anew. The exit code is 0 where no row is left in doubt, else 1.
    Raises UnknownRun, UsageProblem where it was declined, AlreadyRunning, Interrupted,
    SelfCheckFailed where the journal's record of the run was altered.
    """
    if not context.journal.exists():
        raise no_such_run(context, run_id)
    since = iso(time.time())
    with contextlib.ExitStack() as stack:
        opened = writing(context.journal, run_id=run_id, since=since, wall=time.time)
        journal = stack.enter_context(opened)
        run, stage = journal.ledger.run(run_id), journal.ledger.stage_of(run_id)
        if stage != "started":
            return _without_closing(context, journal, run, stage)
        refuse_altered(journal, run_id, context.reports_dir / run_id)
        refuse_other_rows(journal, run)
        settings = replace(RunSettings.from_json(run.settings), **changed)
        stack.enter_context(alone(settings, run_id=run_id, since=since))
        if not confirm(_question(journal, run_id)):
            raise UsageProblem("declined: the run was not closed")
        _close(context, journal, run, settings)
        folder = context.reports_dir / run_id
        closed = write_and_check(journal, run_id, folder, tool_version=context.who.tool_version)
        closed = delivered(closed, context.deliver_to)
        return replace(closed, exit_code=int(_in_doubt(journal, run_id) or bool(closed.warnings)))


def _question(journal: Journal, run_id: str) -> str:
    unsettled = journal.ledger.unsettled(run_id)
    verb = "stays" if unsettled == 1 else "stay"
    return (
        f"Will close {run_id} for good: {counted(unsettled, 'row')} {verb} without an answer, "
        "unless reading the trainee settles it, and nothing of it is sent any more."
    )


def _without_closing(context: Context, journal: Journal, run: RunRecord, stage: str) -> Finished:
    """Return how a run ended that cannot be closed, or need not be."""
    if run.is_purged:
        raise UnknownRun(
            f"{run.run_id} was purged: there is nothing to close",
            hint="`defer-batch runs` lists the others",
        )
    how = "finished" if stage == "finished" else "ended for good already"
    context.watcher.warn(f"{run.run_id} is {how}: there is nothing to close.")
    ended = finished(journal, run.run_id, context.reports_dir / run.run_id)
    return replace(ended, exit_code=int(_in_doubt(journal, run.run_id)))


def _close(context: Context, journal: Journal, run: RunRecord, settings: RunSettings) -> None:
    run_no, folder = journal.ledger.run_number(run.run_id), context.reports_dir / run.run_id
    journal.settle_the_rest(run_no)
    files.make_own_folder(folder)
    with open_run_log(folder / "run.log", run.run_id) as log:
        settled = _read_first(context, journal, run, settings, log)
        # first, so that a kill behind it leaves a run that went on, not one that was altered
        journal.note_resumption(run_no, resumption(context, settings))
        journal.settle_now(run_no, settled)
        for row_number, one in settled.items():
            log.settled(row_number, one)
        counts = journal.ledger.counts(run.run_id)
        because = _CLOSED if journal.ledger.unsettled(run.run_id) else _CLOSED_WHOLE
        journal.end_for_good(run_no, exit_code=min(1, exit_code_of(counts)), because=because)
        log.closed(journal.ledger)


def _read_first(
    context: Context, journal: Journal, run: RunRecord, settings: RunSettings, log: RunLog
) -> dict[int, Settled]:
    """Return what reading makes of the rows whose request may have arrived."""
    rows = journal.ledger.in_doubt(run.run_id)
    if not rows or settings.is_rehearsal:
        return {}
    if context.token is None:
        context.watcher.warn(_left("there is no token", len(rows)))
        return {}
    try:
        settled = asyncio.run(_read(context, journal, run, settings, log, rows))
    except (RefusedByRegister, RegisterUnreachable) as error:
        context.watcher.warn(_left(error.message.rstrip("."), len(rows)))
        return {}
    if run.token_fingerprint not in {None, context.fingerprint(settings)}:
        # of another provider's token Register would say that it knows nobody
        settled = {n: one for n, one in settled.items() if one.code is not Code.TRAINEE_NOT_FOUND}
    if len(settled) < len(rows):
        context.watcher.warn(_left("not every trainee could be read", len(rows) - len(settled)))
    return settled


async def _read(
    context: Context,
    journal: Journal,
    run: RunRecord,
    settings: RunSettings,
    log: RunLog,
    rows: list[RowUnderWay],
) -> dict[int, Settled]:
    session = Session(
        journal,
        run.run_id,
        settings,
        base_url=settings.origin,
        token=context.token or "",
        log=log,
        watcher=context.watcher,
        forecast=RequestsLeft(len(rows), reads_first=len(rows)),
    )
    async with session:
        await session.ask_first()
        return await session.read_back(rows)


def _left(why: str, rows: int) -> str:
    verb = "stays" if rows == 1 else "stay"
    return f"{why}; {counted(rows, 'row')} {verb} in doubt, as answer_lost."


def _in_doubt(journal: Journal, run_id: str) -> bool:
    return bool(journal.ledger.in_doubt(run_id))
