"""`runs`, `report` and `verify`: looking back at what the journal holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch.errors import JournalProblem, UnknownRun
from batch.record import proof
from batch.record.journal import writing
from batch.record.ledger import Ledger
from batch.record.schema import JOURNAL
from batch.record.times import iso
from batch.rows import Code, Outcome
from batch.submission.session import write_and_check
from batch.submission.terms import Finished


def runs(reports_dir: Path) -> list[dict[str, Any]]:
    """Give every run, the unfinished first, then newest first, with its counts."""
    if not (reports_dir / JOURNAL).exists():
        return []
    ledger = Ledger.read(reports_dir / JOURNAL)
    try:
        listed = [
            {
                "run_id": run.run_id,
                "stage": stage,
                "rehearsal": run.rehearsal,
                "input": run.input_name,
                "register": run.base_url,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "exit_code": run.exit_code,
                "counts": _counts(run.purged_counts or ledger.counts(run.run_id)),
                "carry_on": f"defer-batch resume {run.run_id}" if stage == "started" else None,
            }
            for stage, run in ledger.runs()
        ]
    finally:
        ledger.close()
    return sorted(listed, key=lambda run: run["stage"] != "started")


def table(listed: list[dict[str, Any]]) -> list[str]:
    """Give the runs as lines for people."""
    if not listed:
        return ["no runs yet"]
    lines = []
    for run in listed:
        counts = ", ".join(f"{count} {name}" for name, count in run["counts"].items() if count)
        rehearsal = "REHEARSAL, " if run["rehearsal"] else ""
        lines.append(f"{run['run_id']}  {run['stage']}  {rehearsal}{run['register']}")
        lines.append(f"    {run['input']}: {counts or 'nothing kept'}")
        if run["carry_on"]:
            lines.append(f"    {run['carry_on']} carries on")
    return lines


def write_again(reports_dir: Path, run_id: str, *, tool_version: str) -> Finished:
    """Write a run's report again from the journal."""
    path = reports_dir / JOURNAL
    if not path.exists():
        raise JournalProblem(
            f"there is no journal at {path}", hint="name its folder with --reports-dir"
        )
    with writing(path, run_id=run_id, since=iso(time.time()), wall=time.time) as journal:
        if journal.run(run_id).is_purged:
            raise UnknownRun(
                f"no report of {run_id}: it was purged, its rows are gone",
                hint="`defer-batch runs` lists what is still known of it",
            )
        journal.settle_the_rest(journal.run_number(run_id))
        return write_and_check(
            journal,
            run_id,
            reports_dir / run_id,
            environment=str(journal.run(run_id).settings.get("environment", "")),
            tool_version=tool_version,
        )


def verify_run(folder: Path, reports_dir: Path, manifest_sha256: str | None) -> proof.Verdict:
    """Hold a run's folder against its manifest and, where there is one, the journal."""
    ledger = _ledger_of(folder, reports_dir)
    try:
        return proof.verify_run(folder, ledger, manifest_sha256)
    finally:
        if ledger is not None:
            ledger.close()


def _ledger_of(folder: Path, reports_dir: Path) -> Ledger | None:
    """Give the journal beside the folder, or else one that knows the run: a copy may be far off."""
    if (folder.parent / JOURNAL).exists():
        return Ledger.read(folder.parent / JOURNAL)
    if not (reports_dir / JOURNAL).exists():
        return None
    ledger = Ledger.read(reports_dir / JOURNAL)
    if any(run.run_id == proof.run_id_of(folder) for _, run in ledger.runs()):
        return ledger
    ledger.close()
    return None


def _counts(codes: Mapping[str, int]) -> dict[str, int]:
    counts = {outcome.value: 0 for outcome in Outcome}
    for code, count in codes.items():
        counts[Code(code).outcome] += count
    return counts
