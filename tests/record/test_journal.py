"""The journal's file: how durable it is, and that it is ours, whole, and known."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from batch import files
from batch.codes import Code
from batch.errors import JournalLost, JournalProblem
from batch.record import database, recent_requests
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.open_files import OpenFiles
from batch.record.records import Resumption
from batch.rows import Deferral, Row
from tests.support.journals import RUN, failed, journal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def opened(path: Path) -> Journal:
    return Journal.open(path, wall=lambda: 1_790_000_000.0)


def staged(journal: Journal) -> int:
    run_no = journal.stage(replace(RUN, run_id="run"), origin="register")
    journal.add_rows(run_no, [Row(2, ("abc",), "abc", Deferral("abc", "2026-10-01", None))])
    return run_no


def pragma(journal: Journal, name: str) -> object:
    return next(journal._connection.execute(f"PRAGMA {name}"))[0]


NORMAL, FULL = 1, 2
"""What SQLite calls a commit that is synced later, and one that is synced at once."""


def test_every_commit_is_on_disk(path: Path) -> None:
    journal = opened(path)
    pragmas = [pragma(journal, name) for name in ("journal_mode", "synchronous")]
    journal.close()
    assert pragmas == ["wal", FULL]


@pytest.mark.parametrize("then", [Journal.start, Journal.discard])
def test_only_what_is_known_of_a_run_that_may_not_begin_is_synced_later(
    path: Path, then: Callable[[Journal, int], None]
) -> None:
    journal = opened(path)
    run_no = staged(journal)
    before = pragma(journal, "synchronous")
    then(journal, run_no)
    after = pragma(journal, "synchronous")
    journal.close()
    assert (before, after) == (NORMAL, FULL)


def test_a_run_that_was_not_confirmed_is_removed_by_the_next_writer(path: Path) -> None:
    journal = opened(path)
    staged(journal)
    journal.close()
    journal = opened(path)
    left = [
        next(journal._connection.execute(f"SELECT count(*) FROM {table}"))[0]
        for table in ("runs", "rows")
    ]
    journal.close()
    assert left == [0, 0]


@pytest.mark.parametrize("left", [None, b""])
def test_what_was_written_last_is_kept_where_the_journal_itself_is_gone(
    path: Path, left: bytes | None
) -> None:
    journal = opened(path)
    journal.start(staged(journal))
    wal = path.with_name("journal.db-wal")
    written = wal.read_bytes()
    journal.close()
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    wal.write_bytes(written)
    with pytest.raises(JournalProblem, match=r"journal\.db-wal"):
        opened(path)
    assert wal.read_bytes() == written


@pytest.mark.parametrize("is_killed", [False, True])
def test_when_a_run_that_is_not_kept_asked_register_is_known_to_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, is_killed: bool
) -> None:
    monkeypatch.setattr(files, "state_folder", lambda: path.parent / "state")
    journal = opened(path)
    run_no = staged(journal)
    asyncio.run(journal.intend(run_no, None, "preview"))
    if not is_killed:
        journal.discard(run_no)
    journal.close()
    opened(path).close()
    assert recent_requests.noted_since("register", 0.0) == [1_790_000_000.0]


def test_readers_cannot_write(path: Path) -> None:
    opened(path).close()
    ledger = Ledger.read(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        ledger._connection.execute("DELETE FROM runs")
    ledger.close()


def test_the_commit_waits_in_another_thread(path: Path) -> None:
    journal = opened(path)
    run_no = staged(journal)
    threads: list[int] = []
    commit = journal._commits._commit

    async def watched(call: object) -> object:
        def noted() -> object:
            threads.append(threading.get_ident())
            return call()  # type: ignore[operator]

        return await commit(noted)

    journal._commits._commit = watched
    asyncio.run(journal.intend(run_no, 2, "defer"))
    journal.close()
    assert threads
    assert threads[0] != threading.get_ident()


def test_intents_of_one_moment_share_a_commit(path: Path) -> None:
    journal = opened(path)
    run_no = staged(journal)
    commits: list[int] = []
    commit = journal._commits._commit

    async def counted(call: object) -> object:
        commits.append(1)
        return await commit(call)  # type: ignore[arg-type]

    async def ten() -> None:
        await asyncio.gather(*(journal.intend(run_no, 2, "defer") for _ in range(10)))

    journal._commits._commit = counted
    asyncio.run(ten())
    journal.close()
    assert len(commits) == 1


def test_a_journal_that_cannot_be_written_says_so_ever_after(path: Path) -> None:
    journal = opened(path)
    run_no = staged(journal)
    journal._connection.execute("PRAGMA query_only=ON")
    for _ in range(2):
        with pytest.raises(JournalLost, match="can no longer be written"):
            asyncio.run(journal.intend(run_no, 2, "defer"))
    journal.close()


def test_a_journal_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    """The rows stay, and what the later versions note is there to be written."""
    connection = sqlite3.connect(path)
    connection.executescript(
        f"{database.MIGRATIONS[0]} PRAGMA user_version=1;"
        f" PRAGMA application_id={database.APPLICATION_ID};"
        " INSERT INTO forgotten VALUES ('digest', 'run');"
    )
    connection.close()
    journal = opened(path)
    journal.discard(staged(journal))
    run_no = staged(journal)
    journal.note_resumption(run_no, Resumption("me", None, "here", "1", "3", (), "now", {}, None))
    assert next(journal._connection.execute("PRAGMA user_version")) == (database.VERSION,) == (6,)
    assert next(journal._connection.execute("SELECT code FROM remembered_deferrals")) == (
        "deferred_earlier",
    )
    assert [one.operator for one in journal.ledger.resumptions("run")] == ["me"]
    journal.close()


@pytest.mark.parametrize("cut", [1000, 4096, 20_000])
def test_a_truncated_journal_is_refused_and_left_as_it_was(path: Path, cut: int) -> None:
    journal = opened(path)
    run_no = staged(journal)
    rows = [Row(n, ("x" * 500,), f"id{n}", None) for n in range(3, 3)]
    journal.add_rows(run_no, rows)
    journal.start(run_no)
    journal.close()
    path.write_bytes(path.read_bytes()[:cut])
    before = path.read_bytes()
    with pytest.raises(JournalProblem, match="cannot use"):
        database.open_for_writing(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["views", "ledger", "journal", "purging"])
def test_no_statement_names_a_code_or_a_doubt(name: str) -> None:
    words = {*Code, *database.IN_DOUBT}
    sql = "".join(database.statements(name).values())
    assert not [word for word in words if f"'{word}'" in sql]


def test_a_reader_sees_todays_notes_in_a_journal_of_the_first_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(
        f"{database.MIGRATIONS[0]} PRAGMA user_version=1;"
        f" PRAGMA application_id={database.APPLICATION_ID};"
        " INSERT INTO runs VALUES (1, 'run', 'finished', 'o', 0, 's', 0, 't', 't', NULL, 0, '{}');"
    )
    connection.close()
    ledger = Ledger.read(path)
    assert (ledger.reported("run"), ledger.resumptions("run")) == (None, [])
    ledger.close()


@pytest.mark.parametrize("content", [b"", None])
def test_a_journal_whose_making_was_cut_off_reads_as_empty(path: Path, content: bytes) -> None:
    if content is None:
        sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").connection.close()
    else:
        path.write_bytes(content)
    ledger = Ledger.read(path)
    assert ledger.runs() == []
    ledger.close()


def test_a_wal_that_was_cut_and_written_on_is_noticed(tmp_path: Path) -> None:
    with journal_of(tmp_path, [failed(2, "a", "b", "x")]):
        open_files = OpenFiles(tmp_path / "journal.db")
        open_files.refuse_lost()
        wal = tmp_path / "journal.db-wal"
        size = wal.stat().st_size
        os.truncate(wal, 0)
        os.truncate(wal, size + 1)
        with pytest.raises(JournalLost):
            open_files.refuse_lost()


def test_whatever_ends_a_group_reaches_everyone_who_waits_for_it(path: Path) -> None:
    async def failing(call: object) -> object:
        raise OSError(24, "Too many open files")

    async def two() -> list[BaseException | int]:
        intents = (journal.intend(run_no, 2, "defer") for _ in range(2))
        return await asyncio.wait_for(asyncio.gather(*intents, return_exceptions=True), 60)

    journal = opened(path)
    run_no = staged(journal)
    journal._commits._commit = failing
    assert [type(one) for one in asyncio.run(two())] == [OSError, OSError]
    journal.close()
