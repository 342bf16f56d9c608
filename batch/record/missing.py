"""What a journal has forgotten: runs whose reports stand beside it, or that another run follows.

A journal that was restored from a backup knows nothing of the runs after it, and would have them
sent again. Their folders show it, and so does the chain: each manifest names that of the run
before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from batch import files
from batch.record import manifest
from batch.record.ledger import Ledger

_MOST_OF_A_LOG = 2**20
"""Where a run began, its log says so before this: behind what was asked of Register first."""
_RUNS_SHOWN = 5


class Missing(Struct, frozen=True):
    """A manifest that a run's own names as that of the run before it, and that nobody has."""

    run_id: str
    manifest_sha256: str

    @property
    def words(self) -> str:
        """What is missing, for people."""
        return (
            f"the run before {self.run_id} is missing, in the journal and among the folders: its "
            f"manifest had the SHA-256 {self.manifest_sha256}"
        )


def unknown_reports(ledger: Ledger, reports_dir: Path) -> tuple[str, ...]:
    """Return the runs that have a folder beside the journal, and of which it knows nothing.

    A purged run is known: one line of it stays.
    """
    known = ledger.run_ids()
    return tuple(run_id for run_id, _ in reported_folders(reports_dir) if run_id not in known)


def reported_folders(reports_dir: Path) -> Iterator[tuple[str, Path]]:
    """Yield each run that has begun and has a folder of its name, oldest first."""
    for folder in sorted(reports_dir.iterdir()) if reports_dir.is_dir() else ():
        if folder.is_dir() and folder.name in {manifest.run_id_of(folder), _logged_run(folder)}:
            yield folder.name, folder


def is_older_than_report(ledger: Ledger, run_id: str, folder: Path) -> bool:
    """Whether a run has a report in its folder that its journal never noted."""
    if not manifest.is_a_file(folder / manifest.NAME):
        return False
    known, own = ledger.reported(run_id), manifest.sha256_of(folder / manifest.NAME)
    return known is None or own not in {known.manifest_sha256, *known.predecessors}


def missing_of_chain(ledger: Ledger | None, reports_dir: Path) -> Iterator[Missing]:
    """Yield what the manifests name as the one before them, and what is not there."""
    before: dict[str, str] = {}
    there: set[str] = set()
    for run_id, folder in reported_folders(reports_dir):
        told = manifest.read_manifest(folder)
        if told is not None:
            there |= {manifest.sha256_of(folder / manifest.NAME), *manifest.predecessors_of(told)}
            if isinstance(previous := told.get("previous_manifest_sha256"), str):
                before[run_id] = previous
    for run_id in () if ledger is None else sorted(ledger.run_ids()):
        known = ledger.reported(run_id) if ledger is not None else None
        if known is not None:
            there |= {known.manifest_sha256, *known.predecessors}
            if known.previous_manifest_sha256 is not None:
                before[run_id] = known.previous_manifest_sha256
    for run_id, previous in sorted(before.items()):
        if previous not in there:
            yield Missing(run_id, previous)


def older_than(run_ids: tuple[str, ...]) -> str:
    """Return what it means that the journal does not know these runs, in one sentence."""
    shown = ", ".join(run_ids[:_RUNS_SHOWN])
    more = len(run_ids) - _RUNS_SHOWN
    return f"journal.db, the record of all runs, is older than these reports: {shown}" + (
        f" and {more} more" if more > 0 else ""
    )


def _logged_run(folder: Path) -> str | None:
    """Return the run that a log says has begun, None where it says nothing of that."""
    path = folder / manifest.LOG
    if not manifest.is_a_file(path):
        return None
    with path.open("rb") as file:
        lines = file.read(_MOST_OF_A_LOG).splitlines()
    began = next((line for line in lines if b'"run_started"' in line), b"")
    told = files.json_in(began)
    run_id = told.get("run_id") if isinstance(told, dict) else None
    return run_id if isinstance(run_id, str) else None
