"""What people see on a terminal: the plan and its question, progress, and the summary.

Words and layout change for other reasons than options do.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from batch import systems
from batch.codes import Code, Outcome, counts_of
from batch.errors import DeferBatchError, UsageProblem
from batch.hints import resume_command
from batch.last_screen import LABELS, last_screen
from batch.register.api import VERSIONS
from batch.rows import REHEARSAL, Settled
from batch.run_settings import EMULATOR, RateLimit, RunSettings
from batch.streams import columns_of, fitting, say, show
from batch.words import (
    about,
    about_in_full,
    counted,
    duration,
    every_row,
    in_one_line,
    no_rows,
    printable,
    row_list,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from batch.commands.execute import Finished
    from batch.commands.plan import Plan
    from batch.commands.preview_file import PreviewedFile


def _show_last_screen(lines: list[str]) -> None:
    """Print the last screen, its labels in bold where there is a terminal that has it."""
    if not systems.is_terminal(sys.stdout):
        show("\n".join(lines))
        return
    from rich.console import Console  # noqa: PLC0415 — slow to import, and only used here
    from rich.text import Text  # noqa: PLC0415

    console = Console(soft_wrap=True, highlight=False)
    text = fitting(sys.stdout, "\n".join(lines))
    for line in text.splitlines():
        label = next((label for label in LABELS if line.startswith(f"{label} ")), "")
        style = "bold yellow" if label in {"To do", "Stopped"} else "bold"
        console.print(Text.assemble((label, style), line.removeprefix(label)))


def is_attended() -> bool:
    """Whether someone can answer a question: standard input is a terminal."""
    return systems.can_be_typed_at(sys.stdin)


def answered(question: str) -> str:
    """Ask, and return what was answered, without spaces around it.

    Raises UsageProblem where the input ends, or the terminal has gone: that is no "no".
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except OSError:
        line = ""
    except DeferBatchError:
        sys.stderr.write("\n")
        raise
    if not line:
        sys.stderr.write("\n")
        raise _unanswered()
    return line.strip()


def _unanswered() -> UsageProblem:
    return UsageProblem(
        "nobody is there to confirm it: nothing was sent, and nothing changed",
        hint="--yes confirms it",
    )


def agreed(words: str, *, yes: bool) -> bool:
    """Whether someone agrees to what the words say will be done, or has by `yes`.

    Raises UsageProblem where nobody can answer.
    """
    say(words)
    if yes:
        return True
    if not is_attended():
        raise _unanswered()
    return answered("Type yes to go on: ").lower() in {"y", "yes"}


WIDTH_WITHOUT_TERMINAL = 400
"""Where nobody looks (a pipe, a file), no line is broken."""

_STAGES = {
    "started": "unfinished",
    "ended": "ended for good",
    "purging": "purged, but text of it is still in journal.db",
}


def runs_lines(
    listed: list[dict[str, Any]], width: int | None = None, *, of_term: bool = False
) -> list[str]:
    """Return the runs as a table for people, and below it the commands that continue them.

    `of_term`: of each run, how its trainees stand.
    """
    if not listed:
        return ["no runs yet" if not of_term else "no runs since that day"]
    room = _width() if width is None else width
    if of_term:
        lines = _term_lines(listed, room)
    else:
        wide = _rendered(_wide(listed), WIDTH_WITHOUT_TERMINAL)
        is_fitting = max(len(line) for line in wide) <= room
        lines = wide if is_fitting else _rendered(_narrow(listed), room)
    commands = [f"  {run['carry_on']}" for run in listed if run["carry_on"]]
    if commands:
        lines += ["", "To continue what is unfinished:", *commands]
    return lines


def _wide(listed: list[dict[str, Any]]) -> Any:
    names = [outcome.label for outcome in Outcome]
    table = _table("run", "stage", *names, "Register", numbers=names)
    for run in listed:
        counts = [f"{run['counts'][outcome]:,}" for outcome in Outcome]
        table.add_row(_named(run), _stage(run), *counts, _register(run))
    return table


def _narrow(listed: list[dict[str, Any]]) -> Any:
    table = _table("run", "rows", numbers=())
    for run in listed:
        counts = [f"{n:,} {outcome.label}" for outcome in Outcome if (n := run["counts"][outcome])]
        about = [_named(run), _stage(run), _register(run), ""]
        table.add_row("\n".join(about), "\n".join(counts) or "none")
    return table


def _named(run: dict[str, Any]) -> str:
    """Return a run's id and, below it, the run that it follows most closely, where it does."""
    followed = run["follows"]
    more = f" and {len(followed) - 1} before it" if len(followed) > 1 else ""
    return f"{run['run_id']}\n  follows\n  {followed[0]}{more}" if followed else str(run["run_id"])


_OF_A_TERM = ("deferred", "confirmed", "refused")


def _term_lines(listed: list[dict[str, Any]], room: int) -> list[str]:
    """Return how many trainees each run deferred, what it waits for, and what that comes to."""
    table = _table("trainees of", *_OF_A_TERM, "waits for", numbers=_OF_A_TERM)
    known = [run["trainees"] for run in listed if run["trainees"] is not None]
    for run in listed:
        if not run["rehearsal"]:
            table.add_row(_named(run), *_term_cells(run["trainees"]), _waits(run))
    total = Counter[str]()
    for trainees in known:
        total.update(trainees)
    table.add_row("all of them", *_term_cells(total), "")
    uncounted = sum(run["trainees"] is None and not run["rehearsal"] for run in listed)
    return [
        *_rendered(table, room),
        "",
        "Each trainee is counted once: with the run that deferred them, or else with the",
        "newest that named them. Those refused have to be looked up in Register.",
        *([f"{counted(uncounted, 'run')} can no longer be counted by trainee."] * bool(uncounted)),
    ]


def _term_cells(trainees: Mapping[str, int] | None) -> list[str]:
    return ["?" if trainees is None else f"{trainees[name]:,}" for name in _OF_A_TERM]


def _waits(run: dict[str, Any]) -> str:
    """Return what has to happen to a run, and who began it: they know."""
    trainees = run["trainees"]
    if trainees is None:
        return _stage(run)
    waiting = (("to_correct", "to correct"), ("no_answer", Outcome.UNRESOLVED.label))
    parts = [f"{n:,} {words}" for name, words in waiting if (n := trainees[name])]
    return f"{printable(run['operator'])}: {', '.join(parts)}" if parts else "nobody"


def _table(*names: str, numbers: Any) -> Any:
    from rich.table import Table  # noqa: PLC0415 — slow to import, and only used here

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def _rendered(table: Any, width: int) -> list[str]:
    from rich.console import Console  # noqa: PLC0415

    text = io.StringIO()
    Console(file=text, width=width, color_system=None, markup=False, emoji=False).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _stage(run: dict[str, Any]) -> str:
    if run.get("is_under_way"):
        return "under way"
    stage, later = _STAGES.get(run["stage"], str(run["stage"])), run.get("reconciled")
    if run.get("is_altered"):
        return f"{printable(stage)}; altered in journal.db or damaged: `verify` names it"
    if later is None:
        return stage
    return f"{stage}; {later['stand']} of {later['checked']} stood on {later['at'][:10]}"


def _register(run: dict[str, Any]) -> str:
    return REHEARSAL if run["rehearsal"] else printable(run["register"])


_LINES_BESIDE = 8
"""Lines that the prompt, the bar, the manifest's SHA-256 and lines that are broken may take."""


def _lines_free() -> int:
    """Return how many lines a terminal shows at once, for what has to be seen together."""
    return shutil.get_terminal_size().lines - _LINES_BESIDE


def _width() -> int:
    """Return the room that there is: COLUMNS, or the terminal's, or all there could be."""
    return shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 1)).columns


LINE_EVERY_SECONDS = 30.0
WIDE_ENOUGH = 80
"""Columns within which the progress bar, the counts and the time left stand beside each other."""
_SHOW_CURSOR = "\x1b[?25h"


class Terminal:
    """Watches a run for someone at a terminal, or for a log where nobody sits at it."""

    def __init__(self, *, yes: bool, notes: tuple[str, ...] = ()) -> None:
        """Begin with nothing shown; `notes` end the plan, with where the settings come from."""
        self._yes = yes
        self._notes = notes
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._counts: Counter[str] = Counter()
        self._rows = 0
        self._last_line = time.monotonic()
        self._seconds_left = 0.0
        self._waits = ""
        self._line = ""
        self._carry_on = "defer-batch resume"
        self._is_narrow = False

    @property
    def is_attended(self) -> bool:
        """Whether someone can be asked: standard input is a terminal, and --yes was not given."""
        return is_attended() and not self._yes

    def confirm(self, plan: Plan) -> bool:
        """Show the plan, and ask where someone can answer and it is not a rehearsal."""
        self._carry_on = resume_command(plan.run_id, plan.reports_dir, plan.command)
        say("\n".join([*plan_lines(plan), *self._notes]))
        if plan.settings.is_rehearsal or self._yes or not plan.to_send:
            return True
        if plan.needs_yes is not None:
            say(f"warning: {plan.needs_yes}")
        if not self.is_attended:
            return True
        question = f"Type {plan.to_send} to send {'it' if plan.to_send == 1 else 'them'}: "
        return answered(question) == str(plan.to_send)

    def warn(self, words: str) -> None:
        """Show a warning."""
        self._overwrite("")
        say(f"warning: {words}")

    def looking(self, words: str) -> None:
        """Show how far a look has come, on one line; without a terminal, a line now and then."""
        if systems.is_terminal(sys.stderr):
            self._overwrite(words[: max(0, columns_of(sys.stderr) - 1)])
        elif words and time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            say(words)

    def _overwrite(self, words: str) -> None:
        """Write over the line that a look wrote last."""
        if self._line or words:
            sys.stderr.write(f"\r{words:<{len(self._line)}}" + ("" if words else "\r"))
            sys.stderr.flush()
        self._line = words

    def begin(self, rows: int) -> None:
        """Show that sending begins."""
        self._rows = rows
        self._last_line = time.monotonic()
        if not systems.is_terminal(sys.stderr):
            return
        from rich.console import Console  # noqa: PLC0415 — slow to import, and only used here
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        self._is_narrow = columns_of(sys.stderr) < WIDE_ENOUGH
        self._progress = Progress(
            BarColumn(bar_width=8 if self._is_narrow else 16),
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

    def time_left(self, seconds: float, waits: str) -> None:
        """Show the time left and why nothing moves; without a terminal, a line now and then."""
        self._seconds_left, self._waits = seconds, waits
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, told=self._told())
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            say(f"{sum(self._counts.values())} of {counted(self._rows, 'row')}: {self._told()}")

    def end(self) -> None:
        """Take the progress bar away."""
        self.time_left(0.0, "")
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def abandon(self) -> None:
        """Show the cursor again and say what is left to do; called as the process ends at once."""
        words = f"Stopped at once. To learn what became of the last rows: {self._carry_on}\n"
        with contextlib.suppress(OSError):
            os.write(2, f"{_SHOW_CURSOR if self._progress else ''}\n{words}".encode())

    def _told(self) -> str:
        counts = ", ".join(
            f"{self._counts[outcome]} {outcome.label}"
            for outcome in Outcome
            if self._counts[outcome]
        )
        left = f"{about(self._seconds_left)} left" if self._seconds_left else ""
        if self._progress is not None and self._waits:
            return self._waits  # a terminal has no room for more
        if self._is_narrow:
            return left
        return "; ".join(part for part in (counts, left, self._waits) if part)


def age(moment: str) -> str:
    """Return how long ago a moment was, in the unit that people would use."""
    seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    days = seconds / 86_400
    return f"{days:.0f} days" if days >= 2 else duration(max(0.0, seconds))


_ENVIRONMENTS = {
    "production": "Register of trainee teachers",
    "sandbox": "Register's sandbox: these are not real records",
    EMULATOR: "a rehearsal on this machine: nothing is sent to Register",
}
"""What stands behind an environment's name in the plan; a base URL speaks for itself."""


def plan_lines(plan: Plan) -> list[str]:
    """Return the plan as lines: where to, what becomes of the rows, warnings, time."""
    settings = plan.settings
    lines = [_target_line(settings)]
    if plan.resumed_from is not None:
        lines.append(f"Resuming {plan.run_id}, begun {age(plan.resumed_from)} ago")
    lines += plan.reading_lines or [in_one_line(plan.input_name)]
    lines += [f"notice: {notice}" for notice in plan.notices]
    lines += [*_memory_lines(plan), *_row_lines(plan)]
    if plan.to_read_first and plan.preview is None:
        lines.append(
            f"  {plan.to_read_first} of them will be read first: an earlier request got no answer"
        )
    if plan.again:
        shown = every_row(plan.again)
        lines.append(f"  --again: will be sent although an earlier run dealt with them: {shown}")
    if plan.known_under_another_date:
        rows = row_list(plan.known_under_another_date[:10], len(plan.known_under_another_date))
        lines.append(f"warning: known to be deferred on another date: {rows}")
    return lines + _cost_lines(plan)


def _cost_lines(plan: Plan) -> list[str]:
    """Return how long the sending takes, and that it cannot be undone."""
    if not plan.to_send:
        return ["Nothing is left to send."]
    limit = plan.settings.rate_limit
    takes = f"{about_in_full(plan.seconds_needed)}{f' at {_pace(limit)}' if limit else ''}"
    if plan.settings.is_rehearsal:
        return [takes]
    return [
        f"{takes}; Register's API cannot undo a deferral,",
        "and undoing one by hand clears the trainee's funding choices",
    ]


def preview_lines(found: PreviewedFile) -> list[str]:
    """Return the plan that `run` would show, without its question."""
    if not found.rows:
        return [no_rows(found.run.input_name, found.run.hidden_rows)]
    banner = [REHEARSAL, ""] if found.run.rehearsal else []
    return banner + plan_lines(found.plan)


def _target_line(settings: RunSettings) -> str:
    """Return which Register will be asked, and in which version."""
    named = settings.environment
    if named in _ENVIRONMENTS:
        named += f" ({_ENVIRONMENTS[named]})"
    return f"{named}, {settings.api_version}{_instead_of(settings.api_version)}"


def _instead_of(version: str | None) -> str:
    first = VERSIONS[0]
    return "" if version in {None, first} or version not in VERSIONS else f" ({first} was retired)"


def _pace(limit: RateLimit) -> str:
    if limit.period_seconds == 60:
        return f"{limit.requests} requests a minute"
    return f"{limit.requests} requests in {limit.period_seconds:g} s"


def _row_lines(plan: Plan) -> list[str]:
    """Return what the rows would become: by looking them up, or else by the file alone."""
    if plan.preview is not None:
        lines = [f"warning: {words}" for words in plan.preview.warnings]
        return [*lines, *plan.preview.forecast.lines()]
    lines = [f"{counted(plan.input_rows, 'row')}; {plan.to_send} to send, not looked up first"]
    return lines + [_settled_line(plan, code, count) for code, count in plan.settled.items()]


def _settled_line(plan: Plan, code: str, count: int) -> str:
    is_done = plan.resumed_from is not None and Code(code).outcome is Outcome.SUCCEEDED
    return f"  {count} already done: {code}" if is_done else f"  will not be sent: {count} {code}"


def _memory_lines(plan: Plan) -> list[str]:
    if plan.settings.is_rehearsal:
        return []
    known = counted(plan.deferrals_known, "earlier deferral")
    lines = [f"The record of all runs, {plan.journal}, knows {known}."]
    if plan.journal_is_new:
        lines.append(
            "warning: that record is new, so nothing is known of earlier runs. If there were any, "
            "name their folder with --reports-dir"
        )
    return lines


NO_RUN = {"run_id": None, "counts": counts_of({}), "exit_code": 0}
"""What stands in for a summary where there was nothing to do, and so no run."""


def show_finished(finished: Finished | None, *, as_json: bool, verbose: bool = False) -> None:
    """Print a run's summary, its manifest's SHA-256 last; for programs `NO_RUN` without a run."""
    if finished is None:
        if as_json:
            show(json.dumps(NO_RUN, indent=2), as_is=True)
        return
    if as_json:
        summary = (finished.folder / "summary.json").read_text(encoding="utf-8")
        show(summary.rstrip(), as_is=True)
        if finished.run.rehearsal:
            say(REHEARSAL)
    else:
        room = _lines_free() if systems.is_terminal(sys.stdout) else None
        _show_last_screen(last_screen(finished, verbose=verbose, room=room))
    for words in finished.warnings:
        say(f"warning: {words}")
    if finished.not_delivered:
        say(f"warning: {finished.not_delivered}")
    elif finished.delivered is not None:
        say(f"Delivered: {finished.delivered / 'report.html'}")
    if finished.manifest_sha256:
        (say if as_json else show)(f"manifest sha256: {finished.manifest_sha256}")
