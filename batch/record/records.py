"""Values that are read from the journal: a run, its rows, its attempts, its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from batch.codes import Code, Outcome, counts_of
from batch.rows import REHEARSAL, SANDBOX, Deferral


def iso(unix_seconds: float) -> str:
    """Return the time as UTC in ISO 8601, to the millisecond: `2026-11-24T10:00:00.123Z`."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunRecord(Struct, frozen=True):
    """One run, as the journal knows it. Times are UTC in ISO 8601.

    `columns` are the input's own; `ended` is why it can no longer be resumed, if it cannot;
    `purged_counts` are its rows by code, where the rows themselves are gone. `reports_dir` is the
    folder of its reports, as it was given then; `asked_sha256` is over what its rows ask of
    Register, None in what versions before 0.2 began; `accepted_reports` are runs that the journal
    did not know, and with whose reports beside it somebody let this run begin. `follows` are the
    runs whose rows this one corrects; `looks` are the look-ups before sending, one a stretch of it.
    `corrected` are the rows of those runs that this one deferred, by run: kept where its own rows
    were purged, None where they are there, or where a version before 0.2 purged them.
    """

    run_id: str
    rehearsal: bool
    input_name: str
    input_sha256: str
    input_size: int
    input_rows: int
    columns: tuple[str, ...]
    separator: str
    base_url: str
    api_version: str
    settings: Mapping[str, object]
    token_fingerprint: str | None
    operator: str
    operator_name: str | None
    host: str
    tool_version: str
    python_version: str
    command: tuple[str, ...]
    started_at: str
    finished_at: str | None = None
    stopped_because: str | None = None
    exit_code: int | None = None
    notices: tuple[str, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)
    blank_rows: int = 0
    ended: str | None = None
    purged_counts: Mapping[str, int] | None = None
    reports_dir: str = "reports"
    held_in: Mapping[str, str] = field(default_factory=dict)
    date_format: str = "iso"
    reading: Mapping[str, object] = field(default_factory=dict)
    reading_lines: tuple[str, ...] = ()
    final_check: Mapping[str, object] | None = None
    asked_sha256: str | None = None
    accepted_reports: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    looks: tuple[Mapping[str, object], ...] = ()
    corrected: Mapping[str, Sequence[int]] | None = None

    @property
    def is_purged(self) -> bool:
        """Whether its rows, attempts and folder were deleted."""
        return self.purged_counts is not None

    def lacks_final_check(self, codes: Mapping[str, int]) -> bool:
        """Whether the run is finished, and its deferrals were to be read back, and were not.

        `codes` are its rows by code.
        """
        if self.final_check is not None or not self.settings.get("final_check", False):
            return False
        has_made = codes.keys() & {Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK}
        is_finished = not counts_of(codes)[Outcome.UNRESOLVED] and self.ended is None
        return bool(has_made) and is_finished and not self.rehearsal

    @property
    def hidden_rows(self) -> int:
        """How many filled rows the file hides."""
        count = self.reading.get("hidden_rows")
        return count if isinstance(count, int) else 0

    @property
    def banner(self) -> str | None:
        """The warning on top of every report of a run that changed no real record, if it is one."""
        if self.rehearsal:
            return REHEARSAL
        return SANDBOX if self.settings.get("environment") == "sandbox" else None


class RowRecord(Struct, frozen=True):
    """One row and what became of it; `attempts` are the defer requests that may have arrived.

    The fields are the columns of the view `reported_rows`.
    """

    row_number: int
    values: tuple[str, ...]
    trainee_id: str
    defer_date: str | None
    defer_reason: str | None
    outcome: str
    code: str
    message: str
    http_status: int | None
    attempts: int
    register_date: str | None
    settled_at: str | None

    @property
    def sent_trainee_id(self) -> str | None:
        """Whom the request named, None where nothing was sent."""
        return self.trainee_id if self.attempts else None

    @property
    def sent_date(self) -> str | None:
        """The date that was sent, None where nothing was."""
        return self.defer_date if self.attempts else None

    @property
    def sent_reason(self) -> str | None:
        """The reason that was sent, None where nothing was."""
        return self.defer_reason if self.attempts else None


def as_told(row: RowRecord, run: RunRecord) -> RowRecord:
    """Return the row as the CSVs have it: alone, each row of a rehearsal must still say so."""
    if not run.rehearsal:
        return row
    return replace(row, message=f"{REHEARSAL}. {row.message}".rstrip())


class AttemptRecord(Struct, frozen=True):
    """One request; no `meaning` where no answer was written down.

    `kind` is info, preview, defer, read or final_check.
    """

    attempt_id: int
    row_number: int | None
    kind: str
    intended_at: str
    answered_at: str | None
    meaning: str | None
    http_status: int | None
    request_id: str | None
    state: str | None
    register_date: str | None


class UnsentRow(Struct, frozen=True):
    """A row that is not settled, as it is looked up before anything is sent.

    `trainee_id` is "" where its trainee must be matched; `is_open`: a request for the trainee may
    have arrived, so that only waiting and reading settles it.
    """

    row_number: int
    values: tuple[str, ...]
    trainee_id: str
    defer_date: str
    defer_reason: str | None
    is_open: bool


class AskedRow(Struct, frozen=True):
    """A row as the journal would have it sent, with its own values, of which all else is made."""

    row_number: int
    values: tuple[str, ...]
    trainee_id: str
    folded_id: str
    defer_date: str
    defer_reason: str | None


class AnsweredRow(Struct, frozen=True):
    """A row for which Register was asked to defer, and what the run counts it as."""

    row_number: int
    deferral: Deferral
    outcome: str


class ReportedRow(Struct, frozen=True):
    """A row that a run reports as succeeded, with the code that says how."""

    row_number: int
    values: tuple[str, ...]
    deferral: Deferral
    code: str


class Requests(Struct, frozen=True):
    """How many requests a run sent, of every kind, and how many of them were what.

    `throttled` were refused by the limit; `read_back` read a trainee to settle a row; `preview`
    looked trainees up before sending; `final_check` read deferrals back at the end.
    """

    sent: int
    throttled: int
    read_back: int
    preview: int
    final_check: int


class ReportRecord(Struct, frozen=True):
    """What the journal notes of a run's report when it is written.

    `files` are the SHA-256 by name; `journal_digest` is that of the run as the report has it, in
    `digest_format`; `log_size` counts the bytes that `run.log` had; `predecessors` are the SHA-256
    of the manifests that this one's replaced, oldest first; `previous_manifest_sha256` is that of
    the run before it in the same journal; `resumptions` counts those until then, None in what
    0.1.0 noted.
    """

    tool_version: str
    journal_digest: str
    digest_format: int
    manifest_sha256: str
    files: Mapping[str, str]
    log_size: int
    predecessors: tuple[str, ...] = ()
    previous_manifest_sha256: str | None = None
    resumptions: int | None = None


class Who(Struct, frozen=True):
    """Who runs a command, where, and with which versions."""

    operator: str
    operator_name: str | None
    host: str
    tool_version: str
    python_version: str
    command: tuple[str, ...]


class Resumption(Who, frozen=True):
    """Who took a run up again, when, and on which terms; when and why it had stopped before.

    The journal fills in the stop, which is None where the run was cut off.
    """

    resumed_at: str
    settings: Mapping[str, object]
    token_fingerprint: str | None
    stopped_at: str | None = None
    stopped_because: str | None = None

    def details(self) -> dict[str, object]:
        """Return everything but the time, as JSON takes it."""
        details = asdict(self)
        del details["resumed_at"]
        return details
