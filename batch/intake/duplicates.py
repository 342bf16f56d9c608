"""Rows for one trainee: the same deferral twice, or two that contradict each other.

Over the whole file, in compact columns: a row takes some 30 bytes. What names a trainee, an id or
another number, is kept as 128 bits of hash, of which no two of a list are the same.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

import polars as pl

from batch.codes import Code
from batch.intake.layout import Layout
from batch.intake.naming import is_well_formed, number_naming
from batch.intake.raw_rows import RawChunk
from batch.intake.rules import Checked
from batch.rows import Problem
from batch.words import contradicted


class Conflicts:
    """Gathers rows chunk by chunk, then finds those that concern the same trainee.

    A row without an id is compared by the number that names its trainee; `match_by` says which.
    """

    def __init__(self, layout: Layout, match_by: str | None) -> None:
        self._layout = layout
        self._match_by = match_by
        self._parts: list[pl.DataFrame] = []

    def add(self, raw: RawChunk, checked: Checked) -> None:
        """Record a chunk's rows that name a trainee, also of those that failed a check."""
        named = checked.frame.lazy().filter("is_id")
        self._parts.append(_compact(named, pl.col("id").str.to_lowercase(), checked))
        others = checked.frame.filter(pl.col("id") == "")
        if not others.is_empty():
            numbers = [self._number_of(raw.records[place]) for place in others["place"]]
            found = others.with_columns(number=pl.Series(numbers, dtype=pl.String))
            by_number = found.lazy().drop_nulls("number")
            self._parts.append(_compact(by_number, pl.col("number"), checked, by_number=True))

    def _number_of(self, record: Sequence[str]) -> str | None:
        """Return what names the trainee of a row without an id, as no id can be written."""
        found = number_naming(self._layout, record, self._match_by)
        return "=".join(found) if found and is_well_formed(*found) else None

    def found(
        self,
        set_aside: Container[int],
        failed: Container[int],
        *,
        before_matching: bool,
    ) -> Iterator[tuple[int, Problem]]:
        """Yield a problem for each row that repeats or contradicts another.

        `set_aside` are rows that earlier runs have settled: they contradict nobody. `failed` are
        rows that the whole file speaks against. `before_matching`: rows of one number are left to
        be compared once they are matched, if all of them can be: earlier runs have a say there.
        """
        rows = (line for line in self._repeated().iter_rows() if line[2] not in set_aside)
        for _, group in itertools.groupby(rows, key=operator.itemgetter(0, 1)):
            asked = (_Asked(*line[2:]) for line in group)
            same = [row._replace(failed=row.failed or row.row in failed) for row in asked]
            is_for_later = before_matching and all(row.will_be_matched for row in same)
            if len(same) > 1 and not is_for_later:
                yield from _of_one_trainee(same)

    def _repeated(self) -> pl.DataFrame:
        """Return the rows of trainees named more than once, together, by the first row of each.

        Sorted numbers find those in a tenth of the memory.
        """
        if not self._parts:
            return pl.DataFrame()
        trainees = pl.concat(part["trainee"] for part in self._parts).sort()
        repeated = trainees.filter(trainees == trainees.shift()).unique()
        if repeated.is_empty():
            return pl.DataFrame()
        found = pl.concat(
            part.filter(part["trainee"].is_in(repeated.implode())) for part in self._parts
        )
        first = pl.col("row").min().over("trainee", "rest")
        return found.sort(first, "row").select(
            "trainee", "rest", "row", "asked", "failed", "unread", "by_number"
        )


def _compact(
    rows: pl.LazyFrame, named: pl.Expr, checked: Checked, *, by_number: bool = False
) -> pl.DataFrame:
    """Return rows as they are kept; `named` is what names the trainee."""
    unread = [place for place, problems in checked.problems.items() if is_unread(problems)]
    return rows.select(
        "row",
        trainee=named.hash(0),
        rest=named.hash(1),
        asked=pl.struct(pl.coalesce("day", "date"), "reason").hash(),
        failed=_is_one_of(checked.problems),
        unread=_is_one_of(unread),
        by_number=pl.lit(by_number),
    ).collect()


def _is_one_of(places: Iterable[int]) -> pl.Expr:
    return pl.col("place").is_in(pl.lit(pl.Series(list(places), dtype=pl.UInt32)).implode())


def is_unread(problems: tuple[Problem, ...]) -> bool:
    """Whether nobody knows which values a row has: it is refused for that, and only that."""
    return problems[0].code is Code.WRONG_NUMBER_OF_VALUES


class _Asked(NamedTuple):
    """What a row asks for: the date and reason as a hash; `unread` says that it may be another."""

    row: int
    deferral: int
    failed: bool
    unread: bool
    by_number: bool

    @property
    def will_be_matched(self) -> bool:
        """Whether Register is asked whom the row means: it names nobody by id, and passed."""
        return self.by_number and not self.failed and not self.unread


def _of_one_trainee(rows: list[_Asked]) -> Iterator[tuple[int, Problem]]:
    """Yield the problems of rows that name one trainee; one that is unread has no other."""
    told = [asked for asked in rows if not asked.unread]
    if len(told) == len(rows) and len({(asked.deferral, asked.failed) for asked in rows}) == 1:
        first, *others = rows
        words = f"The same deferral as row {first.row}"
        words += ", which is refused as well." if first.failed else "."
        for asked in others:
            yield asked.row, Problem(Code.DUPLICATE_ROW, "", words)
        return
    numbers = [asked.row for asked in rows]
    for asked in told:
        yield asked.row, Problem(Code.CONFLICTING_ROWS, "", contradicted(asked.row, numbers))
