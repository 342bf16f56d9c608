"""Someone deletes or cuts the journal while a run goes on: the run notices, and stops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.server import Emulator
from tests.support.office import SENDING_ALONE, TOKEN, Office
from tests.support.terminals import posix_only
from tests.support.troubles import Fault
from tests.support.waiting import until

Serving = Callable[..., Emulator]


def deleted(reports: Path) -> None:
    shutil.rmtree(reports)


def without_journal(reports: Path) -> None:
    for path in reports.glob("journal.db*"):
        path.unlink()


def replaced(reports: Path) -> None:
    shutil.copy(reports / "journal.db", reports / "copy")
    (reports / "copy").replace(reports / "journal.db")


def cut(reports: Path) -> None:
    os.truncate(reports / "journal.db-wal", 0)


def cut_in_half(reports: Path) -> None:
    wal = reports / "journal.db-wal"
    os.truncate(wal, wal.stat().st_size // 2)


@posix_only
@pytest.mark.parametrize("harm", [deleted, without_journal, replaced, cut, cut_in_half])
def test_a_run_whose_journal_is_taken_away_stops_and_says_so(
    register: Serving, office: Office, harm: Callable[[Path], None]
) -> None:
    ids = [f"trainee{number:04}" for number in range(400)]
    emulator = register(
        **dict.fromkeys(ids, "trn_received"), faults=[Fault(None, last=None, delay_seconds=0.05)]
    )
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    target = ("--register", emulator.base_url, "--rate-limit", "20/1", *SENDING_ALONE)
    process = office.start("run", "list.csv", *target)
    until(lambda: len(emulator.requests) > 10)
    harm(office.reports)
    asked = len(emulator.requests)
    out, err = process.communicate()
    assert process.returncode == 3, out + err
    assert "journal.db" in err
    assert len(emulator.requests) < asked + 40
    assert "Traceback" not in err
