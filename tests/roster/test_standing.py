"""Whether a reported deferral still stands, line by line."""

from __future__ import annotations

import pytest

from batch.codes import Code
from batch.register.body import ListedTrainee
from batch.roster.standing import Held, standing
from batch.rows import Deferral

DAY, OTHER_DAY, REASON = "2026-10-01", "2026-01-01", "Broken leg"
OURS = Deferral("abc", DAY, REASON)
WITHOUT_REASON = Deferral("abc", DAY, None)


def now(state: str | None, date: str | None = DAY, reason: str | None = REASON) -> ListedTrainee:
    return ListedTrainee(trainee_id="abc", state=state, defer_date=date, defer_reason=reason)


@pytest.mark.parametrize(
    ("reported", "trainee", "held"),
    [
        (OURS, now("deferred"), Held.STANDS),
        (WITHOUT_REASON, now("deferred", DAY, None), Held.STANDS),
        (WITHOUT_REASON, now("deferred", DAY, ""), Held.STANDS),
        (Deferral("abc", DAY, "a\r\nb"), now("deferred", DAY, "a\nb"), Held.STANDS),
        (OURS, now("deferred", OTHER_DAY), Held.ANOTHER_DATE),
        (OURS, now("deferred", None), Held.ANOTHER_DATE),
        (OURS, now("deferred", OTHER_DAY, "Other"), Held.ANOTHER_DATE),
        (OURS, now("deferred", DAY, "Other"), Held.REASON_DIFFERS),
        (OURS, now("deferred", DAY, None), Held.REASON_DIFFERS),
        (WITHOUT_REASON, now("deferred"), Held.REASON_DIFFERS),
        (OURS, now("trn_received"), Held.BACK_IN_TRAINING),
        (OURS, now("submitted_for_trn", None), Held.BACK_IN_TRAINING),
        (OURS, now("withdrawn"), Held.WITHDRAWN),
        (OURS, now("awarded"), Held.AWARDED),
        (OURS, now("recommended_for_award"), Held.IN_ANOTHER_STATE),
        (OURS, now(None), Held.IN_ANOTHER_STATE),
        (OURS, None, Held.GONE),
    ],
)
def test_what_register_holds_now(
    reported: Deferral, trainee: ListedTrainee | None, held: Held
) -> None:
    found = standing(reported, trainee)
    assert found.held is held
    assert (found.settled is None) is found.stands is (held is Held.STANDS)


@pytest.mark.parametrize("reason", ["Depression", None])
def test_of_a_reason_it_is_said_only_that_it_differs(reason: str | None) -> None:
    settled = standing(OURS, now("deferred", DAY, reason)).settled
    assert settled
    assert settled.code is Code.DEFERRAL_NOT_HELD
    assert "Depression" not in settled.message
    assert REASON not in settled.message


def test_the_date_that_is_held_is_said() -> None:
    settled = standing(OURS, now("deferred", OTHER_DAY)).settled
    assert settled
    assert (settled.register_date, OTHER_DAY in settled.message) == (OTHER_DAY, True)
