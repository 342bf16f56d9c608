"""`manifest.json`: who, when, what file, what target, and the SHA-256 of every file of a run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from batch import files
from batch.codes import Outcome, counts_of
from batch.record.journal import Journal
from batch.record.ledger import DIGEST_FORMAT, Ledger
from batch.record.records import ReportRecord, Resumption, RunRecord

NAME = "manifest.json"
LOG = "run.log"
SUMMARY = "summary.json"
PAGE = "report.html"
TO_CORRECT = "to-correct.xlsx"
FILES = (
    *(f"{outcome.value}.csv" for outcome in Outcome),
    SUMMARY,
    PAGE,
    "results.xlsx",
    TO_CORRECT,
    LOG,
)
"""Every file of a run but the manifest itself: it lists these and no other."""

ONLY_WHERE_NEEDED = frozenset({LOG, TO_CORRECT})
"""Those that a report may lack: a log may be lost, and often no row can be corrected."""

_READ_AT_ONCE = 2**20


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return a folder's manifest, None where there is none that can be read."""
    return told_in(folder / NAME)


def told_in(path: Path) -> dict[str, Any] | None:
    """Return what a manifest or a summary holds, None where it cannot be read."""
    try:
        content = files.json_in(path.read_bytes())
    except OSError:
        return None
    return content if isinstance(content, dict) else None


def run_id_of(folder: Path) -> str:
    """Return the id of the run that a folder claims to be of, "" where it claims none."""
    for name in (NAME, SUMMARY):
        told = told_in(folder / name)
        if told is not None and isinstance(told.get("run_id"), str):
            return str(told["run_id"])
    return ""


def tells_the_end(folder: Path, run: RunRecord) -> bool:
    """Whether the report in the folder is of the run as it last ended."""
    told = read_manifest(folder)
    return told is not None and told.get("finished_at") == run.finished_at


def write_manifest(
    journal: Journal, run_id: str, folder: Path, *, tool_version: str
) -> ReportRecord:
    """Write the manifest over a run's files, the journal first; return what the journal notes.

    Where nothing differs from the report before, it is the same again; else that one becomes a
    predecessor. A `run.log` that someone altered is listed as the run left it.
    """
    known, digest = journal.ledger.reported(run_id), journal.ledger.digest(run_id)
    if is_a_file(folder / LOG):
        # the manifest is durable: after a power cut a shorter log would read as an altered one
        files.sync(folder / LOG)
    listed, log_size = files_of(folder), _size(folder / LOG)
    if known is not None and log_was_altered(journal.ledger, run_id, known, folder):
        listed[LOG], log_size = known.files[LOG], known.log_size
    previous = _previous(journal.ledger, run_id, known)
    content = {
        **facts(journal.ledger, run_id, tool_version),
        "files": dict(sorted(listed.items())),
        "journal_digest": digest,
        "journal_digest_format": DIGEST_FORMAT,
        "previous_manifest_sha256": previous,
    }
    predecessors = _predecessors(content, folder, known)
    data = _data(content, predecessors)
    written = ReportRecord(
        tool_version=tool_version,
        journal_digest=digest,
        digest_format=DIGEST_FORMAT,
        manifest_sha256=_sha256(data),
        files=listed,
        log_size=log_size,
        predecessors=predecessors,
        previous_manifest_sha256=previous,
        resumptions=len(journal.ledger.resumptions(run_id)),
    )
    journal.note_report(run_id, written)
    with files.replacing(folder / NAME) as file:
        file.write(data)
    return written


def _previous(ledger: Ledger, run_id: str, known: ReportRecord | None) -> str | None:
    """Return the manifest of the run before, as it was when this run was first reported.

    The run before may be resumed later and get another manifest; this one must not change then.
    """
    if known is not None and known.digest_format == DIGEST_FORMAT:
        return known.previous_manifest_sha256
    return ledger.manifest_before(run_id)


def was_altered_since(ledger: Ledger, run_id: str, folder: Path) -> bool:
    """Whether the journal of a run is not what it was when the report was written.

    Only a resumption changes a run that has stopped; without one, somebody or a fault has.
    """
    known = ledger.reported(run_id)
    if known is None or ledger.run(run_id).is_purged:
        return False
    if was_resumed_since(ledger, run_id, known, folder):
        return False
    return not is_as_reported(ledger, run_id, known)


def is_as_reported(ledger: Ledger, run_id: str, known: ReportRecord) -> bool:
    """Whether a run is as it was reported, but for what Register was asked since, if unfinished.

    Whoever resumes or closes a run asks first, and may be killed before anything else is done.
    """
    if ledger.stage_of(run_id) == "finished":
        return known.journal_digest == ledger.digest(run_id, known.digest_format)
    return known.journal_digest in ledger.digests_while_asking(run_id, known.digest_format)


def was_resumed_since(ledger: Ledger, run_id: str, known: ReportRecord, folder: Path) -> bool:
    """Whether the run was resumed after its report was written."""
    reported = known.resumptions
    if reported is None:  # 0.1.0 noted it in the manifest alone
        told = (read_manifest(folder) or {}).get("resumed")
        reported = len(told) if isinstance(told, list) else 0
    return len(ledger.resumptions(run_id)) != reported


def log_was_altered(ledger: Ledger, run_id: str, known: ReportRecord, folder: Path) -> bool:
    """Whether `run.log` is not what it was, nor that and what the run added since.

    Only a run that went on, which its digest shows, adds to its log.
    """
    if LOG not in known.files:
        return False
    path = folder / LOG
    if not is_a_file(path):
        return True
    is_as_reported = known.journal_digest == ledger.digest(run_id, known.digest_format)
    until = _size(path) if is_as_reported else known.log_size
    return _sha256_of_first(until, path) != known.files[LOG]


def predecessors_of(told: dict[str, Any]) -> list[str]:
    """Return the SHA-256 of the manifests that this one replaced, oldest first."""
    listed = told.get("predecessors")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def files_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a run's files, as far as they are there, by name."""
    return {name: sha256_of(folder / name) for name in FILES if is_a_file(folder / name)}


def is_a_file(path: Path) -> bool:
    """Whether a file stands there, and not only a link to one."""
    return path.is_file() and not path.is_symlink()


def set_aside(path: Path) -> Path:
    """Move a file that people have worked on out of its run's folder, beside that, and return it.

    Its name says of which run it is, and it replaces no other content.
    """
    kept = path.parent.with_name(f"{path.parent.name}-corrected-{sha256_of(path)[:8]}{path.suffix}")
    return path.replace(kept)


def set_aside_of(folder: Path) -> list[Path]:
    """Return what people had worked on in a run's folder, and is kept beside it."""
    return sorted(folder.parent.glob(f"{folder.name}-corrected-*"))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(ledger: Ledger, run_id: str, tool_version: str) -> dict[str, Any]:
    """Return what a manifest holds about the run itself, from the journal."""
    run, codes = ledger.run(run_id), ledger.counts(run_id)
    return {
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "operator": {"login": run.operator, "name": run.operator_name},
        "host": run.host,
        "tool_version": run.tool_version,
        "report_tool_version": tool_version,
        "python_version": run.python_version,
        "command": list(run.command),
        "input": {
            "name": run.input_name,
            "size": run.input_size,
            "sha256": run.input_sha256,
            "rows": run.input_rows,
            "reading": dict(run.reading),
        },
        "register": {"base_url": run.base_url, "api_version": run.api_version},
        "settings": dict(run.settings),
        "token_fingerprint": run.token_fingerprint,
        "follows": list(run.follows),
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "resumed": [_taken_up(one) for one in ledger.resumptions(run_id)],
        "counts": counts_of(codes),
        "codes": codes,
    }


def _taken_up(one: Resumption) -> dict[str, Any]:
    details = one.details()
    operator = {"login": details.pop("operator"), "name": details.pop("operator_name")}
    return {"resumed_at": one.resumed_at, "operator": operator, **details}


def _predecessors(
    content: dict[str, Any], folder: Path, known: ReportRecord | None
) -> tuple[str, ...]:
    """Return the manifests before this one, by what the journal knows, or else by what is there."""
    if known is not None:
        before, last = known.predecessors, known.manifest_sha256
    else:
        told = read_manifest(folder)
        if told is None:
            return ()
        before, last = tuple(predecessors_of(told)), sha256_of(folder / NAME)
    return before if _sha256(_data(content, before)) == last else (*before, last)


def _data(content: dict[str, Any], predecessors: tuple[str, ...]) -> bytes:
    replaced = predecessors[-1] if predecessors else None
    whole = {**content, "predecessors": predecessors, "replaces_manifest_sha256": replaced}
    return json.dumps(whole, indent=2).encode() + b"\n"


def _size(path: Path) -> int:
    return path.stat().st_size if is_a_file(path) else 0


def _sha256_of_first(size: int, path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(min(size, _READ_AT_ONCE)):
            digest.update(part)
            size -= len(part)
    return digest.hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
