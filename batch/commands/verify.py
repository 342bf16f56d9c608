"""`verify`: a run's folder, held against its manifest and the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from batch.commands.run_names import NamedRun
from batch.errors import ForeignJournal, JournalProblem, UnknownRun
from batch.hints import report_command
from batch.record import manifest, proof
from batch.record.database import JOURNAL
from batch.record.ledger import Ledger
from batch.record.manifest import TO_CORRECT
from batch.record.missing import (
    Missing,
    missing_of_chain,
    older_than,
    reported_folders,
    unknown_reports,
)
from batch.record.proof import Verdict, Verification


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
            name.run_id if name.is_run_id() or name.folder is None else manifest.run_id_of(folder)
        )
        if not run_id:
            raise UnknownRun(
                f"{folder} holds no manifest that can be read, and no summary",
                hint="`defer-batch runs` lists the runs",
            )
        found = proof.verify_folder(
            folder, ledger, manifest_sha256, run_id=run_id, tool_version=tool_version
        )
    return replace(
        found,
        differences=(*differences, *found.differences),
        unchecked=(*unchecked, *found.unchecked),
        advice=tuple(_advice(found, folder.parent)),
    )


def _advice(found: Verification, reports_dir: Path) -> Iterator[str]:
    """Yield what to do about a file that is there to be altered."""
    if f"{TO_CORRECT} was altered" in found.differences and (reports_dir / JOURNAL).exists():
        command = report_command(found.run_id, reports_dir)
        yield (
            f"{TO_CORRECT} is there to be corrected. `{command}` keeps it beside the report as it "
            "is now, and writes it again as it was."
        )


class Verifications(Struct, frozen=True):
    """What was found of every run, and which runs are missing: unknown here, or from the chain."""

    runs: tuple[Verification, ...]
    unknown: tuple[str, ...]
    missing: tuple[Missing, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the verdicts; a run that is missing is a difference."""
        verdicts = {found.verdict for found in self.runs}
        if self.unknown or self.missing:
            verdicts.add(Verdict.DIFFERS)
        worst = (Verdict.DIFFERS, Verdict.NOT_PROVED)
        return next((one for one in worst if one in verdicts), Verdict.PROVED)

    def lines(self) -> list[str]:
        """Return what was found, for people: each run, and last what is missing."""
        lines = [line for found in self.runs for line in found.lines()]
        lines += [older_than(self.unknown)] if self.unknown else []
        lines += [one.words for one in self.missing]
        return lines or ["no runs yet"]

    def as_json(self) -> dict[str, Any]:
        """Return what was found, for programs."""
        return {
            "verdict": self.verdict,
            "runs": [found.as_json() for found in self.runs],
            "unknown": list(self.unknown),
            "missing": [asdict(one) for one in self.missing],
        }


def verify_all(reports_dir: Path, *, tool_version: str) -> Verifications:
    """Return what was found of every run, purged ones aside, and whether any is missing.

    Without a journal the folders are held against their manifests. Raises JournalProblem.
    """
    path = reports_dir / JOURNAL
    folders = dict(reported_folders(reports_dir))
    with contextlib.ExitStack() as stack:
        ledger = (
            stack.enter_context(contextlib.closing(Ledger.read(path))) if path.exists() else None
        )
        known = (
            [] if ledger is None else [run.run_id for _, run in ledger.runs() if not run.is_purged]
        )
        unknown = () if ledger is None else unknown_reports(ledger, reports_dir)
        missing = tuple(missing_of_chain(ledger, reports_dir))
        unreadable = [] if ledger is None else [run_id for run_id, _ in ledger.unreadable_runs()]
    named = sorted({*known, *folders, *unknown} - {*unreadable})
    found = [
        verify_run(NamedRun(run_id), reports_dir, None, tool_version=tool_version)
        for run_id in named
    ]
    found += [
        Verification(run_id, ("the journal's record of it cannot be read",))
        for run_id in unreadable
    ]
    return Verifications(tuple(found), unknown, missing)


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
    if any(run.run_id == manifest.run_id_of(folder) for _, run in ledger.runs()):
        return ledger
    ledger.close()
    return None
