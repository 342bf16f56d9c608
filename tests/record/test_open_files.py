"""The journal's files are cut while a run has them open: noticed at the next commit, wherever."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batch.errors import JournalLost
from batch.record.journal import Journal
from batch.rows import Deferral, Row
from tests.support.journals import RUN

FRAME = 24 + 4096
Harm = Callable[[Path, int], None]
Call = Callable[[], object]


@contextmanager
def begun(folder: Path) -> Iterator[tuple[Journal, int, Path]]:
    """Yield a journal with a run that has sent one row, its number, and the path of its -wal."""
    journal = Journal.open(folder / "journal.db", wall=time.time)
    run_no = journal.stage(RUN, origin="register")
    rows = [Row(n, ("abc",), "abc", Deferral("abc", "2026-10-01", "ill" * 90)) for n in range(40)]
    journal.add_rows(run_no, rows)
    journal.start(run_no)
    asyncio.run(journal.intend(run_no, 2, "defer"))
    try:
        yield journal, run_no, folder / "journal.db-wal"
    finally:
        journal.close()


def intend_with(journal: Journal, run_no: int, commit: Callable[[Call], object]) -> None:
    """Write one more intent; `commit` makes the commit, and does some harm around it."""

    async def at_once(call: Call) -> object:
        return commit(call)

    journal._commits._commit = at_once
    asyncio.run(journal.intend(run_no, 3, "defer"))


def lengths(size: int) -> Iterator[int]:
    """Yield lengths within a file: around each frame's ends, and within it."""
    for start in (0, *range(32, size, FRAME)):
        yield from (start + more for more in (0, 23, 2000) if start + more < size)


def test_a_cut_of_any_length_just_before_a_commit_writes_is_noticed(tmp_path: Path) -> None:
    with begun(tmp_path) as (_, _, wal):
        size = wal.stat().st_size
        assert size > 8 * FRAME
    for number, length in enumerate(lengths(size)):
        (tmp_path / f"{number}").mkdir()
        with begun(tmp_path / f"{number}") as (journal, run_no, wal):

            def cut_first(call: Call, wal: Path = wal, length: int = length) -> None:
                os.truncate(wal, length)
                call()

            with pytest.raises(JournalLost, match="cut short"):
                intend_with(journal, run_no, cut_first)


def cut(wal: Path, back: int, *, is_written_on: bool) -> None:
    """Cut so many bytes away; `is_written_on`: frames behind the one that was hit come after."""
    whole = wal.read_bytes()
    os.truncate(wal, len(whole) - back)
    if is_written_on and back > FRAME:
        with wal.open("r+b") as file:
            file.seek(len(whole) - back // FRAME * FRAME)
            file.write(whole[len(whole) - back // FRAME * FRAME :])


@pytest.mark.parametrize("is_written_on", [False, True])
@pytest.mark.parametrize("back", [1, 50, 4000, 4096, 4100, 4120, 4200, 6000, 8300, 9000, 12359])
def test_a_cut_of_any_length_while_a_commit_writes_is_noticed(
    tmp_path: Path, back: int, *, is_written_on: bool
) -> None:
    with begun(tmp_path) as (journal, run_no, wal):

        def cut_behind(call: Call) -> None:
            call()
            cut(wal, back, is_written_on=is_written_on)

        with pytest.raises(JournalLost, match="cut short"):
            intend_with(journal, run_no, cut_behind)


def test_no_commit_of_a_long_run_looks_like_a_cut(tmp_path: Path) -> None:
    """The -wal begins anew several times, and groups are large and small."""
    with begun(tmp_path) as (journal, run_no, wal):
        heads = set()
        for number in range(1200):
            asyncio.run(journal.intend_all(run_no, [2] * (number % 40 + 1), "defer"))
            heads.add(wal.read_bytes()[:24])
        journal.finish(run_no, exit_code=0, stopped_because=None)
    assert len(heads) > 3


def test_what_was_rolled_back_behind_the_last_commit_is_no_cut(tmp_path: Path) -> None:
    with begun(tmp_path) as (journal, run_no, wal):
        size = wal.stat().st_size
        journal._connection.execute("PRAGMA cache_size=2")
        journal._connection.execute("BEGIN")
        journal._connection.executemany(
            "INSERT INTO attempts (run_no, row_number, kind, intended_at) VALUES (?, 2, ?, 0)",
            [(run_no, "defer" * 200)] * 500,
        )
        journal._connection.execute("ROLLBACK")
        assert wal.stat().st_size > size + 10 * FRAME
        for _ in range(50):
            asyncio.run(journal.intend(run_no, 2, "defer"))


@pytest.mark.parametrize("is_read", [False, True])
def test_what_a_killed_process_left_behind_the_last_commit_is_no_cut(
    tmp_path: Path, *, is_read: bool
) -> None:
    """Frames of a commit that never was, as a crash leaves them; with a reader in the way too."""
    with begun(tmp_path) as (journal, run_no, wal):
        for _ in range(20):
            asyncio.run(journal.intend(run_no, 2, "defer"))
        journal_bytes, wal_bytes = (tmp_path / "journal.db").read_bytes(), wal.read_bytes()
    torn = bytearray(wal_bytes)
    torn[32 + FRAME * 12 + 1000] ^= 255  # from here on SQLite takes nothing
    (tmp_path / "journal.db").write_bytes(journal_bytes)
    wal.write_bytes(torn)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as reader:
        if is_read:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM runs").fetchone()
        journal = Journal.open(tmp_path / "journal.db", wall=time.time)
        for _ in range(20):
            asyncio.run(journal.intend(run_no, 2, "defer"))
        journal.close()
