"""How a command ends that fails: in words and an exit code, whatever it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import typer

from batch import terminal
from batch.errors import DeferBatchError
from batch.hints import DEFAULT_REPORTS_DIR, completed_in

reports_dir_in_use: ContextVar[Path] = ContextVar("reports_dir", default=Path(DEFAULT_REPORTS_DIR))
"""Where the command keeps its reports, once it has read its settings."""


def exit_code_of(call: Callable[[], int | None]) -> int:
    """Return how the command ended: no failure, of users or of this tool, gets past here."""
    try:
        return int(call() or 0)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 130
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 — the one place for all others
        words, exit_code = _words_and_exit_code(error)
        terminal.say(completed_in(words, reports_dir_in_use.get(), sys.argv[1:]))
        return exit_code


def _words_and_exit_code(error: Exception | KeyboardInterrupt) -> tuple[str, int]:
    match error:
        case KeyboardInterrupt():
            return "interrupted; nothing more was sent", 130
        case DeferBatchError():
            return str(error), error.exit_code
        case OSError():
            why = error.strerror or error
            return f"error: cannot use {error.filename or 'a file'}: {why}", 2
        case _ if hasattr(error, "format_message"):  # what the parser says of the command line
            return _usage_words(error.format_message()), 2
        case _:
            from batch.unexpected import fault_of_this_tool

            fault = fault_of_this_tool(error, reports_dir_in_use.get())
            return str(fault), fault.exit_code


def _usage_words(words: str) -> str:
    hint = "`defer-batch --help`"
    if "unexpected extra argument" in words:
        hint = f"put quotes around a name with spaces in it; {hint}"
    return f"error: {words}\nhint: {hint}"
