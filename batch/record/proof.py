"""Whether a run's files, its manifest and the journal agree, or which of them do not."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import UnknownRun
from batch.record import manifest, report
from batch.record.ledger import Ledger
from batch.rows import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holding a folder against its record found: what differs, and what could not be seen."""

    run_id: str
    differences: tuple[str, ...]
    unchecked: tuple[str, ...]
    manifest_sha256: str

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def lines(self) -> list[str]:
        """Give the verdict for people."""
        notes = [f"not checked: {words}" for words in self.unchecked]
        if self.holds:
            return [f"{self.run_id}: files, manifest and journal agree", *notes]
        return [f"{self.run_id}: {words}" for words in self.differences] + notes

    def as_json(self) -> dict[str, Any]:
        """Give the verdict for programs."""
        return {
            "run_id": self.run_id,
            "holds": self.holds,
            "differences": list(self.differences),
            "unchecked": list(self.unchecked),
            "manifest_sha256": self.manifest_sha256,
        }


def verify_run(folder: Path, ledger: Ledger | None, manifest_sha256: str | None) -> Verdict:
    """Hold a run's folder against its manifest, and against the journal where there is one.

    Raises UnknownRun where the folder holds no manifest.
    """
    told = manifest.read_manifest(folder)
    if told is None:
        raise UnknownRun(
            f"{folder} holds no manifest that can be read",
            hint="`defer-batch runs` lists the runs; `defer-batch report RUN` writes one again",
        )
    run_id = str(told.get("run_id", ""))
    own = hashlib.sha256((folder / manifest.NAME).read_bytes()).hexdigest()
    differences = _against_printed(told, own, manifest_sha256)
    differences += _against_files(told, folder)
    differences += _rows_accounted_for(told, folder)
    unchecked: list[str] = []
    if ledger is None:
        unchecked.append("the journal is not here, so rows and attempts were not compared with it")
    else:
        differences += _against_journal(told, run_id, ledger, folder)
    return Verdict(run_id, tuple(differences), tuple(unchecked), own)


def _against_printed(told: dict[str, Any], own: str, printed: str | None) -> list[str]:
    if printed is None or printed.lower() == own:
        return []
    if printed.lower() in told.get("predecessors", []):
        return ["that SHA-256 is of an earlier manifest of this run: the report was written anew"]
    return ["manifest.json is not the one with that SHA-256"]


def _against_files(told: dict[str, Any], folder: Path) -> list[str]:
    listed: dict[str, str] = dict(told.get("files", {}))
    found = manifest.files_of(folder)
    return [
        *(f"{name} is missing" for name in sorted(listed.keys() - found.keys())),
        *(f"{name} was added" for name in sorted(found.keys() - listed.keys())),
        *(
            f"{name} was altered"
            for name in sorted(listed.keys() & found.keys())
            if listed[name] != found[name]
        ),
    ]


def _rows_accounted_for(told: dict[str, Any], folder: Path) -> list[str]:
    rows = 0
    for outcome in Outcome:
        path = folder / f"{outcome.value}.csv"
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows += max(0, sum(1 for _ in csv.reader(file)) - 1)
    expected = told.get("input", {}).get("rows")
    return [] if rows == expected else [f"the input had {expected} rows, the CSVs have {rows}"]


def _against_journal(told: dict[str, Any], run_id: str, ledger: Ledger, folder: Path) -> list[str]:
    try:
        stage = ledger.stage_of(run_id)
        digest = ledger.digest(run_id)
    except UnknownRun:
        return ["the journal knows no such run"]
    if stage == "purged":
        return ["the journal's rows of this run were purged"]
    if digest != told.get("journal_digest"):
        rows = _differing_rows(run_id, ledger, folder)
        return rows or ["the journal's rows or attempts are not those of the manifest"]
    return []


def _differing_rows(run_id: str, ledger: Ledger, folder: Path) -> list[str]:
    try:
        return report.self_check(ledger, run_id, folder)
    except (OSError, csv.Error, UnicodeError):
        return []
