"""The power fails at any sync of a real run: what is on disk then loses nothing, and is no forgery.

SIGKILL cannot show a missing fsync. So the syncs of a real process are interposed, and each keeps
what is durable from then on: a file's content once it was synced, its name once its folder was.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch.emulator.server import Emulator
from batch.record.ledger import Ledger
from batch.record.proof import Verdict, verify_folder
from tests.support.office import TOKEN, Office

SHIM = Path(__file__).parents[1] / "support" / "power_cut.c"
ROWS = 12


@dataclass
class Disk:
    """What is durable: each file's content by inode, each folder's entries, and what was sent."""

    kept: Path
    root: str
    content: dict[str, Path] = field(default_factory=dict)
    entries: dict[str, Path] = field(default_factory=dict)
    sent: int = 0

    def happens(self, event: str) -> None:
        kind, *rest = event.split(" ", 3)
        if kind == "P":
            self.sent += 1
        elif kind == "S":
            self.content[rest[1]] = self.kept / rest[0]
        else:
            self.entries[rest[2]] = self.kept / rest[0]

    def restored(self, to: Path) -> Path:
        """Write what a power cut would leave into a folder."""
        shutil.rmtree(to, ignore_errors=True)
        self._restore(self.root, to)
        return to

    def _restore(self, folder: str, to: Path) -> None:
        to.mkdir(mode=0o700)
        entries = self.entries.get(folder)
        for line in entries.read_text().splitlines() if entries else ():
            inode, name = line.split(" ", 1)
            if inode in self.content:
                shutil.copy(self.content[inode], to / name)
            elif f"{folder}/{name}" in self.entries:
                self._restore(f"{folder}/{name}", to / name)


@pytest.fixture
def cuts(
    register: Callable[..., Emulator], office: Office, tmp_path: Path
) -> Callable[[], Iterator[Disk]]:
    """Run a list, and give the disk as each of its syncs left it."""
    compiler = shutil.which("cc")
    assert compiler, "this test takes a C compiler: apt-get install gcc"
    shim, kept = tmp_path / "power_cut.so", tmp_path / "kept"
    kept.mkdir()
    built = [compiler, "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl", "-lpthread"]
    subprocess.run(built, check=True)
    ids = [f"id{number}" for number in range(ROWS)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    office.environment |= {
        "DEFER_BATCH_API_TOKEN": TOKEN,
        "LD_PRELOAD": str(shim),
        "CUT_ROOT": str(office.reports.parent),
        "CUT_OUT": str(kept),
    }
    ran = office.run_apart("run", "list.csv", "--register", emulator.base_url, "--max-at-once", "2")
    assert ran.code == 0, ran.err

    def disks() -> Iterator[Disk]:
        disk = Disk(kept, str(office.reports.parent))
        for event in (kept / "events").read_text().splitlines():
            disk.happens(event)
            yield disk

    return disks


def intended(reports: Path) -> int:
    if not (reports / "journal.db").exists():
        return 0
    with closing(sqlite3.connect(reports / "journal.db")) as journal:
        return int(
            journal.execute("SELECT count(*) FROM attempts WHERE kind = 'defer'").fetchone()[0]
        )


def test_whatever_was_sent_is_in_the_journal_that_is_left(
    cuts: Callable[[], Iterator[Disk]], tmp_path: Path
) -> None:
    most = 0
    for disk in cuts():
        if disk.sent > most:  # nothing became durable since the sync before
            most = disk.sent
            assert intended(disk.restored(tmp_path / "left") / "reports") >= most
    assert most == ROWS


def test_a_report_that_is_left_is_proved(
    cuts: Callable[[], Iterator[Disk]], tmp_path: Path
) -> None:
    proved = 0
    for disk in cuts():
        if disk.sent < ROWS:
            continue
        reports = disk.restored(tmp_path / "left") / "reports"
        for folder in reports.glob("2*"):
            if not (folder / "manifest.json").exists():
                continue
            with closing(Ledger.read(reports / "journal.db")) as ledger:
                found = verify_folder(
                    folder, ledger, None, run_id=folder.name, tool_version="another"
                )
            assert found.verdict is Verdict.PROVED, found.differences
            proved += 1
    assert proved > 0
