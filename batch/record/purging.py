"""Old runs, deleted: what goes, and the one line and the hashes that stay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batch import files
from batch.record import locks
from batch.record.database import disk_failed, open_for_writing, statements
from batch.record.ledger import Ledger

_SQL = statements("purging")
_ASIDE = ".purged"
_NOBODY = {
    **dict.fromkeys(("operator", "operator_name", "host"), ""),
    **dict.fromkeys(("command", "columns", "notices", "reading_lines", "looks"), ()),
    **dict.fromkeys(("held_in", "reading", "asked_sha256"), None),
}
"""What is left of a purged run's details: times, counts and the input's hash say it happened."""


@contextmanager
def purging(path: Path, *, since: str) -> Iterator[Purge]:
    """Hold the writer's lock, and yield the journal for a purge.

    Raises AlreadyRunning, UsageProblem where others can write to its folder, JournalProblem.
    """
    files.refuse_shared_folder(path.parent)
    with locks.one_writer(path, run_id="a purge", since=since):
        journal = Purge(open_for_writing(path))
        try:
            yield journal
        except sqlite3.Error as error:
            raise disk_failed(error, has_begun=False) from error
        finally:
            journal.close()


def aside_of(folder: Path) -> Path:
    """Return where a run's folder waits, out of sight, until it is deleted."""
    return folder.with_name(f".{folder.name}{_ASIDE}")


def bring_back(ledger: Ledger, folder: Path) -> None:
    """Put a folder back where a purge was killed between moving it and deleting its run."""
    aside = aside_of(folder)
    if aside.is_dir() and not folder.exists() and not is_purged(ledger, folder.name):
        aside.rename(folder)


def folders_to_delete(ledger: Ledger, reports_dir: Path) -> list[Path]:
    """Return the folders of purged runs that are still there, out of sight."""
    asides = sorted(reports_dir.glob(f".*{_ASIDE}"))
    return [aside for aside in asides if is_purged(ledger, aside.name[1 : -len(_ASIDE)])]


def is_purged(ledger: Ledger, run_id: str) -> bool:
    """Whether the journal knows a run, and holds none of its rows any more."""
    return run_id in ledger.run_ids() and ledger.stage_of(run_id) in {"purging", "purged"}


class Purge:
    """The journal as `purge` writes it, opened by its one writer; `ledger` reads it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.ledger = Ledger(connection)

    def remember(self, digests: Iterable[tuple[str, str, str]]) -> None:
        """Keep hashes of deferrals, each with its run and code, beyond the rows themselves."""
        self._connection.executemany(_SQL["remember"], digests)

    def purge(self, run_id: str) -> None:
        """Delete a run's rows and attempts; its one line, with the counts, stays.

        So do the numbers of the rows that it corrected: `preview` of their list counts them done.

        Until `leave_nothing` its stage is `purging`: text of it may still be in the file.
        """
        counts, run_no = self.ledger.counts(run_id), self.ledger.run_number(run_id)
        corrected = self.ledger.corrected_by(self.ledger.run(run_id))
        details = json.dumps({"purged_counts": counts, "corrected": corrected} | _NOBODY)
        self._connection.execute("BEGIN")
        for name in ("delete_rows", "delete_attempts", "delete_resumptions"):
            self._connection.execute(_SQL[name], (run_no,))
        self._connection.execute(_SQL["begin_purging"], (details, run_no))
        self._connection.execute("COMMIT")

    def leave_nothing(self, patience_seconds: float) -> bool:
        """Leave nothing in the file of what was deleted; False where a reader kept it from that.

        A reader's snapshot needs the old pages. After so many seconds this gives up: the runs stay
        `purging`, and the next purge tries again.
        """
        if not self.ledger.half_purged():
            return True
        self._connection.execute("VACUUM")
        self._connection.execute(f"PRAGMA busy_timeout={int(1000 * patience_seconds)}")
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            self._connection.execute(_SQL["end_purging"])
        return not busy

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
