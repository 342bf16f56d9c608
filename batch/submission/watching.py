"""What those who watch a run are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batch.codes import Outcome
from batch.record.records import RunRecord
from batch.rows import Settled
from batch.run_settings import Terms


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, said before it is confirmed."""

    run_id: str
    terms: Terms
    input_name: str
    input_rows: int
    to_send: int
    to_read_first: int
    held_back: Mapping[str, int]
    """Rows that will not be sent, counted by code."""
    known_under_another_date: tuple[int, ...]
    again: tuple[int, ...]
    """Rows that are sent only because of `--again`."""
    deferrals_known: int
    journal: Path
    journal_is_new: bool
    seconds_needed: float
    supersedes: tuple[int, ...] = ()
    """Runs, by number, that this one ends for good once it begins."""
    notices: tuple[str, ...] = ()
    repairs: tuple[tuple[int, str, str], ...] = ()
    """What reading put right, for `run.log`: row, column, kind."""
    repairs_not_listed: int = 0
    resumed_from: str | None = None
    """When the run that is taken up again began."""
    needs_yes: str | None = None
    """Why an unattended run must be told --yes, if it must."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended: what the journal says of it, and where its files are."""

    run: RunRecord
    folder: Path
    counts: Mapping[Outcome, int]
    codes: Mapping[str, int]
    exit_code: int
    manifest_sha256: str
    problems: tuple[tuple[str, tuple[int, ...], str, int], ...] = ()
    """For each code that needs attention: the first rows, one message, how many in all."""
    warnings: tuple[str, ...] = ()
    """What someone did to the run's folder behind the tool's back."""

    @property
    def reports_dir(self) -> Path:
        """The folder in which the run's folder stands; another version's report is within that."""
        is_beside = self.folder.name != self.run.run_id
        return self.folder.parent.parent if is_beside else self.folder.parent


class Watcher(Protocol):
    """Whoever watches a run: the terminal, a test, nobody."""

    @property
    def is_attended(self) -> bool:
        """Whether someone can answer a question."""

    def confirm(self, plan: Plan) -> bool:
        """Return whether the plan may be carried out."""

    def warn(self, words: str) -> None:
        """Record something unusual."""

    def begin(self, rows: int) -> None:
        """Record that rows are about to be sent."""

    def settled(self, settled: Settled) -> None:
        """Record that a row has its outcome, on disk."""

    def time_left(self, seconds: float) -> None:
        """Record the time left at the allowed rate."""

    def end(self) -> None:
        """Record that no more rows follow."""

    def abandon(self) -> None:
        """Take note, within a signal's handler, that the process ends at once."""
