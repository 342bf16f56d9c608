"""`run.log`: structlog, set up once a run; JSON lines, one an attempt and one a row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog

from batch import files


@contextlib.contextmanager
def run_log(path: Path, run_id: str) -> Iterator[structlog.typing.FilteringBoundLogger]:
    """Open a run's log for appending, private; every line carries the run's id."""
    files.make_private_file(path)
    with path.open("a", encoding="utf-8") as file:
        yield structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        ).bind(run_id=run_id)
