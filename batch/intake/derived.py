"""Rows of an earlier reading, read again from their own values: what each asks of Register."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

import polars as pl
from msgspec import Struct

from batch import columns
from batch.intake import dates
from batch.intake.cleaning import tidied
from batch.rows import Deferral

_ROWS_AT_ONCE = 10_000


class Derived(Struct, frozen=True):
    """What a row's own values ask: `defer_date` is None where they give no day.

    `is_id` says whether the id passes its check; an id of another shape is never sent.
    """

    row_number: int
    trainee_id: str
    is_id: bool
    defer_date: str | None
    defer_reason: str | None

    @property
    def deferral(self) -> Deferral | None:
        """What is asked of Register, None where there is no day."""
        if self.defer_date is None:
            return None
        return Deferral(self.trainee_id, self.defer_date, self.defer_reason)


def derived(
    rows: Iterable[tuple[int, tuple[str, ...]]],
    places: Mapping[str, int],
    *,
    date_format: str,
    with_formulas: bool,
) -> Iterator[Derived]:
    """Yield what rows, given by number and own values, ask; `places` are the known columns'.

    Own values are as a report has them: guarded again, they read as they did in the file.
    """
    left = iter(rows)
    while some := list(itertools.islice(left, _ROWS_AT_ONCE)):
        yield from _derived(some, places, date_format, with_formulas=with_formulas)


def _derived(
    rows: list[tuple[int, tuple[str, ...]]],
    places: Mapping[str, int],
    date_format: str,
    *,
    with_formulas: bool,
) -> Iterator[Derived]:
    numbers = [number for number, _ in rows]
    ids, days, reasons = (
        [_guarded(values, places.get(name)) for _, values in rows]
        for name in (columns.TRAINEE_ID, columns.DEFER_DATE, columns.DEFER_REASON)
    )
    raw = {"raw_id": ids, "raw_reason": reasons}
    frame = pl.DataFrame(raw, schema=dict.fromkeys(raw, pl.String)).with_row_index("place")
    read = tidied(frame, with_formulas=with_formulas).select("id", "is_id", "reason").iter_rows()
    for number, raw_day, (trainee_id, is_id, reason) in zip(numbers, days, read, strict=True):
        day = dates.parsed(columns.tidied_text(raw_day, with_formulas=with_formulas), date_format)
        date = None if day is None else day.isoformat()
        yield Derived(number, trainee_id, is_id, date, reason or None)


def _guarded(values: tuple[str, ...], place: int | None) -> str:
    if place is None or place >= len(values):
        return ""
    return columns.guarded(values[place])
