"""The codes: why a row ended as it did, and all that follows from that. One table.

Exit codes, the order on the page, the groups on the terminal, what the journal's queries count,
what later runs take as done, and `defer-batch explain` are all read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What became of a row: each row ends in exactly one of these four (interface.md)."""

    SUCCEEDED = "succeeded"
    NOT_FOUND = "not_found"
    UNPROCESSABLE = "unprocessable"
    UNRESOLVED = "unresolved"

    @property
    def label(self) -> str:
        """The outcome as people read it: whoever knows none of these words knows what it means."""
        return _LABELS[self]


_LABELS = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.NOT_FOUND: "not found",
    Outcome.UNPROCESSABLE: "could not be deferred",
    Outcome.UNRESOLVED: "no answer yet",
}


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
    MALFORMED_TRN = "malformed_trn"
    MALFORMED_HESA_ID = "malformed_hesa_id"
    MISSING_DEFER_DATE = "missing_defer_date"
    INVALID_DEFER_DATE = "invalid_defer_date"
    UNUSUAL_DEFER_DATE = "unusual_defer_date"
    AMBIGUOUS_DEFER_DATE = "ambiguous_defer_date"
    UNUSABLE_REASON = "unusable_reason"
    REASON_TOO_LONG = "reason_too_long"
    CONFLICTING_ROWS = "conflicting_rows"
    DUPLICATE_ROW = "duplicate_row"
    SEVERAL_TRAINEES_MATCH = "several_trainees_match"
    IDENTITY_DIFFERS = "identity_differs"
    SUPERSEDED_BY_LATER_RUN = "superseded_by_later_run"
    REFUSED_BY_REGISTER = "refused_by_register"
    ALREADY_DEFERRED = "already_deferred"
    STATE_NOT_DEFERRABLE = "state_not_deferrable"
    REINSTATED_SINCE = "reinstated_since"
    REGISTER_CANNOT = "register_cannot"
    DEFERRAL_NOT_HELD = "deferral_not_held"
    NOT_SENT = "not_sent"
    ANSWER_LOST = "answer_lost"
    REGISTER_KEEPS_FAILING = "register_keeps_failing"

    @property
    def outcome(self) -> Outcome:
        """The outcome that this code belongs to."""
        return TABLE[self].outcome


class Attention(StrEnum):
    """What a code asks of people."""

    NOTHING = "nothing"
    TO_KNOW = "to_know"
    """For information: the row is not deferred by this run, and most often should not be."""
    TO_DO = "to_do"


class Entry(Struct, frozen=True):
    """What is known of one code.

    `meaning` and `advice` are sentences for people; `counted` is what follows the number of such
    rows, of one and of several. `urgency` orders what people are shown, the smallest first.
    `failed_check` says that the row was refused here, before anything was sent.
    `can_be_corrected`: a person can correct the row itself, in the list, so that the next run can
    send it. `later_runs` is the code with which a later run settles the same deferral unasked,
    None where it asks anew.
    """

    outcome: Outcome
    meaning: str
    advice: str
    counted: tuple[str, str] = ("is to correct", "are to correct")
    attention: Attention = Attention.TO_DO
    urgency: int = 9
    failed_check: bool = False
    can_be_corrected: bool = False
    later_runs: Code | None = None

    def words_for(self, count: int) -> str:
        """Return what follows that number of such rows: `3` `were not sent`."""
        return self.counted[0] if count == 1 else self.counted[1]


def _refused_here(meaning: str, advice: str, *, urgency: int = 9) -> Entry:
    return Entry(
        Outcome.UNPROCESSABLE,
        meaning,
        advice,
        urgency=urgency,
        failed_check=True,
        can_be_corrected=True,
    )


TABLE: Mapping[Code, Entry] = {
    Code.DEFERRED: Entry(
        Outcome.SUCCEEDED,
        "Register deferred the trainee on the row's date.",
        "Nothing.",
        ("is deferred", "are deferred"),
        Attention.NOTHING,
        later_runs=Code.DEFERRED_EARLIER,
    ),
    Code.CONFIRMED_BY_READ_BACK: Entry(
        Outcome.SUCCEEDED,
        "Register's answer was lost; reading the trainee afterwards showed the deferral.",
        "Nothing.",
        ("is deferred", "are deferred"),
        Attention.NOTHING,
        later_runs=Code.DEFERRED_EARLIER,
    ),
    Code.DEFERRED_EARLIER: Entry(
        Outcome.SUCCEEDED,
        "An earlier run made this deferral, so nothing was sent.",
        "Nothing; to send it again all the same, use --again.",
        ("was deferred by an earlier run", "were deferred by an earlier run"),
        Attention.NOTHING,
        later_runs=Code.DEFERRED_EARLIER,
    ),
    Code.ANSWER_DIFFERS: Entry(
        Outcome.SUCCEEDED,
        "Register accepted the deferral, but answered about another trainee or date, and reading "
        "the trainee could not settle which.",
        "Look the trainee up in Register before anything else.",
        (
            "was accepted, but for another trainee or date",
            "were accepted, but for another trainee or date",
        ),
        urgency=1,
    ),
    Code.TRAINEE_NOT_FOUND: Entry(
        Outcome.NOT_FOUND,
        "Register does not know this trainee for this provider.",
        "Check the id, and that the trainee belongs to this provider.",
        ("is not a trainee of this provider", "are not trainees of this provider"),
        urgency=8,
    ),
    Code.WRONG_NUMBER_OF_VALUES: _refused_here(
        "The row has more values than the header has columns, or a value that cannot be used.",
        "Put quotes around the value that holds a separator, most often the reason.",
    ),
    Code.MISSING_TRAINEE_ID: _refused_here(
        "The row has no trainee id.",
        "Fill in the id from Register's export.",
    ),
    Code.MALFORMED_TRAINEE_ID: _refused_here(
        "The value in the id's column cannot be one of Register's ids.",
        "Copy the id again from Register's export.",
    ),
    Code.MALFORMED_TRN: _refused_here(
        "The TRN does not have 7 digits.",
        "Copy the TRN again as text, with its leading zeros.",
    ),
    Code.MALFORMED_HESA_ID: _refused_here(
        "The HESA id does not have 13 or 17 digits.",
        "Copy the HESA id again as text, with its leading zeros.",
    ),
    Code.MISSING_DEFER_DATE: _refused_here(
        "The row has no deferral date.",
        "Fill in the date as YYYY-MM-DD.",
    ),
    Code.INVALID_DEFER_DATE: _refused_here(
        "The value in the date's column is not a date that can be read for certain.",
        "Write the date as YYYY-MM-DD.",
    ),
    Code.UNUSUAL_DEFER_DATE: _refused_here(
        "The date is before 2000 or more than a year ahead, which is most often a slip.",
        "Correct the date, or use --allow-unusual-dates if it is right.",
    ),
    Code.AMBIGUOUS_DEFER_DATE: _refused_here(
        "Day and month of the date could be swapped, and other dates of the file show that they "
        "may be.",
        "Write all dates of the file as YYYY-MM-DD, from the list that it was made of.",
    ),
    Code.UNUSABLE_REASON: _refused_here(
        "The reason is a spreadsheet's error, a database's NULL, or broken off at a quote.",
        "Correct the reason, or leave it empty.",
    ),
    Code.REASON_TOO_LONG: _refused_here(
        "The reason is longer than the 500 characters that Register takes.",
        "Shorten the reason to 500 characters.",
    ),
    Code.CONFLICTING_ROWS: _refused_here(
        "Two rows name the same trainee with different dates or reasons. Neither was sent.",
        "Delete the wrong row, and run the file again.",
        urgency=5,
    ),
    Code.DUPLICATE_ROW: Entry(
        Outcome.UNPROCESSABLE,
        "The row asks for the same deferral as an earlier row of the file.",
        "Nothing, as long as the earlier row was sent.",
        ("repeats an earlier row", "repeat an earlier row"),
        Attention.TO_KNOW,
        failed_check=True,
    ),
    Code.SEVERAL_TRAINEES_MATCH: Entry(
        Outcome.UNPROCESSABLE,
        "Several trainees in Register have the row's number, and nothing shows which one is right. "
        "Nothing was sent.",
        "Find the trainee in Register, and put its id into the column trainee_id.",
        ("matches several trainees", "match several trainees"),
        urgency=5,
        can_be_corrected=True,
    ),
    Code.IDENTITY_DIFFERS: Entry(
        Outcome.UNPROCESSABLE,
        "The row's TRN, HESA id, date of birth or last name is not that of the trainee it names. "
        "Nothing was sent.",
        "Compare the row with the trainee in Register, and correct whichever is wrong.",
        (
            "names a trainee who is another person in Register",
            "name trainees who are other people in Register",
        ),
        urgency=5,
        can_be_corrected=True,
    ),
    Code.SUPERSEDED_BY_LATER_RUN: Entry(
        Outcome.UNPROCESSABLE,
        "A run that began later dealt with this trainee, so this older row was not sent.",
        "Nothing, unless this row's deferral is still wanted: then run it in a new file.",
        ("was dealt with by a later run", "were dealt with by a later run"),
        Attention.TO_KNOW,
    ),
    Code.REFUSED_BY_REGISTER: Entry(
        Outcome.UNPROCESSABLE,
        "Register refused the deferral; the message says why.",
        "Open the trainee's record in Register: where the message does not name the deferral, the "
        "record has another fault, which must be corrected there first.",
        ("was refused by Register", "were refused by Register"),
        urgency=6,
    ),
    Code.ALREADY_DEFERRED: Entry(
        Outcome.UNPROCESSABLE,
        "The trainee was deferred already, and not by this run as far as Register shows. Where it "
        "may have been this run's own request, the message says so.",
        "Nothing if Register's date is right; otherwise correct it there.",
        ("was deferred already", "were deferred already"),
        Attention.TO_KNOW,
        later_runs=Code.ALREADY_DEFERRED,
    ),
    Code.STATE_NOT_DEFERRABLE: Entry(
        Outcome.UNPROCESSABLE,
        "The trainee is in a state that cannot be deferred, such as withdrawn or awarded.",
        "Look the trainee up in Register: only trainees on their course can be deferred.",
        ("cannot be deferred: withdrawn or finished", "cannot be deferred: withdrawn or finished"),
        urgency=7,
    ),
    Code.REINSTATED_SINCE: Entry(
        Outcome.UNPROCESSABLE,
        "The trainee was deferred on this date before, and has returned since.",
        "Nothing, unless the trainee should be deferred again: then give the new date.",
        (
            "was deferred on this date and has come back since",
            "were deferred on this date and have come back since",
        ),
        Attention.TO_KNOW,
        later_runs=Code.REINSTATED_SINCE,
    ),
    Code.REGISTER_CANNOT: Entry(
        Outcome.UNPROCESSABLE,
        "Register failed every time that this trainee was sent, while it dealt with others; "
        "reading shows no deferral.",
        "Open the trainee in Register and look for a fault in the record; defer them there.",
        ("fails in Register every time", "fail in Register every time"),
        urgency=6,
    ),
    Code.DEFERRAL_NOT_HELD: Entry(
        Outcome.UNPROCESSABLE,
        "Register accepted the deferral, but the final check found that it no longer holds it so.",
        "Look the trainee up in Register before anything else.",
        (
            "was accepted, but Register does not hold it so",
            "were accepted, but Register does not hold them so",
        ),
        urgency=1,
    ),
    Code.NOT_SENT: Entry(
        Outcome.UNRESOLVED,
        "The run stopped before this row was sent.",
        "To continue, run `defer-batch resume`.",
        ("was not sent", "were not sent"),
        urgency=4,
    ),
    Code.ANSWER_LOST: Entry(
        Outcome.UNRESOLVED,
        "The row was sent, no answer came, and the trainee could not be read afterwards.",
        "Run `defer-batch resume`: it asks Register what became of it.",
        ("was sent and got no answer", "were sent and got no answer"),
        urgency=2,
    ),
    Code.REGISTER_KEEPS_FAILING: Entry(
        Outcome.UNRESOLVED,
        "Register failed each time that the row was sent; reading shows no deferral.",
        "Run `defer-batch resume` later. If it still fails, open the trainee in Register and look "
        "for a fault in the record; `defer-batch close` ends the run without this row.",
        ("failed in Register each time so far", "failed in Register each time so far"),
        urgency=3,
    ),
}

CORRECTABLE = frozenset(code for code, entry in TABLE.items() if entry.can_be_corrected)
"""The codes whose rows a person can correct in the list: `to-correct.xlsx` holds them."""

CHECK_CODES = tuple(code for code, entry in TABLE.items() if entry.failed_check)
"""What a row can fail before anything is sent, in the order in which the first one counts."""


def by_urgency(code: Code) -> tuple[int, int]:
    """Return a key that sorts codes as people should see them: the most urgent first."""
    return TABLE[code].urgency, list(Code).index(code)


def counts_of(codes: Mapping[str, int]) -> dict[Outcome, int]:
    """Return the four counts that counts by code add up to."""
    counts = dict.fromkeys(Outcome, 0)
    for code, count in codes.items():
        counts[Code(code).outcome] += count
    return counts


def attention_counts(codes: Mapping[str, int]) -> dict[Attention, int]:
    """Return how many rows ask for nothing, are for information, and have something to do."""
    counts = dict.fromkeys(Attention, 0)
    for code, count in codes.items():
        counts[TABLE[Code(code)].attention] += count
    return counts


_ADVICE_ONCE_CLOSED = (
    "The run was closed. To defer these trainees after all, run unresolved.csv as a new list: "
    "where an answer was lost, Register is asked first."
)


def advice_on(code: Code, *, is_closed: bool) -> str:
    """Return what to do about rows of this code, in a run that may have been closed for good."""
    if is_closed and code.outcome is Outcome.UNRESOLVED:
        return _ADVICE_ONCE_CLOSED
    return TABLE[code].advice


def exit_code_of(codes: Mapping[str, int], *, interrupted: int = 0) -> int:
    """Return the exit code that a run's counts by code mean (interface.md, "Exit codes")."""
    if counts_of(codes)[Outcome.UNRESOLVED]:
        return interrupted or 3
    attention = attention_counts(codes)
    return 1 if attention[Attention.TO_DO] or attention[Attention.TO_KNOW] else 0
