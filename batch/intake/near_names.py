"""Headers that are nearly the name of a column, and which of a first row are names at all."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from batch import columns
from batch.intake.dates import quoted

_A_VALUE = re.compile(
    r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{5}|\b(?=\w*\d)\w{20}|[.!?] \w|[\r\n]", re.ASCII
)
_WORDS_OF_OURS = re.compile(r"trainee|register|defer|\bid\b|\bdate\b|\breason\b", re.IGNORECASE)
_REASON = re.compile(r"(?<![a-z])reasons?(?![a-z])", re.IGNORECASE)
_DATE = re.compile(r"(?:^|[\W_])date(?:$|[\W_])", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_OF_DEFERRALS = re.compile(r"withdraw", re.IGNORECASE)
"""Register's export has reasons of withdrawals (API.md)."""

_LONGEST_NAME = 60
_SHORT, _TOO_SHORT = 6, 3
_MOST_WORDS = 12
_MOST_NAMES_SHOWN = 20


def name_in_doubt(title: str) -> str | None:
    """Return the name that a header may be meant as: nearly it, or with the word reason."""
    if columns.known_column(title) or _NOT_OF_DEFERRALS.search(title):
        return None
    if any(columns.is_exact(title, name) for name in columns.OF_REGISTERS_EXPORT):
        return None
    words = _CAMEL.sub(" ", title).replace("_", " ")
    return columns.DEFER_REASON if _REASON.search(words) else nearly_named(title)


def nearly_named(title: str) -> str | None:
    """Return the name that a header contains, or from which it is one letter off, or None.

    Of several the longest; a short name counts only as words of the header.
    """
    matched, words = columns.matched_name(title), _words(title)
    near = [
        (len(spelling), name)
        for name, aliases in columns.ALIASES.items()
        for spelling in map(columns.matched_name, (name, *aliases))
        if (len(spelling) > _SHORT and spelling in matched)
        or any("".join(some) == spelling for some in _neighbours(words))
        or _is_one_off(matched, spelling)
    ]
    return max(near)[1] if near else None


def _words(title: str) -> list[str]:
    return re.findall(r"[^\W_]+", _CAMEL.sub(" ", title).casefold())[:_MOST_WORDS]


def _neighbours(words: list[str]) -> Iterator[list[str]]:
    """Yield each stretch of words that stand together."""
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + 4) + 1):
            yield words[start:end]


def _is_one_off(one: str, other: str) -> bool:
    """Whether a letter was added, left out, changed, or swapped with the next.

    Of a short name (TRN, DOB) only swapped or added: other words are a letter off too.
    """
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    if len(other) <= _TOO_SHORT:
        return one[:-1] == other or (one[0] == other[0] and sorted(one) == sorted(other))
    pairs = zip(one, other, strict=False)
    start = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    rest, other_rest = one[start:], other[start:]
    swapped = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return swapped or other_rest[1:] in {rest, rest[1:]} or rest[1:] == other_rest


def nearest_headers(missing: str, found: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the name and header that come closest to a missing one, if any is close.

    What names a trainee otherwise does as well as the id.
    """
    import difflib  # noqa: PLC0415 — for this one message only

    unknown = [title for title in found if not columns.known_column(title)]
    names = columns.NAMING if missing == columns.TRAINEE_ID else (missing,)
    close = [(name, title) for name in names for title in unknown if nearly_named(title) == name]
    shown = [title for title in unknown if _WORDS_OF_OURS.search(title)]
    others = [(missing, title) for title in difflib.get_close_matches(missing, shown, n=1)]
    dated = [(missing, title) for title in unknown if _DATE.search(title)]
    is_header = len(unknown) < len(found)  # or a sentence of a first row might be shown
    only_date = dated if missing == columns.DEFER_DATE and len(dated) == 1 and is_header else []
    return (close or others or only_date)[:1]


def found_names(own: tuple[str, ...], *, is_header: bool) -> str:
    """Return the headers that were found, without what may be values, "" if there are none."""
    names = [name for name in own if name.strip() and not looks_like_a_value(name)]
    shown = [name for name in names if is_header or _WORDS_OF_OURS.search(name)]
    shown = shown[:_MOST_NAMES_SHOWN]
    more = f" and {len(own) - len(shown)} more" if len(shown) < len(own) else ""
    return "found: " + ", ".join(map(quoted, shown)) + more if shown else ""


def looks_like_a_value(name: str) -> bool:
    """Whether it is no name of a column, but a value: a date, an id, a sentence."""
    return bool(_A_VALUE.search(name)) or len(name) > _LONGEST_NAME
