"""What is written down of a run besides its rows: the reports of it, and who took it up again."""

from __future__ import annotations

import json

from batch.record.ledger import Ledger
from batch.record.records import ReportRecord, Resumption


class Notes(Ledger):
    """The journal, where it takes notes on runs."""

    def note_report(self, run_id: str, written: ReportRecord) -> None:
        """Write down what a report holds, in place of what stood in the same place before."""
        self._connection.execute(
            "INSERT OR REPLACE INTO reports (run_no, place, tool_version, journal_digest,"
            " manifest_sha256, files, log_size, predecessors) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.run_number(run_id),
                written.place,
                written.tool_version,
                written.journal_digest,
                written.manifest_sha256,
                json.dumps(dict(written.files)),
                written.log_size,
                json.dumps(written.predecessors),
            ),
        )

    def note_resumption(self, run_no: int, taken_up: Resumption) -> None:
        """Write down who takes a run up again, when, from where and on which terms."""
        self._connection.execute(
            "INSERT INTO resumptions (run_no, resumed_at, details) VALUES (?, ?, ?)",
            (run_no, taken_up.resumed_at, json.dumps(taken_up.details())),
        )

    def note_cut_off(self, run_id: str, *, exit_code: int, stopped_because: str | None) -> None:
        """Write down how a run ended that had no time to: at the last moment that it wrote down."""
        run_no = self.run_number(run_id)
        self._connection.execute(
            "UPDATE runs SET exit_code=?, stopped_because=?, finished_at=?,"
            " stage=iif(stage='started' AND ? IS NULL, 'finished', stage) WHERE run_no=?",
            (exit_code, stopped_because, self._last_moment(run_id), stopped_because, run_no),
        )

    def _last_moment(self, run_id: str) -> str:
        moments = (one.answered_at or one.intended_at for one in self.attempts(run_id))
        return max(moments, default=self.run(run_id).started_at)


def reported(ledger: Ledger, run_id: str, place: str) -> ReportRecord | None:
    """Return the report that was last written in a place of a run, None where none is known."""
    if not _keeps_notes(ledger):
        return None
    for version, digest, manifest, files, log_size, predecessors in ledger.select(
        "SELECT tool_version, journal_digest, manifest_sha256, files, log_size, predecessors"
        " FROM reports WHERE run_no=? AND place=?",
        (ledger.run_number(run_id), place),
    ):
        before = tuple(json.loads(predecessors))
        return ReportRecord(place, version, digest, manifest, json.loads(files), log_size, before)
    return None


def resumptions(ledger: Ledger, run_id: str) -> list[Resumption]:
    """Return who took a run up again, in that order."""
    if not _keeps_notes(ledger):
        return []
    found = ledger.select(
        "SELECT resumed_at, details FROM resumptions WHERE run_no=? ORDER BY rowid",
        (ledger.run_number(run_id),),
    )
    return [Resumption(resumed_at=at, **json.loads(details)) for at, details in found]


def _keeps_notes(ledger: Ledger) -> bool:
    """Whether the journal is of version 3 at least: a reader does not migrate it."""
    return bool(next(ledger.select("PRAGMA user_version"))[0] >= 3)
