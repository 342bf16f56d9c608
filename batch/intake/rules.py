"""What a row must satisfy, one rule a line, as expressions over a chunk of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import polars as pl
from msgspec import Struct

from batch import columns
from batch.codes import Code
from batch.intake import dates, evidence, naming
from batch.intake.certain import Columns
from batch.intake.cleaning import Repair, repairs_of, tidied
from batch.intake.layout import Layout
from batch.intake.raw_rows import RawChunk, values_of
from batch.rows import MOST_REASON_CODE_POINTS, Problem
from batch.run_settings import InputOptions

_NAMED = (
    ("raw_id", columns.TRAINEE_ID),
    ("raw_date", columns.DEFER_DATE),
    ("raw_reason", columns.DEFER_REASON),
)
_DATE_SCHEMA = {
    "raw_date": pl.String,
    "date": pl.String,
    "day": pl.String,
    "is_unusual": pl.Boolean,
    "was_rewritten": pl.Boolean,
}
_MOST_DATES_KNOWN = 50_000
_ReadDate = tuple[str, str, str | None, bool, bool]
"""As it stands, without its edges, the day as YYYY-MM-DD or None; is it unusual, was it put right.
"""
_ERRORS = (
    r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|FIELD!|GETTING_DATA|BLOCKED!"
    r"|CONNECT!|UNKNOWN!|BUSY!|PYTHON!|EXTERNAL!|ERROR!)|#{1,16}|Err:[0-9]{3}"
)
_NO_REASON = rf"^(?i:{_ERRORS}|NULL|\(null\)|<null>|\\N)$"
_OPENING_QUOTE = r'(?:^|[\s(])"'
_ONLY_OPENED = r'^“[^“”"]*$'
_LONGEST_WORD_FOR_NOTHING = 16


class _Rule(Struct, frozen=True):
    """One thing that a row must satisfy, and what is said of a row that does not.

    `may_fail` is cheap, and true of every row of which `fails` is: it picks the few rows that are
    looked at closely.
    """

    code: Code
    column: str
    may_fail: pl.Expr
    fails: pl.Expr
    message: Callable[[dict[str, str]], str]


_NO_ID, _NO_DAY = ~pl.col("is_id"), pl.col("day").is_null()
_REASON = pl.col("reason").str
_RULES = (
    _Rule(
        Code.MISSING_TRAINEE_ID,
        columns.TRAINEE_ID,
        _NO_ID,
        pl.col("id") == "",
        lambda _row: "There is no trainee id.",
    ),
    _Rule(
        Code.MALFORMED_TRAINEE_ID,
        columns.TRAINEE_ID,
        _NO_ID,
        (pl.col("id") != "") & _NO_ID,
        lambda row: naming.described_id(row["id"]),
    ),
    _Rule(
        Code.MISSING_DEFER_DATE,
        columns.DEFER_DATE,
        _NO_DAY,
        pl.col("date") == "",
        lambda _row: "There is no deferral date.",
    ),
    _Rule(
        Code.INVALID_DEFER_DATE,
        columns.DEFER_DATE,
        _NO_DAY,
        (pl.col("date") != "") & _NO_DAY,
        lambda row: dates.described(row["date"]),
    ),
    _Rule(
        Code.UNUSUAL_DEFER_DATE,
        columns.DEFER_DATE,
        pl.col("is_unusual"),
        pl.col("is_unusual"),
        lambda row: (
            f"{row['day']} is {'before 2000' if row['day'] < '2000' else 'more than a year ahead'}:"
            " correct it, or use --allow-unusual-dates if it is right."
        ),
    ),
    _Rule(
        Code.UNUSABLE_REASON,
        columns.DEFER_REASON,
        _REASON.contains('"', literal=True)
        | _REASON.starts_with("“")
        | (_REASON.len_bytes() <= _LONGEST_WORD_FOR_NOTHING),
        _REASON.contains(_NO_REASON)
        | _REASON.contains(_ONLY_OPENED)
        | (_REASON.contains(_OPENING_QUOTE) & (_REASON.count_matches('"', literal=True) % 2 == 1)),
        lambda row: (
            "The reason has a quote that opens and never closes: close it, or remove it."
            if '"' in row["reason"] or "“" in row["reason"]
            else f"{row['reason']} is what a program writes for no value, not a reason: "
            "correct it, or leave it empty."
        ),
    ),
    _Rule(
        Code.REASON_TOO_LONG,
        columns.DEFER_REASON,
        _REASON.len_bytes() > MOST_REASON_CODE_POINTS,
        _REASON.len_chars() > MOST_REASON_CODE_POINTS,
        lambda row: f"The reason has {len(row['reason'])} characters; Register takes 500.",
    ),
)
"""In the order of their codes: the first one counts."""

_IS_SUSPECT = pl.any_horizontal(pl.col("too_many"), *(rule.may_fail for rule in _RULES))


class Checked(Struct, frozen=True):
    """A chunk after the rules: `frame` has a line a row; problems and repairs by its place."""

    frame: pl.DataFrame
    problems: dict[int, tuple[Problem, ...]]
    repairs: tuple[Repair, ...]
    day_counts: list[tuple[str, str | None, int]]
    """Each different date of the chunk as it is written, its day, and how many rows have it."""


class Rules:
    """The rules of one file: its layout, how its dates are written, what is a usual date."""

    def __init__(self, layout: Layout, options: InputOptions, *, with_formulas: bool) -> None:
        self._layout = layout
        self._options = options
        self._with_formulas = with_formulas
        self._read_date = lru_cache(maxsize=_MOST_DATES_KNOWN)(self._date)
        self._names = {known: layout.own[place] for known, place in layout.places.items()}

    def check(self, chunk: RawChunk) -> Checked:
        """Apply every rule to every row of the chunk, and give all problems of each row.

        Most rows are plain: the chain of rules and repairs runs only on those that are not.
        """
        frame, day_counts = self._with_days(
            tidied(self._raw(chunk), with_formulas=self._with_formulas)
        )
        problems = self._problems(frame.filter(_IS_SUSPECT))
        if not self._options.require_trainee_id:
            self._name_otherwise(chunk, problems)
        for place, found in chunk.problems.items():
            problems[place] = _together(found, problems.get(place, ()))
        if self._layout.evidence:
            for place, returned in evidence.returned_since(self._layout, chunk, frame).items():
                problems[place] = _together((returned,), problems.get(place, ()))
        return Checked(
            frame, dict(sorted(problems.items())), repairs_of(frame, self._names), day_counts
        )

    def _name_otherwise(self, chunk: RawChunk, problems: dict[int, tuple[Problem, ...]]) -> None:
        """Let a row without an id be named by its TRN, HESA id or the provider's number."""
        for place, found in list(problems.items()):
            if any(problem.code is Code.MISSING_TRAINEE_ID for problem in found):
                others = tuple(p for p in found if p.code is not Code.MISSING_TRAINEE_ID)
                named = naming.malformed_number(self._layout, chunk.records[place])
                if named is not None:
                    problems[place] = _together(named, others)
        for place in [place for place, found in problems.items() if not found]:
            del problems[place]

    def _raw(self, chunk: RawChunk) -> pl.DataFrame:
        numbers = chunk.numbers
        if isinstance(numbers, range):
            row = pl.int_range(numbers.start, numbers.stop, dtype=pl.UInt32, eager=True)
        else:
            row = pl.Series(numbers, dtype=pl.UInt32)
        values = {name: self._column(chunk, column) for name, column in _NAMED}
        return pl.DataFrame(
            {"row": row} | values | {"too_many": self._too_many(chunk)}
        ).with_row_index("place")

    def _too_many(self, chunk: RawChunk) -> pl.Series:
        if not chunk.may_be_ragged:
            return pl.Series([False]).new_from_index(0, len(chunk.records))
        width = self._layout.width
        return pl.Series([len(record) > width for record in chunk.records], dtype=pl.Boolean)

    def _column(self, chunk: RawChunk, known: str) -> pl.Series:
        place = self._layout.places.get(known)
        if place is None:
            return pl.repeat("", len(chunk.records), dtype=pl.String, eager=True)
        if isinstance(chunk.records, Columns):
            return chunk.records.frame.to_series(place)
        return pl.Series(values_of(chunk.records, place), dtype=pl.String)

    def _with_days(
        self, frame: pl.DataFrame
    ) -> tuple[pl.DataFrame, list[tuple[str, str | None, int]]]:
        """Read each different date once, however many rows share it."""
        counts = frame["raw_date"].value_counts(name="rows").rows()
        read = [self._read_date(raw) for raw, _ in counts]
        known = pl.DataFrame(read, schema=_DATE_SCHEMA, orient="row")
        joined = frame.join(known, on="raw_date", how="left", maintain_order="left")
        return joined, [
            (text, day, rows) for (_, text, day, *_), (_, rows) in zip(read, counts, strict=True)
        ]

    def _date(self, raw: str) -> _ReadDate:
        """Return a date as written, without its edges, as a day, and what is told of it."""
        options = self._options
        text = columns.tidied_text(raw, with_formulas=self._with_formulas)
        day = dates.parsed(text, options.date_format)
        if day is None:
            return raw, text, None, False, False
        unusual = not options.allow_unusual_dates and dates.is_unusual(day, options.today)
        rewritten = not dates.is_as_asked(text, options.date_format)
        return raw, text, day.isoformat(), unusual, rewritten

    def _problems(self, suspect: pl.DataFrame) -> dict[int, tuple[Problem, ...]]:
        if suspect.is_empty():
            return {}
        flags = suspect.select(rule.fails.alias(rule.code) for rule in _RULES)
        return {
            row["place"]: self._problems_of(row, failed)
            for row, failed in zip(suspect.iter_rows(named=True), flags.iter_rows(), strict=True)
            if row["too_many"] or any(failed)
        }

    def _problems_of(self, row: dict[str, str], flags: tuple[bool, ...]) -> tuple[Problem, ...]:
        if row["too_many"]:
            words = f"The row has more values than the header has columns ({self._layout.width})."
            advice = " Put quotes around the value that holds a separator, most often the reason."
            return (Problem(Code.WRONG_NUMBER_OF_VALUES, "", words + advice),)
        return tuple(
            Problem(rule.code, self._names.get(rule.column, ""), rule.message(row))
            for rule, fails in zip(_RULES, flags, strict=True)
            if fails
        )


def _together(of_cells: tuple[Problem, ...], of_values: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return all problems of a row, each code once: what a cell is says more than its value."""
    by_code = {problem.code: problem for problem in of_values + of_cells}
    if only := by_code.get(Code.WRONG_NUMBER_OF_VALUES):
        return (only,)
    return tuple(by_code[code] for code in Code if code in by_code)
