"""`purge`: old runs go, and what must outlive them stays."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from batch.errors import UsageProblem
from batch.record import locks
from batch.record.memory import remember_for_good
from batch.record.purge import Purge
from batch.record.schema import JOURNAL, open_for_writing
from batch.record.times import iso

_SECONDS = {"d": 86_400, "w": 7 * 86_400}


def purge_runs(reports_dir: Path, older_than: str, *, confirm: Callable[[str], bool]) -> int:
    """Delete the rows, attempts and folders of runs that began longer ago; give how many.

    Unfinished runs that sent something stay: their rows may still have to be settled.
    Raises UsageProblem where the age is no age, or the question was declined.
    """
    age = _seconds(older_than)
    path = reports_dir / JOURNAL
    if not path.exists():
        return 0
    now = time.time()
    with locks.one_writer(path, run_id="purge", since=iso(now)):
        journal = Purge(open_for_writing(path))
        try:
            old = journal.purgeable(iso(now - age))
            if not old:
                return 0
            words = f"Will delete the rows and folders of {len(old)} runs: {', '.join(old[:10])}"
            if not confirm(words + (" …" if len(old) > 10 else "")):
                raise UsageProblem("declined: nothing was deleted")
            for run_id in old:
                remember_for_good(journal, run_id)
                journal.purge(run_id)
                shutil.rmtree(reports_dir / run_id, ignore_errors=True)
            journal.vacuum()
        finally:
            journal.close()
    return len(old)


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,5})([dw])", age, re.ASCII)
    if not found:
        raise UsageProblem(
            f"cannot use --older-than {age[:20]}: it is no age", hint="say 90d, or 26w"
        )
    return int(found[1]) * _SECONDS[found[2]]
