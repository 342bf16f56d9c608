"""Standard output and error, which end no run whatever becomes of them, and what is written there.

What every command writes to stands apart from what people see of a run: `--help`, `template` and
`explain` need no more than this.
"""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Any

from batch import systems
from batch.words import printable, wrapped


class _Unfailing(io.FileIO):
    """A descriptor that takes whatever is written to it, and loses what cannot be written.

    A full disk, a reader that has gone (`| head`) or a terminal that was closed must end no run
    and change no exit code, whoever writes: this module, rich, typer, or Python as it ends.
    """

    lost: str | None = None
    """Why something was lost, where it was; a reader that had enough is no loss."""

    def write(self, data: Any, /) -> int:
        """Return how many bytes were taken: those that could be written, or else all."""
        try:
            written = super().write(data)
        except BrokenPipeError:
            written = None
        except OSError as error:
            written, self.lost = None, error.strerror or str(error)
        return memoryview(data).nbytes if written is None else written


def make_streams_usable() -> None:
    """Let no stream that is closed or cannot be written, and no letter that it lacks, end a run."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO):
            setattr(sys, name, _unfailing(stream))
        else:  # a console of Windows, which takes no bytes
            stream.reconfigure(errors="backslashreplace")


def _unfailing(stream: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_Unfailing(stream.fileno(), "wb", closefd=False)),
        stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def say_what_was_lost() -> None:
    """Warn where standard output could not be written: someone may wait for what it held."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Unfailing) and raw.lost is not None:
        say(f"warning: standard output could not be written ({raw.lost})")


def show(words: str, *, as_is: bool = False) -> None:
    """Write to standard output; who closed it (`| head`) still gets the exit code.

    `as_is` leaves alone what is for programs.
    """
    sys.stdout.write((words if as_is else fitting(sys.stdout, words)) + "\n")
    sys.stdout.flush()


def fitting(stream: IO[str], words: str) -> str:
    """Return words as a stream may show them: on a terminal no word is broken at its edge."""
    text = printable(words)
    room = columns_of(stream) if systems.is_terminal(stream) else 0
    if not room:
        return text
    return "\n".join(part for line in text.split("\n") for part in wrapped(line, room))


def show_either(content: object, lines: list[str], *, as_json: bool) -> None:
    """Print what a command found, for programs or for people."""
    import json  # noqa: PLC0415 — `--help` and `template` print none

    show(json.dumps(content, indent=2) if as_json else "\n".join(lines), as_is=as_json)


def say(words: str) -> None:
    """Write to standard error."""
    sys.stderr.write(fitting(sys.stderr, words) + "\n")
    sys.stderr.flush()


def columns_of(stream: IO[str]) -> int:
    """Return how many columns a terminal has, 0 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # on Windows the second, of another stream than the three
        return 0
