"""Someone deletes or cuts the journal while a run goes on: the run notices, and stops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.requests import Endpoint
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


def without_log(reports: Path) -> None:
    next(reports.glob("2*/run.log")).unlink()


def linked_elsewhere(reports: Path) -> None:
    folder = next(reports.glob("2*"))
    folder.rename(reports / "moved")
    (reports / "another").mkdir()
    folder.symlink_to(reports / "another")


@posix_only
def test_a_run_whose_log_was_taken_away_goes_on_once_it_is_resumed(
    register: Serving, office: Office
) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", delay_seconds=5)])
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\nabc,2026-10-01\n")
    target = ("--register", emulator.base_url, *SENDING_ALONE)
    process = office.start("run", "list.csv", *target)
    until(lambda: emulator.received(Endpoint.DEFER))
    shutil.rmtree(next(office.reports.glob("2*")))
    process.communicate()
    assert process.returncode == 3
    assert office.run("resume").code == 0
    assert office.run("verify", "--all").code == 0
    assert len(emulator.received(Endpoint.DEFER)) == 1


@posix_only
@pytest.mark.parametrize(
    "harm",
    [deleted, without_journal, replaced, cut, cut_in_half, without_log, linked_elsewhere],
)
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
    assert "journal.db" in err or "run.log" in err
    assert len(emulator.requests) < asked + 40
    assert "Traceback" not in err
