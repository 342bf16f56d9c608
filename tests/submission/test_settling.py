"""What becomes of a row after each answer: the tables, line by line."""

from __future__ import annotations

from copy import copy

import pytest
from msgspec.structs import replace

from batch.codes import Code
from batch.register.answers import Kind, Meaning
from batch.rows import Deferral, RowUnderWay, Settled
from batch.submission.settling import (
    Later,
    Read,
    Send,
    Step,
    Stop,
    Why,
    after_defer,
    after_read,
    first_step,
)

OURS = Deferral("abc", "2026-10-01", None)
FRESH = RowUnderWay(2, OURS, is_open=False)
OPEN = RowUnderWay(2, OURS, is_open=True, sends=1)


def found(state: str, date: str | None = None) -> Meaning:
    return Meaning(Kind.FOUND, state=state, defer_date=date)


def shown(step: Step) -> object:
    return step.code if isinstance(step, Settled) else step


def test_a_row_without_history_is_sent() -> None:
    assert first_step(FRESH) == Send()


def test_a_row_with_an_open_request_is_read_first() -> None:
    assert first_step(OPEN) == Read(Why.LOST)


@pytest.mark.parametrize(
    ("course", "kind", "then"),
    [
        (FRESH, Kind.DEFERRED, Code.DEFERRED),
        (FRESH, Kind.NO_DATE, Read(Why.NO_DATE, "said")),
        (FRESH, Kind.DIFFERS, Read(Why.DIFFERS, "said")),
        (FRESH, Kind.LOST, Read(Why.LOST, "said")),
        (FRESH, Kind.STATE_REFUSED, Read(Why.STATE_REFUSED, "said")),
        (FRESH, Kind.NOT_FOUND, Code.TRAINEE_NOT_FOUND),
        (FRESH, Kind.REFUSED, Code.REFUSED_BY_REGISTER),
        (FRESH, Kind.FORBIDDEN, Code.REFUSED_BY_REGISTER),
        (OPEN, Kind.REFUSED, Read(Why.REFUSED, "said")),
        (OPEN, Kind.FORBIDDEN, Read(Why.REFUSED, "said")),
        (FRESH, Kind.UNAUTHORISED, Stop("Register said.")),
        (FRESH, Kind.REDIRECTED, Stop("Register said.")),
        (FRESH, Kind.WRONG_PATH, Stop("Register said.")),
    ],
)
def test_after_a_defer_request(course: RowUnderWay, kind: Kind, then: object) -> None:
    assert shown(after_defer(course, Meaning(kind, "said"))) == then


OUR_DATE, OTHER_DATE = "2026-10-01", "2026-09-01"
GONE = Meaning(Kind.NOT_FOUND)
UNREADABLE = Meaning(Kind.WRONG_PATH)
FOR_ANOTHER_REASON = replace(found("deferred", OUR_DATE), is_our_reason=False)
AWARDED_FOR_ANOTHER_REASON = replace(found("awarded", OUR_DATE), is_our_reason=False)
WITHOUT_A_STATE = Meaning(Kind.FOUND)


@pytest.mark.parametrize(
    ("course", "why", "meaning", "then"),
    [
        # a lost answer
        (OPEN, Why.LOST, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (OPEN, Why.LOST, FOR_ANOTHER_REASON, Later()),
        (OPEN, Why.LOST, found("deferred", OTHER_DATE), Later()),
        (OPEN, Why.LOST, found("deferred", None), Later()),
        (OPEN, Why.LOST, found("trn_received", OUR_DATE), Later()),
        (OPEN, Why.LOST, found("trn_received", None), Later()),
        (OPEN, Why.LOST, found("submitted_for_trn", OTHER_DATE), Later()),
        (OPEN, Why.LOST, found("withdrawn"), Later()),
        (OPEN, Why.LOST, GONE, Later()),
        (OPEN, Why.LOST, UNREADABLE, Code.ANSWER_LOST),
        (OPEN, Why.LOST, WITHOUT_A_STATE, Code.ANSWER_LOST),
        # a 422 about the state
        (FRESH, Why.STATE_REFUSED, found("deferred", OUR_DATE), Code.ALREADY_DEFERRED),
        (FRESH, Why.STATE_REFUSED, FOR_ANOTHER_REASON, Code.ALREADY_DEFERRED),
        (OPEN, Why.STATE_REFUSED, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (OPEN, Why.STATE_REFUSED, FOR_ANOTHER_REASON, Later()),
        (FRESH, Why.STATE_REFUSED, found("deferred", OTHER_DATE), Code.ALREADY_DEFERRED),
        (FRESH, Why.STATE_REFUSED, found("awarded"), Code.STATE_NOT_DEFERRABLE),
        (FRESH, Why.STATE_REFUSED, found("awarded", OUR_DATE), Code.STATE_NOT_DEFERRABLE),
        (FRESH, Why.STATE_REFUSED, AWARDED_FOR_ANOTHER_REASON, Code.STATE_NOT_DEFERRABLE),
        (FRESH, Why.STATE_REFUSED, found("trn_received"), Code.REFUSED_BY_REGISTER),
        (FRESH, Why.STATE_REFUSED, found("trn_received", OUR_DATE), Code.REINSTATED_SINCE),
        (OPEN, Why.STATE_REFUSED, found("trn_received"), Later()),
        (OPEN, Why.STATE_REFUSED, found("withdrawn"), Later()),
        (FRESH, Why.STATE_REFUSED, UNREADABLE, Code.REFUSED_BY_REGISTER),
        (OPEN, Why.STATE_REFUSED, UNREADABLE, Code.ANSWER_LOST),
        # another refusal while an earlier request is open
        (OPEN, Why.REFUSED, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (OPEN, Why.REFUSED, found("trn_received"), Later()),
        (OPEN, Why.REFUSED, UNREADABLE, Code.ANSWER_LOST),
        # a 200 about something else
        (FRESH, Why.DIFFERS, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (FRESH, Why.DIFFERS, FOR_ANOTHER_REASON, Code.CONFIRMED_BY_READ_BACK),
        (FRESH, Why.DIFFERS, found("deferred", OTHER_DATE), Code.ANSWER_DIFFERS),
        (FRESH, Why.DIFFERS, found("trn_received"), Code.ANSWER_DIFFERS),
        (FRESH, Why.DIFFERS, found("withdrawn"), Code.ANSWER_DIFFERS),
        (FRESH, Why.DIFFERS, GONE, Code.ANSWER_DIFFERS),
        (FRESH, Why.DIFFERS, UNREADABLE, Code.ANSWER_DIFFERS),
        (FRESH, Why.NO_DATE, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (FRESH, Why.NO_DATE, found("deferred", None), Code.DEFERRED),
        (FRESH, Why.NO_DATE, found("deferred", OTHER_DATE), Code.ANSWER_DIFFERS),
        (FRESH, Why.NO_DATE, UNREADABLE, Code.DEFERRED),
    ],
)
def test_after_a_read(course: RowUnderWay, why: Why, meaning: Meaning, then: object) -> None:
    assert shown(after_read(course, Read(why, "said"), meaning, waited=False)) == then


@pytest.mark.parametrize(
    ("why", "meaning", "then"),
    [
        (Why.LOST, found("deferred", OUR_DATE), Code.CONFIRMED_BY_READ_BACK),
        (Why.LOST, FOR_ANOTHER_REASON, Code.ALREADY_DEFERRED),
        (Why.STATE_REFUSED, FOR_ANOTHER_REASON, Code.ALREADY_DEFERRED),
        (Why.REFUSED, FOR_ANOTHER_REASON, Code.ALREADY_DEFERRED),
        (Why.LOST, found("deferred", OTHER_DATE), Code.ALREADY_DEFERRED),
        (Why.LOST, found("deferred", None), Code.ALREADY_DEFERRED),
        (Why.LOST, found("trn_received", OUR_DATE), Code.REINSTATED_SINCE),
        (Why.LOST, found("submitted_for_trn", OTHER_DATE), Send()),
        (Why.LOST, found("withdrawn"), Code.STATE_NOT_DEFERRABLE),
        (Why.LOST, GONE, Code.TRAINEE_NOT_FOUND),
        (Why.STATE_REFUSED, found("withdrawn"), Code.STATE_NOT_DEFERRABLE),
        (Why.STATE_REFUSED, found("trn_received"), Send()),
        (Why.REFUSED, found("trn_received"), Code.REFUSED_BY_REGISTER),
    ],
)
def test_after_a_read_that_waited_there_is_a_verdict(
    why: Why, meaning: Meaning, then: object
) -> None:
    assert shown(after_read(OPEN, Read(why, "said"), meaning, waited=True)) == then


def test_a_new_row_was_never_sent() -> None:
    assert RowUnderWay(2, OURS, is_open=False).sends == 0


@pytest.mark.parametrize(
    ("sends", "then"),
    [
        (1, Send()),
        (2, Send()),
        (3, Code.REGISTER_KEEPS_FAILING),
        (4, Code.REGISTER_KEEPS_FAILING),
    ],
)
def test_once_the_wait_is_over_a_row_is_sent_three_times_at_most(sends: int, then: object) -> None:
    course = RowUnderWay(2, OURS, is_open=True, sends=sends)
    assert shown(after_read(course, Read(Why.LOST), found("trn_received"), waited=True)) == then


@pytest.mark.parametrize(
    ("said", "message"),
    [("refused it: no", "Register refused it: no."), ("", "Register refused it.")],
)
def test_a_refusal_is_told_in_registers_words_where_it_gave_any(said: str, message: str) -> None:
    step = after_defer(FRESH, Meaning(Kind.REFUSED, said))
    assert isinstance(step, Settled)
    assert step.message == message


def test_equal_steps_are_the_same_value() -> None:
    values = [Send(), Later(), Read(Why.LOST), Stop("Register is not there.")]
    assert len({*values, *map(copy, values)}) == len(values)


def test_the_message_says_since_when() -> None:
    step = after_read(FRESH, Read(Why.STATE_REFUSED), found("deferred", OTHER_DATE), waited=False)
    assert isinstance(step, Settled)
    assert "since 2026-09-01" in step.message
    assert step.register_date == OTHER_DATE


@pytest.mark.parametrize(
    ("meaning", "is_known"),
    [
        (replace(found("deferred", OUR_DATE), is_our_reason=True), False),
        (found("deferred", OUR_DATE), False),
        (FOR_ANOTHER_REASON, True),
        (found("deferred", OTHER_DATE), True),
    ],
)
def test_a_refusal_of_what_register_holds_may_be_about_a_repetition(
    meaning: Meaning, *, is_known: bool
) -> None:
    step = after_read(FRESH, Read(Why.STATE_REFUSED), meaning, waited=False)
    assert isinstance(step, Settled)
    assert (step.code, "twice" in step.message) == (Code.ALREADY_DEFERRED, not is_known)


@pytest.mark.parametrize("was_found", [True, False])
def test_a_refusal_says_whether_the_trainee_was_looked_up_before(*, was_found: bool) -> None:
    row = replace(FRESH, was_found=was_found)
    step = after_read(row, Read(Why.STATE_REFUSED), found("deferred", OUR_DATE), waited=False)
    assert isinstance(step, Settled)
    assert ("looked up" in step.message) is was_found
