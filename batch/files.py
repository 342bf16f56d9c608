"""Files and folders, private and whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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
        raise UsageProblem(
            f"cannot write reports into {folder}: other users can write to that folder",
            hint=f"`chmod go-w {folder}`, or choose another with --reports-dir",
        )


def make_private_file(path: Path) -> None:
    """Make an empty file for this user alone (0600), or narrow the one that is there."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    systems.keep_for_owner(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears whole, private (0600) and durable, or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        systems.sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def sync(path: Path) -> None:
    """Have on disk, once this returns, what others wrote into a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def as_text(name: str) -> str:
    """Return a name from the file system, or an argument, as text that can be written anywhere.

    Bytes that are no UTF-8 come from the system as lone surrogates, which no file takes.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def state_folder() -> Path:
    """Return this user's folder for what outlives a command, whatever the reports folder."""
    return systems.state_home() / "defer-batch"
