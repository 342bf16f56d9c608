"""What only POSIX offers, for the tests that need it; on Windows these are skipped, and say why."""

from __future__ import annotations

import contextlib
import importlib
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.office import Office

posix_only = pytest.mark.skipif(
    sys.platform == "win32",
    reason="Windows has no pseudo-terminals, no modes of files, and no signals between processes",
)


def has_mode(path: Path, mode: int) -> bool:
    """Whether a file or folder has that mode; Windows has none, and there its folder's rights count."""
    return sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == mode


def bound_by_modes() -> tuple[str, ...]:
    """Return the words before a command that the modes of files are to bind, even for root.

    It stays the same user, who may read this clone and its Python wherever they lie.
    """
    if os.geteuid() != 0:
        return ()
    both = "-dac_override,-dac_read_search"  # to write, and to read, what the modes forbid
    return ("setpriv", f"--inh-caps={both}", f"--bounding-set={both}")


def pseudo_terminal(columns: int = 80) -> tuple[int, int]:
    """Return both ends of a terminal that is so wide."""
    fcntl, pty, termios = map(importlib.import_module, ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    size = b"".join(number.to_bytes(2, sys.byteorder) for number in (24, columns, 0, 0))
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    return ours, theirs


def shown_at_a_terminal(office: Office, *arguments: str, columns: int = 80) -> str:
    """Run the command for someone who sits at a terminal, and give all that it wrote there."""
    ours, theirs = pseudo_terminal(columns)
    with office.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end has been closed
            while part := os.read(ours, 65_536):
                shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")
