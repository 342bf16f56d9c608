"""Which trainee a row means: the table, and that it is never a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from batch.codes import Code
from batch.register.api import DEFERRABLE
from batch.register.body import ListedTrainee
from batch.roster.identity import Person
from batch.roster.matching import (
    Asked,
    Match,
    Matching,
    Nobody,
    Several,
    Sighting,
    Sought,
    problem_of_several,
    repeated,
)
from tests.support.lists import changed

DAY = "2026-10-01"
BY_TRN = Sought(2, DAY, person=Person(trn="1234567"))
BY_HESA = Sought(2, DAY, person=Person(hesa_id="1910001112230"))
BY_NUMBER = Sought(2, DAY, person=Person(provider_trainee_id="00417"))
TRAINEE = ListedTrainee(
    trainee_id="abc",
    trn="1234567",
    hesa_id="1910001112230",
    provider_trainee_id="00417",
    state="trn_received",
    itt_start_date="2026-09-07",
)
SELF = changed(TRAINEE, last_name="Hill", date_of_birth="1999-04-02")
OTHER = changed(SELF, trainee_id="xyz", trn="7654321", last_name="Reed")


def matched(row: Sought, *trainees: ListedTrainee, by: str | None = None) -> Match:
    matching = Matching([row], by=by)
    for trainee in trainees:
        matching.see(trainee, 2026)
    return matching.match(row)


def shown(match: Match) -> str:
    match match:
        case Sighting():
            return match.trainee_id
        case Several():
            return f"{match.count} match"
        case Nobody():
            return "nobody"


@pytest.mark.parametrize(
    ("person", "trainee", "then"),
    [
        (Person(trn=" '1234567"), TRAINEE, "abc"),
        (Person(trn="234567"), changed(TRAINEE, trn="0234567"), "nobody"),
        (Person(hesa_id="1910001112230"), changed(TRAINEE, hesa_id="'1910001112230"), "abc"),
        (Person(hesa_id="1910001112230"), changed(TRAINEE, hesa_id="19100011122301234"), "nobody"),
        (
            Person(provider_trainee_id="00417"),
            changed(TRAINEE, provider_trainee_id=" 00417 "),
            "abc",
        ),
        (Person(provider_trainee_id="417"), TRAINEE, "nobody"),
        (Person(provider_trainee_id="a1"), changed(TRAINEE, provider_trainee_id="A1"), "nobody"),
        (Person(provider_trainee_id="1234567"), TRAINEE, "nobody"),
        (Person("1234567", provider_trainee_id="x"), TRAINEE, "abc"),
        (Person("9999999", provider_trainee_id="00417"), TRAINEE, "nobody"),
        (Person("1234567"), ListedTrainee(trainee_id="abc"), "nobody"),
        (Person("1234567"), ListedTrainee(trn="1234567"), "nobody"),
        (Person(), TRAINEE, "nobody"),
    ],
)
def test_a_row_is_matched_by_its_first_number(
    person: Person, trainee: ListedTrainee, then: str
) -> None:
    assert shown(matched(Sought(2, DAY, person=person), trainee)) == then


def test_matching_can_be_told_what_to_match_by() -> None:
    row = Sought(2, DAY, person=Person("9999999", provider_trainee_id="00417"))
    assert shown(matched(row, TRAINEE, by="provider_trainee_id")) == "abc"


def test_a_row_with_an_id_is_never_matched_by_its_numbers() -> None:
    row = Sought(2, DAY, "another", Person("1234567"))
    assert shown(matched(row, TRAINEE)) == "nobody"


def test_an_id_in_another_case_is_the_same_trainee() -> None:
    assert shown(matched(Sought(2, DAY, "ABC"), TRAINEE)) == "abc"


DEFERRED = {"state": "deferred", "defer_date": DAY}


@pytest.mark.parametrize(
    ("row", "trainees", "then"),
    [
        # one person, several records
        (BY_TRN, [changed(SELF, state="withdrawn"), changed(SELF, trainee_id="new")], "new"),
        (BY_TRN, [SELF, changed(SELF, trainee_id="new")], "2 match"),
        (BY_NUMBER, [changed(SELF, trn=None, state="awarded"), changed(SELF, trainee_id="n")], "n"),
        (
            BY_NUMBER,
            [changed(SELF, state="awarded"), changed(SELF, trainee_id="n", state="draft")],
            "2 match",
        ),
        # one number on two people
        (BY_NUMBER, [changed(SELF, state="withdrawn"), OTHER], "2 match"),
        (BY_HESA, [SELF, OTHER], "2 match"),
        # nothing shared is no sign of one person
        (
            BY_NUMBER,
            [
                changed(TRAINEE, trn=None, state="awarded"),
                changed(TRAINEE, trn=None, trainee_id="n"),
            ],
            "2 match",
        ),
        # one of them is deferred on this date
        (BY_TRN, [SELF, changed(SELF, trainee_id="done", **DEFERRED)], "done"),
        (BY_NUMBER, [SELF, changed(OTHER, **DEFERRED)], "xyz"),
        (
            BY_TRN,
            [SELF, changed(SELF, trainee_id="then", state="deferred", defer_date="2025-01-01")],
            "abc",
        ),
    ],
)
def test_several_records_with_one_number(
    row: Sought, trainees: list[ListedTrainee], then: str
) -> None:
    assert shown(matched(row, *trainees)) == then
    assert shown(matched(row, *reversed(trainees))) == then


def test_a_trainee_seen_twice_counts_once_and_the_later_sight_wins() -> None:
    match = matched(BY_TRN, SELF, changed(SELF, trainee_id="ABC", state="withdrawn"))
    assert isinstance(match, Sighting)
    assert match.state == "withdrawn"


def test_a_trainee_whose_number_was_corrected_meanwhile_is_no_longer_meant() -> None:
    assert shown(matched(BY_TRN, SELF, changed(SELF, trn="7654321"))) == "nobody"


def test_what_was_looked_for_is_named() -> None:
    nobody = matched(BY_HESA)
    assert isinstance(nobody, Nobody)
    assert "1910001112230" in nobody.looked_for


def test_several_matches_are_a_problem_that_counts_them() -> None:
    problem = problem_of_several(Several("the TRN 1234567", 2))
    assert (problem.code, "2 trainees" in problem.message) == (Code.SEVERAL_TRAINEES_MATCH, True)


def test_a_sighting_keeps_nothing_personal() -> None:
    kept = repr(matched(BY_TRN, SELF))
    assert not [secret for secret in ("Hill", "1999", "1234567", "00417") if secret in kept]


def test_a_sighting_knows_whether_the_date_is_before_the_course() -> None:
    early = matched(replace(BY_TRN, defer_date="2026-08-01"), SELF)
    assert isinstance(early, Sighting)
    assert early.is_before_course


def test_only_rows_without_an_id_need_matching() -> None:
    assert Matching([BY_TRN]).is_matching
    assert not Matching([Sought(2, DAY, "abc"), Sought(3, DAY)]).is_matching
    assert Matching([Sought(2, DAY, "abc"), Sought(3, DAY, "ABC"), BY_TRN]).ids == ["abc"]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([Asked(2, "abc", DAY, None), Asked(3, "ABC", DAY, "")], {3: Code.DUPLICATE_ROW}),
        ([Asked(2, "abc", DAY, None), Asked(3, "xyz", DAY, None)], {}),
        (
            [Asked(2, "abc", DAY, "a"), Asked(3, "abc", DAY, "b")],
            {2: Code.CONFLICTING_ROWS, 3: Code.CONFLICTING_ROWS},
        ),
        (
            [Asked(n, "abc", d, None) for n, d in ((2, DAY), (3, DAY), (4, "2026-10-02"))],
            dict.fromkeys((2, 3, 4), Code.CONFLICTING_ROWS),
        ),
    ],
)
def test_rows_that_match_one_trainee(rows: list[Asked], codes: dict[int, Code]) -> None:
    assert {number: problem.code for number, problem in repeated(rows)} == codes


NUMBERS = st.sampled_from([None, "0000001", "0000002"])
TRAINEES = st.builds(
    ListedTrainee,
    trainee_id=st.sampled_from(["a", "b", "c", "d"]),
    trn=NUMBERS,
    hesa_id=NUMBERS,
    provider_trainee_id=NUMBERS,
    state=st.sampled_from(["trn_received", "deferred", "withdrawn", None]),
    defer_date=st.sampled_from([None, DAY, "2025-01-01"]),
    last_name=st.sampled_from([None, "Hill", "Reed"]),
    date_of_birth=st.sampled_from([None, "1999-04-02"]),
)
PEOPLE = st.builds(Person, *[NUMBERS.map(lambda n: n or "")] * 3)


@given(PEOPLE, st.lists(TRAINEES, max_size=6))
def test_a_match_is_never_a_guess(person: Person, trainees: list[ListedTrainee]) -> None:
    match = matched(Sought(2, DAY, person=person), *trainees)
    now = {trainee.trainee_id: trainee for trainee in trainees}.values()
    column = next(
        (c for c in ("trn", "hesa_id", "provider_trainee_id") if getattr(person, c)), None
    )
    same = [t for t in now if column and getattr(t, column) == getattr(person, column)]
    assert isinstance(match, Nobody) == (not same)
    if isinstance(match, Sighting) and len(same) > 1 and match.state in DEFERRABLE:
        assert [t.trainee_id for t in same if t.state in DEFERRABLE] == [match.trainee_id]
        shared = {(t.trn,) for t in same}, {(t.last_name, t.date_of_birth) for t in same}
        assert any(len(found) == 1 and None not in found.pop() for found in shared)
        assert not any(t.state == "deferred" and t.defer_date == DAY for t in same)
