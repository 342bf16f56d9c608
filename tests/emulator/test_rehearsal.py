"""The trainees of a rehearsal: the sample's, and those of a file."""

from __future__ import annotations

import csv
import datetime as dt
import re
from pathlib import Path

import httpx
import pytest

from batch.codes import CHECK_CODES, Code
from batch.emulator.faults import FAULTS
from batch.emulator.rehearsal import (
    NamedTrainee,
    known_of_file,
    known_sample,
    load_trainees,
    rehearsing,
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


def test_every_column_of_a_trainee_is_read(tmp_path: Path) -> None:
    content = (
        "trainee_id,state,trn,hesa_id,provider_trainee_id,last_name,first_names,"
        "date_of_birth,itt_start_date,defer_date,reinstate_date\n"
        "Ab1,trn_received,0012345,,P 1,Doe,Jo,2000-02-29,2026-09-07,2026-09-28,2026-11-02\n"
    )
    (trainee,) = load_trainees(trainees_file(tmp_path, content))
    assert (trainee.trn, trainee.hesa_id, trainee.last_name) == ("0012345", None, "Doe")
    assert (trainee.itt_start_date, trainee.reinstate_date) == ("2026-09-07", "2026-11-02")


def test_file_without_ids_is_known_by_what_its_rows_name() -> None:
    named = (
        NamedTrainee(trn="0012345", last_name="Doe", date_of_birth="2000-01-01"),
        NamedTrainee(trn="0012345", last_name="Other"),
        NamedTrainee(provider_trainee_id="0012345", trainee_status="Withdrawn"),
        NamedTrainee(last_name="Nobody"),
    )
    by_trn, by_number = known_of_file(named)
    assert (by_trn.trn, by_trn.last_name, by_trn.state) == ("0012345", "Doe", "trn_received")
    assert (by_number.provider_trainee_id, by_number.state) == ("0012345", "withdrawn")


def test_invented_ids_look_like_registers_and_stay_the_same() -> None:
    first, second = known_of_file([NamedTrainee(trn="1234567"), NamedTrainee(hesa_id="1234567")])
    assert first.trainee_id != second.trainee_id
    assert re.fullmatch(r"[1-9A-HJ-NP-Za-km-z]{24}", first.trainee_id)
    assert known_of_file([NamedTrainee(trn="1234567")])[0].trainee_id == first.trainee_id


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((state, state) for state in STATES),
        *((None, "trn_received"), ("", "trn_received"), ("In training", "trn_received")),
        *(("TRN received", "trn_received"), ("Pending TRN", "submitted_for_trn")),
        *(("QTS awarded", "awarded"), ("EYTS recommended", "recommended_for_award")),
    ],
)
def test_status_of_the_file_decides_the_state(status: str | None, state: str) -> None:
    (trainee,) = known_of_file([NamedTrainee("Ab1", trainee_status=status)])
    assert trainee.state == state


def test_rehearsal_lists_the_trainees_of_a_file() -> None:
    with rehearsing(
        [NamedTrainee(trn="1234567"), NamedTrainee("Cd2")], {"cd2": "2026-10-01"}, None
    ) as url:
        listed = httpx.get(f"{url}/api/v2026.1/trainees?sort_order=asc", trust_env=False).json()
    assert [row["state"] for row in listed["data"]] == ["trn_received", "deferred"]
    assert len({row["updated_at"] for row in listed["data"]}) == 2


def test_value_of_a_person_is_not_shown() -> None:
    assert "Doe" not in repr(NamedTrainee("Ab1", last_name="Doe"))


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
    assert set(CHECK_CODES) - set(problems.values()) == of_other_files
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
    known = {folded(trainee.trainee_id) for trainee in known_sample()}
    assert sample_faults().trainee_ids <= known
    assert len(sample_faults().trainee_ids) == len(FAULTS)
