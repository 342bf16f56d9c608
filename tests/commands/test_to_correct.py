"""A list's way home: run, corrected in a spreadsheet, run again, until nothing is left."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.support.office import TOKEN, Office, Ran

LIST = (
    "trainee_id,defer_date,defer_reason,cohort\n"
    "good,2026-10-01,,=A\n"
    "a/b,2026-10-02,'-tired,'@B\n"
    ",03/04/2026,,C\n"
)


def corrected(path: Path, **cells: str) -> None:
    """Correct cells of a workbook as a person would: `corrected(path, A2="abc")`."""
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    for place, value in cells.items():
        sheet[place] = value
    book.save(path)


@dataclass
class Journey:
    """A list and its corrections, run one after another."""

    office: Office
    emulator: Emulator
    folders: list[Path]

    def run(self, path: Path) -> Ran:
        target = ("--register", self.emulator.base_url, "--rate-limit", "none")
        ran = self.office.run("run", path.name, *target)
        self.folders.append(ran.folder)
        return ran

    def correct(self, **cells: str) -> Ran:
        """Correct the newest `to-correct.xlsx` in a copy, and run that."""
        content = (self.folders[-1] / "to-correct.xlsx").read_bytes()
        path = self.office.write("to-correct.xlsx", content)
        corrected(path, **cells)
        return self.run(path)

    def manifest(self, number: int) -> dict[str, Any]:
        text = (self.folders[number] / "manifest.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def deferred(self, number: int) -> dict[str, str]:
        """Return the only row that a run deferred."""
        path = self.folders[number] / "succeeded.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            (row,) = csv.DictReader(file)
        return row


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Run a list of three rows, and its corrections three times, until all are deferred."""
    known = [Trainee(name, state="trn_received") for name in ("good", "abc", "abd")]
    office = Office(tmp_path_factory.mktemp("journey"), {"DEFER_BATCH_API_TOKEN": TOKEN})
    with serve(rehearsal_register(known, rate_limit=None, token=TOKEN)) as emulator:
        made = Journey(office, emulator, [])
        made.run(office.write("list.csv", LIST))
        made.correct(A2="abc", A3="a/d", B3="2026-10-03")
        made.correct(A2="a%d")
        assert made.correct(A2="abd").code == 0
        yield made


def test_each_round_defers_what_was_corrected(journey: Journey) -> None:
    ends = [journey.manifest(number)["codes"] for number in range(4)]
    assert ends == [
        {"deferred": 1, "malformed_trainee_id": 1, "missing_trainee_id": 1},
        {"deferred": 1, "malformed_trainee_id": 1},
        {"malformed_trainee_id": 1},
        {"deferred": 1},
    ]


def test_three_rounds_later_a_row_still_names_its_first(journey: Journey) -> None:
    row = journey.deferred(3)
    assert (row["row"], row["original_row"]) == ("2", "4")
    assert row["original_run"] == journey.folders[0].name


def test_what_comes_back_is_as_it_was(journey: Journey) -> None:
    row = journey.deferred(1)
    assert list(row)[:7] == [
        *("trainee_id", "defer_date", "defer_reason", "cohort"),
        *("original_row", "original_run", "row"),
    ]
    # guarded once, as in every CSV
    assert (row["sent_date"], row["sent_reason"], row["cohort"]) == ("2026-10-02", "'-tired", "'@B")


def test_each_round_knows_which_run_it_follows(journey: Journey) -> None:
    first = journey.folders[0].name
    assert [journey.manifest(number)["follows"] for number in range(4)] == [[], *[[first]] * 3]


def test_where_nothing_is_left_there_is_no_such_file(journey: Journey) -> None:
    there = [(folder / "to-correct.xlsx").exists() for folder in journey.folders]
    assert there == [True, True, True, False]


def test_a_preview_of_the_first_list_tells_how_far_it_has_come(journey: Journey) -> None:
    told = journey.office.run(
        *("preview", "list.csv", "--register", journey.emulator.base_url, "--json")
    )
    found = json.loads(told.out)
    assert (found["done_by_earlier_runs"], found["open"]) == (3, 0)
    assert "of this list 3 done by earlier runs, 0 open" in found["notices"]


def test_runs_shows_which_run_followed_from_which(journey: Journey) -> None:
    told = json.loads(journey.office.run("runs", "--json").out)
    follows = {run["run_id"]: run["follows"] for run in told}
    first = journey.folders[0].name
    assert [follows[folder.name] for folder in journey.folders] == [[], *[[first]] * 3]


def test_it_can_be_run_as_it_is_and_its_columns_are_known(journey: Journey) -> None:
    told = journey.office.run("check", str(journey.folders[0] / "to-correct.xlsx"), "--json")
    read = json.loads(told.out)
    assert set(read["rows"]) == {
        *("malformed_trainee_id", "missing_trainee_id", "invalid_defer_date"),
    }
    assert read["read"]["unused"] == ["cohort"]


@pytest.mark.parametrize("change", ["alter", "remove"])
def test_verify_holds_it_like_every_other_file(journey: Journey, change: str) -> None:
    path = journey.folders[0] / "to-correct.xlsx"
    content = path.read_bytes()
    path.unlink() if change == "remove" else corrected(path, A2="abc")
    told = journey.office.run("verify", journey.folders[0].name)
    path.write_bytes(content)
    assert (told.code, "to-correct.xlsx" in told.out) == (1, True)


def test_the_reports_of_all_rounds_are_proved(journey: Journey) -> None:
    for folder in journey.folders[:2]:
        assert journey.office.run("verify", folder.name).code == 0


def test_a_csv_saved_from_it_is_taken_too(office: Office) -> None:
    header = "trainee_id,defer_date,problem,column,original_row,original_run,remark\n"
    office.write("back.csv", header + "abc,2026-10-01,was wrong,trainee_id,7,a-run,mine\n")
    (row,) = office.run("run", "back.csv", "--register", "emulator").rows("succeeded")
    assert list(row)[:5] == [
        *("trainee_id", "defer_date", "original_row", "original_run", "remark"),
    ]
    assert (row["original_row"], row["remark"]) == ("7", "mine")


def test_only_what_the_tool_added_is_left_out(office: Office) -> None:
    office.write("own.csv", "trainee_id,defer_date,problem,column\nabc,2026-10-01,p,c\n")
    (row,) = office.run("run", "own.csv", "--register", "emulator").rows("succeeded")
    assert (row["problem"], row["column"]) == ("p", "c")


@pytest.fixture
def purged(office: Office) -> Iterator[Journey]:
    """Run a list and its corrections, and purge both runs."""
    known = [Trainee(name, state="trn_received") for name in ("abc", "abd")]
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    with serve(rehearsal_register(known, rate_limit=None, token=TOKEN)) as emulator:
        made = Journey(office, emulator, [])
        made.run(office.write("list.csv", "trainee_id,defer_date\na/b,2026-10-01\nabd,soon\n"))
        made.correct(A2="abc")
        assert office.run("purge", "--older-than", "0d", "--yes").code == 0
        yield made


def previewed(journey: Journey) -> dict[str, Any]:
    target = ("--register", journey.emulator.base_url, "--json")
    return dict(json.loads(journey.office.run("preview", "list.csv", *target).out))


def test_what_was_corrected_stays_known_when_its_run_was_purged(purged: Journey) -> None:
    found = previewed(purged)
    assert (found["done_by_earlier_runs"], found["open"]) == (1, 1)


def test_what_an_earlier_version_purged_is_said_to_be_unknown(purged: Journey) -> None:
    """Versions before 0.2 kept no numbers of the rows."""
    with sqlite3.connect(purged.office.reports / "journal.db") as journal:
        journal.execute("UPDATE runs SET details = json_remove(details, '$.corrected')")
    journal.close()
    found = previewed(purged)
    assert found["done_by_earlier_runs"] == 0
    (notice,) = [words for words in found["notices"] if "purged" in words]
    assert purged.folders[1].name in notice


def test_a_term_knows_it_too(purged: Journey) -> None:
    purged.run(purged.office.folder / "list.csv")
    runs = json.loads(purged.office.run("runs", "--since", "2000-01-01", "--json").out)
    assert [run["trainees"]["to_correct"] for run in runs if run["trainees"]] == [1]
