"""`runs --since`: how a term stands, trainee by trainee."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN, Office

Serving = Callable[..., Emulator]
HEADER = "trainee_id,defer_date\n"
FIRST_DAY = "2000-01-01"


class Term:
    """One provider's term against one Register."""

    def __init__(self, office: Office, emulator: Emulator) -> None:
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        self.office = office
        self.target = ("--register", emulator.base_url, "--rate-limit", "none")

    def run(self, rows: str | Path, *options: str) -> str:
        """Run a list and return the run's id."""
        path = rows if isinstance(rows, Path) else self.office.write("list.csv", HEADER + rows)
        before = set(self.office.reports.glob("2*"))
        self.office.run("run", str(path), *self.target, *options)
        (folder,) = set(self.office.reports.glob("2*")) - before
        return folder.name

    def listed(self) -> dict[str, dict[str, Any]]:
        shown = self.office.run("runs", "--since", FIRST_DAY, "--json").out
        return {run["run_id"]: run for run in json.loads(shown)}

    def standings(self) -> list[dict[str, int]]:
        """Return how the trainees stand, the newest run first, without zeros."""
        runs = sorted(self.listed().values(), key=lambda run: run["started_at"], reverse=True)
        return [{k: n for k, n in run["trainees"].items() if n} for run in runs]

    def total(self) -> Counter[str]:
        return sum((Counter(one) for one in self.standings()), Counter[str]())


@pytest.fixture
def term(office: Office, register: Serving) -> Callable[..., Term]:
    return lambda **known: Term(office, register(**known))


def test_each_run_says_whom_it_deferred_and_what_it_waits_for(term: Callable[..., Term]) -> None:
    here = term(a="trn_received", w="withdrawn")
    here.run("a,2026-10-01\nw,2026-10-01\nz,2026-10-01\nb,soon\n")
    assert here.standings() == [{"deferred": 1, "confirmed": 1, "refused": 2, "to_correct": 1}]


def test_a_row_that_a_later_run_corrected_waits_no_longer(term: Callable[..., Term]) -> None:
    here = term(a="trn_received", b="trn_received")
    first = here.run("a,2026-10-01\nb,soon\n")
    path = here.office.reports / first / "to-correct.xlsx"
    book = openpyxl.load_workbook(path)
    book.active["B2"] = "2026-10-02"  # type: ignore[index]
    book.save(path)
    second = here.run(path)
    assert here.standings() == [{"deferred": 1, "confirmed": 1}] * 2
    assert here.listed()[second]["follows"] == [first]


def test_a_trainee_who_is_listed_every_week_is_counted_once(term: Callable[..., Term]) -> None:
    here = term(a="trn_received", b="trn_received", w="withdrawn")
    here.run("a,2026-10-01\nw,2026-10-01\n")
    here.run("a,2026-10-01\nw,2026-10-01\nb,2026-10-01\n")
    assert here.total() == {"deferred": 2, "confirmed": 2, "refused": 1}


def test_two_rows_about_one_trainee_are_one(term: Callable[..., Term]) -> None:
    here = term(a="trn_received")
    here.run("a,2026-10-01\nA,2026-10-01\nb,2026-10-01\nb,2026-10-02\n")
    assert here.total() == {"deferred": 1, "confirmed": 1, "to_correct": 1}


def test_an_unfinished_run_waits_for_an_answer(office: Office, register: Serving) -> None:
    refused = troubles.answered_before("a", troubles.UNAUTHORISED)
    here = Term(office, register(a="trn_received", faults=[refused]))
    here.run("a,2026-10-01\n", "--operator", "Jo")
    assert here.standings() == [{"no_answer": 1}]
    shown = office.run("runs", "--since", FIRST_DAY).out
    assert "Jo: 1 no answer yet" in shown
    assert "defer-batch resume" in shown


def test_rehearsals_count_no_trainee(office: Office) -> None:
    office.write("list.csv", HEADER + "abc,2026-10-01\n")
    office.run("run", "list.csv", "--register", "emulator")
    (run,) = json.loads(office.run("runs", "--since", FIRST_DAY, "--json").out)
    assert run["trainees"] is None


def test_the_table_ends_in_all_of_them(term: Callable[..., Term]) -> None:
    here = term(a="trn_received", b="trn_received", w="withdrawn")
    here.run("a,2026-10-01\nw,2026-10-01\n")
    here.run("b,2026-10-01\n")
    lines = here.office.run("runs", "--since", FIRST_DAY).out.splitlines()
    (total,) = [line.split() for line in lines if line.startswith("all of them")]
    assert total[3:] == ["2", "2", "1"]
    assert all(len(line) <= 100 for line in lines)


def test_a_purged_run_is_not_counted_and_that_is_said(term: Callable[..., Term]) -> None:
    here = term(a="trn_received")
    here.run("a,2026-10-01\n")
    here.office.run("purge", "--older-than", "0d", "--yes")
    assert [run["trainees"] for run in here.listed().values()] == [None]
    assert "1 run can no longer be counted" in here.office.run("runs", "--since", FIRST_DAY).out


def test_the_table_of_all_runs_says_which_one_a_run_follows(term: Callable[..., Term]) -> None:
    here = term(a="trn_received")
    first = here.run("a,2026-10-01\n")
    here.run("a,2026-10-01\n")
    lines = here.office.run("runs").out.splitlines()
    assert lines[lines.index("  follows") + 1] == f"  {first}"
