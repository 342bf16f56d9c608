"""Whether a run's files, its manifest and the journal agree, or which of them do not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.codes import Outcome
from batch.errors import UnknownRun
from batch.record import manifest, report
from batch.record.ledger import Ledger
from batch.record.records import ReportRecord, RunRecord


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
        """Return the verdict for people."""
        notes = [f"not checked: {words}" for words in self.unchecked]
        if self.holds:
            agree = "files and manifest agree" if notes else "files, manifest and journal agree"
            return [f"{self.run_id}: {agree}", *notes]
        return [f"{self.run_id}: {words}" for words in self.differences] + notes

    def as_json(self) -> dict[str, Any]:
        """Return the verdict for programs."""
        return {
            "run_id": self.run_id,
            "holds": self.holds,
            "differences": list(self.differences),
            "unchecked": list(self.unchecked),
            "manifest_sha256": self.manifest_sha256,
        }


_NO_JOURNAL = "the journal is not here, so rows and attempts were not compared with it"
_PURGED = "the journal's rows and attempts of this run were purged"
_NOT_NOTED = "the journal does not say what this report's page, workbook and log were"
_EARLIER = "an earlier one: the report was written anew since"
_ANOTHER_PAGE = f"{manifest.PAGE} is not the page that the journal's rows make"
_WRITTEN = frozenset(manifest.FILES) - {manifest.LOG}
IS_BESIDE = re.compile(r"report-[\w.+-]+")
"""How a folder within a run's is named that holds the report of another version."""


def run_id_of(folder: Path) -> str:
    """Return the id of the run that a folder says it is of, "" where it says none."""
    for name in (manifest.NAME, manifest.SUMMARY):
        told = _json_in(folder / name)
        if isinstance(told, dict) and isinstance(told.get("run_id"), str):
            return str(told["run_id"])
    return ""


def verify_run(
    folder: Path,
    ledger: Ledger | None,
    manifest_sha256: str | None,
    *,
    run_id: str,
    tool_version: str,
    place: str = "",
) -> Verdict:
    """Hold a run's folder against its manifest, and against the journal where there is one.

    `run_id` is the run that it ought to be of; `place` is its name within the run's folder, where
    it holds the report of another version. Where `tool_version` wrote the report, its page is made
    again and compared.
    """
    if not any((folder / name).exists() for name in (manifest.NAME, *_WRITTEN)):
        return Verdict(run_id, (f"no report stands in {folder}: `report` writes it",), (), "")
    told = manifest.read_manifest(folder)
    run, known = _known(ledger, run_id, place)
    told_here = _Report(folder, run_id, place, told, _hash(folder / manifest.NAME), known)
    found = [*told_here.against_printed(manifest_sha256), *told_here.against_hashes()]
    unchecked = [] if run is None or place or known is not None else [_NOT_NOTED]
    if ledger is None:
        unchecked.append(_NO_JOURNAL)
    elif run is None:
        found.append("the journal knows no such run")
    elif run.is_purged:
        unchecked.append(_PURGED)
    else:
        found += told_here.against_journal(ledger, tool_version)
        if place and known is None and ledger.reported(run_id, "") is not None:
            found.append("the journal knows no such report")
    found += told_here.rows_accounted_for()
    for name in _beside(folder):
        inner = verify_run(
            folder / name, ledger, None, run_id=run_id, tool_version=tool_version, place=name
        )
        found += [f"{name}: {words}" for words in inner.differences]
    return Verdict(run_id, tuple(_each_once(found)), tuple(unchecked), told_here.own_sha256 or "")


def _each_once(found: Iterable[str]) -> Iterator[str]:
    """Yield what differs, but not what follows from a file that is missing or was altered."""
    differences = dict.fromkeys(found)
    for words in differences:
        name, cannot_be_read, _ = words.partition(" cannot be read")
        if cannot_be_read and f"{name} is missing" in differences:
            continue
        if words != _ANOTHER_PAGE or f"{manifest.PAGE} was altered" not in differences:
            yield words


def _known(
    ledger: Ledger | None, run_id: str, place: str
) -> tuple[RunRecord | None, ReportRecord | None]:
    """Return the run and the report, as far as the journal knows them."""
    if ledger is None:
        return None, None
    try:
        return ledger.run(run_id), ledger.reported(run_id, place)
    except UnknownRun:
        return None, None


@dataclass(frozen=True, slots=True)
class _Report:
    """A report in a folder: what its manifest tells, and what the journal knows of it, if it does.

    `own_sha256` is the manifest's own, None where there is no manifest.
    """

    folder: Path
    run_id: str
    place: str
    told: dict[str, Any] | None
    own_sha256: str | None
    known: ReportRecord | None

    def against_printed(self, printed: str | None) -> Iterator[str]:
        """Yield whether the manifest is the one whose SHA-256 was printed, or follows it."""
        wanted = None if printed is None else printed.strip().lower()
        if wanted is None or wanted == self.own_sha256:
            return
        if wanted in manifest.predecessors_of(self.told or {}):
            yield "that SHA-256 is of an earlier manifest of this run: the report was written anew"
        else:
            yield f"{manifest.NAME} is not the one with that SHA-256"

    def against_hashes(self) -> Iterator[str]:
        """Yield what differs from the manifest, and from what the journal knows of this report."""
        yield from self._of_another_run()
        yield from self._of_the_manifest()
        listed = _part(self.told or {}, "files")
        yield from self._altered(listed)
        if not listed and self.known is None:
            there = manifest.files_of(self.folder).keys()
            yield from (f"{name} is missing" for name in sorted(_WRITTEN - there))
        if self.known is not None:
            yield from self._altered(self.known.files)
            listed = dict(self.known.files)
        yield from self._added(listed or manifest.FILES)

    def rows_accounted_for(self) -> Iterator[str]:
        """Yield whether the CSVs have as many rows as the input had, by the manifest."""
        rows, expected = report.rows_in(self.folder), _part(self.told or {}, "input").get("rows")
        if rows is None:
            if self._has_every_csv():
                yield "the rows cannot be counted: a CSV cannot be read"
        elif self.told is not None and rows != expected:
            yield f"the input had {expected} rows, the CSVs have {rows}"

    def against_journal(self, ledger: Ledger, tool_version: str) -> Iterator[str]:
        """Yield what differs from the journal's own account of the run."""
        rows = report.self_check(ledger, self.run_id, self.folder)
        yield from rows
        yield from self._facts_that_differ(ledger)
        digest = ledger.digest(self.run_id)
        if not rows and self.told is not None and self.told.get("journal_digest") != digest:
            yield "the journal's rows or attempts are not those of the manifest"
        elif not rows and self.known is not None and self.known.journal_digest != digest:
            yield "the journal's rows or attempts are not those of the report"
        elif not rows and self._version() == tool_version:
            yield from self._page_that_differs(ledger)

    def _of_another_run(self) -> Iterator[str]:
        for name in (manifest.NAME, manifest.SUMMARY):
            told = _json_in(self.folder / name)
            if isinstance(told, dict) and told.get("run_id") != self.run_id:
                yield f"{name} is of another run: {str(told.get('run_id'))[:80]}"

    def _of_the_manifest(self) -> Iterator[str]:
        if self.own_sha256 is None:
            yield f"{manifest.NAME} is missing"
        elif self.told is None:
            yield f"{manifest.NAME} cannot be read"
        elif self.known is not None and self.own_sha256 != self.known.manifest_sha256:
            is_earlier = self.own_sha256 in self.known.predecessors
            yield f"{manifest.NAME} {'is ' + _EARLIER if is_earlier else 'was altered'}"

    def _altered(self, listed: Mapping[str, str]) -> Iterator[str]:
        for name in sorted(listed):
            if not manifest.is_a_file(self.folder / name):
                yield f"{name} is missing"
            elif (found := _hash(self.folder / name)) != listed[name]:
                yield f"{name} {'cannot be read' if found is None else 'was altered'}"

    def _added(self, listed: Iterable[str]) -> Iterator[str]:
        """Name what does not belong there: files, hidden ones too, links, folders."""
        expected = {*listed, manifest.NAME, *_beside(self.folder)}
        for path in sorted(self.folder.iterdir()):
            if path.is_symlink():
                yield f"{path.name} is a link"
            elif path.name not in expected:
                yield f"{path.name} was added"

    def _version(self) -> object:
        told = (self.told or {}).get("report_tool_version")
        return told if self.known is None else self.known.tool_version

    def _page_that_differs(self, ledger: Ledger) -> Iterator[str]:
        from batch.record import page  # noqa: PLC0415 — no other command that reads makes pages

        path, made = self.folder / manifest.PAGE, hashlib.sha256()
        for part in page.rendered(ledger, self.run_id):
            made.update(part)
        if manifest.is_a_file(path) and _hash(path) != made.hexdigest():
            yield _ANOTHER_PAGE

    def _has_every_csv(self) -> bool:
        names = (report.csv_name(outcome) for outcome in Outcome)
        return all(manifest.is_a_file(self.folder / name) for name in names)

    def _facts_that_differ(self, ledger: Ledger) -> Iterator[str]:
        if self.told is not None:
            version = str(self.told.get("report_tool_version"))
            facts = manifest.facts(ledger, self.run_id, version)
            for name in (name for name, value in facts.items() if self.told.get(name) != value):
                yield f"{manifest.NAME} differs from the journal in `{name}`"
        path = self.folder / manifest.SUMMARY
        if path.is_file() and _json_in(path) != report.summary(ledger, self.run_id):
            yield f"{manifest.SUMMARY} differs from the journal"


def _beside(folder: Path) -> list[str]:
    """Return the folders within that hold the reports of other versions."""
    found = (path for path in folder.iterdir() if IS_BESIDE.fullmatch(path.name))
    return sorted(
        path.name
        for path in found
        if not path.is_symlink() and manifest.is_a_file(path / manifest.NAME)
    )


def _json_in(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _hash(path: Path) -> str | None:
    try:
        return manifest.sha256_of(path)
    except OSError:
        return None


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return part if isinstance(part, dict) else {}
