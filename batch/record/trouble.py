"""What it means that the disk fails, in words: whether anything was sent, and what to do."""

from __future__ import annotations

import sqlite3

from batch.errors import DeferBatchError, JournalLost, JournalProblem, StoppedEarly

_MAKE_ROOM = "make room on the disk"
_CARRIES_ON = "then `defer-batch resume` carries on; nothing is lost"


def journal_lost(error: sqlite3.Error) -> JournalLost:
    """Give what ends a run whose journal can no longer be written."""
    return JournalLost(
        f"the journal can no longer be written: {error}",
        hint=f"{_remedy(error)}, {_CARRIES_ON}",
    )


def disk_failed(error: sqlite3.Error | OSError, *, has_begun: bool) -> DeferBatchError:
    """Give what ends a command whose disk fails: `has_begun` tells that a run may have sent."""
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
