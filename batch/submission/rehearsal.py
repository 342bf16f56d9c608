"""The emulator within this process: a run against it touches nobody's record."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from batch.record.journal import Journal
from batch.register.emulator import serve
from batch.register.rehearsal import known_sample, rehearsal_register
from batch.rows import folded
from batch.submission.terms import Terms

TOKEN = "rehearsal"  # noqa: S105 — the emulator asks for none


@contextlib.contextmanager
def register_for(journal: Journal, run_id: str, terms: Terms) -> Iterator[str]:
    """Serve an emulator that knows the sample's trainees, or every trainee of a foreign file."""
    sample = known_sample()
    known = {folded(trainee.trainee_id) for trainee in sample}
    shares = any(folded_id in known for folded_id in journal.trainee_ids(run_id))
    raise NotImplementedError
    yield ""
