"""What every room works with: rows, their problems, what is asked, what became of it."""

from __future__ import annotations

from msgspec import Struct

from batch.codes import Code, Outcome

REHEARSAL = "REHEARSAL: nothing was sent to Register"
"""What the terminal, every report and `runs` say of a rehearsal (interface.md)."""

SANDBOX = "SANDBOX: these are not real records"
"""What the terminal, the page and the workbook say of a run against the sandbox."""

MOST_REASON_CODE_POINTS = 500
"""What Register takes as a reason; it counts Unicode code points (API.md, "Reason")."""


class Problem(Struct, frozen=True):
    """What is wrong with a row, found before sending: a value, not an exception.

    `column` is the input's own name of the column, or "" for the whole row.
    `message` is one sentence for people; it quotes ids and dates only, 30 characters at most.
    """

    code: Code
    column: str
    message: str


class Deferral(Struct, frozen=True):
    """What is asked of Register: one trainee, one date (`YYYY-MM-DD`), a reason or none."""

    trainee_id: str
    defer_date: str
    defer_reason: str | None


class Row(Struct, frozen=True):
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


class RowUnderWay(Struct):
    """A row between its confirmation and its outcome, and how far it has come.

    `is_open`: a request for its trainee, of this run or an earlier one, lacks its final answer.
    `sends` counts the defer requests of this stretch of the run that may have arrived.
    `intent` is an attempt that is in the journal and not sent yet. `read_after` is when the wait
    after a lost answer is over, in seconds of the event loop's clock. None where there is none.
    `was_found`: Register showed the trainee before anything was sent.
    """

    row_number: int
    deferral: Deferral
    is_open: bool
    sends: int = 0
    intent: int | None = None
    read_after: float | None = None
    was_found: bool = False


def folded(trainee_id: str) -> str:
    """Return the id as Register compares it: without regard to case (API.md, "Trainee ids")."""
    return trainee_id.lower()


def is_same_reason(one: str | None, other: str | None) -> bool:
    """Whether two reasons say the same: none is an empty one, line ends and edges do not count."""
    return _as_compared(one) == _as_compared(other)


def _as_compared(reason: str | None) -> str:
    return "\n".join((reason or "").splitlines()).strip()


def joined_messages(problems: tuple[Problem, ...]) -> str:
    """Return all of a row's problems as one message, in the order of their codes."""
    return " ".join(problem.message for problem in problems)


class Settled(Struct, frozen=True):
    """What became of one row: the code (which implies the outcome) and a message for people.

    `register_date` is the deferral date that Register last answered, None where it said none.
    `column` is the input's own name of the column at fault, "" where none is.
    """

    code: Code
    message: str
    register_date: str | None = None
    column: str = ""

    @property
    def outcome(self) -> Outcome:
        """The outcome that the code belongs to."""
        return self.code.outcome
