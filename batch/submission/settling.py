"""What becomes of a row after each answer: settled, read, sent again later, or the run ends.

Pure decisions, each a table; source: register/API.md, "As observed".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import assert_never

from msgspec import Struct

from batch.codes import Code
from batch.register.answers import Kind, Meaning
from batch.register.api import DEFERRABLE
from batch.rows import RowUnderWay, Settled

MOST_SENDS = 3
"""How often one row may be sent before Register is said to keep failing for it."""


class Why(Enum):
    """What a read of the trainee is to explain."""

    LOST = auto()
    """An earlier request has no final answer."""
    STATE_REFUSED = auto()
    """Register refused on account of the state."""
    REFUSED = auto()
    """Register refused this request while an earlier one has no final answer."""
    DIFFERS = auto()
    """A 200 about another trainee or date."""
    NO_DATE = auto()
    """A 200 that gave no date."""


_ABOUT_A_200 = frozenset({Why.DIFFERS, Why.NO_DATE})
"""Reads after a request that was carried out: nothing of it is still on its way."""


class Send(Struct, frozen=True):
    """Send the deferral now."""


class Read(Struct, frozen=True):
    """Read the trainee, to explain what `said` left open."""

    why: Why
    said: str = ""


class Later(Struct, frozen=True):
    """Go to the back of the queue, and read again once the lost answer's wait is over."""


class Stop(Struct, frozen=True):
    """End the run: no row will do better. `why` is a sentence for people."""

    why: str


Step = Send | Read | Later | Stop | Settled


def first_step(row: RowUnderWay) -> Step:
    """Return how a row begins: with an open request for its trainee it is read, not sent."""
    return Read(Why.LOST) if row.is_open else Send()


def after_defer(row: RowUnderWay, meaning: Meaning) -> Step:
    """Return what follows from the answer to a defer request (never a 429 or `never_left`)."""
    match meaning.kind:
        case Kind.DEFERRED:
            return Settled(Code.DEFERRED, "Deferred.", meaning.defer_date)
        case Kind.NO_DATE:
            return Read(Why.NO_DATE, meaning.words)
        case Kind.DIFFERS:
            return Read(Why.DIFFERS, meaning.words)
        case Kind.LOST:
            return Read(Why.LOST, meaning.words)
        case Kind.STATE_REFUSED:
            return Read(Why.STATE_REFUSED, meaning.words)
        case Kind.NOT_FOUND:
            return _not_found()
        case Kind.REFUSED | Kind.FORBIDDEN if row.is_open:
            return Read(Why.REFUSED, meaning.words)
        case Kind.REFUSED | Kind.FORBIDDEN:
            return _refused(meaning.words)
        case Kind.UNAUTHORISED | Kind.REDIRECTED | Kind.WRONG_PATH:
            return Stop(f"Register {meaning.words}.")
        case _:
            raise AssertionError(meaning.kind)


def after_read(row: RowUnderWay, read: Read, meaning: Meaning, *, waited: bool) -> Step:
    """Return what a read of the trainee makes of the row.

    `waited` says that the read was made at least the lost answer's wait after the last request.
    """
    is_early = row.is_open and not waited and read.why not in _ABOUT_A_200
    if meaning.kind is Kind.FOUND and meaning.state is not None:
        return _when_found(row, read, meaning, is_early=is_early)
    if meaning.kind is Kind.NOT_FOUND and read.why not in _ABOUT_A_200:
        # Register may have begun on the request before the trainee left this provider
        return Later() if is_early else _not_found()
    return _without_a_read(row, read)


def _when_found(row: RowUnderWay, read: Read, meaning: Meaning, *, is_early: bool) -> Step:
    """Return what the trainee's state and date make of the row.

    `is_early`: a request of ours may still arrive, or have been checked and be committed later
    (API.md, "A failure can mean that it happened"), and change what this read shows.
    """
    state, date = meaning.state, meaning.defer_date
    is_asked_for = date == row.deferral.defer_date and meaning.is_our_reason is not False
    if state == "deferred" and is_asked_for:
        # What was asked for is there, whoever did it: the request on its way can only be refused,
        # or write the same once more.
        return _when_deferred(row, read, date)
    if is_early:
        # Deferred on another date or for another reason: a request that was checked before writes
        # ours over it.
        # Deferrable, our date or not: the request arrives and defers (the date may be an old one).
        # Another state: a request that was checked before it changed defers all the same.
        return Later()
    if state == "deferred" and date == row.deferral.defer_date and read.why not in _ABOUT_A_200:
        words = (
            f"Register already had this trainee as deferred, {_since(date)}, for another reason."
        )
        return Settled(Code.ALREADY_DEFERRED, words, date)
    if state == "deferred":
        return _when_deferred(row, read, date)
    if state in DEFERRABLE:
        return _when_deferrable(row, read, date)
    return _when_in_another_state(read, meaning)


def _when_deferred(row: RowUnderWay, read: Read, date: str | None) -> Step:
    if read.why is Why.NO_DATE and date is None:
        return _deferred_without_date()
    if date != row.deferral.defer_date:
        if read.why in _ABOUT_A_200:
            return _differs(read, f"The trainee is deferred {_since(date)}.", date)
        words = f"Register already had this trainee as deferred, {_since(date)}."
        return Settled(Code.ALREADY_DEFERRED, words, date)
    if read.why is Why.STATE_REFUSED and not row.is_open:
        return _refused_as_asked_for(row, date)
    words = f"Reading the trainee shows the deferral, {_since(date)}."
    return Settled(Code.CONFIRMED_BY_READ_BACK, words, date)


def _refused_as_asked_for(row: RowUnderWay, date: str | None) -> Settled:
    """Return what a row is that was refused, while Register holds the very deferral it asks for.

    Whoever did that, Register shows the same: someone else who did it first, another machine with
    the same list, or the first copy of a request that the network delivered twice, of which the
    second one's answer came back. So the row is not counted as ours, and its message says why.
    """
    when = " since it was looked up" if row.was_found else ""
    words = (
        f"Refused: Register has this trainee as deferred{when}, {_since(date)}, as the row asks. "
        "By whom cannot be known: by someone else, or by this request if it arrived twice."
    )
    return Settled(Code.ALREADY_DEFERRED, words, date)


def _when_deferrable(row: RowUnderWay, read: Read, date: str | None) -> Step:
    if read.why in _ABOUT_A_200:
        return _differs(read, "Reading the trainee shows no deferral.", date)
    if date == row.deferral.defer_date:
        words = f"Was deferred on {date} and reinstated since; not sent again."
        return Settled(Code.REINSTATED_SINCE, words, date)
    if read.why is Why.REFUSED or (read.why is Why.STATE_REFUSED and not row.is_open):
        return _refused(read.said)
    if row.sends < MOST_SENDS:
        return Send()
    words = f"Sent {row.sends} times, and Register failed each time; reading shows no deferral."
    return Settled(Code.REGISTER_KEEPS_FAILING, words, date)


def _when_in_another_state(read: Read, meaning: Meaning) -> Step:
    words = f"The trainee's state in Register is {meaning.state}."
    if read.why in _ABOUT_A_200:
        return _differs(read, words, meaning.defer_date)
    advice = " Only submitted_for_trn and trn_received can be deferred."
    return Settled(Code.STATE_NOT_DEFERRABLE, words + advice, meaning.defer_date)


def _without_a_read(row: RowUnderWay, read: Read) -> Step:
    match read.why:
        case Why.NO_DATE:
            return _deferred_without_date()
        case Why.DIFFERS:
            return _differs(read, "Reading the trainee could not settle it.", None)
        case Why.STATE_REFUSED | Why.REFUSED if not row.is_open:
            return _refused(read.said)
        case Why.LOST | Why.STATE_REFUSED | Why.REFUSED:
            words = "Sent, but the answer was lost and the trainee could not be read."
            return Settled(Code.ANSWER_LOST, words)
        case _ as never:
            assert_never(never)


def _not_found() -> Settled:
    words = "Register does not know this trainee for this provider."
    return Settled(Code.TRAINEE_NOT_FOUND, words)


def _refused(said: str) -> Settled:
    return Settled(Code.REFUSED_BY_REGISTER, f"Register {said or 'refused it'}.")


def _differs(read: Read, words: str, date: str | None) -> Settled:
    return Settled(Code.ANSWER_DIFFERS, f"Register {read.said}. {words}", date)


def _deferred_without_date() -> Settled:
    return Settled(Code.DEFERRED, "Deferred; Register gave no date to compare.")


def _since(date: str | None) -> str:
    return f"since {date}" if date else "without a date"
