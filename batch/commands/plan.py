"""What a run would do, shown before anyone is asked whether it may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from batch.commands.preview import Preview
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.memory import known_meanwhile
from batch.record.records import RunRecord
from batch.roster.listing import requests_to_find
from batch.run_settings import RunSettings
from batch.submission.pacing import Pacer
from batch.submission.staging import Staged

OLD_AFTER_SECONDS = 7 * 86_400


class Plan(Struct, frozen=True):
    """What a run would do, or what is left of one that is resumed."""

    run_id: str
    settings: RunSettings
    input_name: str
    input_rows: int
    to_send: int
    to_read_first: int
    settled: Mapping[str, int]
    """Rows that will not be sent, counted by code."""
    deferrals_known: int
    journal: Path
    journal_is_new: bool
    seconds_needed: float
    notices: tuple[str, ...] = ()
    reading_lines: tuple[str, ...] = ()
    """What was taken of the file."""
    known_under_another_date: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    """Rows that are sent only because of `--again`."""
    resumed_from: str | None = None
    """When the run that is resumed began."""
    needs_yes: str | None = None
    """Why an unattended run must be given --yes, if it must."""
    command: tuple[str, ...] = ()
    """The words of the command that began the run, or took it up last."""
    preview: Preview | None = None
    """What the rows would become, once they have been looked up."""

    @property
    def reports_dir(self) -> Path:
        """The folder in which the journal and the run folders stand."""
        return self.journal.parent

    @property
    def requests_at_the_end(self) -> int:
        """About how many requests the check at the end takes."""
        return requests_to_find(self.to_send) if self.settings.final_check else 0


def plan_of_run(journal: Journal, run: RunRecord, staged: Staged, path: Path) -> Plan:
    """Return what a staged run would do; the journal lies at `path`."""
    ledger, settings = journal.ledger, RunSettings.from_json(run.settings)
    known = ledger.deferrals_known(settings.origin)
    to_send = ledger.unsettled(run.run_id)
    return Plan(
        run_id=run.run_id,
        settings=settings,
        input_name=run.input_name,
        input_rows=staged.input_rows,
        to_send=to_send,
        to_read_first=len(ledger.open_rows(staged.run_no)),
        settled=ledger.held_back(run.run_id),
        deferrals_known=known,
        journal=path,
        journal_is_new=not known and not ledger.runs(),
        seconds_needed=seconds_needed(settings, to_send),
        notices=run.notices,
        reading_lines=run.reading_lines,
        known_under_another_date=staged.known_under_another_date,
        again=staged.again,
        command=run.command,
    )


def plan_of_resume(
    journal: Journal,
    run: RunRecord,
    settings: RunSettings,
    path: Path,
    *,
    token_fingerprint: str | None,
    now: float,
    command: tuple[str, ...] = (),
) -> Plan:
    """Return what is left of an unfinished run, and why nobody may resume it unasked."""
    ledger = journal.ledger
    run_no = ledger.run_number(run.run_id)
    known = 0 if settings.again else known_meanwhile(ledger, run_no, settings.origin)
    to_send = ledger.unsettled(run.run_id) - known
    return Plan(
        run_id=run.run_id,
        settings=settings,
        input_name=run.input_name,
        input_rows=run.input_rows,
        to_send=to_send,
        to_read_first=len(ledger.open_rows(run_no)),
        settled=ledger.held_back(run.run_id),
        deferrals_known=ledger.deferrals_known(settings.origin),
        journal=path,
        journal_is_new=False,
        seconds_needed=seconds_needed(settings, to_send),
        notices=run.notices,
        resumed_from=run.started_at,
        command=command,
        needs_yes=_doubt(ledger, run, token_fingerprint, now),
    )


def _doubt(ledger: Ledger, run: RunRecord, token_fingerprint: str | None, now: float) -> str | None:
    """Return why a run may not be resumed unasked: it is old, or perhaps another provider's."""
    is_another = run.token_fingerprint not in {None, token_fingerprint}
    if token_fingerprint is not None and is_another and ledger.has_sent(run.run_id):
        return "this run began with another token"
    age_seconds = now - datetime.fromisoformat(run.started_at).timestamp()
    if age_seconds > OLD_AFTER_SECONDS:
        return f"this run began {age_seconds / 86_400:.0f} days ago"
    return None


def seconds_needed(settings: RunSettings, requests: int) -> float:
    """Return the time that so many requests, and one to /info, take at the rate limit."""
    return Pacer(settings.rate_limit).seconds_for(requests + 1, 0.0)
