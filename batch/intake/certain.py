"""Lines of a CSV that can be read in one way only → their values, by column, without a list a row.

What a program writes can nearly always be read so. Everything else (a quote within a value, a line
break within quotes, too few or too many values) is left to the strict reader, which is the truth.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import overload

import polars as pl

from batch.intake.layout import SEPARATORS, Layout

_LONGEST_VALUE = 10_000
"""In bytes; what is longer the strict reader may refuse."""

_ROWS_AT_ONCE = 2_000
_FIRST_SEEN, _LAST_SEEN = "!", "~"
"""A name that begins with a letter between them is none of a blank row."""

_FIRST, _LAST = operator.itemgetter(0), operator.itemgetter(-1)


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

    Each quote must begin or end a value, and no value may hold a line end: then there is nothing to
    decide. A row whose name does not begin with a visible letter may be blank, and is left too.
    """
    lines = text.replace("\r\n", "\n") if "\r" in text else text
    if layout.separator not in SEPARATORS or layout.nameless or "\r" in lines or "\0" in lines:
        return None
    if not lines.endswith("\n"):
        lines += "\n"
    quotes = _around_values(lines, layout.separator)
    if quotes is None:
        return None
    data = lines.encode()
    frame = _split(data, layout)
    if frame is None or not _is_whole(frame, len(data) - quotes, layout.name_at):
        return None
    return Columns(frame)


def _around_values(lines: str, separator: str) -> int | None:
    """Return how many quotes there are, None where one is not at the edge of a value of one line.

    Such a quote has a separator or a line end on its outside, and no line ends within a pair.
    """
    parts = f"\n{lines}".split('"')
    outside = parts[::2]  # the first begins, and the last ends, with a line end
    try:
        beside = {*map(_FIRST, outside), *map(_LAST, outside)}
    except IndexError:
        return None  # a quote stands beside a quote
    is_even = len(parts) % 2 == 1
    if not is_even or not beside <= {separator, "\n"} or "\n" in "".join(parts[1::2]):
        return None
    return len(parts) - 1


def _split(data: bytes, layout: Layout) -> pl.DataFrame | None:
    """Return the values of lines, None where a line has too few or too many, or is none.

    A first line of very many is not tried: polars would make room for all of them.
    """
    if data.partition(b"\n")[0].count(layout.separator.encode()) > _LONGEST_VALUE:
        return None
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            separator=layout.separator,
            schema={str(at): pl.String for at in range(layout.width)},
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None
    is_cut = frame.height != data.count(b"\n") or any(map(pl.Series.has_nulls, frame))
    return None if is_cut else frame


def _is_whole(frame: pl.DataFrame, size: int, name_at: int) -> bool:
    """Whether the values, a byte behind each counted, have that size, and none may be refused.

    Then no byte was lost. Every value must be short, and every row have a name.
    """
    sizes = pl.all().str.len_bytes()
    kept, longest, first, last = frame.select(
        kept=pl.sum_horizontal(sizes.sum()),
        longest=pl.max_horizontal(sizes.max()),
        first=pl.nth(name_at).min(),
        last=pl.nth(name_at).max(),
    ).row(0)
    if kept + frame.height * frame.width != size or longest > _LONGEST_VALUE:
        return False
    return bool(first >= _FIRST_SEEN and last[0] <= _LAST_SEEN)
