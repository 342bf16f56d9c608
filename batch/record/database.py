"""The journal's tables, and opening the file: its own, whole, of a version that is understood."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from batch import files
from batch.errors import DeferBatchError, ForeignJournal, JournalLost, JournalProblem, StoppedEarly

_MAKE_ROOM = "make room on the disk"
_CARRIES_ON = "then `defer-batch resume` carries on; nothing is lost"


def journal_lost(error: sqlite3.Error) -> JournalLost:
    """Return what ends a run whose journal can no longer be written."""
    return JournalLost(
        f"the journal can no longer be written: {error}",
        hint=f"{_remedy(error)}, {_CARRIES_ON}",
    )


def disk_failed(error: sqlite3.Error | OSError, *, has_begun: bool) -> DeferBatchError:
    """Return what ends a command whose disk fails: `has_begun` tells that a run may have sent."""
    if not has_begun:
        return JournalProblem(f"{_what(error)}: nothing was sent", hint=f"{_remedy(error)}")
    if isinstance(error, sqlite3.Error):
        return journal_lost(error)
    return StoppedEarly(_what(error), hint=f"{_remedy(error)}, {_CARRIES_ON}")


def _what(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, sqlite3.Error):
        return f"the journal cannot be written ({error})"
    return f"cannot use {error.filename or 'a file'} ({error.strerror or error})"


def _remedy(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, PermissionError):
        return "let this user write there"
    if "locked" in str(error):
        return "close the other program that has journal.db open"
    return _MAKE_ROOM


JOURNAL = "journal.db"
"""The journal's name within a reports folder (interface.md)."""

APPLICATION_ID = 0x44464A31  # "DFJ1", so that a foreign database is told from ours
MIGRATIONS = (
    """
    CREATE TABLE runs (
        run_no INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        stage TEXT NOT NULL,            -- staged, started, finished, ended, purging, purged
        origin TEXT NOT NULL,           -- the Register, normalised
        rehearsal INTEGER NOT NULL,
        input_sha256 TEXT NOT NULL,
        input_rows INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        stopped_because TEXT,
        exit_code INTEGER,
        details TEXT NOT NULL           -- JSON: what only the reports ask for
    );
    CREATE TABLE rows (
        run_no INTEGER NOT NULL,
        row_number INTEGER NOT NULL,
        own_values TEXT NOT NULL,       -- JSON: the input's own columns
        trainee_id TEXT NOT NULL,
        folded_id TEXT NOT NULL,
        defer_date TEXT,                -- NULL: failed a check, never to be sent
        defer_reason TEXT,
        outcome TEXT,                   -- NULL: not settled
        code TEXT,
        message TEXT,
        register_date TEXT,
        settled_at TEXT,
        PRIMARY KEY (run_no, row_number)
    ) WITHOUT ROWID;
    CREATE INDEX rows_by_trainee ON rows (folded_id) WHERE defer_date IS NOT NULL;
    CREATE TABLE attempts (
        attempt_id INTEGER PRIMARY KEY,
        run_no INTEGER NOT NULL,
        row_number INTEGER,             -- NULL: asked for the run as a whole
        kind TEXT NOT NULL,             -- defer, read, info
        intended_at REAL NOT NULL,      -- Unix seconds
        answered_at REAL,
        meaning TEXT,                   -- NULL: no answer was written down
        http_status INTEGER,
        request_id TEXT,
        state TEXT,
        register_date TEXT
    );
    CREATE INDEX attempts_by_row ON attempts (run_no, row_number);
    CREATE TABLE forgotten (
        digest TEXT PRIMARY KEY,        -- of Register, trainee and date
        run_id TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    # what was known of the trainee: deferred_earlier, already_deferred, reinstated_since
    "ALTER TABLE forgotten ADD COLUMN code TEXT NOT NULL DEFAULT 'deferred_earlier';",
    """
    CREATE TABLE reports (              -- the last one written in each place
        run_no INTEGER NOT NULL,
        place TEXT NOT NULL,            -- '': the run's folder; else a folder within it
        tool_version TEXT NOT NULL,
        journal_digest TEXT NOT NULL,   -- of rows and attempts, as they were then
        manifest_sha256 TEXT NOT NULL,
        files TEXT NOT NULL,            -- JSON: SHA-256 by name
        log_size INTEGER NOT NULL,      -- bytes of run.log, which only grows
        predecessors TEXT NOT NULL,     -- JSON: SHA-256 of the manifests before it, oldest first
        PRIMARY KEY (run_no, place)
    ) WITHOUT ROWID;
    CREATE TABLE resumptions (
        run_no INTEGER NOT NULL,
        resumed_at TEXT NOT NULL,
        details TEXT NOT NULL           -- JSON: who, with what, on which terms
    );
    """,
    """
    ALTER TABLE reports ADD COLUMN digest_format INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE reports ADD COLUMN previous_manifest_sha256 TEXT;
    ALTER TABLE reports ADD COLUMN resumptions INTEGER;
    ALTER TABLE forgotten RENAME TO remembered_deferrals;
    """,
)
VERSION = len(MIGRATIONS)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the journal, made or migrated where needed: WAL, every commit on disk.

    The caller holds the writer's lock. Raises JournalProblem, and then leaves the file as it was.
    """
    if not (path.exists() and path.stat().st_size and _is_ours(path)):
        files.make_private_file(path)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        files.narrow(path.with_name(name))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _make_durable(connection, path)
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            raise disk_failed(error, has_begun=False) from error
        raise _unusable(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal read-only. Raises JournalProblem where it is missing or not ours."""
    if not path.is_file() or not _is_ours(path):
        raise JournalProblem(
            f"there is no journal at {path}", hint="name its folder with --reports-dir"
        )
    return _read_only(path)


def _read_only(path: Path) -> sqlite3.Connection:
    """Open for reading, also on a medium where SQLite cannot put its -shm beside the file.

    Where a -wal holds more, the file alone is not the journal: then this is an error.
    """
    address = path.resolve().as_uri() + "?mode=ro"
    try:
        return _connected(address)
    except sqlite3.OperationalError:
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return _connected(address + "&immutable=1")


def _connected(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_ours(path: Path) -> bool:
    """Return a journal from a file without tables, whose making was cut off.

    Raises JournalProblem for anything else.
    """
    try:
        connection = _read_only(path)
        try:
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error
    if (application_id, version, tables) == (0, 0, 0):
        return False
    if application_id != APPLICATION_ID:
        raise _unusable(path, "it is a database of something else", ForeignJournal)
    if version > VERSION:
        raise JournalProblem(
            f"cannot use {path}: a newer defer-batch wrote it (journal version {version})",
            hint="install that version, or name another folder with --reports-dir",
        )
    if damage != "ok":
        raise _unusable(path, "it is damaged")
    return True


def _unusable(path: Path, why: str, kind: type[JournalProblem] = JournalProblem) -> JournalProblem:
    return kind(
        f"cannot use {path}: {why}",
        hint="keep that file, it may be the only record of earlier runs; restore it from a backup, "
        "or start a new journal with --reports-dir (which knows nothing of earlier deferrals)",
    )


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode not in {"wal", "memory"}:
        raise JournalProblem(
            f"cannot keep a journal at {path}: this file system does not offer what that takes",
            hint="name a folder on a local disk with --reports-dir",
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(
            f"BEGIN; {statements} PRAGMA user_version={number};"
            f" PRAGMA application_id={APPLICATION_ID}; COMMIT;"
        )
