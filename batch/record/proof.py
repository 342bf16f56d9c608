"""Whether a run's files, its manifest and the journal agree, or which of them do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import UnknownRun
from batch.record import manifest, report
from batch.record.ledger import Ledger

_NO_JOURNAL = "the journal is not here, so rows and attempts were not compared with it"


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


def run_id_of(folder: Path) -> str:
    """Give the id of the run that a folder says it is of, "" where it says none."""
    return str((manifest.read_manifest(folder) or {}).get("run_id", ""))


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
    unchecked = [_NO_JOURNAL]
    if ledger is not None:
        found, unchecked = _against_journal(told, run_id, ledger, folder)
        differences += [words for words in found if words not in differences]
    return Verdict(run_id, tuple(differences), tuple(unchecked), own)


def _against_printed(told: dict[str, Any], own: str, printed: str | None) -> list[str]:
    if printed is None or printed.strip().lower() == own:
        return []
    if printed.strip().lower() in manifest.predecessors_of(told):
        return ["that SHA-256 is of an earlier manifest of this run: the report was written anew"]
    return ["manifest.json is not the one with that SHA-256"]


def _against_files(told: dict[str, Any], folder: Path) -> list[str]:
    listed = _part(told, "files")
    found = manifest.files_of(folder)
    return [
        *(f"{name} is missing" for name in sorted(listed.keys() - found.keys())),
        *(f"{name} was added" for name in sorted(found.keys() - listed.keys())),
        *(f"{name} was added" for name in _folders_in(folder)),
        *(
            f"{name} was altered"
            for name in sorted(listed.keys() & found.keys())
            if listed[name] != found[name]
        ),
    ]


def _folders_in(folder: Path) -> list[str]:
    """Give the folders that do not belong there: only another version's report does."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith((".", "report-"))
    )


def _rows_accounted_for(told: dict[str, Any], folder: Path) -> list[str]:
    rows, expected = report.rows_in(folder), _part(told, "input").get("rows")
    if rows is None:
        return ["the rows cannot be counted: a CSV is missing or cannot be read"]
    return [] if rows == expected else [f"the input had {expected} rows, the CSVs have {rows}"]


def _against_journal(
    told: dict[str, Any], run_id: str, ledger: Ledger, folder: Path
) -> tuple[list[str], list[str]]:
    """Give what differs from the journal, and what could not be compared with it."""
    try:
        run = ledger.run(run_id)
    except UnknownRun:
        return ["the journal knows no such run"], []
    if run.is_purged:
        return [], ["the journal's rows and attempts of this run were purged"]
    rows = report.self_check(ledger, run_id, folder)
    found = [*rows, *_facts_that_differ(told, run_id, ledger, folder)]
    if not rows and ledger.digest(run_id) != told.get("journal_digest"):
        found.append("the journal's rows or attempts are not those of the manifest")
    return found, []


def _facts_that_differ(
    told: dict[str, Any], run_id: str, ledger: Ledger, folder: Path
) -> Iterator[str]:
    known = manifest.facts(ledger, run_id, str(told.get("report_tool_version")))
    for name in (name for name, value in known.items() if told.get(name) != value):
        yield f"manifest.json differs from the journal in `{name}`"
    if (folder / "summary.json").is_file() and _summary_of(folder) != report.summary(
        ledger, run_id
    ):
        yield "summary.json differs from the journal"


def _summary_of(folder: Path) -> object:
    try:
        return json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError):
        return None


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return part if isinstance(part, dict) else {}
