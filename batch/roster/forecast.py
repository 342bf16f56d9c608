"""What each row would become, decided before anything is sent, and what the plan says of it. Pure.

A table beside `submission/settling.py`'s; source: issue "Find the trainee", "What each row would
become" and "The plan".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import assert_never

from msgspec import Struct, field

from batch.codes import TABLE, Code
from batch.register.api import DEFERRABLE
from batch.roster import identity
from batch.roster.matching import (
    Match,
    Nobody,
    NotLookedUp,
    Several,
    Sighting,
    Sought,
    problem_of_several,
)
from batch.rows import Problem, Settled
from batch.words import counted, row_list

_NOT_SENT = "Nothing was sent."
_MOST_NAMED = 10


class WillBeSent(Struct, frozen=True):
    """The row would be sent for this trainee; `notices` are sentences about what is odd in it.

    `is_before_course`: the date is before the trainee's course began, which the API takes and
    Register's own page refuses. `state` is None where the trainee could not be looked up.
    """

    trainee_id: str
    state: str | None = None
    is_before_course: bool = False
    notices: tuple[str, ...] = ()


class WillNotBeSent(Struct, frozen=True):
    """The row is settled with nothing sent; `state` and `is_on_this_date` are what Register has."""

    settled: Settled
    trainee_id: str = ""
    state: str | None = None
    is_on_this_date: bool = False


Would = WillBeSent | WillNotBeSent


def would_become(
    row: Sought,
    match: Match | NotLookedUp,
    *,
    headers: Mapping[str, str],
    repeats: Problem | None = None,
    superseded_by: str | None = None,
    again: bool = False,
    saw_every_list: bool = False,
) -> Would:
    """Return what a row that passed the file's checks would become, by the first of these to speak.

    The match; a row about the same trainee (`repeats`, decided after matching); a later run, by its
    id; identity; the trainee's state. What earlier runs settled is not looked up, and so not here.
    `headers` are the file's own names of columns. `saw_every_list`: who was read by id is in no
    list.
    """
    match match:
        case Nobody():
            return WillNotBeSent(_not_found(match))
        case Several():
            return WillNotBeSent(_settled(problem_of_several(match)))
        case Sighting():
            settled = _before_the_look(repeats, superseded_by)
            if settled is None and match.differing:
                settled = _settled(identity.problem_of(match.differing, headers))
            if settled is not None:
                return WillNotBeSent(settled, match.trainee_id, match.state)
            unlisted = saw_every_list and not match.is_listed
            return by_state(row, match, again=again, is_unlisted=unlisted)
        case NotLookedUp():
            settled = _before_the_look(repeats, superseded_by)
            return WillNotBeSent(settled) if settled else WillBeSent(match.trainee_id)
        case _ as never:
            assert_never(never)


def by_state(
    row: Sought, seen: Sighting, *, again: bool = False, is_unlisted: bool = False
) -> Would:
    """Return what the trainee's state, and the date that Register has, make of a row."""
    is_ours = seen.defer_date == row.defer_date
    match seen.state:
        case "deferred":
            settled = _already(row, seen.defer_date)
        case state if state in DEFERRABLE and is_ours and not again:
            words = f"Was deferred on {seen.defer_date} and has come back since. {_NOT_SENT}"
            settled = Settled(Code.REINSTATED_SINCE, words, seen.defer_date)
        case state if state in DEFERRABLE:
            return _sent(seen, is_unlisted=is_unlisted)
        case None:
            words = f"Register gives no state for this trainee. {_NOT_SENT}"
            settled = Settled(Code.STATE_NOT_DEFERRABLE, words, seen.defer_date)
        case state:
            words = f"The trainee is {in_words(state)} and cannot be deferred. {_NOT_SENT}"
            settled = Settled(Code.STATE_NOT_DEFERRABLE, words, seen.defer_date)
    return WillNotBeSent(settled, seen.trainee_id, seen.state, is_ours)


def in_words(state: str) -> str:
    """Return one of Register's states as people read it."""
    return state.replace("_", " ").replace("trn", "TRN")


def _before_the_look(repeats: Problem | None, superseded_by: str | None) -> Settled | None:
    if repeats is not None:
        return _settled(repeats)
    return superseded(superseded_by) if superseded_by is not None else None


def superseded(later_run_id: str) -> Settled:
    """Return what a row becomes whose trainee a later run dealt with before it was ever sent."""
    words = f"The later run {later_run_id} dealt with this trainee. {_NOT_SENT}"
    return Settled(Code.SUPERSEDED_BY_LATER_RUN, words)


def _settled(problem: Problem) -> Settled:
    return Settled(problem.code, problem.message, column=problem.column)


def _not_found(nobody: Nobody) -> Settled:
    words = f"No trainee of this provider has {nobody.looked_for}."
    if not nobody.looked_for:
        words = "The row has no number to find its trainee by."
    return Settled(Code.TRAINEE_NOT_FOUND, f"{words} {_NOT_SENT}")


def _already(row: Sought, date: str | None) -> Settled:
    if date == row.defer_date:
        words = f"The trainee is deferred already, on this date. {_NOT_SENT}"
    elif date:
        words = f"The trainee is deferred already, on {date}. {_NOT_SENT}"
    else:
        words = f"The trainee is deferred already, without a date. {_NOT_SENT}"
    return Settled(Code.ALREADY_DEFERRED, words, date)


def _sent(seen: Sighting, *, is_unlisted: bool) -> WillBeSent:
    notices = []
    if seen.is_before_course:
        notices.append("The date is before the trainee's course began.")
    if is_unlisted:
        notices.append("The trainee is in no list of Register's and may be deleted there.")
    return WillBeSent(seen.trainee_id, seen.state, seen.is_before_course, tuple(notices))


class Forecast(Struct):
    """Counts what the rows would become, for the plan: `add` each row, in the file's order."""

    codes: Counter[Code] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    """Of the rows whose trainee cannot be deferred: in which state, in words."""
    to_send: int = 0
    seen_deferred: int = 0
    on_this_date: int = 0
    """Of those that are deferred already."""
    to_read_first: int = 0
    """Of rows that no look decides, since an earlier request for their trainee got no answer."""
    before_course: list[int] = field(default_factory=list)
    """Of those to be sent, the numbers of the rows."""
    unlisted: list[int] = field(default_factory=list)
    not_shown: list[int] = field(default_factory=list)

    def add(self, row_number: int, would: Would) -> None:
        """Count one row."""
        match would:
            case WillBeSent():
                self.to_send += 1
                if would.is_before_course:
                    self.before_course.append(row_number)
                if len(would.notices) > would.is_before_course:
                    self.unlisted.append(row_number)
                if would.state is None:
                    self.not_shown.append(row_number)
            case WillNotBeSent():
                code = would.settled.code
                self.codes[code] += 1
                self.seen_deferred += code is Code.ALREADY_DEFERRED
                self.on_this_date += code is Code.ALREADY_DEFERRED and would.is_on_this_date
                if code is Code.STATE_NOT_DEFERRABLE:
                    self.states[in_words(would.state or "without a state")] += 1
            case _ as never:
                assert_never(never)

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.to_send + self.to_read_first + self.codes.total()

    @property
    def found_nobody(self) -> bool:
        """Whether trainees were looked for, and Register knows none of them."""
        return (
            self.codes[Code.TRAINEE_NOT_FOUND] > 0
            and not self.to_send
            and not any(count for code, count in self.codes.items() if code in _SHOWS_A_TRAINEE)
        )

    def lines(self) -> Iterator[str]:
        """Yield the plan's lines, the sum first: `182 rows`, `  148 will be deferred`, …."""
        if self.found_nobody:
            yield "Register knows none of these trainees for this provider: is it the right"
            yield "provider's token, and the right environment?"
        yield counted(self.rows, "row")
        counts = [(count, words) for count, words in self._counts() if count]
        width = max((len(str(count)) for count, _ in counts), default=0)
        for count, words in counts:
            yield f"  {count:>{width}} {words}"
        yield from (f"of the {self.to_send}: {words}" for words in self._oddities())

    def notices(self) -> Iterator[str]:
        """Yield, for the report, what is odd in the rows to be sent."""
        yield from (f"Of the {self.to_send} to be deferred: {words}." for words in self._oddities())

    def _oddities(self) -> Iterator[str]:
        told = (
            (self.before_course, _BEFORE),
            (self.unlisted, _UNLISTED),
            (self.not_shown, _NOT_SHOWN),
        )
        for numbers, (one, many) in told:
            if numbers:
                where = row_list(tuple(numbers[:_MOST_NAMED]), len(numbers))
                yield f"{len(numbers)} {one if len(numbers) == 1 else many} ({where})"

    def _counts(self) -> Iterator[tuple[int, str]]:
        """Yield how many rows, and what becomes of them; together they are all rows."""
        codes = self.codes
        yield self.to_send, "will be deferred"
        yield self.to_read_first, "will be read first: an earlier request got no answer"
        yield sum(codes[code] for code in _DONE), "already done"
        yield codes[Code.ALREADY_DEFERRED], self._already()
        for code in _IN_THE_PLAN:
            words = TABLE[code].words_for(codes[code])
            yield codes[code], self._in_which_states(words) if code is _CANNOT else words
        yield sum(n for code, n in codes.items() if TABLE[code].failed_check), "failed a check"
        yield (
            sum(n for code, n in codes.items() if not _is_in_the_plan(code)),
            "settled before: see the report",
        )

    def _in_which_states(self, words: str) -> str:
        """Return the words with the trainees' states, where this look saw all of them."""
        if self.states.total() != self.codes[_CANNOT]:
            return words
        states = ", ".join(f"{n} {state}" for state, n in self.states.most_common())
        return f"{words.partition(':')[0]}: {states}"

    def _already(self) -> str:
        """Return on which date they are deferred, where this look saw all of them."""
        count, same = self.codes[Code.ALREADY_DEFERRED], self.on_this_date
        words = f"{'is' if count == 1 else 'are'} deferred already"
        if self.seen_deferred != count:
            return words
        if same == count:
            return f"{words}, on this date"
        which = f"{same} of them on this date" if same else "on another date or without one"
        return f"{words}, {which}"


_IN_THE_PLAN = (
    Code.REINSTATED_SINCE,
    Code.DEFERRED_EARLIER,
    Code.STATE_NOT_DEFERRABLE,
    Code.TRAINEE_NOT_FOUND,
    Code.SEVERAL_TRAINEES_MATCH,
    Code.IDENTITY_DIFFERS,
    Code.SUPERSEDED_BY_LATER_RUN,
)
"""The codes that have a line of their own, in the order of the lines."""

_CANNOT = Code.STATE_NOT_DEFERRABLE
_DONE = (Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK)
"""Of a run that is resumed: what it did before."""


def _is_in_the_plan(code: Code) -> bool:
    is_named = code in _IN_THE_PLAN or code in _DONE or code is Code.ALREADY_DEFERRED
    return is_named or TABLE[code].failed_check


_SHOWS_A_TRAINEE = frozenset(
    {
        Code.ALREADY_DEFERRED,
        Code.REINSTATED_SINCE,
        Code.STATE_NOT_DEFERRABLE,
        Code.SEVERAL_TRAINEES_MATCH,
        Code.IDENTITY_DIFFERS,
    }
)
_BEFORE = ("has a date before their course began", "have a date before their course began")
_NOT_SHOWN = ("could not be looked up", "could not be looked up")
_UNLISTED = ("is in no list and may be deleted", "are in no list and may be deleted")
