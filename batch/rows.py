"""The words that every wing speaks: rows, their problems, what is asked, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

REHEARSAL = "REHEARSAL: nothing was sent to Register"
"""What the terminal, every report and `runs` say of a rehearsal (interface.md)."""

SANDBOX = "SANDBOX: these are not real records"
"""What the terminal, the page and the workbook say of a run against the sandbox."""

MOST_REASON_CODE_POINTS = 500
"""What Register takes as a reason; it counts Unicode code points (API.md, "Reason")."""


class Outcome(StrEnum):
    """What became of a row: each row ends in exactly one of these four."""

    SUCCEEDED = "succeeded"
    NOT_FOUND = "not_found"
    UNPROCESSABLE = "unprocessable"
    UNRESOLVED = "unresolved"


class Code(StrEnum):
    """Why a row ended as it did: stable words for programs, in the order of the documentation."""

    DEFERRED = "deferred"
    CONFIRMED_BY_READ_BACK = "confirmed_by_read_back"
    DEFERRED_EARLIER = "deferred_earlier"
    ANSWER_DIFFERS = "answer_differs"
    TRAINEE_NOT_FOUND = "trainee_not_found"
    WRONG_NUMBER_OF_VALUES = "wrong_number_of_values"
    MISSING_TRAINEE_ID = "missing_trainee_id"
    MALFORMED_TRAINEE_ID = "malformed_trainee_id"
    MISSING_DEFER_DATE = "missing_defer_date"
    INVALID_DEFER_DATE = "invalid_defer_date"
    UNUSUAL_DEFER_DATE = "unusual_defer_date"
    REASON_TOO_LONG = "reason_too_long"
    CONFLICTING_ROWS = "conflicting_rows"
    DUPLICATE_ROW = "duplicate_row"
    REFUSED_BY_REGISTER = "refused_by_register"
    ALREADY_DEFERRED = "already_deferred"
    STATE_NOT_DEFERRABLE = "state_not_deferrable"
    REINSTATED_SINCE = "reinstated_since"
    NOT_SENT = "not_sent"
    ANSWER_LOST = "answer_lost"
    REGISTER_KEEPS_FAILING = "register_keeps_failing"

    @property
    def outcome(self) -> Outcome:
        """The outcome that this code belongs to."""
        if self in _SUCCEEDED:
            return Outcome.SUCCEEDED
        if self is Code.TRAINEE_NOT_FOUND:
            return Outcome.NOT_FOUND
        return Outcome.UNRESOLVED if self in _UNRESOLVED else Outcome.UNPROCESSABLE


_SUCCEEDED = frozenset(
    {Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK, Code.DEFERRED_EARLIER, Code.ANSWER_DIFFERS}
)
_UNRESOLVED = frozenset({Code.NOT_SENT, Code.ANSWER_LOST, Code.REGISTER_KEEPS_FAILING})


def counts_of(codes: Mapping[str, int]) -> dict[Outcome, int]:
    """Return the four counts that counts by code add up to."""
    counts = dict.fromkeys(Outcome, 0)
    for code, count in codes.items():
        counts[Code(code).outcome] += count
    return counts


def exit_code_of(codes: dict[str, int], *, interrupted: int = 0) -> int:
    """Return the exit code that a run's counts by code mean (interface.md, "Exit codes")."""
    counts = counts_of(codes)
    if counts[Outcome.UNRESOLVED]:
        return interrupted or 3
    needs_attention = counts[Outcome.NOT_FOUND] + counts[Outcome.UNPROCESSABLE]
    return 1 if needs_attention or codes.get(Code.ANSWER_DIFFERS) else 0


_ALL = tuple(Code)
CHECK_CODES = _ALL[_ALL.index(Code.WRONG_NUMBER_OF_VALUES) : _ALL.index(Code.DUPLICATE_ROW) + 1]
"""What a row can fail before anything is sent, in the order in which the first one counts."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row, found before sending: a value, not an exception.

    `column` is the input's own name of the column, or "" where the whole row is meant.
    `message` is one sentence for people; it quotes ids and dates only, 30 characters at most.
    """

    code: Code
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Deferral:
    """What is asked of Register: one trainee, one date (`YYYY-MM-DD`), a reason or none."""

    trainee_id: str
    defer_date: str
    defer_reason: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the input.

    `row_number` is what a spreadsheet shows (the header is 1).
    `values` are the input's own columns, as read.
    `deferral` is what would be sent, None where the row failed a check;
    `trainee_id` is the id with its edges trimmed, also of a row that failed.
    """

    row_number: int
    values: tuple[str, ...]
    trainee_id: str
    deferral: Deferral | None
    problems: tuple[Problem, ...] = ()


def folded(trainee_id: str) -> str:
    """Return the id as Register compares it: without regard to case (API.md, "Trainee ids")."""
    return trainee_id.lower()


def joined_messages(problems: tuple[Problem, ...]) -> str:
    """Return all of a row's problems as one message, in the order of their codes."""
    return " ".join(problem.message for problem in problems)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row: the code (which implies the outcome) and a message for people.

    `register_date` is the deferral date that Register last answered, None where it said none.
    """

    code: Code
    message: str
    register_date: str | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome that the code belongs to."""
        return self.code.outcome
