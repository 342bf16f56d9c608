"""`runs`: every run that the journal knows."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from batch.codes import TABLE, counts_of
from batch.commands.term import confirmed_of, trainees_of_term
from batch.hints import resume_command
from batch.record import locks
from batch.record.database import JOURNAL
from batch.record.ledger import STAGES, Ledger
from batch.record.missing import older_than, unknown_reports
from batch.record.records import RunRecord
from batch.roster.standing import NOT_READ, Held


def listed_runs(reports_dir: Path, since: dt.date | None = None) -> list[dict[str, Any]]:
    """Return every run, the unfinished first, then newest first, with its counts.

    `since` leaves out runs that began before that day, in UTC, and adds how the trainees of each
    of the others stand.
    """
    if not (reports_dir / JOURNAL).exists():
        return []
    under_way = locks.run_that_writes(reports_dir / JOURNAL)
    with contextlib.closing(Ledger.read(reports_dir / JOURNAL)) as ledger:
        runs = ledger.runs()
        listed = [
            {
                **_facts(ledger, run),
                "stage": stage,
                "is_altered": stage not in STAGES or _holds_unknown_codes(ledger, run),
                "is_under_way": run.run_id == under_way,
                "carry_on": resume_command(run.run_id, reports_dir, ledger.last_command(run.run_id))
                if stage == "started" and run.run_id != under_way
                else None,
                "follows": list(_followed(run, runs)),
                "reconciled": _reconciled(ledger, run.run_id),
            }
            for stage, run in runs
        ]
        listed += [_unreadable(run_id) for run_id, _ in ledger.unreadable_runs()]
        if since is not None:
            began = since.isoformat()
            listed = [run for run in listed if (run["started_at"] or began)[:10] >= began]
            listed = _with_trainees(ledger, listed, dict(_by_id(runs)))
    return sorted(listed, key=lambda run: run["stage"] != "started")


def _by_id(runs: Iterable[tuple[str, RunRecord]]) -> Iterator[tuple[str, RunRecord]]:
    return ((run.run_id, run) for _, run in runs)


def _with_trainees(
    ledger: Ledger, listed: list[dict[str, Any]], records: dict[str, RunRecord]
) -> list[dict[str, Any]]:
    """Return the runs with how the trainees of each stand, None where that cannot be known."""
    sound = [records[run["run_id"]] for run in listed if not run["is_altered"]]
    counts = trainees_of_term(ledger, sound)
    confirmed = {
        run.run_id: {"confirmed": min(confirmed_of(ledger, run), counts[run.run_id]["deferred"])}
        for run in sound
        if run.run_id in counts
    }
    return [
        {**run, "trainees": counts[run["run_id"]] | confirmed[run["run_id"]]}
        if run["run_id"] in counts
        else {**run, "trainees": None}
        for run in listed
    ]


def warnings_of_runs(reports_dir: Path) -> Iterator[str]:
    """Yield what is wrong with the list as a whole: that the journal has forgotten runs."""
    if not (reports_dir / JOURNAL).exists():
        return
    with contextlib.closing(Ledger.read(reports_dir / JOURNAL)) as ledger:
        if unknown := unknown_reports(ledger, reports_dir):
            yield older_than(unknown)


def _facts(ledger: Ledger, run: RunRecord) -> dict[str, Any]:
    """Return what the list shows of a run itself; a code that is none is counted nowhere."""
    codes = run.purged_counts or ledger.counts(run.run_id)
    known = {code: count for code, count in codes.items() if code in TABLE}
    return {
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "input": run.input_name,
        "register": run.base_url,
        "operator": run.operator_name or run.operator,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "exit_code": run.exit_code,
        "counts": counts_of(known),
    }


def _holds_unknown_codes(ledger: Ledger, run: RunRecord) -> bool:
    return not ledger.counts(run.run_id).keys() <= TABLE.keys()


def _unreadable(run_id: str) -> dict[str, Any]:
    """Return what the list shows of a run whose record cannot be read."""
    nothing = (
        "input",
        "operator",
        "started_at",
        "finished_at",
        "exit_code",
        "carry_on",
        "reconciled",
    )
    return {
        "run_id": run_id,
        "stage": "unreadable",
        "rehearsal": False,
        "register": "",
        "counts": counts_of({}),
        "is_altered": True,
        "is_under_way": False,
        "follows": [],
        **dict.fromkeys(nothing),
    }


def _followed(run: RunRecord, runs: Iterable[tuple[str, RunRecord]]) -> Iterator[str]:
    """Yield the earlier runs whose rows a run corrects, or whose file had the same bytes.

    No run that sends anything follows a rehearsal.
    """
    for _, other in runs:
        if other.rehearsal != run.rehearsal:
            continue
        is_same = other.input_sha256 == run.input_sha256 and other.started_at < run.started_at
        if is_same or other.run_id in run.follows:
            yield other.run_id


def _reconciled(ledger: Ledger, run_id: str) -> dict[str, Any] | None:
    """Return when Register was last asked whether the report stands, and the answer's counts."""
    last = ledger.last_reconciliation(run_id)
    if last is None:
        return None
    at, counts = last
    stand, checked = counts.get(Held.STANDS, 0), sum(counts.values()) - counts.get(NOT_READ, 0)
    return {"at": at, "checked": checked, "stand": stand, "counts": counts}
