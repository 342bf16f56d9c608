"""Whether a row and a trainee's record are about one person. Pure.

Source: issue "Find the trainee", "Identity". A well-formed TRN, HESA id or date of birth that
differs is enough; the last name counts only where none of those is there on both sides. The
provider's number and first names are never compared. Messages name the column, never what Register
holds.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from batch.codes import Code
from batch.columns import tidied_text
from batch.register.body import ListedTrainee
from batch.rows import Problem

TRN = "trn"
HESA_ID = "hesa_id"
PROVIDER_TRAINEE_ID = "provider_trainee_id"
DATE_OF_BIRTH = "date_of_birth"
LAST_NAME = "last_name"

FEWEST_SUSPECTED = 3
"""Of fewer rows that differ in a column it is not said that the column is wrong."""

_WORDS = {
    TRN: "TRN",
    HESA_ID: "HESA id",
    DATE_OF_BIRTH: "date of birth",
    LAST_NAME: "last name",
}
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u02b9`\u00b4.]")
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"}
)
"""Letters with a stroke and the like, which Unicode does not part into letter and accent."""


class Person(Struct, frozen=True):
    """What a row says of its trainee, as read; "" where it says nothing.

    `date_of_birth` is `YYYY-MM-DD`, and "" where the file's is not certainly read.
    """

    trn: str = ""
    hesa_id: str = ""
    provider_trainee_id: str = ""
    last_name: str = ""
    date_of_birth: str = ""

    def __repr__(self) -> str:
        """Return nothing of the person."""
        return "Person(…)"


def differing(row: Person, record: ListedTrainee) -> tuple[str, ...]:
    """Return the columns in which the row is about another person than the record."""
    if not (row.trn or row.hesa_id or row.date_of_birth or row.last_name):
        return ()  # most lists have ids alone, and thousands of rows
    compared = {
        TRN: _agree(_whole_trn(row.trn), digits(record.trn)),
        HESA_ID: _hesa_ids_agree(digits(row.hesa_id), digits(record.hesa_id)),
        DATE_OF_BIRTH: _agree(_day(row.date_of_birth), _day(record.date_of_birth)),
    }
    if all(agree is None for agree in compared.values()):
        compared = {LAST_NAME: _names_agree(row.last_name, record.last_name)}
    return tuple(column for column, agree in compared.items() if agree is False)


def problem_of(columns: Iterable[str], headers: Mapping[str, str]) -> Problem:
    """Return what is wrong with a row that differs in those columns; `headers` are the file's."""
    names = list(columns)
    words = " and ".join(_WORDS[name] for name in names)
    where = ", ".join(headers.get(name, name) for name in names)
    message = (
        f"The row's {words} ({where}) {'is' if len(names) == 1 else 'are'} not what Register has "
        "for this trainee, so nothing was sent: compare the row with the trainee in Register."
    )
    return Problem(Code.IDENTITY_DIFFERS, headers.get(names[0], names[0]), message)


def suspected(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the columns that differ in most of the rows whose trainee was found.

    `found` has, for each of those rows, what `differing` returned.
    """
    rows = list(found)
    counts = Counter(column for columns in rows for column in columns)
    return tuple(
        column
        for column in _WORDS
        if counts[column] >= FEWEST_SUSPECTED and 2 * counts[column] > len(rows)
    )


def suspicion_of(column: str, headers: Mapping[str, str]) -> str:
    """Return a sentence that says first what a column which most rows differ in means."""
    return (
        f"The {_WORDS[column]} differs from Register's in most rows: the column "
        f"{headers.get(column, column)} is likely wrong, not the people. "
        f"Correct it, or leave it out with --column {column}=."
    )


def trimmed(number: str | None) -> str:
    """Return a number without what an export writes around it: spaces, an apostrophe, `="…"`."""
    return tidied_text(number or "")


def digits(number: str | None) -> str:
    """Return the digits of a TRN or HESA id; zeros that are lost stay lost."""
    return "".join(sign for sign in trimmed(number) if sign in "0123456789")


def plain_name(name: str | None) -> str:
    """Return a name without case, accents and apostrophes; its parts are parted by one space."""
    bare = _APOSTROPHES.sub("", (name or "").casefold().translate(_LETTERS))
    apart = unicodedata.normalize("NFKD", bare)
    letters = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join("".join(s if s.isalnum() else " " for s in letters).split())


def _agree(ours: str, theirs: str) -> bool | None:
    """Whether two values are the same; None where one of them is missing."""
    return ours == theirs if ours and theirs else None


def _whole_trn(number: str) -> str:
    """Return a row's TRN, "" where it has lost its zero or is no TRN: that says nothing of whom."""
    bare = trimmed(number)
    return bare if re.fullmatch("[0-9]{7}", bare) else ""


def _hesa_ids_agree(ours: str, theirs: str) -> bool | None:
    """Compare at equal length only: 13 and 17 digits are two forms of one id (API.md)."""
    return _agree(ours, theirs) if len(ours) == len(theirs) else None


def _names_agree(ours: str | None, theirs: str | None) -> bool | None:
    """Whether one name is the other, or a part of it: people marry, and forms are short."""
    row, record = plain_name(ours), plain_name(theirs)
    if not row or not record:
        return None
    ours_joined, theirs_joined = row.replace(" ", ""), record.replace(" ", "")
    ours_parts, theirs_parts = {*row.split(), ours_joined}, {*record.split(), theirs_joined}
    is_part = ours_joined in theirs_parts or theirs_joined in ours_parts
    return is_part or set(row.split()) <= theirs_parts or set(record.split()) <= ours_parts


def _day(text: str | None) -> str:
    try:
        return dt.date.fromisoformat((text or "").strip()).isoformat()
    except ValueError:
        return ""
