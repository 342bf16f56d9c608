"""The columns' names and aliases, those that reports add, and the apostrophe guard both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

TRAINEE_ID = "trainee_id"
DEFER_DATE = "defer_date"
DEFER_REASON = "defer_reason"
TRN = "trn"
HESA_ID = "hesa_id"
PROVIDER_TRAINEE_ID = "provider_trainee_id"
LAST_NAME = "last_name"
FIRST_NAMES = "first_names"
DATE_OF_BIRTH = "date_of_birth"

KNOWN = (TRAINEE_ID, DEFER_DATE, DEFER_REASON)
"""What `defer-batch template` prints."""

NAMING = (TRAINEE_ID, TRN, HESA_ID, PROVIDER_TRAINEE_ID)
"""Columns of which one at least names the trainee."""

COMPARED = (LAST_NAME, FIRST_NAMES, DATE_OF_BIRTH)
"""Columns that are only compared with Register, never needed."""

ALIASES: dict[str, tuple[str, ...]] = {
    TRAINEE_ID: ("register_id", "register_trainee_id"),
    DEFER_DATE: ("deferral_date", "date_of_deferral", "date_deferred", "deferred_on"),
    DEFER_REASON: ("deferral_reason", "reason_for_deferral", "reason"),
    TRN: ("teacher_reference_number",),
    HESA_ID: ("husid",),
    PROVIDER_TRAINEE_ID: ("trainee_reference", "student_id", "student_number"),
    LAST_NAME: ("surname", "last_names", "family_name"),
    FIRST_NAMES: ("first_name", "forename", "forenames", "given_names"),
    DATE_OF_BIRTH: ("dob",),
}
"""Every name of an input column, and the other names that it may have (interface.md, "Input")."""

RETURN_DATE = "return_from_deferral_date"
TRAINEE_STATUS = "trainee_status"
OF_REGISTERS_EXPORT = (RETURN_DATE, TRAINEE_STATUS)
"""Columns by which Register's own export is known (API.md, "Register's own export")."""

_REPORTED = (
    ("row", "row_number"),
    ("outcome", "outcome"),
    ("code", "code"),
    ("message", "message"),
    ("http_status", "http_status"),
    ("attempts", "attempts"),
    ("sent_trainee_id", "sent_trainee_id"),
    ("sent_date", "sent_date"),
    ("sent_reason", "sent_reason"),
    ("register_date", "register_date"),
    ("settled_at", "settled_at"),
)
"""Each column that a report adds, and what of the row's record it holds (interface.md)."""

REPORT_COLUMNS = tuple(name for name, _ in _REPORTED)
"""What a report adds behind the input's own columns, in this order."""

added_cells: Callable[[object], tuple[str | int | None, ...]] = attrgetter(
    *(attribute for _, attribute in _REPORTED)
)
"""Returns the cells that a report adds for a row's record, in the order of `REPORT_COLUMNS`."""

REPORT_COLUMNS_OF_ANY_VERSION = (
    REPORT_COLUMNS,
    (*REPORT_COLUMNS[:6], "sent_date", "register_date", "settled_at"),  # 0.1.0
)
"""What the reports of this version and of others add: all are recognised in an input."""

PROBLEM, COLUMN = "problem", "column"
ORIGINAL_ROW, ORIGINAL_RUN = "original_row", "original_run"
CORRECTION_COLUMNS = (PROBLEM, COLUMN, ORIGINAL_ROW, ORIGINAL_RUN)
"""What `to-correct.xlsx` adds behind the input's own columns, in this order.

The first two say what is wrong; a run of that file ignores them. The last two say of which row of
which run a row is a correction; they become columns of its own, and stay so.
"""

ORIGIN = (ORIGINAL_ROW, ORIGINAL_RUN)

SPACES = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u200c\u200d\u202f\u205f\u2060\u3000\ufeff"
    "\u00ad\u061c\u180e\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069"
)
"""What may surround a value unseen: spaces of any width, tabs, line ends, marks of direction."""

_END_OF_FILE = "\x1a"
"""What DOS programs write behind the last line."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_IGNORED_IN_NAMES = re.compile(rf"[\s\-\u2010-\u2015\u2212_{SPACES}]+")


def matched_name(header: str) -> str:
    """Return a header as it is compared: no case, spaces, hyphens, underscores or last `*`."""
    return _IGNORED_IN_NAMES.sub("", header).rstrip("*").casefold()


_BY_MATCHED_NAME = {
    matched_name(spelling): name
    for name, aliases in ALIASES.items()
    for spelling in (name, *aliases)
}


def known_column(header: str) -> str | None:
    """Return the column that a header names (`Trainee ID` → `trainee_id`), or None."""
    return _BY_MATCHED_NAME.get(matched_name(header))


def is_exact(header: str, name: str) -> bool:
    """Whether a header is the name of a column itself, and no alias of it."""
    return matched_name(header) == matched_name(name)


def own_column_count(header: tuple[str, ...]) -> int:
    """Return how many columns are the input's own: those that a report added are not."""
    names = tuple(map(matched_name, header))
    for added in sorted(REPORT_COLUMNS_OF_ANY_VERSION, key=len, reverse=True):
        if names[-len(added) :] == tuple(map(matched_name, added)):
            return len(header) - len(added)
    return len(header)


def told_before(header: tuple[str, ...]) -> tuple[int, ...]:
    """Return where `problem` and `column` of an earlier `to-correct.xlsx` stand, if they do.

    They tell of the row as it was before it was corrected. Columns of one's own may follow the
    four that were added, which otherwise stand together and in their order.
    """
    names = tuple(map(matched_name, header))
    added = tuple(map(matched_name, CORRECTION_COLUMNS))
    starts = (at for at in range(len(names)) if names[at : at + len(added)] == added)
    return next(((at, at + 1) for at in starts), ())


def origin_places(header: Sequence[str]) -> tuple[int, int] | None:
    """Return where `original_row` and `original_run` stand, None where either does not."""
    names = list(map(matched_name, header))
    wanted = list(map(matched_name, ORIGIN))
    if any(names.count(name) != 1 for name in wanted):
        return None
    return names.index(wanted[0]), names.index(wanted[1])


def guarded(value: str) -> str:
    """Return the value as a cell that no spreadsheet runs: one more apostrophe before a formula."""
    return "'" + value if _FORMULA.match(value) else value


def unguarded(value: str) -> str:
    """Take back what `guarded` added: one apostrophe, where a formula follows the apostrophes."""
    return value[1:] if _GUARDED.match(value) else value


def tidied_text(raw: str, *, with_formulas: bool = True) -> str:
    """Return a value without the spaces and apostrophes around it; `="…"` is its text."""
    text = raw.lstrip(SPACES + "'").rstrip(SPACES)
    if with_formulas and len(text) > 3 and text.startswith('="') and text.endswith('"'):
        return text[2:-1].replace('""', '"').strip(SPACES)
    return text


def is_blank(values: Iterable[str]) -> bool:
    """Whether a row holds no value that anybody could see."""
    return not any(value.strip(SPACES).strip().strip(_END_OF_FILE) for value in values)
