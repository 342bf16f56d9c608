"""Whether what a run reported still stands: the final check and `reconcile`. Pure.

Source: issue "Find the trainee", "The final check" and "A later look". Of a reason it is said only
that it differs.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from batch.codes import Code
from batch.register.api import DEFERRABLE
from batch.register.body import ListedTrainee
from batch.roster.forecast import in_words
from batch.rows import Deferral, Settled, is_same_reason


class Held(StrEnum):
    """What Register holds of a deferral that a run reported."""

    STANDS = "stands"
    ANOTHER_DATE = "another_date"
    REASON_DIFFERS = "reason_differs"
    BACK_IN_TRAINING = "back_in_training"
    WITHDRAWN = "withdrawn"
    AWARDED = "awarded"
    IN_ANOTHER_STATE = "in_another_state"
    GONE = "gone"


NOT_READ = "not_read"
"""Stands in for one of those where the trainee could not be read."""


class Standing(Struct, frozen=True):
    """What Register holds now, with the state and date that it shows and a sentence for people."""

    held: Held
    message: str
    state: str | None = None
    defer_date: str | None = None

    @property
    def stands(self) -> bool:
        """Whether Register holds the deferral as it was reported."""
        return self.held is Held.STANDS

    @property
    def settled(self) -> Settled | None:
        """What the final check makes of the row; None where the report stands."""
        if self.stands:
            return None
        return Settled(Code.DEFERRAL_NOT_HELD, self.message, self.defer_date)


def standing(reported: Deferral, now: ListedTrainee | None) -> Standing:
    """Return what became of a reported deferral; `now` is the trainee as read, None for gone."""
    if now is None:
        return Standing(Held.GONE, "Register no longer knows this trainee for this provider.")
    held, words = _held(reported, now)
    return Standing(held, words, now.state, now.defer_date)


def _held(reported: Deferral, now: ListedTrainee) -> tuple[Held, str]:
    since = f" (deferral date {now.defer_date})" if now.defer_date else ""
    match now.state:
        case "deferred" if now.defer_date != reported.defer_date:
            date = f"on {now.defer_date}" if now.defer_date else "without a date"
            return Held.ANOTHER_DATE, f"Register has the trainee as deferred {date}."
        case "deferred" if not is_same_reason(now.defer_reason, reported.defer_reason):
            words = f"Register has the trainee as deferred on {now.defer_date}, for another reason."
            return Held.REASON_DIFFERS, words
        case "deferred":
            return Held.STANDS, f"Register has the trainee as deferred on {now.defer_date}."
        case state if state in DEFERRABLE:
            return (
                Held.BACK_IN_TRAINING,
                f"The trainee is back in training: {in_words(state or '')}{since}.",
            )
        case "withdrawn":
            return Held.WITHDRAWN, f"The trainee is withdrawn{since}."
        case "awarded":
            return Held.AWARDED, f"The trainee is awarded{since}."
        case state:
            shown = in_words(state) if state else "without a state"
            return Held.IN_ANOTHER_STATE, f"The trainee is {shown}{since}."
