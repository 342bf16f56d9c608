"""Copy the journal of a reports folder, whole also while a run is under way.

    python3 backup_journal.py REPORTS_FOLDER BACKUP_FOLDER

Writes BACKUP_FOLDER/journal-<time>.db, checks it, and keeps the newest 30. Exits 1 where the copy
cannot be trusted. Takes Python alone, on any system.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

KEPT = 30


def back_up(journal: Path, folder: Path) -> Path:
    """Return the path of a checked copy. Raises OSError, sqlite3.Error."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / f"journal-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.db"
    unchecked = copy.with_suffix(".unchecked")
    os.close(os.open(unchecked, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(unchecked)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        found = target.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the copy {unchecked} is damaged: {found}")
    return unchecked.rename(copy)


def main(reports: str, folder: str) -> int:
    """Back up and drop what is too old; print only what someone should see."""
    journal = Path(reports) / "journal.db"
    if not journal.exists():
        return 0  # nothing has run yet
    try:
        back_up(journal, Path(folder))
        for old in sorted(Path(folder).glob("journal-*.db"))[:-KEPT]:
            old.unlink()
    except (OSError, sqlite3.Error) as error:
        print(f"backup_journal: {journal} was not backed up: {error}")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: backup_journal.py REPORTS_FOLDER BACKUP_FOLDER")
    sys.exit(main(sys.argv[1], sys.argv[2]))
