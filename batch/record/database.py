"""Opening the journal: a file that is ours, undamaged, and of a version that is known."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from batch import files, systems
from batch.codes import TABLE
from batch.errors import DeferBatchError, ForeignJournal, JournalLost, JournalProblem, StoppedEarly

_RECORD = "journal.db, the record of all runs,"
_MAKE_ROOM = "make room on the disk"
_CONTINUE = "then run `defer-batch resume` to continue; nothing is lost"

_KEEP_DAMAGED = (
    "keep journal.db as it is, it may be the only record of what was sent; restore it from a "
    "backup, then run `defer-batch resume`"
)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file, rather than the disk or another program, is at fault (SQLite's codes)."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where Python's own checks raised
    primary = None if code is None else code & 0xFF  # the rest says more of the same
    return primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def journal_lost(error: sqlite3.Error) -> JournalLost:
    """Return what ends a run whose journal can no longer be written, or read."""
    if is_damage(error):
        return JournalLost(f"{_RECORD} is damaged ({error})", hint=_KEEP_DAMAGED)
    return JournalLost(
        f"{_RECORD} can no longer be written: {error}",
        hint=f"{_remedy(error)}, {_CONTINUE}",
    )


def disk_failed(error: sqlite3.Error | OSError, *, has_begun: bool) -> DeferBatchError:
    """Return what ends a command whose disk fails; `has_begun` where a run may have sent."""
    if isinstance(error, sqlite3.Error) and is_damage(error):
        if has_begun:
            return journal_lost(error)
        return JournalProblem(
            f"{_RECORD} is damaged ({error}): nothing was sent",
            hint=_KEEP_DAMAGED,
        )
    if not has_begun:
        return JournalProblem(f"{_what(error)}: nothing was sent", hint=f"{_remedy(error)}")
    if isinstance(error, sqlite3.Error):
        return journal_lost(error)
    return StoppedEarly(_what(error), hint=f"{_remedy(error)}, {_CONTINUE}")


def _what(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, sqlite3.Error):
        return f"{_RECORD} cannot be written ({error})"
    return f"cannot use {error.filename or 'a file'} ({error.strerror or error})"


def _remedy(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError) and systems.is_in_use(error):
        return "close the program that has it open"
    if isinstance(error, PermissionError):
        return "let this user write there"
    if "readonly" in str(error):
        return "let this user write journal.db"
    if "locked" in str(error):
        return "close the other program that has journal.db open"
    return _MAKE_ROOM


@functools.cache
def statements(name: str) -> Mapping[str, str]:
    """Return the SQL of a `.sql` file beside this module, by the name that stands above it."""
    text = resources.files("batch.record").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


JOURNAL = "journal.db"
"""The journal's name within a reports folder (interface.md)."""

IN_DOUBT = ("lost", "differs", "no_date", "deferred")
"""Meanings of a defer request after which its row, if unsettled, is read before it is sent."""

APPLICATION_ID = 0x44464A31  # "DFJ1", so that a foreign database is told from ours
MIGRATIONS = tuple(statements("schema").values())
VERSION = len(MIGRATIONS)
_CACHE_KIB = 512
"""Of the journal, in the process itself; the system keeps its pages as well."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the journal, made or migrated where needed: WAL, every commit on disk.

    The caller holds the writer's lock. Raises JournalProblem, and then leaves the file as it was.
    """
    if _has_content(path):
        _is_ours(path)
    else:
        _refuse_left_alone(path.with_name(f"{path.name}-wal"))
        _write_new(path)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        files.narrow(path.with_name(name))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        _make_durable(connection, path)
        _migrate(connection)
        _begin_with_an_empty_wal(connection)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise _unusable(path, str(error)) from error
        raise disk_failed(error, has_begun=False) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal read-only; one whose making was cut off is empty.

    Raises JournalProblem where it is missing or not ours.
    """
    if not path.is_file():
        raise JournalProblem(
            f"{path}, the record of runs, is not there", hint="name its folder with --reports-dir"
        )
    if _is_ours(path):
        return _read_only(path)
    empty = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(empty)
    return empty


def copy_in_memory(path: Path) -> sqlite3.Connection:
    """Return a journal in memory that begins with what the one at `path` holds, if there is one.

    Whatever is written to it is gone with the connection; the file is only read. Raises
    JournalProblem where that is not usable.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        if path.exists():
            with contextlib.closing(open_for_reading(path)) as source:
                source.backup(connection)
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Add what `views.sql` has to a connection; a journal that is only read is not migrated."""
    if connection.execute("SELECT 1 FROM sqlite_temp_master WHERE name='codes'").fetchone():
        return
    views = statements("views")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    past = ["until_version_2"] if version <= 2 else [f"version_{version}"]
    past += ["until_version_4"] if version <= 4 else []
    for name in ("tables", *past, "views"):
        for statement in views.get(name, "").split(";\n"):
            connection.execute(statement)
    connection.executemany(
        "INSERT INTO codes VALUES (?, ?, ?, ?)",
        [(code, e.outcome, e.attention, e.later_runs) for code, e in TABLE.items()],
    )
    connection.executemany("INSERT INTO doubts VALUES (?)", [(word,) for word in IN_DOUBT])


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


_WHOSE_IT_IS = (
    "PRAGMA application_id",
    "PRAGMA user_version",
    "SELECT count(*) FROM sqlite_master",
    "PRAGMA quick_check(1)",
)


def _is_ours(path: Path) -> bool:
    """Whether the file is a journal, and not one without tables whose making was cut off.

    Raises JournalProblem for anything else.
    """
    try:
        with contextlib.closing(_read_only(path)) as connection:
            application_id, version, tables, damage = (
                connection.execute(question).fetchone()[0] for question in _WHOSE_IT_IS
            )
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
        "or start a new one with --reports-dir (which knows nothing of earlier deferrals)",
    )


_WAL_FORMAT = slice(18, 20), bytes([2, 2])
"""Where in a database the versions stand with which it is written and read, and those of WAL
(SQLite, "File format version numbers")."""


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _refuse_left_alone(wal: Path) -> None:
    """Raise JournalProblem where a -wal has lost its journal: SQLite would delete it unread."""
    if _has_content(wal):
        raise JournalProblem(
            f"journal.db, the record of all runs, is not there, but {wal}, which holds what was "
            "written last, is: nothing was sent",
            hint="put back the journal.db that belongs to it; if that is lost, move "
            f"{wal.name} elsewhere first, then restore journal.db from a backup",
        )


def _write_new(path: Path) -> None:
    """Write a journal without runs, whole and on disk, or none: so no crash leaves half of one."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        _migrate(made)
        content = bytearray(made.serialize())
    place, version = _WAL_FORMAT
    content[place] = version
    with files.replacing(path) as file:
        file.write(content)


def sync_each_commit(connection: sqlite3.Connection) -> None:
    """Have every commit on disk before it returns, and all those before it with the next one."""
    connection.execute("PRAGMA synchronous=FULL")


def sync_later(connection: sqlite3.Connection) -> None:
    """Leave commits to the system: a power cut may take the last of them, each of them whole."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode not in {"wal", "memory"}:
        raise JournalProblem(
            f"cannot keep the record of all runs at {path}: this file system lacks what it takes",
            hint="name a folder on a local disk with --reports-dir",
        )
    sync_each_commit(connection)
    connection.execute("PRAGMA secure_delete=ON")


def _begin_with_an_empty_wal(connection: sqlite3.Connection) -> None:
    """Put into the journal what stands in the -wal: new tables, or what a killed process wrote.

    So all its frames are ours, and a cut can be told from what a crash left behind its last commit.
    Where a reader is in the way, it stays as it is.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < len(MIGRATIONS):
        connection.executescript(
            f"BEGIN; {' '.join(MIGRATIONS[version:])} PRAGMA user_version={len(MIGRATIONS)};"
            f" PRAGMA application_id={APPLICATION_ID}; COMMIT;"
        )
