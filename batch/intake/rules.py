"""What a row must satisfy, one rule a line, as expressions over a chunk of rows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from batch import columns
from batch.intake import dates
from batch.intake.layout import Layout
from batch.intake.reader import RawChunk
from batch.rows import CHECK_CODES, MOST_REASON_CODE_POINTS, Code, Problem

_SPACES = columns.SPACES
_EDGE = f"^[{_SPACES}]+|[{_SPACES}]+$"
_EDGE_OF_ID = f"^'*[{_SPACES}]|[{_SPACES}]$"
_LEADING_APOSTROPHES = rf"^[{_SPACES}']*'[{_SPACES}']*"
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_WELL_FORMED_ID = r"^[A-Za-z0-9_-]{1,64}$"
_UNGUARD = r"^'('*[=+\-@\t\r])"

_UNTRIMMED_REASON = pl.col("raw_reason").str.replace(_UNGUARD, "$1").str.replace_all(_CONTROLS, "")

_RULES = (
    (Code.MISSING_TRAINEE_ID, pl.col("id") == ""),
    (Code.MALFORMED_TRAINEE_ID, (pl.col("id") != "") & ~pl.col("is_id")),
    (Code.MISSING_DEFER_DATE, pl.col("date") == ""),
    (Code.INVALID_DEFER_DATE, (pl.col("date") != "") & pl.col("day").is_null()),
    (Code.UNUSUAL_DEFER_DATE, pl.col("is_unusual").fill_null(False)),
    (Code.REASON_TOO_LONG, pl.col("reason").str.len_chars() > MOST_REASON_CODE_POINTS),
)

_IS_PLAIN = pl.col("raw_id").str.contains(_WELL_FORMED_ID) & ~pl.col("raw_reason").str.contains(
    rf"^[{_SPACES}']|[{_SPACES}]$|{_CONTROLS}"
)
_AS_IT_IS = (
    pl.col("raw_id").alias("id"),
    pl.col("raw_reason").alias("reason"),
    pl.lit(True).alias("is_id"),
)
_IS_SUSPECT = (
    pl.col("too_many")
    | ~pl.col("is_id")
    | pl.col("day").is_null()
    | pl.col("is_unusual")
    | (pl.col("reason").str.len_bytes() > MOST_REASON_CODE_POINTS)
)
_WAS_CHANGED = (
    (pl.col("raw_id") != pl.col("id"))
    | (pl.col("raw_date") != pl.col("date"))
    | (pl.col("raw_reason") != pl.col("reason"))
)

_REPAIRS = (
    ("spaces_removed", columns.TRAINEE_ID, pl.col("raw_id").str.contains(_EDGE_OF_ID)),
    ("spaces_removed", columns.DEFER_DATE, pl.col("raw_date").str.contains(_EDGE_OF_ID)),
    ("apostrophe_removed", columns.TRAINEE_ID, pl.col("raw_id").str.contains(_LEADING_APOSTROPHES)),
    (
        "apostrophe_removed",
        columns.DEFER_DATE,
        pl.col("raw_date").str.contains(_LEADING_APOSTROPHES),
    ),
    ("apostrophe_removed", columns.DEFER_REASON, pl.col("raw_reason").str.contains(_UNGUARD)),
    ("spaces_removed", columns.DEFER_REASON, _UNTRIMMED_REASON.str.contains(_EDGE)),
    (
        "control_characters_removed",
        columns.DEFER_REASON,
        pl.col("raw_reason").str.contains(_CONTROLS),
    ),
)


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that reading put right: what kind, where; never the value."""

    row_number: int
    column: str
    kind: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk after the rules: `frame` has a line a row; problems and repairs by its place."""

    frame: pl.DataFrame
    problems: dict[int, tuple[Problem, ...]]
    repairs: tuple[Repair, ...]


class Rules:
    """The rules of one file: its layout, how its dates are written, what is a usual date."""

    def __init__(
        self, layout: Layout, *, date_format: str, allow_unusual_dates: bool, today: date
    ) -> None:
        self._layout = layout
        self._date_format = date_format
        self._allow_unusual_dates = allow_unusual_dates
        self._today = today
        self._names = {known: layout.own[place] for known, place in layout.places.items()}

    def check(self, chunk: RawChunk) -> Checked:
        """Apply every rule to every row of the chunk, and give all problems of each row.

        Most rows are plain: the chain of rules and repairs runs only on those that are not.
        """
        frame = self._with_days(self._tidied(chunk))
        suspect = frame.filter(_IS_SUSPECT)
        flags = suspect.select(rule.alias(code) for code, rule in _RULES)
        problems = {
            row["place"]: self._problems_of(row, failed)
            for row, failed in zip(suspect.iter_rows(named=True), flags.iter_rows(), strict=True)
            if row["too_many"] or any(failed)
        }
        for place, found in chunk.problems.items():
            problems[place] = _together(found, problems.get(place, ()))
        return Checked(frame, dict(sorted(problems.items())), tuple(self._repairs(frame)))

    def _tidied(self, chunk: RawChunk) -> pl.DataFrame:
        frame = self._raw(chunk)
        plain = frame.select(_IS_PLAIN).to_series()
        if plain.all():
            return frame.with_columns(_AS_IT_IS)
        tidied = (
            frame.filter(~plain)
            .with_columns(
                id=_without_apostrophes(pl.col("raw_id")),
                reason=_UNTRIMMED_REASON.str.replace_all(_EDGE, ""),
            )
            .with_columns(is_id=pl.col("id").str.contains(_WELL_FORMED_ID))
        )
        return pl.concat([frame.filter(plain).with_columns(_AS_IT_IS), tidied]).sort("place")

    def _raw(self, chunk: RawChunk) -> pl.DataFrame:
        width = self._layout.width
        known = (
            ("raw_id", columns.TRAINEE_ID),
            ("raw_date", columns.DEFER_DATE),
            ("raw_reason", columns.DEFER_REASON),
        )
        return pl.DataFrame(
            {
                "row": pl.Series(list(chunk.numbers), dtype=pl.UInt32),
                "too_many": pl.Series(map(len, chunk.records), dtype=pl.UInt32) > width,
            }
            | {
                name: pl.Series(self._column(chunk.records, column), dtype=pl.String)
                for name, column in known
            }
        ).with_row_index("place")

    def _column(self, records: Sequence[list[str]], known: str) -> list[str]:
        place = self._layout.places.get(known)
        if place is None:
            return [""] * len(records)
        try:
            return list(map(operator.itemgetter(place), records))
        except IndexError:
            return [record[place] if len(record) > place else "" for record in records]

    def _with_days(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Read each different date once, however many rows share it."""
        known = frame.select(pl.col("raw_date").unique()).with_columns(
            date=_without_apostrophes(pl.col("raw_date"))
        )
        days = [dates.parsed(text, self._date_format) for text in known["date"]]
        unusual = [
            day is not None and not self._allow_unusual_dates and dates.is_unusual(day, self._today)
            for day in days
        ]
        known = known.with_columns(
            day=pl.Series([day and day.isoformat() for day in days], dtype=pl.String),
            is_unusual=pl.Series(unusual, dtype=pl.Boolean),
        )
        return frame.join(known, on="raw_date", how="left", maintain_order="left")

    def _problems_of(self, row: dict[str, str], flags: tuple[bool, ...]) -> tuple[Problem, ...]:
        if row["too_many"]:
            words = f"The row has more values than the header has columns ({self._layout.width})."
            advice = " An unquoted separator in the reason, most often: quote it."
            return (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words + advice),)
        return tuple(
            Problem(code, self._name(code), _MESSAGES[code](row))
            for (code, _), fails in zip(_RULES, flags, strict=True)
            if fails
        )

    def _name(self, code: Code) -> str:
        return self._names.get(COLUMN_OF[code], "")

    def _repairs(self, frame: pl.DataFrame) -> list[Repair]:
        changed = frame.filter(_WAS_CHANGED)
        flags = changed.select(found.alias(f"{kind} {column}") for kind, column, found in _REPAIRS)
        return [
            Repair(changed["row"][place], self._names[column], kind)
            for kind, column, _ in _REPAIRS
            if column in self._names
            for place in flags[f"{kind} {column}"].arg_true().to_list()
        ]


COLUMN_OF = {
    Code.MISSING_TRAINEE_ID: columns.TRAINEE_ID,
    Code.MALFORMED_TRAINEE_ID: columns.TRAINEE_ID,
    Code.MISSING_DEFER_DATE: columns.DEFER_DATE,
    Code.INVALID_DEFER_DATE: columns.DEFER_DATE,
    Code.UNUSUAL_DEFER_DATE: columns.DEFER_DATE,
    Code.REASON_TOO_LONG: columns.DEFER_REASON,
}

_MESSAGES: dict[Code, Callable[[dict[str, str]], str]] = {
    Code.MISSING_TRAINEE_ID: lambda _row: "There is no trainee id.",
    Code.MALFORMED_TRAINEE_ID: lambda row: (
        f"{dates.quoted(row['id'])} is not a trainee id: 1 to 64 letters, digits, - or _."
    ),
    Code.MISSING_DEFER_DATE: lambda _row: "There is no deferral date.",
    Code.INVALID_DEFER_DATE: lambda row: dates.described(row["date"]),
    Code.UNUSUAL_DEFER_DATE: lambda row: (
        f"{row['day']} is {'before 2000' if row['day'] < '2000' else 'more than a year ahead'}: "
        "correct it, or, where it is meant, say --allow-unusual-dates."
    ),
    Code.REASON_TOO_LONG: lambda row: (
        f"The reason has {len(row['reason'])} characters; Register takes 500."
    ),
}


def _together(of_cells: tuple[Problem, ...], of_values: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Give all problems of a row, each code once: what a cell is says more than its value."""
    by_code = {problem.code: problem for problem in of_values + of_cells}
    if only := by_code.get(Code.WRONG_NUMBER_OF_VALUES):
        return (only,)
    return tuple(by_code[code] for code in CHECK_CODES if code in by_code)


def _without_apostrophes(value: pl.Expr) -> pl.Expr:
    return value.str.replace(_LEADING_APOSTROPHES, "").str.replace_all(_EDGE, "")
