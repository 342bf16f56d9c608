"""One run a Register, one writer a journal: locks that a crash releases."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from batch import files
from batch.errors import AlreadyRunning, UsageProblem


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


@contextlib.contextmanager
def _held(path: Path, doing: str, *, run_id: str, since: str) -> Iterator[None]:
    holder = path.with_suffix(".holder.json")
    try:
        files.make_private_folder(path.parent)
        lock = FileLock(path, mode=0o600, timeout=0)
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
        holder.write_text(json.dumps({"run_id": run_id, "since": since}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _already_running(holder: Path, doing: str) -> AlreadyRunning:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        who = f"{told['run_id']}, since {told['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        who = "which has just begun,"
    return AlreadyRunning(
        f"another run, {who} {doing}",
        hint="nothing was sent; wait until that run has ended, then run the same command again",
    )
