"""The emulator within this process: a run against it touches nobody's record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from batch.record.journal import Journal
from batch.register.emulator import serve
from batch.register.rehearsal import known_sample, rehearsal_register, sample_faults
from batch.register.trainees import Trainee
from batch.rows import Outcome, folded
from batch.submission.terms import Terms


@contextlib.contextmanager
def register_for(journal: Journal, run_id: str, terms: Terms) -> Iterator[str]:
    """Serve an emulator for a run, and give its base URL.

    It knows the sample's trainees; of a file that shares none with the sample, it knows every id as
    `trn_received`. What the run already deferred, in an earlier stretch, stands deferred.
    """
    sample = known_sample()
    in_sample = {folded(trainee.trainee_id) for trainee in sample}
    is_sample = any(folded_id in in_sample for folded_id in journal.trainee_ids(run_id))
    rate = terms.rate_requests
    register = rehearsal_register(
        sample if is_sample else (),
        accepts_unknown=None if is_sample else lambda _: True,
        rate_limit=None if rate is None else (rate, terms.rate_period_seconds),
    )
    for row in journal.rows(run_id, Outcome.SUCCEEDED):
        register.add(Trainee(row.trainee_id, state="deferred", defer_date=row.defer_date))
    faults = sample_faults() if is_sample else ()
    with serve(register, faults=faults, kept=0) as emulator:
        yield emulator.base_url
