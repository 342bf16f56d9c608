"""A fault of this tool: what its maintainers need of it, and nothing of the people in the file."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batch import __version__, files
from batch.errors import Fault
from batch.hints import resume_newest_command

PARTS_SHOWN = 3
"""How much of a file's path is shown: its start names a home folder, and so a person."""


def fault_of_this_tool(error: Exception, reports_dir: Path) -> Fault:
    """Return what to say of an exception that nobody foresaw; its trace goes into a file."""
    trace = "\n".join([f"defer-batch {__version__}", *trace_lines(error)])
    path = reports_dir / f"fault-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}.txt"
    try:
        files.make_private_folder(reports_dir)
        with files.replacing(path) as file:
            file.write(f"{trace}\n".encode())
    except OSError:  # a full disk, most often, and perhaps the cause of it all
        where = f"this trace, which holds nothing of anyone's data:\n{trace}"
    else:
        where = f"{path}, which holds nothing of anyone's data"
    return Fault(
        f"a fault of this tool ({type(error).__name__}); the record of what was sent is safe",
        notes=(f"please send the maintainers {where}",),
        hint=f"if a run was under way, `{resume_newest_command(reports_dir)}` continues it",
    )


def trace_lines(error: BaseException) -> Iterator[str]:
    """Yield where an exception and those behind it came from, the first cause first.

    Neither messages nor variables nor lines of source: they can hold names, reasons or the token.
    """
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        yield from trace_lines(behind)
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = "/".join(Path(frame.f_code.co_filename).parts[-PARTS_SHOWN:])
        yield f"  {name}, line {line}, in {frame.f_code.co_name}"
    yield type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from trace_lines(one)
