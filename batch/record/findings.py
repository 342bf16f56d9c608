"""What the page begins with: how the run ended, and which rows need attention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from batch.codes import (
    TABLE,
    Attention,
    Code,
    Outcome,
    advice_on,
    attention_counts,
    by_urgency,
    counts_of,
)
from batch.hints import completed
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord
from batch.words import days_written_out

MOST_ROWS_SHOWN_A_CODE = 500
MOST_ROWS_UNFOLDED = 20
MOST_UNFOLDED_OF_A_SENTENCE = 60
_NUMBER_OF_THE_ROW = re.compile(r"\bthe ((?:HESA )?id|TRN|provider's number) [^\s,]+\b")
_MAY_BE_DEFERRED = (Code.ANSWER_LOST, Code.REGISTER_KEEPS_FAILING)


class Sentence(Struct, frozen=True):
    """Rows of which the same sentence is said, once; `folded` are shown only when asked for."""

    message: str
    shown: tuple[RowRecord, ...]
    folded: tuple[RowRecord, ...]


class Group(Struct, frozen=True):
    """Rows that need attention for the same reason: how many, and the first of them.

    `said` are those that share a sentence with others, `shown` those that have one each, of which
    `folded` are shown only when asked for.
    """

    code: Code
    count: int
    advice: str
    said: tuple[Sentence, ...]
    shown: tuple[RowRecord, ...]
    folded: tuple[RowRecord, ...]

    @property
    def known(self) -> int:
        """How many of the rows are here."""
        shared = sum(len(said.shown) + len(said.folded) for said in self.said)
        return shared + len(self.shown) + len(self.folded)


class Findings(Struct, frozen=True):
    """The groups with something to do, the most urgent first, and those that are good to know."""

    to_do: tuple[Group, ...]
    to_know: tuple[Group, ...]


class Headline(Struct, frozen=True):
    """How the run ended, in one sentence; `more` explains its numbers."""

    sentence: str
    more: str


def findings(ledger: Ledger, run_id: str) -> Findings:
    """Group the rows that need attention by code."""
    codes, run = ledger.counts(run_id), ledger.run(run_id)
    command = ledger.last_command(run_id)
    asking = [code for code in map(Code, codes) if _asks(code) is not Attention.NOTHING]
    groups = [
        _group(
            code,
            codes[code],
            list(ledger.rows_with(run_id, code, MOST_ROWS_SHOWN_A_CODE)),
            completed(
                advice_on(code, is_closed=run.ended is not None),
                run_id,
                Path(run.reports_dir),
                command,
            ),
        )
        for code in sorted(asking, key=by_urgency)
    ]
    return Findings(
        tuple(group for group in groups if _asks(group.code) is Attention.TO_DO),
        tuple(group for group in groups if _asks(group.code) is Attention.TO_KNOW),
    )


def headline(run: RunRecord, codes: Mapping[str, int]) -> Headline:
    """Return how many rows are deferred and how many need attention, in words."""
    rows, deferred = sum(codes.values()), counts_of(codes)[Outcome.SUCCEEDED]
    to_do = attention_counts(codes)[Attention.TO_DO]
    verbs = ("was", "were") if run.rehearsal else ("is", "are")
    told = f"{_of(deferred, rows)} {verbs[deferred > 1]} "
    told += "known to be deferred" if _sum(codes, _MAY_BE_DEFERRED) else "deferred"
    if to_do:
        told += f"; {to_do:,} {'needs' if to_do == 1 else 'need'} your attention"
    sentence = f"In this rehearsal, {told}." if run.rehearsal else f"{told[0].upper()}{told[1:]}."
    return Headline(sentence, " ".join(_more(codes)))


def _more(codes: Mapping[str, int]) -> Iterator[str]:
    """Yield what the numbers do not show: which of them overlap, and which are in doubt."""
    doubtful = _sum(codes, _MAY_BE_DEFERRED)
    if unresolved := counts_of(codes)[Outcome.UNRESOLVED]:
        doubt = f"; {doubtful:,} of them may be deferred all the same" if doubtful else ""
        yield f"Of these, {unresolved:,} {_are(unresolved)} not settled yet{doubt}."
    if differing := codes.get(Code.ANSWER_DIFFERS, 0):
        verb = "counts" if differing == 1 else "count"
        yield f"Of these, {differing:,} {verb} as deferred, but Register's answer differs."
    if to_know := attention_counts(codes)[Attention.TO_KNOW]:
        yield f"Besides, {to_know:,} {_are(to_know)} for your information."


def _of(deferred: int, rows: int) -> str:
    if deferred == rows:
        return "the only row" if rows == 1 else f"all {rows:,} rows"
    return f"{deferred:,} of {rows:,} rows" if deferred else "no row"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _group(code: Code, count: int, rows: list[RowRecord], advice: str) -> Group:
    by_message: dict[str, list[RowRecord]] = {}
    for row in rows:
        by_message.setdefault(sentence_of(row), []).append(row)
    said = [_said(words, same) for words, same in by_message.items() if len(same) > 1]
    alone = [same[0] for same in by_message.values() if len(same) == 1]
    shown, folded = alone[:MOST_ROWS_UNFOLDED], alone[MOST_ROWS_UNFOLDED:]
    return Group(code, count, advice, tuple(said), tuple(shown), tuple(folded))


def sentence_of(row: RowRecord) -> str:
    """Return what the page says of a row, whose number stands beside it and is named once.

    Dates are written for people, but as they stand in the file where a check says what is wrong.
    """
    if TABLE[Code(row.code)].failed_check:
        return row.message
    return days_written_out(_NUMBER_OF_THE_ROW.sub(r"this \1", row.message))


def _said(message: str, rows: list[RowRecord]) -> Sentence:
    most = MOST_UNFOLDED_OF_A_SENTENCE
    return Sentence(message, tuple(rows[:most]), tuple(rows[most:]))


def _asks(code: Code) -> Attention:
    return TABLE[code].attention


def _sum(codes: Mapping[str, int], some: Iterable[Code]) -> int:
    return sum(codes.get(code, 0) for code in some)
