"""How a command ends that fails: in words and an exit code, whatever it was."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from batch import streams, systems
from batch.errors import DeferBatchError
from batch.hints import DEFAULT_REPORTS_DIR, completed_in

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

reports_dir_in_use: ContextVar[Path] = ContextVar("reports_dir", default=Path(DEFAULT_REPORTS_DIR))
"""Where the command keeps its reports, once it has read its settings."""


def exit_code_of(call: Callable[[], int | None]) -> int:
    """Return how the command ended: no failure, of users or of this tool, gets past here."""
    try:
        with ctrl_c_raises():
            return int(call() or 0)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 130
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 — the one place for all others
        words, exit_code = _words_and_exit_code(error)
        streams.say(completed_in(words, reports_dir_in_use.get(), sys.argv[1:]))
        return exit_code


@contextmanager
def ctrl_c_raises() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C, for as long as the block lasts, and nowhere else.

    Where Ctrl-C ended the process before, it does again behind the block: Python, which is ending,
    would show traces of it. One that is ignored, as in a job in the background, stays ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or before not in {signal.SIG_DFL, signal.default_int_handler}:
        yield
        return
    hook = sys.unraisablehook

    def come_again(unraisable: UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_interrupt_soon, ())
        else:
            hook(unraisable)

    sys.unraisablehook = come_again
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        _end_raising(before)
        sys.unraisablehook = hook


def _end_raising(before: Any) -> None:
    """Take the handler back, though Ctrl-C may be pressed again and again meanwhile."""
    while True:
        try:
            signal.signal(signal.SIGINT, before)
        except KeyboardInterrupt:
            continue
        return


def _interrupt_soon() -> None:
    """Interrupt the main thread once more, behind the finaliser in which Python dropped it.

    A generator that is closed, or `__del__`, cannot raise: Python would show a trace and go on.
    """
    time.sleep(0.01)
    systems.interrupt_main_thread(signal.SIGINT)


def _words_and_exit_code(error: Exception | KeyboardInterrupt) -> tuple[str, int]:
    match error:
        case KeyboardInterrupt():
            return "interrupted; nothing more was sent", 130
        case SyntaxError():  # which is what Python makes of Ctrl-C in the midst of an import
            again = "without Ctrl-C, a file of this tool is damaged: install it again"
            return f"interrupted while it was being loaded; nothing was sent\nhint: {again}", 130
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
