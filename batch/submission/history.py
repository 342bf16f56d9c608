"""`runs`, `report` and `verify`: looking back at what the journal holds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch.advice import resume_command
from batch.errors import ForeignJournal, JournalProblem, UnknownRun
from batch.record import proof
from batch.record.journal import Journal, writing
from batch.record.ledger import Ledger
from batch.record.schema import JOURNAL
from batch.record.times import iso
from batch.record.verdict import Verdict
from batch.rows import counts_of
from batch.submission.places import Named
from batch.submission.reporting import exit_code_of, write_and_check
from batch.submission.terms import Finished

CUT_OFF = "The run was cut off: it was killed, or the machine went down."


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
                "counts": counts_of(run.purged_counts or ledger.counts(run.run_id)),
                "carry_on": _carry_on(stage, run.run_id, reports_dir),
            }
            for stage, run in ledger.runs()
        ]
    finally:
        ledger.close()
    return sorted(listed, key=lambda run: run["stage"] != "started")


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
        _end_if_cut_off(journal, run_id)
        return write_and_check(
            journal,
            run_id,
            reports_dir / run_id,
            tool_version=tool_version,
        )


def _end_if_cut_off(journal: Journal, run_id: str) -> None:
    """Say of a run that was killed how it ended; its rows without an outcome are unresolved."""
    journal.settle_the_rest(journal.run_number(run_id))
    if journal.run(run_id).finished_at is None:
        code = exit_code_of(journal.counts(run_id))
        because = CUT_OFF if journal.unsettled(run_id) else None
        journal.note_cut_off(run_id, exit_code=code, stopped_because=because)


def verify_run(
    name: Named, reports_dir: Path, manifest_sha256: str | None, *, tool_version: str
) -> Verdict:
    """Hold a run's folder against its manifest and, where there is one, the journal.

    Raises UnknownRun where there is no such run, JournalProblem where one that was named by its id
    has a journal that cannot be used.
    """
    folder = reports_dir / name.run_id if name.folder is None else name.folder
    with _journal_for(name, folder, reports_dir) as (ledger, differences, unchecked):
        if not folder.is_dir():
            return _without_folder(folder, name.run_id, ledger)
        run_id = name.run_id if name.is_run_id() or name.folder is None else proof.run_id_of(folder)
        if not run_id:
            raise UnknownRun(
                f"{folder} holds no manifest that can be read, and no summary",
                hint="`defer-batch runs` lists the runs",
            )
        verdict = proof.verify_run(
            folder / name.place,
            ledger,
            manifest_sha256,
            run_id=run_id,
            tool_version=tool_version,
            place=name.place,
        )
    return replace(
        verdict,
        differences=(*differences, *verdict.differences),
        unchecked=(*unchecked, *verdict.unchecked),
    )


def _without_folder(folder: Path, run_id: str, ledger: Ledger | None) -> Verdict:
    if ledger is None:
        raise UnknownRun(
            f"no run {run_id[:80]}: there is no folder {folder}",
            hint="name the folder in which it stands with --reports-dir",
        )
    if ledger.run(run_id).is_purged:
        raise UnknownRun(
            f"{run_id} cannot be verified: it was purged, its rows are gone",
            hint="`verify` takes a path to a copy of its folder, if there is one",
        )
    return Verdict(run_id, (f"its folder {folder} is missing",), (), "")


@contextlib.contextmanager
def _journal_for(
    name: Named, folder: Path, reports_dir: Path
) -> Iterator[tuple[Ledger | None, list[str], list[str]]]:
    """Give the journal to verify against, and what differs or goes unchecked as it is unusable.

    For a path that is the one beside the folder, or else one that knows the run: a copy may be
    far off.
    """
    differences: list[str] = []
    unchecked: list[str] = []
    ledger: Ledger | None = None
    beside = folder.parent / JOURNAL
    if name.folder is None:
        ledger = Ledger.read(beside) if beside.exists() else None
    else:
        try:
            ledger = Ledger.read(beside) if beside.exists() else _knowing(reports_dir, folder)
        except ForeignJournal as problem:
            unchecked.append(problem.message)
        except JournalProblem as problem:
            differences.append(problem.message)
    try:
        yield ledger, differences, unchecked
    finally:
        if ledger is not None:
            ledger.close()


def _knowing(reports_dir: Path, folder: Path) -> Ledger | None:
    if not (reports_dir / JOURNAL).exists():
        return None
    ledger = Ledger.read(reports_dir / JOURNAL)
    if any(run.run_id == proof.run_id_of(folder) for _, run in ledger.runs()):
        return ledger
    ledger.close()
    return None


def _carry_on(stage: str, run_id: str, reports_dir: Path) -> str | None:
    return resume_command(run_id, reports_dir) if stage == "started" else None
