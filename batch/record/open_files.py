"""The journal's files while a run has them open: whoever deletes, replaces or cuts them is noticed.

A file that was deleted takes what is written to it, and then it is gone. One that was cut is
written to behind its end, and what stood between is zeros: SQLite's index of the -wal lies in
memory, so it goes on and tells nothing, and whoever opens the journal next reads up to the hole.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

from msgspec import Struct

from batch.errors import JournalLost


class OpenFiles:
    """The journal's files as they were opened: nothing but this writer may shrink or replace them.

    `path` is None for a journal in memory, which has no files.
    """

    def __init__(self, path: Path | None) -> None:
        self._known: dict[Path, os.stat_result | None] = {}
        self._wal: _Wal | None = None
        if path is not None:
            wal = path.with_name(f"{path.name}-wal")
            self._known = {path: None, wal: None}
            self._wal = _Wal(wal)

    def refuse_lost(self, *, has_written: bool = False) -> None:
        """Raise JournalLost where a file was deleted, replaced or cut since it was last seen.

        `has_written`: a commit that changed something has ended since. SQLite shortens neither file
        while the writer has them open: its checkpoints write the -wal again from its start, and
        only `purge`, which needs the writer's lock, truncates it.
        """
        for path, before in self._known.items():
            try:
                now = path.stat()
            except FileNotFoundError:
                if before is not None:
                    raise _gone(path, "was deleted") from None
                continue
            except OSError as error:
                raise _gone(path, f"cannot be reached ({error.strerror})") from error
            if before is not None and not os.path.samestat(before, now):
                raise _gone(path, "was replaced")
            if before is not None and now.st_size < before.st_size:
                raise _gone(path, "was cut short")
            self._known[path] = now
        if self._wal is not None:
            self._refuse_cut(self._wal, has_written=has_written)

    def _refuse_cut(self, wal: _Wal, *, has_written: bool) -> None:
        try:
            is_whole = wal.is_whole(has_written=has_written)
        except OSError as error:
            raise _gone(wal.path, f"cannot be read ({error.strerror})") from error
        if not is_whole:
            raise _gone(wal.path, "was cut short")


class _Wal:
    """The -wal, in which each commit of ours must be found, whole and in its place.

    A cut shows in the last commit before it, or in the one that was being written: either a frame
    is not there, or zeros stand in it from some byte on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as file:
            self._head = _Head.read(file)
        self._seen: int | None = 0 if self._head is None else None
        """How many frames the commits take that were seen. None where some were there before us: a
        crash can have left frames behind the last commit, so we begin where SQLite begins anew."""

    def is_whole(self, *, has_written: bool) -> bool:
        """Whether it has its start, and where we have written, the last commit and a new one.

        It has no locks of SQLite's that closing it here could drop; those are on the other files.
        """
        with _opened(self.path) as file:
            head = _Head.read(file)
            if head is None:
                return self._head is None and not has_written
            if head != self._head:  # begun anew: all that stood here is in journal.db
                self._head, self._seen = head, 0
            if self._seen is None or not has_written:
                return True
            before = self._seen
            self._seen = _last_whole_commit(head.frames(file, after=max(0, before - 1)), before)
        return self._seen is not None and self._seen > before


def _opened(path: Path) -> BinaryIO:
    """Open a file to read without a buffer; one that is missing is empty."""
    try:
        return cast("BinaryIO", path.open("rb", buffering=0))
    except FileNotFoundError:
        return io.BytesIO()


def _last_whole_commit(frames: Iterable[tuple[int, _Frame]], before: int) -> int | None:
    """Return how many frames all commits take; None where the one `before` or a later is not whole.

    Frames without a commit behind them are of a transaction that was rolled back.
    """
    last, is_whole = None if before else 0, True
    for number, frame in frames:
        is_whole = is_whole and frame.is_whole
        if frame.ends_a_commit and not is_whole:
            return None
        if frame.ends_a_commit:
            last = number
    return last


_HEAD = struct.Struct(">IIII8sII")
"""Magic number, version, page size, checkpoints, salts, checksum (SQLite, "WAL header")."""

_FRAME = struct.Struct(">II8sII")
"""Page, pages of the database after a commit (else 0), salts, checksum of all up to here."""

_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""The order of bytes in which checksums are made, by the magic number."""


class _Head(Struct, frozen=True):
    """What a -wal begins with; its salts change whenever SQLite begins it anew."""

    order: str
    page_size: int
    salts: bytes
    checksum: tuple[int, int]

    @classmethod
    def read(cls, file: BinaryIO) -> Self | None:
        """Return what a -wal begins with, None where it is empty or has lost its start."""
        start = file.read(_HEAD.size)
        if len(start) < _HEAD.size:
            return None
        magic, _, page_size, _, salts, *checksum = _HEAD.unpack(start)
        if magic not in _ORDERS:
            return None
        return cls(_ORDERS[magic], page_size, salts, (checksum[0], checksum[1]))

    def frames(self, file: BinaryIO, *, after: int) -> Iterator[tuple[int, _Frame]]:
        """Yield the frames behind the first so many, numbered from 1, as far as they are its own.

        Behind them the file may go on with those of an earlier beginning.
        """
        size, checksum = _FRAME.size + self.page_size, self.checksum
        if after:
            file.seek(_HEAD.size + size * (after - 1))
            if len(read := file.read(size)) < size:
                return
            checksum = _Frame(self, read, checksum).checksum
        while len(read := file.read(size)) >= _FRAME.size:
            frame = _Frame(self, read, checksum)
            if frame.salts != self.salts:
                return
            after += 1
            yield after, frame
            checksum = frame.checksum


class _Frame:
    """One page in a -wal, with what stands before it; `before` is the checksum of the last one."""

    def __init__(self, head: _Head, read: bytes, before: tuple[int, int]) -> None:
        self._head, self._read, self._before = head, read, before
        _, pages, self.salts, one, two = _FRAME.unpack_from(read)
        self.ends_a_commit = pages > 0
        self.checksum = one, two

    @property
    def is_whole(self) -> bool:
        """Whether it was not cut: its last byte is none of a hole's zeros, or its checksum right.

        A checksum takes longer than all else here, and few pages end in a zero.
        """
        if len(self._read) < _FRAME.size + self._head.page_size:
            return False
        return self._read[-1] != 0 or self._sum() == self.checksum

    def _sum(self) -> tuple[int, int]:
        """Return the checksum of its page and 8 bytes before it (SQLite, "Checksum Algorithm")."""
        one, two = self._before
        summed = self._read[:8] + self._read[_FRAME.size :]
        for x, y in struct.iter_unpack(f"{self._head.order}II", summed):
            one = (one + x + two) & 0xFFFFFFFF
            two = (two + y + one) & 0xFFFFFFFF
        return one, two


def _gone(path: Path, what: str) -> JournalLost:
    return JournalLost(
        f"{path} {what} by another program while the run went on: of the last requests there may "
        "be no record",
        hint="put back what was deleted, or restore journal.db from a backup, "
        "then run `defer-batch resume`; without either, run the list again: each trainee is looked "
        "up before anything is sent",
    )
