"""What names the trainee of a row: Register's id, or a number of another kind, and its form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from batch import columns
from batch.codes import Code
from batch.intake import dates
from batch.intake.layout import Layout
from batch.rows import Problem

_OF_ID = re.compile(r"[A-Za-z0-9_-]", re.ASCII)
_LOOKALIKE = re.compile(r"CYRILLIC|GREEK|ARMENIAN|CHEROKEE|FULLWIDTH|MATHEMATICAL")

_WELL_FORMED: Mapping[str, tuple[re.Pattern[str], str, str]] = {
    columns.TRN: (re.compile("[0-9]{7}"), "TRN", "7 digits"),
    columns.HESA_ID: (re.compile("[0-9]{13}(?:[0-9]{4})?"), "HESA id", "13 or 17 digits"),
}
"""The numbers that are compared with Register: their form, and what they are called."""

_MALFORMED = {columns.TRN: Code.MALFORMED_TRN, columns.HESA_ID: Code.MALFORMED_HESA_ID}


def described_id(text: str) -> str:
    """Return what is wrong with a value that is no id of Register's, and what it looks like."""
    shown = dates.quoted(text)
    if text.isascii() and text.isdecimal():
        return f"{shown} looks like {_number_named(text)}, not like one of Register's ids."
    for position, letter in enumerate(text, 1):
        if not _OF_ID.match(letter):
            name = unicodedata.name(letter, "")
            if _LOOKALIKE.search(name):
                script = name.split()[0].capitalize()
                return (
                    f"{shown} is not a trainee id: the {_ordinal(position)} character is a "
                    f"{script} {letter}. Type it again."
                )
            break
    return f"{shown} is not a trainee id: 1 to 64 letters, digits, - or _."


def _number_named(digits: str) -> str:
    if len(digits) == 7:
        return "a TRN"
    return "a HESA id" if len(digits) in {13, 17} else "a student number"


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in {11, 12, 13} else ending}"


def number_naming(
    layout: Layout, record: Sequence[str], match_by: str | None = None
) -> tuple[str, str] | None:
    """Return the column and the number that name the trainee of a row without an id.

    It is the first that the row has of TRN, HESA id and the provider's own number, or else the
    one of `match_by`; None where the row has none.
    """
    others = columns.NAMING[1:]
    for name in (match_by,) if match_by in others else others:
        at = layout.places.get(name, len(record))
        if value := columns.tidied_text(record[at]) if at < len(record) else "":
            return name, value
    return None


def is_well_formed(name: str, number: str) -> bool:
    """Whether a number has the form of its column; the provider's own may have any."""
    return name not in _WELL_FORMED or bool(_WELL_FORMED[name][0].fullmatch(number))


def malformed_number(layout: Layout, record: Sequence[str]) -> tuple[Problem, ...] | None:
    """Return what is wrong with the number that names a trainee without an id.

    None where no other number names them; empty where nothing is wrong.
    """
    found = number_naming(layout, record)
    if found is None or is_well_formed(*found):
        return None if found is None else ()
    name, number = found
    _, kind, digits = _WELL_FORMED[name]
    lost = (
        " It has probably lost its leading zero."
        if name == columns.TRN and len(number) == 6
        else ""
    )
    words = f"{dates.quoted(number)} is not a {kind}, which has {digits}.{lost}"
    return (Problem(_MALFORMED[name], layout.own[layout.places[name]], words),)
