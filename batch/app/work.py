"""One piece of long work in a process of its own: `python -m batch.app.work`.

The job comes as one line of JSON on standard input, so that neither the token nor a name stands in
a list of processes or an environment; what happens goes out as lines of JSON. The line `send 12`
answers the question whether so many rows may be sent; `stop` ends the work as Ctrl-C does. The end
of standard input, which comes when the app is closed or killed, ends it as SIGTERM does. So the
signals, locks, journal and reports are the command line's own.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from msgspec import Struct
from msgspec.structs import asdict

from batch import systems
from batch.app.copies import Copy, copied
from batch.app.lists import Corrections, read_list
from batch.commands.close import close_run
from batch.commands.execute import Context, Finished
from batch.commands.plan import Plan
from batch.commands.preview_file import PreviewedFile, preview_file
from batch.commands.reconcile import NothingReported, Reconciled, Which, reconcile
from batch.commands.report import write_again
from batch.commands.resume import resume_run
from batch.commands.run import run_file
from batch.commands.run_names import NamedRun
from batch.commands.verify import verify_run
from batch.errors import DeferBatchError, UsageProblem
from batch.failures import ctrl_c_raises
from batch.record.proof import Verification
from batch.record.records import Who
from batch.rows import Settled
from batch.run_settings import InputOptions, RunSettings
from batch.unexpected import fault_of_this_tool
from batch.words import row_list

STOP, SEND = "stop", "send"
_LOOK_FOR_SIGNALS_EVERY_SECONDS = 0.2
COUNTS_EVERY_SECONDS = 0.1


class Job(Struct, frozen=True):
    """What is to be done, as it goes from one process to the other.

    `corrections` are those of the list in `file`: the work makes the copy that is looked up.
    `expected` is the number that the person typed: where another number of rows would be sent, or
    none was typed, the work asks before anything is sent.
    """

    kind: str
    reports_dir: str
    who: Mapping[str, Any]
    token: str | None = None
    settings: Mapping[str, Any] | None = None
    file: Mapping[str, Any] | None = None
    corrections: Mapping[str, Any] | None = None
    run_id: str | None = None
    expected: int | None = None
    deliver_to: str | None = None

    def __repr__(self) -> str:
        """Return what may be shown: no token, and no file."""
        return f"Job({self.kind!r})"

    def as_line(self) -> bytes:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def file_as_json(options: InputOptions) -> dict[str, Any]:
    """Return how a file is to be read, as a job holds it."""
    return {**asdict(options), "path": str(options.path), "today": options.today.isoformat()}


def _file_of(told: Mapping[str, Any]) -> InputOptions:
    day = dt.date.fromisoformat(told["today"])
    words = tuple(told["command"])
    return InputOptions(**{**told, "path": Path(told["path"]), "today": day, "command": words})


class Telling:
    """Watches the work, and tells of it line by line; whoever reads may be gone."""

    def __init__(self, out: IO[bytes], expected: int | None) -> None:
        self.answers: SimpleQueue[int] = SimpleQueue()
        self._out = out
        self._expected = expected
        self._counts: Counter[str] = Counter()
        self._last = 0.0
        self.has_begun = False
        """Whether rows may have been sent."""

    def tell(self, event: str, **more: object) -> None:
        """Write one event."""
        try:
            self._out.write(json.dumps({"event": event, **more}).encode() + b"\n")
            self._out.flush()
        except OSError:  # the app is gone: standard input ends too, and that stops the work
            pass

    @property
    def is_attended(self) -> bool:
        """Whether someone can answer: the app asks on a page."""
        return True

    def confirm(self, plan: Plan) -> bool:
        """Whether the person typed the number of rows that would be sent, now or before."""
        self.tell("plan", **plan_as_json(plan))
        if not plan.to_send or plan.to_send == self._expected:
            return True
        self.tell("question", to_send=plan.to_send, expected=self._expected)
        return self._answer() == plan.to_send

    def _answer(self) -> int:
        """Return the number that is typed; on Windows a wait without end hears no signal."""
        while True:
            try:
                return self.answers.get(timeout=_LOOK_FOR_SIGNALS_EVERY_SECONDS)
            except Empty:
                continue

    def warn(self, words: str) -> None:
        """Send a warning to the pages."""
        self.tell("warning", words=words)

    def begin(self, rows: int) -> None:
        """Send that sending begins."""
        self.has_begun = True
        self.tell("begin", rows=rows)

    def settled(self, settled: Settled) -> None:
        """Count a row; tell the counts now and then."""
        self._counts[settled.outcome.value] += 1
        if time.monotonic() - self._last >= COUNTS_EVERY_SECONDS:
            self._tell_counts()

    def looking(self, words: str) -> None:
        """Send how far a look has come."""
        self.tell("looking", words=words)

    def time_left(self, seconds: float, waits: str) -> None:
        """Send the time left, why nothing moves, and the counts."""
        self._tell_counts()
        self.tell("time_left", seconds=seconds, waits=waits)

    def end(self) -> None:
        """Send that no more rows follow."""
        self._tell_counts()
        self.tell("end")

    def abandon(self) -> None:
        """Do nothing: the process ends at once."""

    def _tell_counts(self) -> None:
        self._last = time.monotonic()
        self.tell("counts", counts=dict(self._counts))


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return what a page shows of a plan."""
    return {
        "to_send": plan.to_send,
        "seconds_needed": plan.seconds_needed,
        "register": plan.settings.origin,
        "is_rehearsal": plan.settings.is_rehearsal,
        "api_version": plan.settings.api_version,
        "needs_yes": plan.needs_yes,
        "deferrals_known": plan.deferrals_known,
        "journal_is_new": plan.journal_is_new,
    }


def _previewed(found: PreviewedFile, copy: Copy) -> dict[str, Any]:
    preview = found.plan.preview
    would = preview.would if preview else {}
    return {
        "plan": plan_as_json(found.plan),
        "file": file_as_json(copy.options),
        "lost": sorted(copy.lost),
        "columns": list(found.run.columns),
        "held_in": dict(found.run.held_in),
        "codes": found.codes,
        "warnings": [*(preview.warnings if preview else ()), *_remembered(found.plan)],
        "notices": list(found.plan.notices),
        "rows": [
            (
                row.row_number,
                list(row.values),
                row.code.value,
                row.message,
                getattr(would.get(row.row_number), "state", None),
            )
            for row in found.rows
        ],
    }


def _remembered(plan: Plan) -> Iterator[str]:
    """Yield which trainees earlier runs deferred on another date than the list has."""
    if rows := plan.known_under_another_date:
        yield f"Earlier runs deferred these on another date: {row_list(rows[:10], len(rows))}."


def _finished(ended: Finished | None) -> dict[str, Any]:
    if ended is None:
        return {"run_id": None}
    return {
        "run_id": ended.run.run_id,
        "exit_code": ended.exit_code,
        "manifest_sha256": ended.manifest_sha256,
        "warnings": list(ended.warnings),
    }


def _reconciled(found: Reconciled | NothingReported) -> dict[str, Any]:
    if isinstance(found, NothingReported):
        return {"lines": ["There is nothing to ask Register about."], "differing": []}
    differing = [(row.row.row_number, row.message) for row in found.rows if row.differs]
    return {
        "lines": [line for line in found.lines() if line and not line.startswith(" ")],
        "differing": differing,
        "exit_code": found.exit_code,
    }


def _verified(found: Verification) -> dict[str, Any]:
    return {"exit_code": found.verdict.exit_code, "lines": found.lines()[1:]}


def _do(job: Job, watcher: Telling) -> dict[str, Any]:
    """Do the work, and return what a page shows of it. Raises what the commands raise."""
    deliver_to = None if job.deliver_to is None else Path(job.deliver_to)
    context = Context(Path(job.reports_dir), job.token, _who_of(job.who), watcher, deliver_to)
    match job.kind:
        case "preview" if job.settings is not None and job.file is not None:
            settings = RunSettings.from_json(job.settings)
            copy = _copy_of(_file_of(job.file), job.corrections)
            return _previewed(preview_file(context, settings, copy.options, out=None), copy)
        case "run" if job.settings is not None and job.file is not None:
            settings = RunSettings.from_json(job.settings)
            return _finished(run_file(context, settings, _file_of(job.file), start_over=False))
        case "resume" if job.run_id is not None:
            return _finished(resume_run(context, job.run_id, {}, register=None, yes=False))
        case "close" if job.run_id is not None:
            return _finished(close_run(context, job.run_id, {}, confirm=lambda _words: True))
        case "reconcile" if job.run_id is not None:
            which = Which(job.run_id)
            return _reconciled(reconcile(context, which, {}, register=None, out=None))
        case "verify" if job.run_id is not None:
            name = NamedRun(job.run_id)
            version = context.who.tool_version
            return _verified(verify_run(name, context.reports_dir, None, tool_version=version))
        case "report" if job.run_id is not None:
            return _finished(
                write_again(
                    context.reports_dir,
                    job.run_id,
                    tool_version=context.who.tool_version,
                    deliver_to=deliver_to,
                )
            )
        case _:
            raise UsageProblem(f"there is no such work: {job.kind}")


def _copy_of(options: InputOptions, corrections: Mapping[str, Any] | None) -> Copy:
    """Return the list that is looked up and sent: the file itself, or its corrected copy."""
    if corrections is None:
        return Copy(options)
    return copied(read_list(options), Corrections.from_json(corrections))


def _who_of(told: Mapping[str, Any]) -> Who:
    return Who(**{**told, "command": tuple(told["command"])})


def _listen(source: RawIOBase, watcher: Telling) -> None:
    """Pass answers on; turn `stop`, or the app's end, into a signal: a second would end at once."""
    for line in source:
        word, _, number = line.decode().strip().partition(" ")
        if word == STOP:
            systems.interrupt_main_thread(signal.SIGINT)
            return
        if word == SEND:
            watcher.answers.put(int(number))
    systems.interrupt_main_thread(signal.SIGTERM)


def main() -> int:
    """Do one job; return the exit code that the command line would have."""
    out, sys.stdout = os.fdopen(os.dup(1), "wb"), sys.stderr
    # unbuffered: a thread that waits in a buffer's lock would end the process with a fatal error
    source = os.fdopen(0, "rb", buffering=0, closefd=False)
    told = json.loads(source.readline())
    job = Job(**told)
    watcher = Telling(out, job.expected)
    threading.Thread(target=_listen, args=(source, watcher), daemon=True).start()
    return _done(job, watcher, lambda: _do(job, watcher))


def _done(job: Job, watcher: Telling, work: Callable[[], dict[str, Any]]) -> int:
    try:
        with ctrl_c_raises():
            watcher.tell("done", result=work())
    except DeferBatchError as error:
        watcher.tell("failed", **failure(error))
        return error.exit_code
    except (KeyboardInterrupt, SyntaxError):  # which Python makes of a stop within an import
        kind = "Stopped" if watcher.has_begun else "Interrupted"
        words = "what was sent is written down" if watcher.has_begun else "no run was kept"
        told = {"message": words, "hint": "", "notes": []}
        watcher.tell("failed", kind=kind, exit_code=130, **told)
        return 130
    except OSError as error:
        watcher.tell("failed", **failure_of_system(error))
        return 2
    except Exception as error:  # noqa: BLE001 — the one place for what nobody foresaw
        watcher.tell("failed", **failure(fault_of_this_tool(error, Path(job.reports_dir))))
        return 70
    return 0


def failure(error: DeferBatchError) -> dict[str, Any]:
    """Return what a page shows of a failure."""
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "notes": list(error.notes),
        "exit_code": error.exit_code,
    }


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def failure_of_system(error: OSError) -> dict[str, Any]:
    """Return what a page shows where the system refused a file: a full disk, most often."""
    found = failure(
        UsageProblem(f"cannot use {error.filename or 'a file'}: {error.strerror or error}")
    )
    if error.errno not in _FULL:
        return found
    words = "There is no room left for the files of your list and its report. Nothing was sent"
    hint = "Make room on the disk, then go back and try again"
    return found | {"kind": "DiskFull", "message": words, "hint": hint}


if __name__ == "__main__":
    sys.exit(main())
