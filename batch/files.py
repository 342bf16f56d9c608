"""Files and folders, private and whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from batch import systems
from batch.errors import UsageProblem


def make_private_folder(folder: Path) -> None:
    """Make the folder and its parents; those that are made are for this user alone (0700)."""
    missing = [folder, *folder.parents]
    for place in reversed([place for place in missing if not place.exists()]):
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
            place.chmod(0o700)
            systems.sync_folder(place.parent)


def make_own_folder(folder: Path) -> None:
    """Make a folder for this user alone (0700), or narrow the one that is there."""
    make_private_folder(folder)
    systems.narrow(folder, 0o700)


def narrow(path: Path) -> None:
    """Let a file that is there be for this user alone (0600)."""
    systems.narrow(path, 0o600)


def refuse_shared_folder(folder: Path) -> None:
    """Raise UsageProblem where other users could put or replace files in the folder."""
    if folder.exists() and systems.can_be_written_by_others(folder):
        shown = systems.as_argument(folder)
        raise UsageProblem(
            f"cannot write reports into {folder}: other users can write to that folder",
            hint=f"`chmod go-w {shown}`, or choose another with --reports-dir",
        )


_OF_A_NETWORK = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "gvfsd-fuse", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "prl_fs", "rclone", "s3fs", "smb", "smb3", "smbfs", "sshfs"}
    | {"vboxsf", "vmhgfs", "vmhgfs-fuse"}
)
"""File systems of other machines, or of a virtual machine's host: no journal is safe on them."""


def is_of_a_network(file_system: str) -> bool:
    """Whether a file system of that kind (`nfs4`, `fuse.sshfs`) lies on another machine."""
    return file_system.lower().removeprefix("fuse.") in _OF_A_NETWORK


def refuse_long_path(folder: Path, name: str) -> None:
    """Raise UsageProblem where the folder's path is too long for a file of that name in it.

    The folder is made. Windows takes 259 letters unless its owner has lifted that, and the file
    that `replacing` writes first has the longest path of all.
    """
    try:
        make_own_folder(folder)
        handle, made = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    except OSError as error:
        if not _is_too_long(error, folder / f".{name}.xxxxxxxx"):
            raise
        raise UsageProblem(
            f"the path of {folder} is too long for the files of a report: nothing was sent",
            hint="choose a folder with a shorter path with --reports-dir",
        ) from error
    os.close(handle)
    Path(made).unlink()


def _is_too_long(error: OSError, path: Path) -> bool:
    """Whether a path was refused for its length; Windows says that there is none of it."""
    is_none_of_it = error.errno == errno.ENOENT and len(str(path.absolute())) >= _MOST_OF_WINDOWS
    return error.errno == errno.ENAMETOOLONG or is_none_of_it


_MOST_OF_WINDOWS = 248
"""From here on Windows makes no folder (CreateDirectory, MAX_PATH less 12), then no file."""


def nearest_that_exists(path: Path) -> Path:
    """Return the path, or the nearest of its parents that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def can_be_written(folder: Path) -> bool:
    """Whether this user can put files into a folder that is there."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def free_bytes(path: Path) -> int:
    """Return how much room there is for this user where a path lies that is there."""
    return shutil.disk_usage(path).free


def make_private_file(path: Path) -> None:
    """Make an empty file for this user alone (0600), or narrow the one that is there."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    systems.keep_for_owner(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears whole, private (0600) and durable, or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        systems.replace(Path(name), path)
        systems.sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError say which file it is about: what is raised while one is written does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def patient(file: IO[bytes]) -> Iterator[Patient]:
    """Yield a file for somebody else's code to write to: what fails is raised behind the block.

    `zipfile`, interrupted by a full disk, writes once more when Python drops it: that would fail
    again, in a finaliser, which leaves a trace on the terminal.
    """
    given = Patient(file)
    try:
        yield given
        if given.failed is not None:
            raise given.failed
    finally:
        given.failed = OSError()


class Patient:
    """A file that fails once, and from then on takes everything and keeps nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failed: OSError | None = None

    def write(self, data: bytes) -> int:
        """Return how many bytes were taken: all of them."""
        self._unless_failed(lambda: self._file.write(data))
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Return where the file stands now."""
        return self._unless_failed(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return where the file stands."""
        return self._unless_failed(self._file.tell)

    def flush(self) -> None:
        """Have on its way what was written."""
        self._unless_failed(self._flushed)

    def _flushed(self) -> int:
        self._file.flush()
        return 0

    def _unless_failed(self, call: Callable[[], int]) -> int:
        if self.failed is None:
            try:
                return call()
            except OSError as error:
                self.failed = error
        return 0


def sync(path: Path) -> None:
    """Have on disk, once this returns, what others wrote into a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def json_in(data: bytes) -> Any:
    """Return what JSON holds, None where it is none, or nested deeper than can be read."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def as_text(name: str) -> str:
    """Return a name from the file system, or an argument, as text that can be written anywhere.

    Bytes that are no UTF-8 come from the system as lone surrogates, which no file takes.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def state_folder() -> Path:
    """Return this user's folder for what outlives a command, whatever the reports folder."""
    return systems.state_home() / "defer-batch"
