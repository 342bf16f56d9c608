"""A file's first lines → its layout: the separator, the header, and where the columns stand."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batch import columns
from batch.errors import UnusableFile, unusable
from batch.intake.dates import quoted

SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=(\\t|[^\w"])"?[,;\t|]*', re.IGNORECASE)
"""Excel's first line; saved again, separators may follow it."""

_LONGEST_LINE = 1 << 20
_NOTHING = columns.SPACES + '"' + "".join(SEPARATORS)
_A_VALUE = re.compile(
    r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{5}|(?=\w*\d)\w{20}|[.!?] \w|[\r\n]", re.ASCII
)
_WORDS_OF_OURS = re.compile(r"trainee|register|defer|\bid\b|\bdate\b|\breason\b", re.IGNORECASE)
_LONGEST_NAME = 60
_MOST_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header stands and what it names.

    `own` are the input's own columns; `width` counts those of the whole file, of which reports may
    have added some; `places` tells where the known columns stand; `first_column` is where a sheet's
    cells begin, from 0.
    """

    own: tuple[str, ...]
    width: int
    places: dict[str, int]
    separator: str
    first_column: int = 0

    def cell(self, place: int, row_number: int) -> str:
        """Return where a spreadsheet shows a value of an own column: `C14`."""
        letters = ""
        left = self.first_column + place + 1
        while left:
            left, rest = divmod(left - 1, 26)
            letters = chr(ord("A") + rest) + letters
        return f"{letters}{row_number}"

    @property
    def is_report(self) -> bool:
        """Whether the file ends in the columns that a report of this tool adds."""
        return self.width > len(self.own)


@dataclass(frozen=True, slots=True)
class Header:
    """The header as found: its names, its separator, its row, how many blank rows stand before it.

    `names` is empty where the file has none.
    """

    names: list[str]
    separator: str
    row: int
    blank_rows_before: int

    def layout(self, path: Path) -> Layout:
        """Return what the header names. Raises UnusableFile."""
        if not self.names:
            raise unusable(
                path, "it has no header line", hint="`defer-batch template` prints the right one"
            )
        return layout_of(path, self.names, self.separator)


def find_header(path: Path, text: io.TextIOBase) -> Header:
    """Read up to the header and no further. Raises UnusableFile where that cannot be read."""
    told: str | None = None
    row = blank_rows = 0
    lines = _lines(path, text)
    for line in lines:
        row += 1
        if row == 1 and (sep := _SEP_LINE.fullmatch(line.strip("\r\n "))):
            told = "\t" if sep[1] == "\\t" else sep[1]
        elif line.strip(_NOTHING) or line.count('"') % 2:
            separator = told or _separator_of(line)
            return Header(_names(path, line, lines, separator), separator, row, blank_rows)
        else:
            blank_rows += 1
    return Header([], told or SEPARATORS[0], row, blank_rows)


def layout_of(path: Path, header: list[str], separator: str) -> Layout:
    """Return where the known columns stand. Raises UnusableFile: one missing, or there twice."""
    own = tuple(header[: columns.own_column_count(tuple(header))])
    places: dict[str, int] = {}
    for place, name in enumerate(own):
        known = columns.known_column(name)
        if known is None:
            continue
        if known in places:
            both = f"{own[places[known]]!r} and {name!r}"
            raise unusable(
                path,
                f"two columns are `{known}`: {both}",
                hint="keep the one that is meant",
            )
        places[known] = place
    missing = [name for name in columns.REQUIRED if name not in places]
    if missing:
        raise _missing(path, missing, own)
    return Layout(own, len(header), places, separator)


def _missing(path: Path, missing: list[str], found: tuple[str, ...]) -> UnusableFile:
    """Return what was found and what is near, but never what may be values of a first row."""
    import difflib  # noqa: PLC0415 — for this one message only

    names = " and ".join(f"`{name}`" for name in missing)
    why, hint = f"no column named {names}", "`defer-batch template` prints the right header"
    is_header = any(map(columns.known_column, found))
    if not is_header and any(map(_looks_like_a_value, found)):
        return unusable(path, f"{why}: its first row does not look like a header", hint=hint)
    names_found = [name for name in found if name.strip() and not _looks_like_a_value(name)]
    shown = [name for name in names_found if is_header or _WORDS_OF_OURS.search(name)]
    shown = shown[:_MOST_NAMES_SHOWN]
    more = f" and {len(found) - len(shown)} more" if len(shown) < len(found) else ""
    notes = ["found: " + ", ".join(map(quoted, shown)) + more] if shown else []
    near = [name for want in missing for name in difflib.get_close_matches(want, shown, n=1)]
    if near:
        notes.append("closest: " + ", ".join(map(quoted, near)))
    return unusable(path, why, notes=tuple(notes), hint=hint)


def _looks_like_a_value(name: str) -> bool:
    """Return a value from the name of a column: a date, an id, a sentence."""
    return bool(_A_VALUE.search(name)) or len(name) > _LONGEST_NAME


def _separator_of(header: str) -> str:
    """Return the separator that finds the most columns we know, then the most columns."""
    outside_quotes = re.sub(r'"[^"]*"', "", header)

    def columns_found(separator: str) -> tuple[int, int]:
        names = [name.strip('"') for name in header.split(separator)]
        return sum(map(bool, map(columns.known_column, names))), outside_quotes.count(separator)

    return max(SEPARATORS, key=columns_found)


def _names(path: Path, line: str, following: Iterator[str], separator: str) -> list[str]:
    """Return the names; a quoted one may hold line ends, so that more lines belong to them."""
    lines = itertools.chain([line], following)
    try:
        names = next(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        raise unusable(
            path, "its header line has a quote that is wrong", hint="look at the first line"
        ) from None
    return [columns.unguarded(name) for name in names]


def _lines(path: Path, text: io.TextIOBase) -> Iterator[str]:
    """Yield the lines as they are asked for, the first without a byte order mark."""
    mark = "\ufeff"  # of an encoding that was named without one, such as utf-16-le
    while line := text.readline(_LONGEST_LINE):
        if "\x00" in line:
            raise unusable(path, "it is not text", hint="save it as CSV UTF-8, and name that file")
        if len(line) >= _LONGEST_LINE and line[-1] not in "\r\n":
            raise unusable(
                path,
                f"its header line is longer than {_LONGEST_LINE:,} characters",
                hint="does a quote that opens there never close?",
            )
        yield line.removeprefix(mark)
        mark = ""
