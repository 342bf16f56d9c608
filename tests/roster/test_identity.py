"""Whether row and record are one person: the comparison, line by line."""

from __future__ import annotations

import pytest

from batch.codes import Code
from batch.register.body import ListedTrainee
from batch.roster.identity import (
    Person,
    differing,
    problem_of,
    suspected,
    suspicion_of,
)

BORN, OTHER_BIRTH = "1999-04-02", "2000-01-01"


@pytest.mark.parametrize(
    ("row", "record", "columns"),
    [
        (Person(), ListedTrainee(), ()),
        (Person(trn="1234567"), ListedTrainee(trn="1234567"), ()),
        (Person(trn=" '1234567 "), ListedTrainee(trn="1234567"), ()),
        (Person(trn="1234567"), ListedTrainee(trn="1234568"), ("trn",)),
        (Person(trn="0012345"), ListedTrainee(trn="12345"), ("trn",)),
        (Person(trn="123456"), ListedTrainee(trn="0123456"), ()),
        (Person(trn="T1234567"), ListedTrainee(trn="7654321"), ()),
        (Person(trn='="1234567"'), ListedTrainee(trn="7654321"), ("trn",)),
        (Person(trn="1234567"), ListedTrainee(), ()),
        (Person(), ListedTrainee(trn="1234567"), ()),
        (Person(hesa_id="1910001112230"), ListedTrainee(hesa_id="'1910001112230"), ()),
        (Person(hesa_id="1910001112230"), ListedTrainee(hesa_id="1910001112231"), ("hesa_id",)),
        (Person(hesa_id="1910001112230"), ListedTrainee(hesa_id="20100011122233344"), ()),
        (Person(date_of_birth=BORN), ListedTrainee(date_of_birth=BORN), ()),
        (Person(date_of_birth=BORN), ListedTrainee(date_of_birth=OTHER_BIRTH), ("date_of_birth",)),
        (Person(date_of_birth="02/04/1999"), ListedTrainee(date_of_birth=OTHER_BIRTH), ()),
        (Person(provider_trainee_id="A1"), ListedTrainee(provider_trainee_id="B2"), ()),
        (
            Person(trn="1234567", date_of_birth=BORN),
            ListedTrainee(trn="7654321", date_of_birth=OTHER_BIRTH),
            ("trn", "date_of_birth"),
        ),
        # the last name, only where none of those is there to agree
        (Person(last_name="Hill"), ListedTrainee(last_name="Reed"), ("last_name",)),
        (Person("1234567", last_name="Hill"), ListedTrainee(trn="1234567", last_name="Reed"), ()),
        (Person("1234567", last_name="Hill"), ListedTrainee(last_name="Reed"), ("last_name",)),
        (
            Person(hesa_id="1910001112230", last_name="Hill"),
            ListedTrainee(hesa_id="20100011122233344", last_name="Reed"),
            ("last_name",),
        ),
        (Person(last_name="Hill"), ListedTrainee(), ()),
    ],
)
def test_what_differs(row: Person, record: ListedTrainee, columns: tuple[str, ...]) -> None:
    assert differing(row, record) == columns


@pytest.mark.parametrize(
    ("ours", "theirs", "is_same"),
    [
        ("HILL", "Hill", True),
        ("Swiatek", "O'Neil-Świątek", True),
        ("O’Neil", "O'Neil-Świątek", True),
        ("O Neil", "O'Neil", True),
        ("O Neil", "O'Neil-Swiatek", True),
        ("Van der Berg", "Vanderberg", True),
        ("Łuczak", "luczak", True),
        ("Sørensen", "Sorensen", True),
        ("Groß", "GROSS", True),
        ("Zoe\u0308", "Zoë", True),
        ("St. John", "St John", True),
        ("Smith Jones", "Jones Smith", True),
        ("Smith", "Smithson", False),
        ("Ann", "Hann-Lee", False),
        ("Smith-Jones", "Smith-Brown", False),
        ("王", "李", False),
        ("-", "Hill", True),
    ],
)
def test_last_names_are_compared_by_their_letters(ours: str, theirs: str, *, is_same: bool) -> None:
    assert (differing(Person(last_name=ours), ListedTrainee(last_name=theirs)) == ()) is is_same
    assert (differing(Person(last_name=theirs), ListedTrainee(last_name=ours)) == ()) is is_same


def test_the_message_names_the_files_own_column_and_nothing_of_the_person() -> None:
    problem = problem_of(("trn", "last_name"), {"trn": "TRN no.", "last_name": "Surname"})
    assert (problem.code, problem.column) == (Code.IDENTITY_DIFFERS, "TRN no.")
    assert "Surname" in problem.message


DIFFERS, AGREES = ("date_of_birth",), ()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([DIFFERS] * 3 + [AGREES] * 2, ("date_of_birth",)),
        ([DIFFERS] * 3 + [AGREES] * 3, ()),
        ([DIFFERS] * 2, ()),
        ([], ()),
        ([("trn", "date_of_birth")] * 3, ("trn", "date_of_birth")),
    ],
)
def test_a_column_that_differs_for_most_rows_is_suspected(
    rows: list[tuple[str, ...]], columns: tuple[str, ...]
) -> None:
    assert suspected(rows) == columns


def test_a_suspicion_says_how_to_leave_the_column_out() -> None:
    assert "--column last_name=" in suspicion_of("last_name", {"last_name": "Surname"})


def test_a_person_shows_nothing_personal() -> None:
    assert "Hill" not in repr(Person("1234567", last_name="Hill"))
    assert "1234567" not in repr(Person("1234567", last_name="Hill"))
