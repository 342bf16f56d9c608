"""Lines of a CSV that can be read in one way only → their values, by column, without a list a row.

What a program writes can nearly always be read so. Everything else (a quote within a value, a line
break within quotes, too few or too many values) is left to the strict reader, which is the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import polars as pl

from batch.intake.layout import SEPARATORS, Layout

_LONGEST_VALUE = 10_000
"""In bytes; what is longer the strict reader may refuse."""

_ROWS_AT_ONCE = 2_000
_QUOTE = '"'
_SEEN = "[!-~]"
"""Some letter that shows that a row is not blank."""


class Columns(Sequence[list[str]]):
    """The rows of a table that is kept by column: a list a row is made when it is asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.frame.height

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the rows, some of which at a time are lists of Python's."""
        for some in self.frame.iter_slices(_ROWS_AT_ONCE):
            yield from map(list, zip(*(values.to_list() for values in some), strict=True))

    @overload
    def __getitem__(self, place: int) -> list[str]: ...
    @overload
    def __getitem__(self, place: slice) -> Columns: ...
    def __getitem__(self, place: int | slice) -> list[str] | Columns:
        """Return a row, or some of them."""
        if isinstance(place, slice):
            return Columns(self.frame[place])
        return list(self.frame.row(place))


def certain(text: str, layout: Layout) -> Columns | None:
    """Return the rows of whole lines, None where only the strict reader knows them.

    What stands within quotes is taken out first: then each quote that is left must be a whole
    value, and lines and values can be split without a thought. A row that names nobody may be
    blank, and is left too.
    """
    lines = text.replace("\r\n", "\n") if "\r" in text else text
    if layout.separator not in SEPARATORS or layout.nameless or "\r" in lines or "\0" in lines:
        return None
    parts = lines.split(_QUOTE)
    frame = _split(_QUOTE.join(parts[::2]), layout)
    if frame is None or not len(parts) % 2:
        return None
    if len(parts) > 1:
        frame = _filled(frame, pl.Series(parts[1::2], dtype=pl.String))
    return Columns(frame) if frame is not None and _is_plain(frame, layout.name_at) else None


def _split(lines: str, layout: Layout) -> pl.DataFrame | None:
    """Return the values of lines, whatever they hold, None where a line has too few or too many.

    No byte is lost but separators and line ends, or polars has read something else.
    """
    data = lines.encode() if lines.endswith("\n") else f"{lines}\n".encode()
    if data.count(layout.separator.encode()) != data.count(b"\n") * (layout.width - 1):
        return None  # before polars makes room for a line of a million values
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=layout.separator,
            quote_char=None,
            schema={str(at): pl.String for at in range(layout.width)},
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    kept = frame.select(pl.sum_horizontal(pl.all().str.len_bytes().sum())).item()
    is_whole = kept + frame.height * frame.width == len(data)
    if not is_whole or frame.height != data.count(b"\n"):
        return None
    return None if any(map(pl.Series.has_nulls, frame)) else frame


def _filled(frame: pl.DataFrame, quoted: pl.Series) -> pl.DataFrame | None:
    """Return the values with what stood within quotes, row by row.

    None where a quote is no whole value, or a line ends within quotes.
    """
    stands = pl.DataFrame([values == _QUOTE for values in frame])
    in_row = stands.sum_horizontal()
    if in_row.sum() != len(quoted) or quoted.str.contains("\n", literal=True).any():
        return None
    before = in_row.cum_sum() - in_row
    filled = []
    for values, stands_here in zip(frame, stands, strict=True):
        if stands_here.any():
            there = quoted.gather(before.filter(stands_here))
            filled.append(values.scatter(stands_here.arg_true(), there))
            before += stands_here
        else:
            filled.append(values)
    return pl.DataFrame(filled)


def _is_plain(frame: pl.DataFrame, name_at: int) -> bool:
    """Whether every value is short, and every row has a name."""
    longest = pl.max_horizontal(pl.all().str.len_bytes().max()) <= _LONGEST_VALUE
    named = pl.nth(name_at).str.contains(_SEEN).all()
    return all(frame.select(longest.alias("longest"), named.alias("named")).row(0))
