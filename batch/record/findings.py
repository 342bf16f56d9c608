"""What the page says first: how the run ended, in a sentence, and which rows need someone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from batch import columns
from batch.advice import FOR_INFORMATION, advice
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord
from batch.rows import Code, Outcome, counts_of

MOST_CHARACTERS = 30
"""How much of an id or a date that failed a check is shown: it may be anything, also a reason."""

_LONGEST_ID = 64
_AN_ID = re.compile(r"[A-Za-z0-9]{24}", re.ASCII)
_A_DATE = re.compile(r"[\d/.-]{6,10}", re.ASCII)


def visible(value: object) -> object:
    """Return a text with what has no shape of its own named, such as `[U+202E]`; else the value."""
    if not isinstance(value, str) or value.isprintable() or hasattr(value, "__html__"):
        return value
    return "".join(letter if letter.isprintable() else f"[U+{ord(letter):04X}]" for letter in value)


def trainee(row: RowRecord) -> str:
    """Return the row's id. Where a row has too many values, only what is an id beyond doubt."""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _AN_ID.fullmatch(row.trainee_id):
        return ""
    return _short(row.trainee_id, _LONGEST_ID)


def date(row: RowRecord, place: int | None) -> str:
    """Return the row's date; where it failed a check, as it stands in its column of that place."""
    if row.defer_date is not None:
        return row.defer_date
    written = row.values[place] if place is not None and place < len(row.values) else ""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _A_DATE.fullmatch(written):
        return ""
    return _short(written, MOST_CHARACTERS)


def place_of_date(names: tuple[str, ...]) -> int | None:
    """Return where the date stands among the input's own columns."""
    known = [columns.known_column(name) for name in names]
    return known.index(columns.DEFER_DATE) if columns.DEFER_DATE in known else None


def _short(value: str, most: int) -> str:
    return value if len(value) <= most else value[: MOST_CHARACTERS - 1] + "…"


MOST_ROWS_SHOWN_A_CODE = 500
MOST_ROWS_UNFOLDED = 20
_URGENT_FIRST = (
    Code.ANSWER_DIFFERS,
    Code.ANSWER_LOST,
    Code.REGISTER_KEEPS_FAILING,
    Code.NOT_SENT,
    Code.CONFLICTING_ROWS,
    Code.REFUSED_BY_REGISTER,
    Code.STATE_NOT_DEFERRABLE,
    Code.TRAINEE_NOT_FOUND,
)

_MAY_BE_DEFERRED = (Code.ANSWER_LOST, Code.REGISTER_KEEPS_FAILING)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that need attention for the same reason: how many, and the first of them.

    `folded` are those that are shown only when asked for.
    """

    code: Code
    count: int
    advice: str
    shown: tuple[RowRecord, ...]
    folded: tuple[RowRecord, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """The groups with something to do, the most urgent first, and those that are good to know."""

    to_do: tuple[Group, ...]
    to_know: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the run ended: in one sentence, and what else is to be said of its numbers."""

    sentence: str
    more: str


def attention(ledger: Ledger, run_id: str) -> Attention:
    """Group the rows that need attention by code."""
    codes = ledger.counts(run_id)
    by_code: dict[Code, list[RowRecord]] = {}
    for row in _needing_attention(ledger, run_id, codes):
        rows = by_code.setdefault(Code(row.code), [])
        if len(rows) < MOST_ROWS_SHOWN_A_CODE:
            rows.append(row)
    groups = [_group(code, codes[code], by_code[code]) for code in sorted(by_code, key=_urgency)]
    return Attention(
        tuple(group for group in groups if group.code not in FOR_INFORMATION),
        tuple(group for group in groups if group.code in FOR_INFORMATION),
    )


def verdict(run: RunRecord, codes: Mapping[str, int]) -> Verdict:
    """Return how many rows are deferred, how many need someone, and what else there is to know."""
    rows, deferred = sum(codes.values()), counts_of(codes)[Outcome.SUCCEEDED]
    to_do = rows - deferred - _sum(codes, FOR_INFORMATION) + codes.get(Code.ANSWER_DIFFERS, 0)
    verbs = ("was", "were") if run.rehearsal else ("is", "are")
    told = f"{_of(deferred, rows)} {verbs[deferred > 1]} "
    told += "known to be deferred" if _sum(codes, _MAY_BE_DEFERRED) else "deferred"
    if to_do:
        told += f"; {to_do:,} {'needs' if to_do == 1 else 'need'} you"
    sentence = f"In this rehearsal, {told}." if run.rehearsal else f"{told[0].upper()}{told[1:]}."
    return Verdict(sentence, " ".join(_more(codes)))


def _more(codes: Mapping[str, int]) -> Iterator[str]:
    """Yield what the numbers alone do not tell: which of them overlap, and which are in doubt."""
    doubtful = _sum(codes, _MAY_BE_DEFERRED)
    if unresolved := counts_of(codes)[Outcome.UNRESOLVED]:
        doubt = f"; {doubtful:,} of them may be deferred all the same" if doubtful else ""
        yield f"Of these, {unresolved:,} {_are(unresolved)} not settled yet{doubt}."
    if differing := codes.get(Code.ANSWER_DIFFERS, 0):
        verb = "counts" if differing == 1 else "count"
        yield f"Of these, {differing:,} {verb} as deferred, but Register's answer differs."
    if to_know := _sum(codes, FOR_INFORMATION):
        yield f"Besides, {to_know:,} {_are(to_know)} for your information."


def _of(deferred: int, rows: int) -> str:
    if deferred == rows:
        return "the only row" if rows == 1 else f"all {rows:,} rows"
    return f"{deferred:,} of {rows:,} rows" if deferred else "no row"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _group(code: Code, count: int, rows: list[RowRecord]) -> Group:
    shown, folded = rows[:MOST_ROWS_UNFOLDED], rows[MOST_ROWS_UNFOLDED:]
    return Group(code, count, advice(code), tuple(shown), tuple(folded))


def _urgency(code: Code) -> tuple[int, int]:
    place = _URGENT_FIRST.index(code) if code in _URGENT_FIRST else len(_URGENT_FIRST)
    return place, list(Code).index(code)


def _needing_attention(
    ledger: Ledger, run_id: str, codes: Mapping[str, int]
) -> Iterator[RowRecord]:
    if codes.get(Code.ANSWER_DIFFERS):
        for row in ledger.rows(run_id, Outcome.SUCCEEDED):
            if row.code == Code.ANSWER_DIFFERS:
                yield row
    for outcome in (Outcome.UNRESOLVED, Outcome.NOT_FOUND, Outcome.UNPROCESSABLE):
        yield from ledger.rows(run_id, outcome)


def _sum(codes: Mapping[str, int], some: Iterable[Code]) -> int:
    return sum(codes.get(code, 0) for code in some)
