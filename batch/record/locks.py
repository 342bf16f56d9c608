"""One run a Register, one writer a journal: locks that a crash releases."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from batch import files
from batch.errors import AlreadyRunning, UsageProblem

_PATIENCE_SECONDS = 1.0
"""Whoever only looks whether a lock is held (`runs`) holds it for a moment: wait that long."""


@contextlib.contextmanager
def one_run_at_a_time(origin: str, *, run_id: str, since: str) -> Iterator[None]:
    """Hold the lock for a run against this Register, for this user on this machine.

    Raises AlreadyRunning, which names the run that holds it.
    """
    name = hashlib.sha256(origin.encode()).hexdigest()[:16]
    path = files.state_folder() / "locks" / f"{name}.lock"
    with _held(path, f"is submitting to {origin}", run_id=run_id, since=since):
        yield


@contextlib.contextmanager
def one_writer(journal: Path, *, run_id: str, since: str) -> Iterator[None]:
    """Hold the lock of this journal's one writer. Raises AlreadyRunning."""
    path = journal.with_name(journal.name + ".lock")
    with _held(path, f"is writing {journal}", run_id=run_id, since=since):
        yield


def run_that_writes(journal: Path) -> str | None:
    """Return the id of the run that is being written to the journal now, None where there is none.

    A holder's file without a held lock is what a kill left behind.
    """
    path = journal.with_name(journal.name + ".lock")
    told = _told(path.with_suffix(".holder.json"))
    if not told:
        return None
    lock = FileLock(path, mode=0o600, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return str(told["run_id"])
    except OSError:
        return None
    lock.release()
    return None


@contextlib.contextmanager
def _held(path: Path, doing: str, *, run_id: str, since: str) -> Iterator[None]:
    holder = path.with_suffix(".holder.json")
    try:
        files.make_private_folder(path.parent)
        lock = FileLock(path, mode=0o600, timeout=_PATIENCE_SECONDS)
        lock.acquire()
    except Timeout:
        raise _already_running(holder, doing) from None
    except OSError as error:
        raise UsageProblem(
            f"cannot lock {path}: {error.strerror or error}",
            hint="the folder must be writable, and on a local disk",
        ) from None
    try:
        files.make_private_file(holder)
        told = {"run_id": run_id, "since": since, "pid": os.getpid()}
        holder.write_text(json.dumps(told), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _already_running(holder: Path, doing: str) -> AlreadyRunning:
    told = _told(holder)
    if not told:
        return AlreadyRunning(
            f"another run, which has just begun, {doing}",
            hint="nothing was sent; wait until that run has ended, then run the same command again",
        )
    process = f"process {told['pid']}" if "pid" in told else "its process"
    return AlreadyRunning(
        f"another run, {told['run_id']}, since {told['since']}, {process}, {doing}",
        hint="nothing was sent; wait until that run has ended, then run the same command again. "
        f"If it is stuck, end {process}: what it did is written down, and `resume` continues it",
    )


def _told(holder: Path) -> dict[str, Any]:
    """Return who holds a lock, since when, in which process; nothing where that is not there."""
    try:
        told = files.json_in(holder.read_bytes())
    except OSError:
        return {}
    return told if isinstance(told, dict) and {"run_id", "since"} <= told.keys() else {}
