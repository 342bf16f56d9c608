"""What people see on a terminal: the plan and its question, progress, and the summary.

Words and layout change for other reasons than options do.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from batch.advice import advice, resume_command
from batch.lines import columns_of
from batch.output import agrees, is_attended, say
from batch.rows import CHECK_CODES, Code, Outcome, Settled
from batch.submission.terms import Finished, Plan
from batch.words import about, counted, duration, every_row, repair_list, row_list

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


LINE_EVERY_SECONDS = 30.0
WIDE_ENOUGH = 80
"""Columns within which the progress bar, the counts and the time left stand beside each other."""
_SHOW_CURSOR = "\x1b[?25h"
_LABELS = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.NOT_FOUND: "not found",
    Outcome.UNPROCESSABLE: "unprocessable",
    Outcome.UNRESOLVED: "unresolved",
}


class Terminal:
    """Watches a run for someone at a terminal, or for a log where nobody sits at it."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._counts: Counter[str] = Counter()
        self._rows = 0
        self._last_line = 0.0
        self._seconds_left = 0.0
        self._is_narrow = False

    @property
    def is_attended(self) -> bool:
        """Whether standard input is a terminal."""
        return is_attended()

    def confirm(self, plan: Plan) -> bool:
        """Show the plan, and ask where someone can answer and it is not a rehearsal."""
        say("\n".join(plan_lines(plan)))
        if plan.terms.is_rehearsal or self._yes:
            return True
        if plan.needs_yes is not None:
            say(f"warning: {plan.needs_yes}")
        return agrees("Type yes to send: ") if self.is_attended else True

    def warn(self, words: str) -> None:
        """Say a warning."""
        say(f"warning: {words}")

    def begin(self, rows: int) -> None:
        """Show that sending begins."""
        self._rows = rows
        self._last_line = time.monotonic()
        if not sys.stderr.isatty():
            return
        from rich.console import Console  # noqa: PLC0415 — slow to import, and only used here
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        self._is_narrow = columns_of(sys.stderr) < WIDE_ENOUGH
        self._progress = Progress(
            BarColumn(bar_width=8 if self._is_narrow else 24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=rows, told="")
        self._progress.start()

    def settled(self, settled: Settled) -> None:
        """Count one row."""
        self._counts[settled.outcome] += 1
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, told=self._told())

    def time_left(self, seconds: float) -> None:
        """Show the time left; without a terminal, a line now and then."""
        self._seconds_left = seconds
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, told=self._told())
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            say(f"{sum(self._counts.values())} of {counted(self._rows, 'row')}: {self._told()}")

    def end(self) -> None:
        """Take the progress bar away."""
        self.time_left(0.0)
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def abandon(self) -> None:
        """Show the cursor again and say what is left to do; called as the process ends at once."""
        words = "stopped at once: `defer-batch resume` settles what was in flight\n"
        with contextlib.suppress(OSError):
            os.write(2, f"{_SHOW_CURSOR if self._progress else ''}\n{words}".encode())

    def _told(self) -> str:
        counts = ", ".join(
            f"{self._counts[outcome]} {label}"
            for outcome, label in _LABELS.items()
            if self._counts[outcome]
        )
        left = f"{about(self._seconds_left)} left" if self._seconds_left else ""
        if self._is_narrow:
            return left
        return "; ".join(part for part in (counts, left) if part)


def age(moment: str) -> str:
    """Give how long ago a moment was, in the unit that people would use."""
    seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    days = seconds / 86_400
    return f"{days:.0f} days" if days >= 2 else duration(max(0.0, seconds))


def plan_lines(plan: Plan) -> list[str]:
    """Give the plan as lines: where to, what is sent, what is held back, warnings, time."""
    terms = plan.terms
    where = "the emulator in this process" if terms.is_rehearsal else terms.origin
    is_named = terms.environment != terms.origin or terms.is_rehearsal
    named = f"{terms.environment.upper()} ({where})" if is_named else where
    lines = [f"Register: {named}, version {terms.api_version}"]
    if plan.resumed_from is not None:
        lines.append(f"Resuming {plan.run_id}, begun {age(plan.resumed_from)} ago")
    lines.append(
        f"File: {plan.input_name}, {counted(plan.input_rows, 'row')}; {plan.to_send} to send"
    )
    lines += [f"  held back: {count} {code}" for code, count in plan.held_back.items()]
    if plan.to_read_first:
        lines.append(
            f"  {plan.to_read_first} of them are read first: an earlier request got no answer"
        )
    if plan.again:
        shown = every_row(plan.again)
        lines.append(f"  --again: sent although an earlier run settled them: {shown}")
    if plan.known_under_another_date:
        rows = row_list(plan.known_under_another_date[:10], len(plan.known_under_another_date))
        lines.append(f"warning: known to be deferred on another date: {rows}")
    lines += [f"notice: {notice}" for notice in plan.notices]
    lines += _memory_lines(plan)
    lines.append(f"Time needed at the rate limit: {about(plan.seconds_needed)}")
    if not terms.is_rehearsal:
        lines.append("Deferrals cannot be undone from here.")
    return lines


def _memory_lines(plan: Plan) -> list[str]:
    if plan.terms.is_rehearsal:
        return []
    lines = [
        f"Journal: {plan.journal}, which knows {counted(plan.deferrals_known, 'earlier deferral')}"
    ]
    if plan.journal_is_new:
        lines.append(
            "warning: this journal is new, so nothing is known of earlier runs; "
            "if there were any, name their folder with --reports-dir"
        )
    return lines


def summary_lines(finished: Finished) -> list[str]:
    """Give the summary: the four counts, problems by code with what to do, where the report is."""
    run = finished.run
    lines = [run.banner, ""] if run.banner else []
    lines.append(f"{run.input_name}: {counted(run.input_rows, 'row')}")
    lines += [f"notice: {notice}" for notice in run.notices]
    width = len(str(run.input_rows))
    for outcome, label in _LABELS.items():
        lines.append(f"  {label:<14} {finished.counts[outcome]:>{width}}")
    if run.blank_rows:
        lines.append(f"  blank rows skipped: {run.blank_rows}")
    if run.repairs:
        lines.append(f"  repaired while reading: {repair_list(run.repairs)}")
    for code, numbers, message, count in finished.problems:
        lines += ["", f"{code}: {row_list(numbers, count)}"]
        if not _is_said_of_all(message, run.notices):
            lines += [f"  e.g. {message}", f"  what to do: {advice(Code(code))}"]
    lines += _hunch(finished)
    if run.stopped_because:
        lines += ["", f"Stopped early: {run.stopped_because}"]
        lines.append(f"`{resume_command(run.run_id, finished.reports_dir)}` carries on.")
    return [*lines, "", f"Report: {finished.folder / 'report.html'}"]


def _is_said_of_all(message: str, notices: tuple[str, ...]) -> bool:
    """Tell whether a notice says of every date what the message says of one."""
    return any(message.endswith(notice.removeprefix("Every date")) for notice in notices)


def _hunch(finished: Finished) -> list[str]:
    answered = {
        code
        for code in map(Code, finished.codes)
        if code not in CHECK_CODES and code.outcome is not Outcome.UNRESOLVED
    }
    if answered != {Code.TRAINEE_NOT_FOUND}:
        return []
    words = (
        "Register knew none of these trainees: is it the right provider's token, and the right "
        "environment?"
    )
    return ["", words]
