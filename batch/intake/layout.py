"""A file's first lines → its layout: the separator, the header, and where the columns stand."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from batch import columns
from batch.errors import UnusableFile
from batch.intake.decoding import unusable

SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header stands and what it names.

    `own` are the input's own columns; `width` counts those of the whole file, of which reports may
    have added some; `places` tells where the known columns stand.
    """

    own: tuple[str, ...]
    width: int
    places: dict[str, int]
    separator: str

    @property
    def is_report(self) -> bool:
        """Whether the file ends in the columns that a report of this tool adds."""
        return self.width > len(self.own)


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was read: its layout, its row, and how many blank rows stand before it."""

    layout: Layout
    row: int
    blank_rows_before: int


def read_header(path: Path, text: io.TextIOBase) -> Header:
    """Read up to the header and no further. Raises UnusableFile."""
    told: str | None = None
    row = blank_rows = 0
    while line := _next_line(path, text):
        row += 1
        bare = line.strip("\r\n")
        sep = _SEP_LINE.fullmatch(bare.strip())
        if sep and row == 1:
            told = sep[1]
        elif bare.strip(" \t\u00a0" + "".join(SEPARATORS)):
            separator = told or _separator_of(bare)
            layout = layout_of(path, _split(path, line, separator), separator)
            return Header(layout, row, blank_rows)
        else:
            blank_rows += 1
    raise unusable(
        path, "it has no header line", hint="`defer-batch template` prints the right one"
    )


def layout_of(path: Path, header: list[str], separator: str) -> Layout:
    """Tell where the known columns stand. Raises UnusableFile: one missing, or there twice."""
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
    import difflib  # noqa: PLC0415 — for this one message only

    near = [name for want in missing for name in difflib.get_close_matches(want, found, n=1)]
    notes = ["found: " + ", ".join(name[:40] for name in found[:20])]
    if near:
        notes.append("closest: " + ", ".join(near))
    names = " and ".join(f"`{name}`" for name in missing)
    return unusable(
        path,
        f"no column named {names}",
        notes=tuple(notes),
        hint="`defer-batch template` prints the right header",
    )


def _separator_of(header: str) -> str:
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    counts = {separator: outside_quotes.count(separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _split(path: Path, line: str, separator: str) -> list[str]:
    try:
        return [
            columns.unguarded(name)
            for name in next(
                csv.reader(io.StringIO(line, newline=""), delimiter=separator, strict=True)
            )
        ]
    except csv.Error:
        raise unusable(
            path, "its header line has a quote that is wrong", hint="look at the first line"
        ) from None


def _next_line(path: Path, text: io.TextIOBase) -> str:
    """Give the next line; a quoted header name may hold line ends."""
    line = text.readline(_LONGEST_LINE)
    while (
        line.count('"') % 2 and len(line) < _LONGEST_LINE and (more := text.readline(_LONGEST_LINE))
    ):
        line += more
    if "\x00" in line:
        raise unusable(path, "it is not text", hint="save it as CSV UTF-8, and name that file")
    return line
