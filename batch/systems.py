"""Where operating systems differ: the only room that asks which one this is.

What one system has and another has not stands here, and nowhere else in the package.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import socket

_POSIX = os.name == "posix"
_OCTAL = re.compile(r"\\([0-7]{3})")


def can_be_written_by_others(folder: Path) -> bool:
    """Whether other users can put or replace files in the folder; not known of Windows."""
    return _POSIX and bool(folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def can_be_read_by_others(path: Path) -> bool:
    """Whether other users can read a file, or list a folder; not known of Windows."""
    return _POSIX and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def keep_for_owner(path: Path) -> None:
    """Return a file the mode 0600; on Windows its folder decides who may read it."""
    if _POSIX:
        path.chmod(0o600)


def narrow(path: Path, mode: int) -> None:
    """Take from others what they may do with a file or folder of ours, if it is there."""
    if _POSIX and path.exists() and stat.S_IMODE(path.stat().st_mode) & ~mode:
        path.chmod(mode)


def share_as(path: Path, folder: Path) -> None:
    """Let a file or folder of ours be used by whom another folder is for: its group and mode.

    A file gets no right to be run. Raises PermissionError where this user may not give it that
    group: under any other, the mode would let in the wrong people. Windows' folders inherit.
    """
    if not _POSIX:
        return
    told = folder.stat()
    if path.stat().st_gid != told.st_gid:
        os.chown(path, -1, told.st_gid, follow_symlinks=False)
    mode = stat.S_IMODE(told.st_mode)
    mode = mode | 0o700 if path.is_dir() else mode & 0o666 | 0o600
    try:
        path.chmod(mode)
    except PermissionError:  # a service may not set the bit by which a folder hands on its group
        path.chmod(mode & 0o777)


def make_folder_to_share(within: Path, prefix: str) -> Path:
    """Make a folder of a new name that `share_as` will give to others, and return it.

    Until then it is its owner's (0700). On Windows it inherits: there Python makes a folder of that
    mode one for its owner and administrators for good (os.mkdir, since 3.11.10 and 3.12.4).
    """
    import secrets  # noqa: PLC0415 — both take a while, and are needed here only
    import tempfile  # noqa: PLC0415

    if _POSIX:
        return Path(tempfile.mkdtemp(dir=within, prefix=prefix))
    made = within / f"{prefix}{secrets.token_hex(4)}"
    made.mkdir()
    return made


class Sharing(Struct, frozen=True):
    """Whom a folder is for besides its owner; `is_ours` where this user may give things its group.

    A folder that hands on its group does so for whoever puts something there.
    """

    group: str
    group_reads: bool
    everyone_reads: bool
    is_ours: bool


def sharing_of(folder: Path) -> Sharing | None:
    """Return whom a folder is for, None on Windows, where its access list says so."""
    if sys.platform == "win32":
        return None
    import grp  # noqa: PLC0415 — Windows has none

    told = folder.stat()
    try:
        group = grp.getgrgid(told.st_gid).gr_name
    except KeyError:
        group = str(told.st_gid)
    hands_on = bool(told.st_mode & stat.S_ISGID)
    return Sharing(
        group,
        group_reads=bool(told.st_mode & stat.S_IRGRP),
        everyone_reads=bool(told.st_mode & stat.S_IROTH),
        is_ours=hands_on or os.geteuid() == 0 or told.st_gid in {os.getegid(), *os.getgroups()},
    )


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk once this returns; Windows cannot open a folder."""
    if _POSIX:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another, which on Windows nobody may have open.

    Raises OSError, with `is_in_use`, where somebody has.
    """
    if _POSIX:
        source.replace(target)
    else:
        replace_patiently(source, target, os.replace)


_LETS_GO_WITHIN_SECONDS = 2.0
_TRY_EVERY_SECONDS = 0.05


def replace_patiently(
    source: Path,
    target: Path,
    put: Callable[[Path, Path], None],
    *,
    patience_seconds: float = _LETS_GO_WITHIN_SECONDS,
) -> None:
    """Put a file in the place of another by `put`, as soon as nobody has that open.

    A virus scanner or an indexer opens each new file for a moment; a spreadsheet keeps it. Raises
    OSError, which names the target and is `is_in_use`, where it is kept.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            put(source, target)
        except PermissionError as error:
            if time.monotonic() < until:
                time.sleep(_TRY_EVERY_SECONDS)
                continue
            if target.exists():
                raise OSError(errno.EBUSY, _IN_USE, str(target)) from error
            raise
        return


_IN_USE = "another program has it open"
_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION


def is_in_use(error: OSError) -> bool:
    """Whether a file could not be written, replaced or deleted since a program has it open."""
    refused = {_SHARING_VIOLATION, _LOCK_VIOLATION}
    return error.errno == errno.EBUSY or getattr(error, "winerror", None) in refused


def file_system_of(path: Path) -> str | None:
    """Return the kind of file system that a path which is there lies on, such as `ext4` or `nfs4`.

    None where the system does not tell; on Windows `smb` for a network drive.
    """
    real = path.resolve()  # on Windows a mapped drive becomes \\server\share
    if not _POSIX:
        return "smb" if is_of_another_machine(real.drive) else None
    try:
        mounts = Path("/proc/mounts").read_bytes()
    except OSError:
        return None
    return mounted_at(real, os.fsdecode(mounts))


def is_of_another_machine(drive: str) -> bool:
    r"""Whether a drive of Windows is a folder that another machine shares: `\\server\share`.

    `\\?\` before a drive's letter lifts the limit on a path's length, and names no machine.
    """
    if drive.startswith(("\\\\?\\", "\\\\.\\")):
        return drive[4:].upper().startswith("UNC\\")
    return drive.startswith("\\\\")


def mounted_at(path: PurePath, mounts: str) -> str | None:
    r"""Return the kind of the file system that holds a path, by the lines of /proc/mounts.

    The deepest mount point holds it, and of several at one point the last. In a mount point's
    name, `\040` stands for a space (proc_pid_mounts(5), getmntent(3)).
    """
    found: tuple[int, str | None] = (-1, None)
    for _, point, kind, *_ in map(str.split, mounts.splitlines()):
        folder = PurePosixPath(_OCTAL.sub(lambda code: chr(int(code[1], 8)), point))
        if path.is_relative_to(folder) and len(folder.parts) >= found[0]:
            found = (len(folder.parts), kind)
    return found[1]


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a stream is a terminal, which someone can see or type at.

    None is what Python has for a stream without a console, as in a service. On Windows `isatty`
    says so of `NUL` too, and of every other device of characters: only a console has a mode.
    """
    try:
        return stream is not None and stream.isatty() and _has_console_mode(stream.fileno())
    except (OSError, ValueError):  # it was closed
        return False


def can_be_typed_at(stream: IO[str] | None) -> bool:
    """Whether someone can type what is read from a stream: nobody there, nobody is asked.

    The window of Git Bash is no console to a program of Windows, but a pipe with a name.
    """
    if is_terminal(stream):
        return True
    try:
        return stream is not None and is_window_of_git_bash(_name_of_pipe(stream.fileno()))
    except (OSError, ValueError):
        return False


_GIT_BASH = re.compile(r"\\(msys|cygwin)-[0-9a-f]+-pty[0-9]+-(from|to)-master(-nat)?")


def is_window_of_git_bash(name: str) -> bool:
    """Whether a pipe of that name is the window of a shell of Cygwin or MSYS2, as Git brings it."""
    return _GIT_BASH.fullmatch(name) is not None


def _has_console_mode(descriptor: int) -> bool:
    """Whether Windows knows the descriptor as a console; elsewhere what `isatty` said stands."""
    if sys.platform != "win32":
        return True
    import ctypes  # noqa: PLC0415 — only Windows has both
    import msvcrt  # noqa: PLC0415

    handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
    return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(ctypes.c_ulong())))


def _name_of_pipe(descriptor: int) -> str:
    """Return the name of a pipe on Windows, from its backslash on; "" of anything else."""
    if sys.platform != "win32":
        return ""
    import ctypes  # noqa: PLC0415 — only Windows has both
    import msvcrt  # noqa: PLC0415

    kernel, handle = ctypes.windll.kernel32, ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
    if kernel.GetFileType(handle) != _PIPE:
        return ""
    told = (ctypes.c_uint32 * 256)()  # FILE_NAME_INFO: how many bytes, then the letters
    if not kernel.GetFileInformationByHandleEx(handle, _NAME_INFO, told, ctypes.sizeof(told)):
        return ""
    return bytes(told)[4 : 4 + told[0]].decode("utf-16-le", "replace")


_PIPE, _NAME_INFO = 3, 2
"""FILE_TYPE_PIPE (GetFileType) and FileNameInfo (FILE_INFO_BY_HANDLE_CLASS)."""


def as_argument(path: Path) -> str:
    """Return a path as this system's shell takes it as one argument."""
    return as_command([str(path)])


def as_command(words: Sequence[str]) -> str:
    """Return words as this system's shell takes them as one command."""
    return shlex.join(words) if _POSIX else " ".join(map(quoted_for_windows, words))


_PLAIN = re.compile(r"(--?[a-z][a-z-]*|[\w.\\/:+][\w.\\/:+=-]*)")
_REPLACED = re.compile(r"`|[“”„]|\$[\w{(:?^$]")
_SINGLE_QUOTES = re.compile("['‘’‚‛]")


def quoted_for_windows(word: str) -> str:
    """Return a word as PowerShell and cmd both take it as one argument.

    Double quotes are the only ones that both know; `list2cmdline` uses them for spaces alone, and
    `&` or `,` would divide the word. What PowerShell replaces between them, or takes for their end,
    stands between single ones: it is the shell that Windows opens, and cmd has no form for it
    either (about_Quoting_Rules, about_Special_Characters).
    """
    if _PLAIN.fullmatch(word):
        return word
    if _REPLACED.search(word):
        return "'" + _SINGLE_QUOTES.sub(r"\g<0>\g<0>", word) + "'"
    import subprocess  # noqa: PLC0415 — takes a while, and is needed here only

    quoted = subprocess.list2cmdline([word])
    return quoted if quoted.startswith('"') else f'"{quoted}"'


def state_home() -> Path:
    """Return the folder in which this user's programs keep what outlives them."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def allow_port_again(listener: socket.socket) -> None:
    """Let a port that has just been given up be taken; on Windows two servers would share it."""
    import socket  # noqa: PLC0415 — slow to import, and whoever calls this has

    if _POSIX:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def reset_when_closed(connection: socket.socket) -> None:
    """Have the other end see a reset, not an end; `struct linger` has two sizes."""
    import socket  # noqa: PLC0415 — slow to import, and whoever calls this has
    import struct  # noqa: PLC0415

    linger = struct.pack("ii" if _POSIX else "hh", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


APART_FROM_THE_TERMINAL = 0 if _POSIX else 0x00000200
"""What a new process is begun with on Windows so that no Ctrl-C reaches it (process group)."""


READS_AHEAD = sys.platform == "win32"
"""Whether the event loop takes from a connection what nobody has asked it to read: on Windows it
does (asyncio.ProactorEventLoop), so an idle one does not show that something has come."""

CTRL_BREAK: tuple[signal.Signals, ...] = ()
"""The signal of Ctrl-Break, and of whoever ends another process in good order on Windows."""

TERMINAL_CLOSED: tuple[signal.Signals, ...]
"""The signals that say that the terminal was closed; Windows ends the process soon after."""

if sys.platform == "win32":
    CTRL_BREAK = TERMINAL_CLOSED = (signal.SIGBREAK,)
else:
    TERMINAL_CLOSED = (signal.SIGHUP,)


def interrupt_main_thread(number: int) -> None:
    """Have the main thread handle a signal, from another thread and at once.

    On POSIX a signal that another thread raised for itself would not end the main thread's wait.
    """
    if sys.platform == "win32":
        signal.raise_signal(signal.Signals(number))
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
