"""A plan is carried out: confirmed, submitted, and reported."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict

from batch import files
from batch.errors import Interrupted, UsageProblem
from batch.record.journal import Journal
from batch.record.manifest import tells_the_end
from batch.record.records import Resumption
from batch.record.times import iso
from batch.submission.desk import Desk, no_token, token_fingerprint
from batch.submission.reporting import exit_code_of, write_and_check
from batch.submission.session import Session
from batch.submission.staging import set_aside_remembered
from batch.submission.telling import telling
from batch.submission.terms import Finished, Plan, Terms

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
        from batch.submission import rehearsal  # noqa: PLC0415 — a real run needs no server

        with rehearsal.register_for(journal, run_id, terms) as base_url:
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
