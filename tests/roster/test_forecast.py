"""What each row would become before anything is sent, line by line, and what the plan says."""

from __future__ import annotations

import pytest

from batch.codes import Code
from batch.roster.forecast import Forecast, WillBeSent, WillNotBeSent, Would, by_state, would_become
from batch.roster.matching import Match, Nobody, NotLookedUp, Several, Sighting, Sought
from batch.rows import Problem, Settled

DAY, OTHER_DAY = "2026-10-01", "2026-01-01"
ROW = Sought(2, DAY, "abc")


def seen(state: str | None = "trn_received", date: str | None = None) -> Sighting:
    return Sighting("abc", state, date, is_before_course=False, is_listed=True)


def shown(would: Would) -> str:
    return "send" if isinstance(would, WillBeSent) else str(would.settled.code)


@pytest.mark.parametrize(
    ("state", "date", "then"),
    [
        ("trn_received", None, "send"),
        ("submitted_for_trn", None, "send"),
        ("trn_received", OTHER_DAY, "send"),
        ("trn_received", DAY, "reinstated_since"),
        ("submitted_for_trn", DAY, "reinstated_since"),
        ("deferred", DAY, "already_deferred"),
        ("deferred", OTHER_DAY, "already_deferred"),
        ("deferred", None, "already_deferred"),
        ("withdrawn", DAY, "state_not_deferrable"),
        ("awarded", None, "state_not_deferrable"),
        ("recommended_for_award", None, "state_not_deferrable"),
        ("draft", None, "state_not_deferrable"),
        ("a state of next year", None, "state_not_deferrable"),
        (None, None, "state_not_deferrable"),
    ],
)
def test_the_state_decides(state: str | None, date: str | None, then: str) -> None:
    assert shown(by_state(ROW, seen(state, date))) == then


def test_again_sends_who_has_come_back_and_nobody_else() -> None:
    assert shown(by_state(ROW, seen("trn_received", DAY), again=True)) == "send"
    assert shown(by_state(ROW, seen("deferred", DAY), again=True)) == "already_deferred"
    assert shown(by_state(ROW, seen("withdrawn", DAY), again=True)) == "state_not_deferrable"


REPEATS = Problem(Code.DUPLICATE_ROW, "", "The same as row 1.")
SOMEBODY_ELSE = Sighting("abc", "deferred", DAY, False, True, ("trn",))


@pytest.mark.parametrize(
    ("match", "repeats", "superseded_by", "then"),
    [
        (Nobody("the TRN 1234567"), REPEATS, "later", "trainee_not_found"),
        (Several("the TRN 1234567", 2), REPEATS, "later", "several_trainees_match"),
        (SOMEBODY_ELSE, REPEATS, "later", "duplicate_row"),
        (SOMEBODY_ELSE, None, "later", "superseded_by_later_run"),
        (SOMEBODY_ELSE, None, None, "identity_differs"),
        (seen("deferred", DAY), None, None, "already_deferred"),
        (seen(), None, None, "send"),
        (NotLookedUp("abc"), REPEATS, "later", "duplicate_row"),
        (NotLookedUp("abc"), None, None, "send"),
    ],
)
def test_the_first_to_speak_decides(
    match: Match | NotLookedUp,
    repeats: Problem | None,
    superseded_by: str | None,
    then: str,
) -> None:
    would = would_become(ROW, match, headers={}, repeats=repeats, superseded_by=superseded_by)
    assert shown(would) == then


def test_a_date_before_the_course_is_sent_and_told() -> None:
    would = by_state(ROW, Sighting("abc", "trn_received", None, True, True))
    assert isinstance(would, WillBeSent)
    assert (would.is_before_course, len(would.notices)) == (True, 1)


@pytest.mark.parametrize(
    ("is_listed", "saw_every_list", "notices"),
    [(False, True, 1), (False, False, 0), (True, True, 0)],
)
def test_who_is_in_no_list_is_sent_with_a_notice(
    *, is_listed: bool, saw_every_list: bool, notices: int
) -> None:
    match = Sighting("abc", "trn_received", None, False, is_listed)
    would = would_become(ROW, match, headers={}, saw_every_list=saw_every_list)
    assert isinstance(would, WillBeSent)
    assert len(would.notices) == notices


def test_what_was_looked_for_is_in_the_message() -> None:
    would = would_become(ROW, Nobody("the TRN 1234567"), headers={})
    assert isinstance(would, WillNotBeSent)
    assert "the TRN 1234567" in would.settled.message


def test_a_row_without_a_number_is_told_so() -> None:
    would = would_become(ROW, Nobody(""), headers={})
    assert isinstance(would, WillNotBeSent)
    assert would.settled.code is Code.TRAINEE_NOT_FOUND
    assert "no number" in would.settled.message


def counted(*rows: tuple[int, Would]) -> Forecast:
    """Return a forecast of so many rows of each kind, numbered from 2."""
    forecast, number = Forecast(), 2
    for count, would in rows:
        for _ in range(count):
            forecast.add(number, would)
            number += 1
    return forecast


def failing(code: Code) -> WillNotBeSent:
    return WillNotBeSent(Settled(code, "."))


NOT_FOUND = failing(Code.TRAINEE_NOT_FOUND)


def test_the_plan_reads_as_the_issue_shows_it() -> None:
    early = WillBeSent("abc", "trn_received", True, ("Early.",))
    forecast = counted(
        (3, early),
        (145, by_state(ROW, seen())),
        (9, by_state(ROW, seen("deferred", DAY))),
        (2, by_state(ROW, seen("deferred", OTHER_DAY))),
        (2, by_state(ROW, seen("trn_received", DAY))),
        (5, by_state(ROW, seen("withdrawn"))),
        (1, by_state(ROW, seen("awarded"))),
        (5, NOT_FOUND),
        (10, failing(Code.MISSING_DEFER_DATE)),
    )
    assert list(forecast.lines()) == [
        "182 rows",
        "  148 will be deferred",
        "   11 are deferred already, 9 of them on this date",
        "    2 were deferred on this date and have come back since",
        "    6 cannot be deferred: 5 withdrawn, 1 awarded",
        "    5 are not trainees of this provider",
        "   10 failed a check",
        "of the 148: 3 have a date before their course began (rows 2, 3, 4)",
    ]


def test_who_could_not_be_looked_up_is_told() -> None:
    unread = would_become(ROW, NotLookedUp("abc"), headers={})
    lines = list(counted((1, by_state(ROW, seen())), (1, unread)).lines())
    assert lines[-1] == "of the 2: 1 could not be looked up (row 3)"


def test_the_plan_counts_one_row_as_one() -> None:
    forecast = counted((1, by_state(ROW, seen("deferred", DAY))), (1, NOT_FOUND))
    assert list(forecast.lines()) == [
        "2 rows",
        "  1 is deferred already, on this date",
        "  1 is not a trainee of this provider",
    ]


@pytest.mark.parametrize("code", Code)
def test_every_row_is_counted_in_the_sum_and_in_a_line(code: Code) -> None:
    """Whatever an earlier stretch, an earlier run or a check had settled."""
    forecast = counted((1, by_state(ROW, seen())))
    forecast.codes[code] += 2
    numbers = [int(line.split()[0]) for line in forecast.lines()]
    assert numbers == [3, 1, 2]
    assert not any(line.endswith((":", "this date", "without one")) for line in forecast.lines())


def test_rows_in_no_list_are_named() -> None:
    unlisted = WillBeSent("abc", "trn_received", False, ("May be deleted.",))
    assert "(row 2)" in list(counted((1, unlisted)).lines())[-1]


@pytest.mark.parametrize(
    ("forecast", "found_nobody"),
    [
        (counted((3, NOT_FOUND), (1, failing(Code.MISSING_DEFER_DATE))), True),
        (counted((3, NOT_FOUND), (1, by_state(ROW, seen()))), False),
        (counted((3, NOT_FOUND), (1, by_state(ROW, seen("awarded")))), False),
        (counted((1, failing(Code.MISSING_DEFER_DATE))), False),
        (counted(), False),
    ],
)
def test_where_nobody_is_found_the_token_is_asked_about_first(
    forecast: Forecast, *, found_nobody: bool
) -> None:
    assert forecast.found_nobody is found_nobody
    assert ("token" in " ".join(list(forecast.lines())[:2])) is found_nobody
