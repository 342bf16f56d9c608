"""Speaking with whoever runs a command: results on standard output, the rest on standard error."""

from __future__ import annotations

import json
import os
import sys

from batch.errors import DeferBatchError
from batch.lines import fitted
from batch.words import printable


def make_streams_usable() -> None:
    """Let no closed stream, and no letter that the terminal's encoding lacks, end a run."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def show(words: str, *, as_is: bool = False) -> None:
    """Write to standard output; who closed it (`| head`) still gets the exit code.

    `as_is` leaves alone what is for programs; the rest is broken where a terminal is narrow.
    """
    try:
        shown = words if as_is else fitted(printable(words), sys.stdout)
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_either(content: object, lines: list[str], *, as_json: bool) -> None:
    """Print what a command found, for programs or for people."""
    show(json.dumps(content, indent=2) if as_json else "\n".join(lines), as_is=as_json)


def say(words: str) -> None:
    """Write to standard error."""
    sys.stderr.write(fitted(printable(words), sys.stderr) + "\n")
    sys.stderr.flush()


def is_attended() -> bool:
    """Tell whether someone can answer a question: standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def agrees(question: str) -> bool:
    """Ask, and tell whether the answer was yes."""
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    except DeferBatchError:
        sys.stderr.write("\n")
        raise
