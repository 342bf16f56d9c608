"""Whether a run's files are what was noted when they were written, and so is the journal.

A report outlives the version that wrote it. So files are held against their SHA-256: those that the
journal noted, or, without a journal, those of the manifest. The run is held against the digest that
was noted with the report. Only where this very version wrote the report are files made anew and
compared too: what another version would write says nothing about one that is older.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from batch.errors import UnknownRun
from batch.record import manifest, report_files
from batch.record.database import JOURNAL
from batch.record.ledger import DIGEST_FORMAT, STAGES, Ledger
from batch.record.records import ReportRecord, RunRecord


class Verdict(StrEnum):
    """What comes of verifying a run."""

    PROVED = "proved"
    DIFFERS = "differs"
    NOT_PROVED = "not_proved"
    """Files and manifest agree, but nothing here proves who wrote them."""

    @property
    def exit_code(self) -> int:
        """The exit code that means this (interface.md, "Exit codes")."""
        return {Verdict.PROVED: 0, Verdict.DIFFERS: 1, Verdict.NOT_PROVED: 6}[self]


class Verification(Struct, frozen=True):
    """What was found: the differences, and what could not be checked.

    `is_vouched_for` says that the manifest is the one that the journal noted, or whose SHA-256 was
    given; `advice` is what to do about a difference that is no reason to worry.
    """

    run_id: str
    differences: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    manifest_sha256: str = ""
    is_vouched_for: bool = False
    advice: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict that follows."""
        if self.differences:
            return Verdict.DIFFERS
        return Verdict.PROVED if self.is_vouched_for else Verdict.NOT_PROVED

    def lines(self) -> list[str]:
        """Return what was found, for people: the verdict first, the remedy last."""
        notes = [f"  not checked: {words}" for words in self.unchecked]
        match self.verdict:
            case Verdict.PROVED:
                return [f"{self.run_id}: proved. Every file is as it was written.", *notes]
            case Verdict.NOT_PROVED:
                said = (
                    "intact, but not proved. The files are those that manifest.json lists; whoever "
                    "could change them could change that too."
                )
                return [f"{self.run_id}: {said}", *notes, f"  {_TO_PROVE}"]
            case Verdict.DIFFERS:
                found = [f"  {words}" for words in self.differences]
                advice = [f"  {words}" for words in self.advice]
                return [f"{self.run_id}: differs from what was written.", *found, *notes, *advice]

    def as_json(self) -> dict[str, Any]:
        """Return what was found, for programs."""
        return {
            "run_id": self.run_id,
            "verdict": self.verdict,
            "differences": list(self.differences),
            "unchecked": list(self.unchecked),
            "manifest_sha256": self.manifest_sha256,
        }


_TO_PROVE = (
    "To prove them, add --manifest-sha256 and what was printed as the last line of the run, or "
    "--reports-dir and the folder that holds journal.db, the record of all runs."
)
_NO_JOURNAL = "journal.db is not here, so rows and requests were not compared with it"
_NO_LOG = f"{manifest.LOG} is not here, as in every report that was delivered"
_PURGED = "the journal's rows and attempts of this run were purged"
_NOT_NOTED = "the journal holds no note of this report's files"
_EARLIER = "an earlier one: the report was written again since"
_ANOTHER_PAGE = f"{manifest.PAGE} is not the page that the journal's rows make"
_WRITTEN = frozenset(manifest.FILES) - manifest.ONLY_WHERE_NEEDED
_HALF_WRITTEN = re.compile(
    rf"\.(?:{'|'.join(map(re.escape, (*manifest.FILES, manifest.NAME)))})\.[a-z0-9_]{{8}}"
)
"""What `files.replacing` writes to until a file is whole."""
_LEFT_BY_OFFICE_PROGRAMS = re.compile(r"~\$.+|\.~lock\..+#", re.DOTALL)
"""Files that stand beside a workbook or a CSV while a program has it open, or after it crashed."""


def verify_folder(
    folder: Path,
    ledger: Ledger | None,
    manifest_sha256: str | None,
    *,
    run_id: str,
    tool_version: str,
) -> Verification:
    """Hold the folder of the run against the journal's notes, or its manifest where it has none.

    `manifest_sha256` is what was printed when the report was written, `tool_version` this version.
    """
    if not any((folder / name).exists() for name in (manifest.NAME, *_WRITTEN)):
        return Verification(run_id, (f"there is no report in {folder}: `report` writes it",))
    run, known = _known(ledger, run_id)
    told = manifest.read_manifest(folder)
    here = _Report(folder, run_id, told, _hash(folder / manifest.NAME), known)
    found = [*here.against_printed(manifest_sha256), *here.against_hashes()]
    unchecked = [_NO_LOG] if here.lacks_log_as_copies_do else []
    if ledger is None:
        unchecked.append(_NO_JOURNAL)
    elif run is None:
        found.append("the journal knows no such run")
    else:
        if known is None:
            unchecked.append(_NOT_NOTED)
        if run.is_purged:
            unchecked.append(_PURGED)
        else:
            found += here.against_journal(ledger, tool_version)
    return Verification(
        run_id,
        tuple(_each_once(found)),
        tuple(unchecked),
        here.own_sha256 or "",
        is_vouched_for=known is not None or manifest_sha256 is not None,
    )


def _each_once(found: Iterable[str]) -> Iterator[str]:
    """Yield what differs, but not what follows from a file that is missing or was altered."""
    differences = dict.fromkeys(found)
    for words in differences:
        name, cannot_be_read, _ = words.partition(" cannot be read")
        if cannot_be_read and f"{name} is missing" in differences:
            continue
        if words != _ANOTHER_PAGE or f"{manifest.PAGE} was altered" not in differences:
            yield words


def _known(ledger: Ledger | None, run_id: str) -> tuple[RunRecord | None, ReportRecord | None]:
    """Return the run and the report, as far as the journal knows them."""
    if ledger is None:
        return None, None
    try:
        return ledger.run(run_id), ledger.reported(run_id)
    except UnknownRun:
        return None, None


class _Report(Struct, frozen=True):
    """A report in a folder: what its manifest tells, and what the journal noted of it, if it did.

    `own_sha256` is the manifest's own, None where there is no manifest.
    """

    folder: Path
    run_id: str
    told: dict[str, Any] | None
    own_sha256: str | None
    known: ReportRecord | None

    def against_printed(self, printed: str | None) -> Iterator[str]:
        """Yield a difference where the manifest is not the one whose SHA-256 was printed."""
        wanted = None if printed is None else printed.strip().lower()
        if wanted is None or wanted == self.own_sha256:
            return
        if wanted in manifest.predecessors_of(self.told or {}):
            yield "that SHA-256 is of an earlier manifest of this run: the report was written again"
        else:
            yield f"{manifest.NAME} is not the one with that SHA-256"

    def against_hashes(self) -> Iterator[str]:
        """Yield what differs from what the journal noted, or else from the manifest."""
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

    def against_journal(self, ledger: Ledger, tool_version: str) -> Iterator[str]:
        """Yield what differs from the run as the journal holds it now."""
        if (stage := ledger.stage_of(self.run_id)) not in STAGES:
            yield f"the journal says of this run that it is {stage[:80]!r}, which no version writes"
        if self._is_out_of_date(ledger):
            yield "the run was resumed after this report was written: `report` writes it again"
            return
        is_of_this_version = self._version() == (tool_version, DIGEST_FORMAT)
        rows: list[str] = []
        if is_of_this_version:
            rows = report_files.self_check(ledger, self.run_id, self.folder)
        yield from rows
        noted, digest_format = self._noted_digest()
        if noted is not None and ledger.digest(self.run_id, digest_format) != noted:
            if not rows:  # a row that is named need not be said again
                yield "the journal's rows or attempts of this run were altered since the report"
        elif is_of_this_version:
            yield from self._facts_that_differ(ledger)
            if not rows:
                yield from self._page_that_differs(ledger)

    def _is_out_of_date(self, ledger: Ledger) -> bool:
        if self.known is None:
            return False
        if manifest.was_resumed_since(ledger, self.run_id, self.known, self.folder):
            return True
        now = ledger.digest(self.run_id, self.known.digest_format)
        return self.known.journal_digest != now and manifest.is_as_reported(
            ledger, self.run_id, self.known
        )

    def _noted_digest(self) -> tuple[object, int]:
        """Return the digest that the journal noted, or else the manifest, and its format."""
        if self.known is not None:
            return self.known.journal_digest, self.known.digest_format
        told = self.told or {}
        digest_format = told.get("journal_digest_format", 1)
        is_known = isinstance(digest_format, int) and 1 <= digest_format <= DIGEST_FORMAT
        return (told.get("journal_digest"), digest_format) if is_known else (None, 1)

    def _version(self) -> tuple[object, object]:
        """Return the version that wrote the report, and the format of its digest.

        The format too tells versions apart: 0.1.0 had another one at first.
        """
        if self.known is not None:
            return self.known.tool_version, self.known.digest_format
        told = self.told or {}
        return told.get("report_tool_version"), told.get("journal_digest_format", 1)

    def _of_another_run(self) -> Iterator[str]:
        for name in (manifest.NAME, manifest.SUMMARY):
            told = manifest.told_in(self.folder / name)
            if told is not None and told.get("run_id") != self.run_id:
                yield f"{name} is of another run: {str(told.get('run_id'))[:80]}"

    def _of_the_manifest(self) -> Iterator[str]:
        if self.own_sha256 is None:
            yield f"{manifest.NAME} is missing"
        elif self.told is None:
            yield f"{manifest.NAME} cannot be read"
        elif self.known is not None and self.own_sha256 != self.known.manifest_sha256:
            is_earlier = self.own_sha256 in self.known.predecessors
            yield f"{manifest.NAME} {'is ' + _EARLIER if is_earlier else 'was altered'}"

    @property
    def lacks_log_as_copies_do(self) -> bool:
        """Whether this is a copy elsewhere, as `--deliver-to` makes them: without `run.log`."""
        is_elsewhere = not (self.folder.parent / JOURNAL).exists()
        return is_elsewhere and not (self.folder / manifest.LOG).exists()

    def _altered(self, listed: Mapping[str, str]) -> Iterator[str]:
        left_out = {manifest.LOG} if self.lacks_log_as_copies_do else set()
        for name in sorted(listed.keys() - left_out):
            if not manifest.is_a_file(self.folder / name):
                yield f"{name} is missing"
            elif (found := _hash(self.folder / name)) != listed[name]:
                yield f"{name} {'cannot be read' if found is None else 'was altered'}"

    def _added(self, listed: Iterable[str]) -> Iterator[str]:
        """Yield what does not belong there: files, hidden ones too, links, folders."""
        expected = {*listed, manifest.NAME}
        for path in sorted(self.folder.iterdir()):
            if path.is_symlink():
                yield f"{path.name} is a link"
            elif _HALF_WRITTEN.fullmatch(path.name):
                yield f"{path.name} is half a file, of a report that was cut off: write it again"
            elif path.name not in expected and not _is_left_by_an_office_program(path):
                yield f"{path.name} was added"

    def _page_that_differs(self, ledger: Ledger) -> Iterator[str]:
        from batch.record import page  # noqa: PLC0415 — no other command that reads makes pages

        path, made = self.folder / manifest.PAGE, hashlib.sha256()
        for part in page.rendered(ledger, self.run_id):
            made.update(part)
        if manifest.is_a_file(path) and _hash(path) != made.hexdigest():
            yield _ANOTHER_PAGE

    def _facts_that_differ(self, ledger: Ledger) -> Iterator[str]:
        if self.told is not None:
            version = str(self.told.get("report_tool_version"))
            facts = manifest.facts(ledger, self.run_id, version)
            for name in (name for name, value in facts.items() if self.told.get(name) != value):
                yield f"{manifest.NAME} differs from the journal in `{name}`"
        path = self.folder / manifest.SUMMARY
        if path.is_file() and manifest.told_in(path) != report_files.summary(ledger, self.run_id):
            yield f"{manifest.SUMMARY} differs from the journal"


def _is_left_by_an_office_program(path: Path) -> bool:
    return bool(_LEFT_BY_OFFICE_PROGRAMS.fullmatch(path.name)) and path.is_file()


def _hash(path: Path) -> str | None:
    try:
        return manifest.sha256_of(path)
    except OSError:
        return None


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return part if isinstance(part, dict) else {}
