"""The table of codes: what each means, and that everything reads it there."""

from __future__ import annotations

import pytest

from batch.codes import TABLE, Attention, Code, Outcome, exit_code_of
from tests.support.office import Office


@pytest.mark.parametrize("code", Code)
def test_each_code_has_a_meaning_and_one_sentence_of_advice(code: Code) -> None:
    assert TABLE[code].meaning.endswith(".")
    assert TABLE[code].advice.endswith(".")


@pytest.mark.parametrize("code", [c for c in Code if TABLE[c].attention is not Attention.TO_DO])
def test_what_is_not_to_do_asks_for_nothing(code: Code) -> None:
    assert TABLE[code].advice.startswith("Nothing")


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("deferred", 0), ("answer_differs", 1), ("duplicate_row", 1), ("not_sent", 3)],
)
def test_the_exit_code_follows_from_the_codes(code: str, exit_code: int) -> None:
    assert exit_code_of({code: 1, "deferred_earlier": 1}) == exit_code


def test_explain_says_what_a_code_means_and_what_to_do(office: Office) -> None:
    explained = office.run("explain", "reinstated_since")
    assert explained.code == 0
    assert TABLE[Code.REINSTATED_SINCE].meaning in explained.out
    assert TABLE[Code.REINSTATED_SINCE].advice in explained.out


def test_explain_alone_explains_every_code(office: Office) -> None:
    explained = office.run("explain")
    assert all(code in explained.out for code in Code)


def test_a_code_that_is_none_is_answered_with_the_nearest(office: Office) -> None:
    explained = office.run("explain", "reinstated")
    assert (explained.code, "reinstated_since" in explained.err) == (2, True)


def test_an_outcome_is_explained_with_its_codes(office: Office) -> None:
    told = office.run("explain", "unresolved")
    assert told.code == 0
    assert {code for code in Code if f"{code} (" in told.out} == {
        code for code in Code if code.outcome is Outcome.UNRESOLVED
    }
