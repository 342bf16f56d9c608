"""Where a command works, and on whose word: reports folder, journal, token, who watches."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batch.errors import UsageProblem
from batch.record import locks
from batch.record.journal import Journal, writing
from batch.record.records import Who
from batch.record.schema import JOURNAL
from batch.record.times import iso
from batch.submission.terms import Terms, Watcher


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works and on whose word: reports folder, token, who watches."""

    reports_dir: Path
    token: str | None
    who: Who
    watcher: Watcher

    @property
    def journal(self) -> Path:
        """Where the journal is, or will be."""
        return self.reports_dir / JOURNAL


@contextlib.contextmanager
def writing_for(desk: Desk, terms: Terms, *, run_id: str, now: float) -> Iterator[Journal]:
    """Hold the only place for a run against this Register, and the journal open for writing.

    Raises AlreadyRunning, UsageProblem, JournalProblem.
    """
    with contextlib.ExitStack() as stack:
        if not terms.is_rehearsal:
            stack.enter_context(
                locks.one_run_at_a_time(terms.origin, run_id=run_id, since=iso(now))
            )
        yield stack.enter_context(open_journal(desk, run_id=run_id, since=iso(now)))


def open_journal(
    desk: Desk, *, run_id: str, since: str
) -> contextlib.AbstractContextManager[Journal]:
    """Hold the journal open for writing. Raises AlreadyRunning, UsageProblem, JournalProblem."""
    return writing(desk.journal, run_id=run_id, since=since, wall=time.time)


def token_fingerprint(token: str, origin: str) -> str:
    """Give the first 8 hex digits of a keyed hash: tells tokens apart, gives none away."""
    return hmac.new(origin.encode(), token.encode(), hashlib.sha256).hexdigest()[:8]


def no_token() -> UsageProblem:
    """Give the error that says that a token is missing, and how to give one."""
    return UsageProblem(
        "no token: Register would refuse every request",
        hint="set DEFER_BATCH_API_TOKEN, or name a file with --api-token-file; "
        "`--register emulator` rehearses without one",
    )
