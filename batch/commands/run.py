"""`run`: from a file to a finished run and its reports."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from batch.commands.execute import Desk, carry_out, no_token, token_fingerprint, writing_for
from batch.commands.plan import plan_of_run
from batch.files import as_text
from batch.intake.checked_file import InputFile, open_input
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.memory import deferrals_known
from batch.record.records import RunRecord, iso
from batch.run_settings import InputOptions, Terms
from batch.submission.staging import (
    stage_rows,
    superseded,
)
from batch.submission.watching import Finished


def run_file(
    desk: Desk, terms: Terms, options: InputOptions, *, start_over: bool
) -> Finished | None:
    """Check, confirm, submit and report one file; None where it has no rows.

    Raises UnusableFile, UsageProblem, UnfinishedRun, AlreadyRunning, JournalLost, SelfCheckFailed.
    """
    if desk.token is None and not terms.is_rehearsal and not _may_need_none(desk, terms):
        raise no_token()
    now = time.time()
    run_id = _run_id(options.path, now)
    with (
        open_input(options) as input_file,
        writing_for(desk, terms, run_id=run_id, now=now) as journal,
    ):
        run_no = journal.stage(_record(run_id, input_file, desk, terms, now), origin=terms.origin)
        try:
            return _staged_to_finished(
                desk, terms, journal, input_file, run_id, run_no, start_over=start_over
            )
        except BaseException:
            journal.discard_if_staged(run_no)
            raise


def _may_need_none(desk: Desk, terms: Terms) -> bool:
    """Whether earlier runs may have settled every row: only the file then tells.

    Raises JournalProblem.
    """
    if not desk.journal.exists():
        return False
    with contextlib.closing(Ledger.read(desk.journal)) as ledger:
        runs = [run for _, run in ledger.runs()]
    return any(run.base_url == terms.origin and not run.rehearsal for run in runs)


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
        journal,
        origin=terms.origin,
        input_sha256=staged.input_sha256,
        start_over=start_over,
        reports_dir=desk.reports_dir,
    )
    plan = plan_of_run(
        desk, terms, journal, run_id, staged, journal_is_new=is_new, supersedes=ending
    )
    return carry_out(desk, terms, journal, run_no, plan)


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
        input_name=as_text(input_file.name),
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
        reports_dir=str(desk.reports_dir),
    )


def _run_id(path: Path, now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:40] or "input"
    return f"{moment}-{name}-{secrets.token_hex(2)}"
