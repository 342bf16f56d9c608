"""`verify`: a run's folder, held against its manifest and the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from batch.commands.run_names import NamedRun
from batch.errors import ForeignJournal, JournalProblem, UnknownRun
from batch.record import verify
from batch.record.database import JOURNAL
from batch.record.ledger import Ledger
from batch.record.verify import Verification


def verify_run(
    name: NamedRun, reports_dir: Path, manifest_sha256: str | None, *, tool_version: str
) -> Verification:
    """Return what holding a run's folder against the journal, or its manifest, has found.

    Raises UnknownRun where there is no such run, JournalProblem where one that was named by its id
    has a journal that cannot be used.
    """
    folder = reports_dir / name.run_id if name.folder is None else name.folder
    with _journal_for(name, folder, reports_dir) as (ledger, differences, unchecked):
        if not folder.is_dir():
            return _without_folder(folder, name.run_id, ledger)
        run_id = (
            name.run_id if name.is_run_id() or name.folder is None else verify.run_id_of(folder)
        )
        if not run_id:
            raise UnknownRun(
                f"{folder} holds no manifest that can be read, and no summary",
                hint="`defer-batch runs` lists the runs",
            )
        found = verify.verify_folder(
            folder, ledger, manifest_sha256, run_id=run_id, tool_version=tool_version
        )
    return replace(
        found,
        differences=(*differences, *found.differences),
        unchecked=(*unchecked, *found.unchecked),
    )


def _without_folder(folder: Path, run_id: str, ledger: Ledger | None) -> Verification:
    if ledger is None:
        raise UnknownRun(
            f"no run {run_id[:80]}: there is no folder {folder}",
            hint="name the folder that holds it with --reports-dir",
        )
    if ledger.run(run_id).is_purged:
        raise UnknownRun(
            f"{run_id} cannot be verified: it was purged, its rows are gone",
            hint="`verify` takes a path to a copy of its folder, if there is one",
        )
    return Verification(run_id, (f"its folder {folder} is missing",))


@contextlib.contextmanager
def _journal_for(
    name: NamedRun, folder: Path, reports_dir: Path
) -> Iterator[tuple[Ledger | None, list[str], list[str]]]:
    """Yield the journal to verify against, and what differs or goes unchecked as it is unusable.

    For a path, that is the journal beside the folder, or else the one in `reports_dir` if it knows
    the run: a copy may be anywhere.
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
    if any(run.run_id == verify.run_id_of(folder) for _, run in ledger.runs()):
        return ledger
    ledger.close()
    return None
