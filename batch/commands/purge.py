"""`purge`: delete old runs, and keep what must outlive them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batch.errors import UsageProblem
from batch.hints import report_command
from batch.record.database import JOURNAL
from batch.record.manifest import read_manifest, set_aside_of
from batch.record.memory import remember_for_good
from batch.record.purging import Purge, aside_of, folders_to_delete, purging
from batch.record.records import iso

READERS_PATIENCE_SECONDS = 10.0
RUNS_SHOWN = 10
LEAST_AGE_OF_DOUBTS_SECONDS = 86_400.0
"""By then no request can be on its way any more; whoever sends again looks the trainee up first."""
_SECONDS = {"d": 86_400, "w": 7 * 86_400}


class Purged(Struct, frozen=True):
    """What a purge did: how many runs are gone, and what is still there, in words for people.

    `ended` counts the runs that an earlier purge began to delete, and this one has.
    """

    runs: int
    left: tuple[str, ...] = ()
    ended: int = 0

    @property
    def exit_code(self) -> int:
        """0 where all is gone, 1 where something needs attention and another purge."""
        return 1 if self.left else 0

    def lines(self) -> list[str]:
        """Return what was done for people."""
        if self.ended:
            rest = f"Nothing of {_runs(self.ended)} purged earlier is left in journal.db now."
            return [rest, *replace(self, ended=0).lines()] if self.runs else [rest]
        if not self.runs:
            return ["No run was purged."]
        kept = "one line of it is" if self.runs == 1 else "one line of each is"
        return [f"{_runs(self.runs)} purged; {kept} kept, and the memory of what was deferred."]


def purge_runs(
    reports_dir: Path,
    older_than: str,
    *,
    confirm: Callable[[str], bool],
    patience_seconds: float = READERS_PATIENCE_SECONDS,
) -> Purged:
    """Delete the folders, rows and attempts of runs that began longer ago.

    Unfinished runs stay: their rows may still have to be settled, or the run closed. One whose
    folder cannot be taken away stays whole, here and in the journal; the next purge tries again.
    Raises UsageProblem where the age cannot be read, others can write to the folder, or the
    question was declined; AlreadyRunning, JournalProblem.
    """
    age = _seconds(older_than)
    path = reports_dir / JOURNAL
    if not path.exists():
        return Purged(0)
    now = time.time()
    with purging(path, since=iso(now)) as journal:
        ended = journal.ledger.half_purged()
        doubts_before = now - max(age, LEAST_AGE_OF_DOUBTS_SECONDS)
        old = journal.ledger.purgeable(iso(now - age), doubts_before=doubts_before)
        if old and not confirm(_question(old)):
            raise UsageProblem("declined: nothing was deleted")
        left = [words for run_id in old for words in _purge(journal, reports_dir, run_id)]
        gone = len(old) - len(left)
        left += _delete_folders(journal, reports_dir)
        if not journal.leave_nothing(patience_seconds):
            left.append(_STILL_READ.format(path=path))
            ended = 0
    return Purged(gone, tuple(left), ended)


_STILL_READ = (
    "another program holds {path} open, so text of purged runs is still in that file or in the"
    " -wal beside it; close that program, then purge again"
)


def _purge(journal: Purge, reports_dir: Path, run_id: str) -> list[str]:
    """Take one run away, the folder first; return why it is kept, in words, where it is.

    Who is killed between the two has a whole folder aside: `writing` brings it back.
    """
    folder = reports_dir / run_id
    if _is_unreported(journal, run_id, folder):
        write = report_command(run_id, reports_dir)
        return [f"{run_id} is kept, its report was never written; run `{write}`, then purge again"]
    try:
        for corrected in set_aside_of(folder):
            corrected.unlink()
        _put_aside(folder)
    except OSError as error:
        return [f"{folder} cannot be deleted ({_why(error)}), so its run is kept; then purge again"]
    remember_for_good(journal, run_id)
    journal.purge(run_id)
    return []


def _put_aside(folder: Path) -> None:
    """Move a run's folder out of sight, where it has one. Raises OSError."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    aside = aside_of(folder)
    if aside.exists():  # a purge was killed, and the report was written again since
        shutil.rmtree(aside)
    folder.rename(aside)


def _delete_folders(journal: Purge, reports_dir: Path) -> list[str]:
    """Delete the folders of purged runs, also of earlier purges; return in words what is left."""
    left = []
    for folder in folders_to_delete(journal.ledger, reports_dir):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            left.append(f"{folder} cannot be deleted ({_why(error)}); delete it, or purge again")
    return left


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _is_unreported(journal: Purge, run_id: str, folder: Path) -> bool:
    """Whether a run finished and nobody ever saw a report of it: it was cut off just before."""
    ledger = journal.ledger
    is_reported = ledger.reported(run_id) is not None or read_manifest(folder) is not None
    return ledger.stage_of(run_id) == "finished" and not is_reported


def _question(old: list[str]) -> str:
    shown = ", ".join(old[:RUNS_SHOWN]) + (" …" if len(old) > RUNS_SHOWN else "")
    whose = "its rows and its folder" if len(old) == 1 else "their rows and folders"
    return f"Will delete {_runs(len(old))} ({whose}): {shown}"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,5})([dw])", age, re.ASCII)
    if not found:
        raise UsageProblem(
            f"cannot use --older-than {age[:20]}", hint="give days or weeks, such as 90d or 26w"
        )
    return int(found[1]) * _SECONDS[found[2]]
