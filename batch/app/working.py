"""Work in a process beside, as the pages see it: what was told of it so far, how it ended."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from msgspec import Struct, field

from batch import systems
from batch.app.work import SEND, STOP, Job

ENDED_WITHIN_SECONDS = 60.0
"""How long a run may take to end in good order once the app closes, before it is left alone."""


class Told(Struct):
    """What the work has told so far; `changes` counts the news, for whoever waits for some."""

    changes: int = 0
    rows: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds_left: float | None = None
    waits: str = ""
    """Why nothing moves, "" where it does."""
    looking: str = ""
    """How far a look has come, "" where none is under way."""
    warnings: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    question: dict[str, Any] | None = None
    has_begun: bool = False
    is_settled: bool = False
    """Whether no more rows follow: what is left is reading back and the report."""

    @property
    def done(self) -> int:
        """How many rows are settled."""
        return sum(self.counts.values())

    def take(self, event: Mapping[str, Any]) -> None:
        """Take what the work tells of itself while it is under way."""
        match event["event"]:
            case "warning":
                self.warnings.append(event["words"])
            case "plan":
                self.plan = dict(event)
            case "question":
                self.question = dict(event)
            case "begin":
                self.rows, self.has_begun = event["rows"], True
            case "counts":
                self.counts = event["counts"]
            case "looking":
                self.looking = event["words"]
            case "time_left":
                self.seconds_left, self.waits = event["seconds"], event["waits"]
            case "end":
                self.is_settled = True
            case _:
                pass


class Work:
    """A job under way in a process of its own. `result` or `failure` is there once it has ended."""

    def __init__(self, job: Job, *, back: str, title: str, about: str) -> None:
        self.id = secrets.token_urlsafe(12)
        self.kind = job.kind
        self.run_id = job.run_id
        self.back = back
        self.title = title
        self.about = about
        """The name of the list that it is about."""
        self.told = Told()
        self.result: dict[str, Any] | None = None
        self.failure: dict[str, Any] | None = None
        self.is_stopping = False
        self.began = time.monotonic()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "batch.app.work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a message of Python's could hold a name
            start_new_session=True,  # Ctrl-C in the terminal is the app's, which ends this in order
            creationflags=systems.APART_FROM_THE_TERMINAL,
        )
        self._write(job.as_line())
        self._reader = threading.Thread(target=self._read, name="work", daemon=True)
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether there is a result or a failure."""
        return self.result is not None or self.failure is not None

    def stop(self) -> None:
        """Have the work end after the rows under way."""
        if not self.is_stopping:
            self.is_stopping = True
            self.told.changes += 1
            self._write(f"{STOP}\n".encode())

    def answer(self, number: int) -> None:
        """Answer the question with the number that was typed."""
        self.told.question = None
        self.told.changes += 1
        self._write(f"{SEND} {number}\n".encode())

    def close(self) -> None:
        """Let the work end as SIGTERM would, and wait until it has."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDED_WITHIN_SECONDS)

    def wait(self) -> None:
        """Return once the work has ended."""
        self._reader.join()

    def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        with self._lock, contextlib.suppress(OSError, ValueError):
            if stdin is not None:
                stdin.write(line)
                stdin.flush()

    def _read(self) -> None:
        out: IO[bytes] | None = self._process.stdout
        for line in out or ():
            with contextlib.suppress(ValueError):
                self._take(json.loads(line))
        code = self._process.wait()
        if not self.has_ended:
            self.failure = _cut_off(code, has_begun=self.told.has_begun)
        self.told.changes += 1
        for pipe in (self._process.stdin, out):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "done":
                self.result = event["result"]
            case "failed":
                self.failure = dict(event)
            case _:
                self.told.take(event)
        self.told.changes += 1


def _cut_off(code: int, *, has_begun: bool) -> dict[str, Any]:
    """Return the failure of work whose process was killed, or could not begin."""
    return {
        "kind": "Killed",
        "message": f"its process ended unexpectedly (exit code {code}). "
        + ("Rows were being sent; each is written down." if has_begun else "Nothing was sent."),
        "hint": "Go to the start page: the run is listed there and can be continued"
        if has_begun
        else "Go back and try again",
        "notes": [],
        "exit_code": 70,
    }


class Works:
    """Everything that is under way, or has ended since the app began, by its id."""

    def __init__(self) -> None:
        self._works: dict[str, Work] = {}

    def start(self, job: Job, *, back: str, title: str, about: str) -> Work:
        """Begin some work; `back` is the address that a person goes back to."""
        work = Work(job, back=back, title=title, about=about)
        self._works[work.id] = work
        return work

    def get(self, work_id: str) -> Work | None:
        """Return work by its id."""
        return self._works.get(work_id)

    def forget(self, work: Work | None) -> None:
        """Let go of what some work found: it may name people."""
        if work is not None:
            work.close()
            self._works.pop(work.id, None)

    def under_way(self) -> list[Work]:
        """Return what has not ended."""
        return [work for work in self._works.values() if not work.has_ended]

    def close(self) -> None:
        """End everything in good order."""
        for work in self.under_way():
            work.close()
