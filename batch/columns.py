"""The columns' names and aliases, those that reports add, and the apostrophe guard both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable

TRAINEE_ID = "trainee_id"
DEFER_DATE = "defer_date"
DEFER_REASON = "defer_reason"

REQUIRED = (TRAINEE_ID, DEFER_DATE)
KNOWN = (TRAINEE_ID, DEFER_DATE, DEFER_REASON)

ALIASES = {"register_id": TRAINEE_ID}
"""Other names that the input may use: Register's own export says `register_id`."""

REPORT_COLUMNS = (
    "row",
    "outcome",
    "code",
    "message",
    "http_status",
    "attempts",
    "sent_date",
    "register_date",
    "settled_at",
)
"""What a report adds behind the input's own columns, in this order."""

SPACES = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u200c\u200d\u202f\u205f\u2060\u3000\ufeff"
)
"""What may surround a value unseen: ordinary, no-break and zero-width spaces, tabs, line ends."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_IGNORED_IN_NAMES = re.compile(r"[\s\-_\u00a0\u200b\u200c\u200d\u2060\ufeff]+")


def matched_name(header: str) -> str:
    """Return the header's name as it is compared: no case, spaces, hyphens or underscores."""
    return _IGNORED_IN_NAMES.sub("", header).casefold()


_BY_MATCHED_NAME = {matched_name(name): name for name in KNOWN} | {
    matched_name(alias): name for alias, name in ALIASES.items()
}


def known_column(header: str) -> str | None:
    """Return the column that a header names (`Trainee ID` → `trainee_id`), or None."""
    return _BY_MATCHED_NAME.get(matched_name(header))


def own_column_count(header: tuple[str, ...]) -> int:
    """Return how many columns are the input's own: those that a report added are not."""
    added = len(REPORT_COLUMNS)
    tail = tuple(matched_name(name) for name in header[-added:])
    is_report = tail == tuple(matched_name(name) for name in REPORT_COLUMNS)
    return len(header) - added if is_report else len(header)


def guarded(value: str) -> str:
    """Return the value as a cell that no spreadsheet runs: one more apostrophe before a formula."""
    return "'" + value if _FORMULA.match(value) else value


def unguarded(value: str) -> str:
    """Take back what `guarded` added: one apostrophe, where a formula follows the apostrophes."""
    return value[1:] if _GUARDED.match(value) else value


def is_blank(values: Iterable[str]) -> bool:
    """Whether a row holds no value that anybody could see."""
    return not any(value.strip(SPACES).strip() for value in values)
