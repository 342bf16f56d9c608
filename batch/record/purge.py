"""Old runs, deleted: what goes, and the one line and the hashes that stay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batch import files
from batch.record import locks
from batch.record.database import disk_failed, open_for_writing
from batch.record.ledger import IS_IN_DOUBT, Ledger

_NOBODY = {
    **dict.fromkeys(("operator", "operator_name", "host"), ""),
    **dict.fromkeys(("command", "columns", "notices"), ()),
}
"""What is left of a purged run's details: times, counts and the input's hash say it happened."""


@contextmanager
def purging(path: Path, *, since: str) -> Iterator[Purge]:
    """Hold the only writer's place and give the journal for a purge.

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


class Purge(Ledger):
    """The journal as `purge` sees it, opened for writing by its one writer."""

    def purgeable(self, before: str) -> list[str]:
        """Return the runs that began before then and need nothing more.

        One whose request for a trainee has no final answer stays: it must be read before anyone
        sends that row again.
        """
        found = self._connection.execute(
            "SELECT run_id FROM runs WHERE started_at<? AND stage IN ('finished', 'ended')"
            " AND NOT EXISTS (SELECT 1 FROM rows r JOIN attempts a USING (run_no, row_number)"
            f" WHERE r.run_no=runs.run_no AND a.kind='defer' AND {IS_IN_DOUBT}"
            " AND (r.outcome IS NULL OR r.outcome='unresolved' OR r.code='answer_differs'))",
            (before,),
        )
        return [run_id for (run_id,) in found]

    def forget(self, digests: Iterable[tuple[str, str, str]]) -> None:
        """Keep hashes of deferrals, each with its run and code, beyond the rows themselves."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO remembered_deferrals (digest, run_id, code) VALUES (?, ?, ?)",
            digests,
        )

    def purge(self, run_id: str) -> None:
        """Delete a run's rows and attempts; its one line, with the counts, stays.

        Until `leave_nothing` its stage is `purging`: text of it may still be in the file.
        """
        counts, run_no = self.counts(run_id), self.run_number(run_id)
        self._connection.execute("BEGIN")
        for table in ("rows", "attempts", "resumptions"):
            self._connection.execute(f"DELETE FROM {table} WHERE run_no=?", (run_no,))
        self._connection.execute(
            "UPDATE runs SET stage='purging', details=json_patch(details, ?) WHERE run_no=?",
            (json.dumps({"purged_counts": counts} | _NOBODY), run_no),
        )
        self._connection.execute("COMMIT")

    def half_purged(self) -> int:
        """Count the runs whose rows are deleted, but may still be read in the file."""
        return int(next(self.select("SELECT count(*) FROM runs WHERE stage='purging'"))[0])

    def leave_nothing(self, patience_seconds: float) -> bool:
        """Leave nothing in the file of what was deleted; False where a reader kept it from that.

        A reader's snapshot needs the old pages. After so many seconds this gives up: the runs stay
        `purging`, and the next purge tries again.
        """
        if not self.half_purged():
            return True
        self._connection.execute("VACUUM")
        self._connection.execute(f"PRAGMA busy_timeout={int(1000 * patience_seconds)}")
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            self._connection.execute("UPDATE runs SET stage='purged' WHERE stage='purging'")
        return not busy
