"""The command called within this process: what a process of its own would do, without its start.

Starting Python and importing what a run needs takes a second, and a test runs several commands.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import gc
import io
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

from typer.main import get_command

from batch.cli import main

COMMAND = functools.cache(get_command)
"""What typer makes of the commands, made once and not for every call."""

READ_AT_START = ("COLUMNS", "FORCE_COLOR", "LANG", "LC_", "LD_", "NO_COLOR", "PYTHON", "TERM", "TZ")
"""How the names of variables begin that Python, its loader or a library reads but once."""


def can_be_called(changed: Mapping[str, str]) -> bool:
    """Whether a process of its own would do the same, by the variables that differ from ours.

    Only the main thread may handle signals.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and not any(name.startswith(READ_AT_START) for name in changed)


def called(
    folder: Path, environment: Mapping[str, str], arguments: tuple[str, ...]
) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of the command, run in that folder."""
    with _streams() as (out, err), _kept_gc(), contextlib.chdir(folder):
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(sys, "argv", ["defer-batch", *arguments]),
            mock.patch("typer.main.get_command", COMMAND),
        ):
            code = contextvars.copy_context().run(_exit_code)
        return code, out.getvalue().decode(), err.getvalue().decode()


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("the command always ends by leaving")


@contextlib.contextmanager
def _streams() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    with (
        Path(os.devnull).open(encoding="utf-8") as nothing,
        mock.patch.object(sys, "stdin", nothing),
        mock.patch.object(
            sys, "stdout", io.TextIOWrapper(out, "utf-8", newline="\n", write_through=True)
        ),
        mock.patch.object(
            sys, "stderr", io.TextIOWrapper(err, "utf-8", newline="\n", write_through=True)
        ),
    ):
        yield out, err


@contextlib.contextmanager
def _kept_gc() -> Iterator[None]:
    before = gc.get_threshold()
    try:
        yield
    finally:
        gc.set_threshold(*before)
