"""The trainees of a rehearsal: the sample's, and those of a file."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest

from batch.codes import CHECK_CODES, Code
from batch.emulator.rehearsal import (
    known_sample,
    load_trainees,
    rehearsal_register,
    sample_faults,
)
from batch.emulator.trainees import STATES, Trainee
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.rows import folded
from batch.run_settings import InputOptions

SAMPLE = Path(__file__).parents[2] / "sample_data" / "deferrals.csv"


def trainees_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "trainees.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_trainees_are_read_from_a_file(tmp_path: Path) -> None:
    content = "\ufefftrainee_id,State,note,defer_date\r\nAb1, deferred ,x,2026-09-01\r\n\r\nCd2,draft,,\r\n"
    assert load_trainees(trainees_file(tmp_path, content)) == (
        Trainee("Ab1", state="deferred", defer_date="2026-09-01"),
        Trainee("Cd2", state="draft"),
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "columns"),
        ("trainee_id\nAb1\n", "columns"),
        ("trainee_id,state,state\nAb1,draft,draft\n", "columns"),
        ("trainee_id,state\nAb1\n", "line 2 has 1 values for 2 columns"),
        ("trainee_id,state\n,draft\n", "line 2 has no trainee_id"),
        ("trainee_id,state\nAb1,asleep\n", "line 2 has the state 'asleep'"),
        ("trainee_id,state,defer_date\nAb1,deferred,soon\n", "line 2 has a defer_date"),
        ("trainee_id,state\nAb1,draft\naB1,draft\n", "line 3 repeats a trainee"),
        ('trainee_id,state\n"Ab1"x,draft\n', "line 2 is not CSV"),
        (b"trainee_id,state\nAb1,dr\xff\n", "not UTF-8"),
    ],
)
def test_unusable_file_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    with pytest.raises(UnusableFile) as told:
        load_trainees(trainees_file(tmp_path, content))
    assert says in str(told.value)
    assert "hint:" in str(told.value)


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(UnusableFile, match="cannot use"):
            load_trainees(path)


def test_rehearsal_knows_who_it_is_given_and_whom_it_accepts() -> None:
    register = rehearsal_register([Trainee("Ab1")], accepts_unknown=str.isalpha)
    statuses = [
        register.answer("GET", f"/api/v2025.0/trainees/{i}").status for i in ("ab1", "new", "n-1")
    ]
    assert statuses == [200, 200, 404]


def test_sample_meets_every_check_code_and_stays_within_one_window() -> None:
    with open_input(InputOptions(SAMPLE, dt.date(2026, 11, 24))) as sample:
        problems = {
            row.row_number: row.problems[0].code
            for chunk in sample.chunks()
            for row in chunk.rows()
            if row.problems
        }
        for row_number, problem in sample.problems_of_the_whole():
            problems.setdefault(row_number, problem.code)
    of_other_files = {Code.AMBIGUOUS_DEFER_DATE, Code.MALFORMED_TRN, Code.MALFORMED_HESA_ID}
    missing = set(CHECK_CODES) - set(problems.values()) - of_other_files
    assert missing <= {Code.UNUSABLE_REASON}  # the sample gets a row of it with the README
    assert sample.row_count >= 120
    assert sample.row_count - len(problems) <= 85


def test_sample_knows_trainees_of_every_state_and_not_every_trainee_of_the_file() -> None:
    known = {folded(trainee.trainee_id): trainee for trainee in known_sample()}
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    asked = {folded(row["trainee_id"]) for row in csv.DictReader(lines)}
    assert {trainee.state for trainee in known.values()} == set(STATES)
    assert set(known) <= asked
    assert asked - set(known)
    assert any(trainee.has_invalid_data for trainee in known.values())


def test_every_named_fault_of_the_sample_strikes_a_known_trainee() -> None:
    known = {trainee.trainee_id for trainee in known_sample()}
    assert {fault.trainee_id for fault in sample_faults()} <= known
    assert len({fault.trainee_id for fault in sample_faults()}) == 5
