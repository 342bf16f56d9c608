"""A plan is carried out: confirmed, submitted, and reported."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import hmac
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from batch import files
from batch.codes import Outcome, counts_of, exit_code_of
from batch.errors import Interrupted, SelfCheckFailed, UsageProblem
from batch.record import locks, report
from batch.record.database import JOURNAL
from batch.record.journal import Journal, writing
from batch.record.manifest import tells_the_end
from batch.record.records import Resumption, Who, iso
from batch.run_settings import Terms
from batch.submission.run_log import telling
from batch.submission.session import Session
from batch.submission.staging import set_aside_remembered
from batch.submission.watching import Finished, Plan, Watcher


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


@contextlib.contextmanager
def writing_for(desk: Desk, terms: Terms, *, run_id: str, now: float) -> Iterator[Journal]:
    """Hold the only place for a run against this Register, and the journal open for writing.

    Raises AlreadyRunning, UsageProblem, JournalProblem.
    """
    with contextlib.ExitStack() as stack:
        if not terms.is_rehearsal:
            stack.enter_context(
                locks.one_run_at_a_time(terms.origin, run_id=run_id, since=iso(now))
            )
        yield stack.enter_context(open_journal(desk, run_id=run_id, since=iso(now)))


def open_journal(
    desk: Desk, *, run_id: str, since: str
) -> contextlib.AbstractContextManager[Journal]:
    """Hold the journal open for writing. Raises AlreadyRunning, UsageProblem, JournalProblem."""
    return writing(desk.journal, run_id=run_id, since=since, wall=time.time)


def token_fingerprint(token: str, origin: str) -> str:
    """Return the first 8 hex digits of a keyed hash: tells tokens apart, gives none away."""
    return hmac.new(origin.encode(), token.encode(), hashlib.sha256).hexdigest()[:8]


def no_token() -> UsageProblem:
    """Return the error that says that a token is missing, and how to give one."""
    return UsageProblem(
        "no token: Register would refuse every request",
        hint="set DEFER_BATCH_API_TOKEN, or name a file with --api-token-file; "
        "`--register emulator` rehearses without one",
    )


ROWS_SHOWN = 10


def write_and_check(journal: Journal, run_id: str, folder: Path, *, tool_version: str) -> Finished:
    """Write a run's reports from the journal, and check them against it. Raises SelfCheckFailed."""
    gc.enable()
    written = report.write_report(journal, run_id, folder, tool_version=tool_version)
    disagreements = report.self_check(journal, run_id, written.folder)
    if disagreements:
        raise SelfCheckFailed(
            f"the reports of {run_id} disagree with the journal: do not trust them",
            notes=tuple(disagreements[:ROWS_SHOWN]),
            hint="keep the folder and journal.db, and tell the maintainers",
        )
    ended = finished(
        journal,
        run_id,
        written.folder,
        manifest_sha256=written.manifest_sha256,
    )
    code = ended.exit_code or int(bool(written.warnings))
    return replace(ended, warnings=written.warnings, exit_code=code)


def finished(journal: Journal, run_id: str, folder: Path, *, manifest_sha256: str = "") -> Finished:
    """Return how a run ended, from the journal."""
    codes = journal.counts(run_id)
    run = journal.run(run_id)
    return Finished(
        run=run,
        folder=folder,
        counts=counts_of(codes),
        codes=codes,
        exit_code=run.exit_code or 0,
        manifest_sha256=manifest_sha256,
        problems=tuple(journal.problems(run_id, ROWS_SHOWN)),
    )


REHEARSAL_TOKEN = "rehearsal"  # noqa: S105 — the emulator takes any


def carry_out(desk: Desk, terms: Terms, journal: Journal, run_no: int, plan: Plan) -> Finished:
    """Confirm and submit a plan, and write its reports; without a row to send, only report.

    Raises UsageProblem where it was declined or there is no token, JournalLost, SelfCheckFailed.
    """
    folder = desk.reports_dir / plan.run_id
    if plan.to_send:
        try:
            _submit(desk, terms, journal, run_no, plan)
        except (UsageProblem, Interrupted):  # nothing was sent
            _tell_what_was_asked(desk, journal, plan)
            raise
        finally:
            if journal.stage_of(plan.run_id) == "staged":
                shutil.rmtree(folder, ignore_errors=True)
    else:
        files.make_own_folder(folder)
        journal.start(run_no, ending=plan.supersedes)
        _take_up_again(desk, journal, run_no, terms, plan)
        with telling(folder / "run.log", plan.run_id) as log:
            log.begin(plan, journal)
            code = exit_code_of(journal.counts(plan.run_id))
            journal.finish(run_no, exit_code=code, stopped_because=None)
            log.end(plan.run_id, journal)
    return _report(desk, journal, plan)


def _submit(desk: Desk, terms: Terms, journal: Journal, run_no: int, plan: Plan) -> None:
    token = REHEARSAL_TOKEN if terms.is_rehearsal else desk.token
    if token is None:
        raise no_token()
    folder = desk.reports_dir / plan.run_id
    files.make_own_folder(folder)
    with _register(terms, journal, plan.run_id) as base_url:
        session = Session(
            journal=journal,
            run_no=run_no,
            run_id=plan.run_id,
            terms=terms,
            base_url=base_url,
            token=token,
            folder=folder,
            watcher=desk.watcher,
        )
        if not session.submit(plan, lambda: _take_up_again(desk, journal, run_no, terms, plan)):
            raise UsageProblem("declined: nothing was sent", hint="the same command asks again")


def _take_up_again(desk: Desk, journal: Journal, run_no: int, terms: Terms, plan: Plan) -> None:
    """Let the unresolved rows of a run that is resumed be settled anew, by memory first.

    Who resumed it, and on which terms, is written down before.
    """
    if plan.resumed_from is None:
        return
    journal.note_resumption(run_no, _resumption(desk, terms))
    journal.reopen(run_no)
    set_aside_remembered(journal, run_no, terms.origin, again=terms.again)


def _resumption(desk: Desk, terms: Terms) -> Resumption:
    token = None if terms.is_rehearsal else desk.token
    return Resumption(
        resumed_at=iso(time.time()),
        **asdict(desk.who),
        settings=asdict(terms),
        token_fingerprint=None if token is None else token_fingerprint(token, terms.origin),
    )


@contextlib.contextmanager
def _register(terms: Terms, journal: Journal, run_id: str) -> Iterator[str]:
    if terms.is_rehearsal:
        from batch.emulator.rehearsal import Named, rehearsing  # noqa: PLC0415 — a real run has no server

        succeeded = journal.rows(run_id, Outcome.SUCCEEDED)
        deferred = {row.trainee_id: row.defer_date for row in succeeded}
        named = map(Named, journal.trainee_ids(run_id))
        with rehearsing(named, deferred, terms.rate_limit) as base_url:
            yield base_url
    else:
        yield terms.origin


def _tell_what_was_asked(desk: Desk, journal: Journal, plan: Plan) -> None:
    """Bring the report of a run that was not resumed after all up to date.

    For Register was asked about token and version, and the journal holds that.
    """
    folder = desk.reports_dir / plan.run_id
    if plan.resumed_from is not None and tells_the_end(folder, journal.run(plan.run_id)):
        _report(desk, journal, plan)


def _report(desk: Desk, journal: Journal, plan: Plan) -> Finished:
    return write_and_check(
        journal,
        plan.run_id,
        desk.reports_dir / plan.run_id,
        tool_version=desk.who.tool_version,
    )
