"""Old runs, deleted: what goes, and the one line and the hashes that stay."""

from __future__ import annotations

import json
from collections.abc import Iterable

from batch.record.ledger import IS_IN_DOUBT, Ledger

_NOBODY = {"operator": "", "operator_name": "", "host": "", "command": [], "columns": []}
"""What is left of a purged run's details: times, counts and the input's hash say it happened."""


class Purge(Ledger):
    """The journal as `purge` sees it, opened for writing by its one writer."""

    def purgeable(self, before: str) -> list[str]:
        """Give the runs that began before then and need nothing more.

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
            "INSERT OR IGNORE INTO forgotten (digest, run_id, code) VALUES (?, ?, ?)", digests
        )

    def purge(self, run_id: str) -> None:
        """Delete a run's rows and attempts; its one line, with the counts, stays."""
        counts, run_no = self.counts(run_id), self.run_number(run_id)
        self._connection.execute("BEGIN")
        for table in ("rows", "attempts"):
            self._connection.execute(f"DELETE FROM {table} WHERE run_no=?", (run_no,))
        self._connection.execute(
            "UPDATE runs SET stage='purged', details=json_patch(details, ?) WHERE run_no=?",
            (json.dumps({"purged_counts": counts} | _NOBODY), run_no),
        )
        self._connection.execute("COMMIT")

    def vacuum(self) -> None:
        """Leave nothing in the file of what was deleted."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
