"""What a run would do, told before it is confirmed."""

from __future__ import annotations

from datetime import datetime

from batch.commands.execute import Desk, token_fingerprint
from batch.record.journal import Journal
from batch.record.memory import deferrals_known, known_meanwhile
from batch.record.records import RunRecord
from batch.run_settings import Terms
from batch.submission.pacing import Pacer
from batch.submission.staging import (
    Staged,
)
from batch.submission.watching import Plan

OLD_AFTER_SECONDS = 7 * 86_400


def plan_of_run(
    desk: Desk,
    terms: Terms,
    journal: Journal,
    run_id: str,
    staged: Staged,
    *,
    journal_is_new: bool,
    supersedes: tuple[int, ...],
) -> Plan:
    """Return what a staged run would do, and what it would end (`supersedes`, run numbers)."""
    run = journal.ledger.run(run_id)
    to_send = journal.ledger.unsettled(run_id)
    return Plan(
        run_id=run_id,
        terms=terms,
        input_name=run.input_name,
        input_rows=staged.input_rows,
        to_send=to_send,
        to_read_first=journal.open_rows(staged.run_no),
        held_back=journal.ledger.held_back(run_id),
        known_under_another_date=staged.known_under_another_date,
        again=staged.again,
        deferrals_known=deferrals_known(journal.ledger, terms.origin),
        journal=desk.journal,
        journal_is_new=journal_is_new,
        seconds_needed=seconds_needed(terms, to_send),
        supersedes=supersedes,
        notices=run.notices,
        repairs=tuple((r.row_number, r.column, r.kind) for r in staged.repairs),
        repairs_not_listed=staged.repairs_not_listed,
    )


def plan_of_resume(
    desk: Desk, terms: Terms, journal: Journal, run: RunRecord, now: float, *, yes: bool
) -> Plan:
    """Return what is left of an unfinished run, and why it would want a `yes`."""
    began = datetime.fromisoformat(run.started_at).timestamp()
    why = None
    if now - began > OLD_AFTER_SECONDS:
        why = f"this run began {(now - began) / 86_400:.0f} days ago"
    if not terms.is_rehearsal and desk.token is not None and journal.ledger.has_sent(run.run_id):
        fingerprint = token_fingerprint(desk.token, terms.origin)
        if run.token_fingerprint not in {None, fingerprint}:
            why = "this run began with another token"
    run_no = journal.ledger.run_number(run.run_id)
    known = 0 if terms.again else known_meanwhile(journal.ledger, run_no, terms.origin)
    to_send = journal.ledger.unsettled(run.run_id) - known
    return Plan(
        run_id=run.run_id,
        terms=terms,
        input_name=run.input_name,
        input_rows=run.input_rows,
        to_send=to_send,
        to_read_first=journal.open_rows(run_no),
        held_back=journal.ledger.held_back(run.run_id),
        known_under_another_date=(),
        again=(),
        deferrals_known=deferrals_known(journal.ledger, terms.origin),
        journal=desk.journal,
        journal_is_new=False,
        seconds_needed=seconds_needed(terms, to_send),
        notices=run.notices,
        resumed_from=run.started_at,
        needs_yes=None if yes else why,
    )


def seconds_needed(terms: Terms, requests: int) -> float:
    """Return the time that so many requests, and one to /info, take at the rate limit."""
    return Pacer(terms.rate_requests, terms.rate_period_seconds).seconds_for(requests + 1, 0.0)
