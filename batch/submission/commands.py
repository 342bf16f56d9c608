"""`run` and `resume`: from a file, or from the journal, to a finished run and its reports."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from batch import files
from batch.errors import UnknownRun, UsageProblem
from batch.intake.checking import InputFile, open_input
from batch.logs import run_log
from batch.record import locks
from batch.record.journal import Journal, writing
from batch.record.ledger import Ledger
from batch.record.memory import deferrals_known
from batch.record.records import RunRecord
from batch.record.schema import JOURNAL
from batch.record.times import iso
from batch.submission.pacing import Pacer
from batch.submission.session import (
    Session,
    exit_code_of,
    finished,
    log_beginning,
    write_and_check,
)
from batch.submission.staging import (
    Staged,
    set_aside_remembered,
    stage_rows,
    superseded,
)
from batch.submission.terms import Finished, InputOptions, Plan, Terms, Watcher, Who

REHEARSAL_TOKEN = "rehearsal"  # noqa: S105 — the emulator takes any
OLD_AFTER_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works and on whose word: reports folder, token, who watches."""

    reports_dir: Path
    token: str | None
    who: Who
    watcher: Watcher

    @property
    def journal(self) -> Path:
        """Where the journal is, or will be."""
        return self.reports_dir / JOURNAL


def run_file(
    desk: Desk, terms: Terms, options: InputOptions, *, start_over: bool
) -> Finished | None:
    """Check, confirm, submit and report one file; None where it has no rows.

    Raises UnusableFile, UsageProblem, UnfinishedRun, AlreadyRunning, JournalLost, SelfCheckFailed.
    """
    if desk.token is None and not terms.is_rehearsal and not desk.journal.exists():
        raise _no_token()
    now = time.time()
    run_id = _run_id(options.path, now)
    with (
        open_input(
            options.path,
            encoding=options.encoding,
            sheet=options.sheet,
            date_format=options.date_format,
            allow_unusual_dates=options.allow_unusual_dates,
            today=options.today,
        ) as input_file,
        _writing(desk, terms, run_id=run_id, now=now) as journal,
    ):
        run_no = journal.stage(_record(run_id, input_file, desk, terms, now), origin=terms.origin)
        try:
            return _staged_to_finished(
                desk, terms, journal, input_file, run_id, run_no, start_over=start_over
            )
        except BaseException:
            journal.discard_if_staged(run_no)
            raise


def _staged_to_finished(
    desk: Desk,
    terms: Terms,
    journal: Journal,
    input_file: InputFile,
    run_id: str,
    run_no: int,
    *,
    start_over: bool,
) -> Finished | None:
    is_new = not deferrals_known(journal, terms.origin) and len(journal.runs()) == 0
    staged = stage_rows(journal, run_no, input_file, origin=terms.origin, again=terms.again)
    if not staged.input_rows:
        journal.discard(run_no)
        desk.watcher.warn(f"{input_file.name} has a header and no rows: nothing to do.")
        return None
    ending = superseded(
        journal, origin=terms.origin, input_sha256=staged.input_sha256, start_over=start_over
    )
    plan = _plan(desk, terms, journal, run_id, staged, journal_is_new=is_new)
    plan = replace(plan, supersedes=ending)
    return _carry_out(desk, terms, journal, run_no, plan)


def newest_unfinished(reports_dir: Path) -> str | None:
    """Give the id of the newest run that can be resumed, None where there is none."""
    if not (reports_dir / JOURNAL).exists():
        return None
    ledger = Ledger.read(reports_dir / JOURNAL)
    try:
        return next((run.run_id for stage, run in ledger.runs() if stage == "started"), None)
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
        journal = stack.enter_context(_open_journal(desk, run_id=run_id, since=iso(now)))
        run, stage = journal.run(run_id), journal.stage_of(run_id)
        terms = replace(Terms(**run.settings), **changed)  # type: ignore[arg-type]
        _refuse_another_target(terms, register, api_version)
        if stage != "started":
            return _again(desk, journal, run, stage, terms)
        if not terms.is_rehearsal:
            stack.enter_context(
                locks.one_run_at_a_time(terms.origin, run_id=run_id, since=iso(now))
            )
        run_no = journal.run_number(run_id)
        plan = _resume_plan(desk, terms, journal, run, now, yes=yes)
        if plan.needs_yes is not None and not desk.watcher.is_attended:
            raise UsageProblem(
                f"not resumed: {plan.needs_yes}", hint="--yes resumes it all the same"
            )
        return _carry_out(desk, terms, journal, run_no, plan)


def _again(desk: Desk, journal: Journal, run: RunRecord, stage: str, terms: Terms) -> Finished:
    if stage != "finished":
        raise UnknownRun(
            f"{run.run_id} can no longer be resumed: it was {stage}",
            hint="`defer-batch runs` lists the others",
        )
    desk.watcher.warn(f"{run.run_id} is finished: nothing to resume.")
    folder = desk.reports_dir / run.run_id
    return finished(journal, run.run_id, folder, environment=terms.environment)


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


def _carry_out(desk: Desk, terms: Terms, journal: Journal, run_no: int, plan: Plan) -> Finished:
    folder = desk.reports_dir / plan.run_id
    if plan.to_send:
        token = REHEARSAL_TOKEN if terms.is_rehearsal else desk.token
        if token is None:
            raise _no_token()
        existed = folder.exists()
        files.make_private_folder(folder)
        with _register(terms, journal, plan.run_id) as base_url:
            session = Session(
                journal=journal,
                run_no=run_no,
                run_id=plan.run_id,
                terms=terms,
                base_url=base_url,
                token=token,
                folder=folder,
                watcher=_Reopening(desk.watcher, journal, run_no, terms),
                tool_version=desk.who.tool_version,
            )
            if not session.submit(plan):
                if not existed:
                    _remove(folder)
                raise UsageProblem("declined: nothing was sent", hint="the same command asks again")
    else:
        files.make_private_folder(folder)
        with run_log(folder / "run.log", plan.run_id) as log:
            log_beginning(log, plan)
        journal.start(run_no, ending=plan.supersedes)
        code = exit_code_of(journal.counts(plan.run_id))
        journal.finish(run_no, exit_code=code, stopped_because=None)
    return write_and_check(
        journal,
        plan.run_id,
        folder,
        environment=terms.environment,
        tool_version=desk.who.tool_version,
    )


class _Reopening:
    """The watcher of a run that is taken up again: once confirmed, its rows are pending again."""

    def __init__(self, watcher: Watcher, journal: Journal, run_no: int, terms: Terms) -> None:
        self._watcher = watcher
        self._journal = journal
        self._run_no = run_no
        self.warn = watcher.warn
        self.begin = watcher.begin
        self.settled = watcher.settled
        self.time_left = watcher.time_left
        self.end = watcher.end
        self.is_attended = watcher.is_attended
        self._terms = terms

    def confirm(self, plan: Plan) -> bool:
        """Ask; where confirmed, let the unresolved rows be settled anew, by memory first."""
        if not self._watcher.confirm(plan):
            return False
        if plan.resumed_from is not None:
            self._journal.reopen(self._run_no)
            again = self._terms.again
            set_aside_remembered(self._journal, self._run_no, self._terms.origin, again=again)
        return True


@contextlib.contextmanager
def _writing(desk: Desk, terms: Terms, *, run_id: str, now: float) -> Iterator[Journal]:
    with contextlib.ExitStack() as stack:
        if not terms.is_rehearsal:
            stack.enter_context(
                locks.one_run_at_a_time(terms.origin, run_id=run_id, since=iso(now))
            )
        yield stack.enter_context(_open_journal(desk, run_id=run_id, since=iso(now)))


def _open_journal(
    desk: Desk, *, run_id: str, since: str
) -> contextlib.AbstractContextManager[Journal]:
    return writing(desk.journal, run_id=run_id, since=since, wall=time.time)


@contextlib.contextmanager
def _register(terms: Terms, journal: Journal, run_id: str) -> Iterator[str]:
    if terms.is_rehearsal:
        from batch.submission import rehearsal  # noqa: PLC0415 — a real run needs no server

        with rehearsal.register_for(journal, run_id, terms) as base_url:
            yield base_url
    else:
        yield terms.origin


def _plan(
    desk: Desk,
    terms: Terms,
    journal: Journal,
    run_id: str,
    staged: Staged,
    *,
    journal_is_new: bool,
) -> Plan:
    run = journal.run(run_id)
    to_send = journal.unsettled(run_id)
    return Plan(
        run_id=run_id,
        terms=terms,
        input_name=run.input_name,
        input_rows=staged.input_rows,
        to_send=to_send,
        to_read_first=journal.open_rows(staged.run_no),
        held_back=journal.held_back(run_id),
        known_under_another_date=staged.known_under_another_date,
        again=staged.again,
        deferrals_known=deferrals_known(journal, terms.origin),
        journal=desk.journal,
        journal_is_new=journal_is_new,
        seconds_needed=_seconds_needed(terms, to_send),
        notices=run.notices,
        repairs=tuple((r.row_number, r.column, r.kind) for r in staged.repairs),
    )


def _resume_plan(
    desk: Desk, terms: Terms, journal: Journal, run: RunRecord, now: float, *, yes: bool
) -> Plan:
    began = datetime.fromisoformat(run.started_at).timestamp()
    why = None
    if now - began > OLD_AFTER_SECONDS:
        why = f"this run began {(now - began) / 86_400:.0f} days ago"
    if not terms.is_rehearsal and desk.token is not None:
        fingerprint = token_fingerprint(desk.token, terms.origin)
        if run.token_fingerprint not in {None, fingerprint}:
            why = "this run began with another token"
    to_send = journal.unsettled(run.run_id)
    return Plan(
        run_id=run.run_id,
        terms=terms,
        input_name=run.input_name,
        input_rows=run.input_rows,
        to_send=to_send,
        to_read_first=journal.open_rows(journal.run_number(run.run_id)),
        held_back=journal.held_back(run.run_id),
        known_under_another_date=(),
        again=(),
        deferrals_known=deferrals_known(journal, terms.origin),
        journal=desk.journal,
        journal_is_new=False,
        seconds_needed=_seconds_needed(terms, to_send),
        notices=run.notices,
        resumed_from=run.started_at,
        needs_yes=None if yes else why,
    )


def _seconds_needed(terms: Terms, requests: int) -> float:
    return Pacer(terms.rate_requests, terms.rate_period_seconds).seconds_for(requests + 1, 0.0)


def token_fingerprint(token: str, origin: str) -> str:
    """Give the first 8 hex digits of a keyed hash: tells tokens apart, gives none away."""
    return hmac.new(origin.encode(), token.encode(), hashlib.sha256).hexdigest()[:8]


def _record(
    run_id: str,
    input_file: InputFile,
    desk: Desk,
    terms: Terms,
    now: float,
) -> RunRecord:
    fingerprint = None
    if desk.token is not None and not terms.is_rehearsal:
        fingerprint = token_fingerprint(desk.token, terms.origin)
    return RunRecord(
        run_id=run_id,
        rehearsal=terms.is_rehearsal,
        input_name=input_file.name,
        input_sha256="",
        input_size=0,
        input_rows=0,
        columns=input_file.columns,
        separator=input_file.separator,
        base_url=terms.origin,
        api_version=terms.api_version,
        settings=asdict(terms),
        token_fingerprint=fingerprint,
        operator=desk.who.operator,
        operator_name=desk.who.operator_name,
        host=desk.who.host,
        tool_version=desk.who.tool_version,
        python_version=desk.who.python_version,
        command=desk.who.command,
        started_at=iso(now),
    )


def _run_id(path: Path, now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:40] or "input"
    return f"{moment}-{name}-{secrets.token_hex(2)}"


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _no_token() -> UsageProblem:
    return UsageProblem(
        "no token: Register would refuse every request",
        hint="set DEFER_BATCH_API_TOKEN, or name a file with --api-token-file; "
        "`--register emulator` rehearses without one",
    )
