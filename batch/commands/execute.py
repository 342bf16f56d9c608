"""A plan is carried out: confirmed, submitted, and reported."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import asdict, replace

from batch.codes import Code, Outcome, counts_of, exit_code_of
from batch.commands.plan import Plan
from batch.commands.preview import Looking, check_finally, named_in
from batch.errors import DeferBatchError, SelfCheckFailed, UsageProblem
from batch.hints import deliver_command
from batch.record import locks, report_files
from batch.record.database import JOURNAL
from batch.record.delivery import deliver
from batch.record.journal import Journal
from batch.record.manifest import tells_the_end
from batch.record.records import Resumption, RunRecord, Who, iso
from batch.run_settings import RunSettings
from batch.submission.run_log import RunLog, open_run_log
from batch.submission.session import RequestsLeft, Session
from batch.submission.stopping import raising
from batch.submission.watcher import Watcher
from batch.submission.worker import Looked

REHEARSAL_TOKEN = "rehearsal"  # noqa: S105 — the emulator takes any
ROWS_SHOWN = 10


class Asker(Watcher, Protocol):
    """Whoever watches a run, and may be asked whether it may begin."""

    @property
    def is_attended(self) -> bool:
        """Whether someone can answer a question."""

    def confirm(self, plan: Plan) -> bool:
        """Show the plan, and return whether it may be carried out."""


class Context(Struct, frozen=True):
    """Where a command works and on whose behalf: reports folder, token, who watches.

    `deliver_to` is the folder into which finished reports are copied for others, None for none.
    """

    reports_dir: Path
    token: str | None
    who: Who
    watcher: Asker
    deliver_to: Path | None = None

    @property
    def journal(self) -> Path:
        """Where the journal is, or will be."""
        return self.reports_dir / JOURNAL

    def fingerprint(self, settings: RunSettings) -> str | None:
        """Return the token's fingerprint; None for a rehearsal, and where there is no token."""
        if self.token is None or settings.is_rehearsal:
            return None
        return token_fingerprint(self.token, settings.origin)


class Finished(Struct, frozen=True):
    """How a run ended: what the journal says of it, and where its files are."""

    run: RunRecord
    folder: Path
    counts: Mapping[Outcome, int]
    codes: Mapping[str, int]
    exit_code: int
    manifest_sha256: str
    command: tuple[str, ...] = ()
    """The words of the command that began the run, or took it up last."""
    problems: tuple[tuple[str, tuple[int, ...], str, int], ...] = ()
    """For each code that needs attention: the first rows, one message, how many in all."""
    warnings: tuple[str, ...] = ()
    """What someone did to the run's folder behind the tool's back."""
    delivered: Path | None = None
    """Where the copy for others is."""
    not_delivered: str = ""
    """Why there is no copy for others, and what to do, where one was wanted."""

    @property
    def lacks_final_check(self) -> bool:
        """Whether the run is finished, and its deferrals were to be read back, and were not."""
        return self.run.lacks_final_check(self.codes)

    @property
    def reports_dir(self) -> Path:
        """The folder in which the run's folder stands."""
        return self.folder.parent


def token_fingerprint(token: str, origin: str) -> str:
    """Return the first 8 hex digits of a keyed hash: tells tokens apart, gives none away."""
    return hmac.new(origin.encode(), token.encode(), hashlib.sha256).hexdigest()[:8]


def no_token() -> UsageProblem:
    """Return the error that says that a token is missing, and how to give one."""
    return UsageProblem(
        "there is no token: Register would refuse every request",
        hint="set DEFER_BATCH_API_TOKEN, or name a file with --api-token-file; "
        "--register emulator rehearses without one",
    )


@contextlib.contextmanager
def alone(settings: RunSettings, *, run_id: str, since: str) -> Iterator[None]:
    """Hold the only place for requests to a Register; a rehearsal has one of its own.

    Raises AlreadyRunning.
    """
    if settings.is_rehearsal:
        yield
        return
    with locks.one_run_at_a_time(settings.origin, run_id=run_id, since=since):
        yield


def execute(
    context: Context, journal: Journal, plan: Plan, begin: Callable[[RunLog, Plan], None]
) -> Finished:
    """Confirm and submit a plan, and write its reports; without a row to send, only report.

    `begin` writes down that the run begins, or goes on, once it may.
    Raises UsageProblem where it was declined or there is no token, RefusedByRegister,
    RegisterUnreachable, JournalLost, SelfCheckFailed.
    """
    folder, ledger = context.reports_dir / plan.run_id, journal.ledger
    if plan.to_send and context.token is None and not plan.settings.is_rehearsal:
        raise no_token()
    try:
        with open_run_log(folder / "run.log", plan.run_id) as log:
            if plan.to_send:
                with register_of(plan, journal) as base_url:
                    asyncio.run(_submit(context, journal, plan, begin, log, base_url))
            else:
                log.keep()
                begin(log, plan)
                _finish_unsent(journal, plan.run_id)
            log.end(ledger)
    except DeferBatchError:
        _bring_report_up_to_date(context, journal, plan)
        raise
    finally:
        if ledger.stage_of(plan.run_id) == "staged":
            shutil.rmtree(folder, ignore_errors=True)
    ended = write_and_check(journal, plan.run_id, folder, tool_version=context.who.tool_version)
    return delivered(ended, context.deliver_to)


def _finish_unsent(journal: Journal, run_id: str) -> None:
    code = exit_code_of(journal.ledger.counts(run_id))
    run_no = journal.ledger.run_number(run_id)
    journal.finish(run_no, exit_code=code, stopped_because=None)


async def _submit(
    context: Context,
    journal: Journal,
    plan: Plan,
    begin: Callable[[RunLog, Plan], None],
    log: RunLog,
    base_url: str,
) -> None:
    run_no = journal.ledger.run_number(plan.run_id)
    session = Session(
        journal,
        plan.run_id,
        plan.settings,
        base_url=base_url,
        token=context.token or REHEARSAL_TOKEN,
        log=log,
        watcher=context.watcher,
        forecast=RequestsLeft(plan.to_send, reads_first=plan.to_read_first),
    )
    async with session:
        plan = await _plan_to_show(session, journal, plan)
        with raising():
            if not context.watcher.confirm(plan):
                hint = "the same command asks again"
                raise UsageProblem("declined: nothing was sent", hint=hint)
        report_files.refuse_long_path(context.reports_dir / plan.run_id)
        log.keep()
        begin(log, plan)
        journal.note_version(run_no, plan.settings.api_version or "")
        if plan.preview is not None:
            session.settle_now(plan.preview.settled)
            journal.note_notices(run_no, (*plan.notices, *plan.preview.notices))
            count, warnings = len(plan.preview.would), plan.preview.warnings
            journal.note_look(plan.run_id, looked_up=count, warnings=warnings)
        await session.settle_rows(_looked(plan))
        if plan.settings.final_check and not session.is_ending:
            await check_finally(session, journal, plan.run_id, plan.preview)
    session.finish()


async def _plan_to_show(session: Session, journal: Journal, plan: Plan) -> Plan:
    """Return the plan with what only Register can say: version, trainees, time."""
    version = await session.ask_first()
    plan = replace(plan, settings=replace(plan.settings, api_version=version))
    if plan.settings.preview:
        plan = await looked_up(session, journal, plan)
    return replace(plan, seconds_needed=session.seconds_needed(plan.requests_at_the_end))


def _looked(plan: Plan) -> Looked:
    if plan.preview is None:
        return Looked()
    return Looked(plan.preview.remarks, plan.preview.sent_to)


async def looked_up(session: Session, journal: Journal, plan: Plan) -> Plan:
    """Return the plan, knowing what Register holds of the trainees whose rows would be sent."""
    run = journal.ledger.run(plan.run_id)
    looking = Looking(journal, run, plan.settings, today=dt.datetime.now(dt.UTC).date())
    await session.look(looking.look)
    preview = looking.previewed()
    for code, count in plan.settled.items():
        preview.forecast.codes[Code(code)] += count
    to_send = journal.ledger.unsettled(plan.run_id) - len(preview.settled)
    reads_first = preview.forecast.to_read_first
    session.expect(to_send, reads_first=reads_first)
    return replace(plan, preview=preview, to_send=to_send, to_read_first=reads_first)


def resumption(context: Context, settings: RunSettings) -> Resumption:
    """Return who resumes a run, when, and with which settings."""
    return Resumption(
        resumed_at=iso(time.time()),
        **asdict(context.who),
        settings=settings.as_json(),
        token_fingerprint=context.fingerprint(settings),
    )


def write_and_check(journal: Journal, run_id: str, folder: Path, *, tool_version: str) -> Finished:
    """Write a run's reports from the journal, and check them against it. Raises SelfCheckFailed."""
    written = report_files.write_report(journal, run_id, folder, tool_version=tool_version)
    disagreements = report_files.self_check(journal.ledger, run_id, written.folder)
    if disagreements:
        raise SelfCheckFailed(
            f"the reports of {run_id} disagree with journal.db: do not trust them",
            notes=tuple(disagreements[:ROWS_SHOWN]),
            hint="keep the folder and journal.db, and tell the maintainers",
        )
    ended = finished(journal, run_id, written.folder, manifest_sha256=written.manifest_sha256)
    code = ended.exit_code or int(bool(written.warnings))
    return replace(ended, warnings=written.warnings, exit_code=code)


def delivered(ended: Finished, to: Path | None) -> Finished:
    """Return how a run ended, its report copied for others where it is finished and one is wanted.

    A copy that cannot be made is told, and leaves the exit code: that is about the deferrals.
    """
    if to is None or (ended.counts[Outcome.UNRESOLVED] and ended.run.ended is None):
        return ended
    try:
        return replace(ended, delivered=deliver(ended.folder, to))
    except OSError as error:
        command = deliver_command(ended.run.run_id, ended.reports_dir, to)
        words = (
            f"the report was not delivered to {to} ({error.filename or to}: "
            f"{error.strerror or error}); to deliver it, run: {command}"
        )
        return replace(ended, not_delivered=words)


def finished(journal: Journal, run_id: str, folder: Path, *, manifest_sha256: str = "") -> Finished:
    """Return how a run ended, from the journal."""
    ledger = journal.ledger
    run, codes = ledger.run(run_id), ledger.counts(run_id)
    return Finished(
        run=run,
        folder=folder,
        counts=counts_of(codes),
        codes=codes,
        exit_code=run.exit_code or 0,
        manifest_sha256=manifest_sha256,
        command=ledger.last_command(run_id),
        problems=tuple(ledger.problems(run_id, ROWS_SHOWN)),
    )


@contextlib.contextmanager
def register_of(plan: Plan, journal: Journal) -> Iterator[str]:
    """Yield the Register's address; of a rehearsal, that of an emulator within this process."""
    if not plan.settings.is_rehearsal:
        yield plan.settings.origin
        return
    from batch.emulator.rehearsal import NamedTrainee, rehearsing  # noqa: PLC0415 — a real run has no server

    succeeded = journal.ledger.rows(plan.run_id, Outcome.SUCCEEDED)
    deferred = {row.trainee_id: row.defer_date for row in succeeded}
    run = journal.ledger.run(plan.run_id)
    named = (NamedTrainee(**row) for row in named_in(run, journal.ledger.rows(plan.run_id)))
    with rehearsing(named, deferred, plan.settings.rate_limit) as base_url:
        yield base_url


def _bring_report_up_to_date(context: Context, journal: Journal, plan: Plan) -> None:
    """Write the report of a run again that was to be resumed, and was not.

    Register was asked about token and version, and the journal, which the report proves, holds it.
    """
    folder = context.reports_dir / plan.run_id
    if plan.resumed_from is not None and tells_the_end(folder, journal.ledger.run(plan.run_id)):
        write_and_check(journal, plan.run_id, folder, tool_version=context.who.tool_version)
