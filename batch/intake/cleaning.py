"""What reading puts right: spaces and apostrophes around values, control characters in reasons.

As expressions over a chunk of rows. Most rows are plain, so the costly ones see only the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from batch import columns

WELL_FORMED_ID = r"^[A-Za-z0-9_-]{1,64}$"

_EDGE_OF_ID = f"^'*[{columns.SPACES}]|[{columns.SPACES}]$"
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_UNGUARD = r"^'('*[=+\-@\t\r])"
_UNTRIMMED_REASON = pl.col("raw_reason").str.replace(_UNGUARD, "$1").str.replace_all(_CONTROLS, "")
_IS_PLAIN = pl.col("raw_id").str.contains(WELL_FORMED_ID) & ~pl.col("raw_reason").str.contains(
    rf"^[{columns.SPACES}']|[{columns.SPACES}]$|{_CONTROLS}"
)
_AS_IT_IS = (
    pl.col("raw_id").alias("id"),
    pl.col("raw_reason").alias("reason"),
    pl.lit(True).alias("is_id"),
)
_WAS_CHANGED = (
    (pl.col("raw_id") != pl.col("id"))
    | (pl.col("raw_date") != pl.col("date"))
    | (pl.col("raw_reason") != pl.col("reason"))
)
_REPAIRS = (
    ("spaces_removed", columns.TRAINEE_ID, pl.col("raw_id").str.contains(_EDGE_OF_ID)),
    ("spaces_removed", columns.DEFER_DATE, pl.col("raw_date").str.contains(_EDGE_OF_ID)),
    (
        "apostrophe_removed",
        columns.TRAINEE_ID,
        pl.col("raw_id").str.contains(rf"^[{columns.SPACES}]*'"),
    ),
    (
        "apostrophe_removed",
        columns.DEFER_DATE,
        pl.col("raw_date").str.contains(rf"^[{columns.SPACES}]*'"),
    ),
    ("apostrophe_removed", columns.DEFER_REASON, pl.col("raw_reason").str.contains(_UNGUARD)),
    (
        "spaces_removed",
        columns.DEFER_REASON,
        _UNTRIMMED_REASON.str.contains(f"^[{columns.SPACES}]|[{columns.SPACES}]$"),
    ),
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


def tidied(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `id`, `is_id` (well formed) and `reason` to `raw_id` and `raw_reason`."""
    plain = frame.select(_IS_PLAIN).to_series()
    if plain.all():
        return frame.with_columns(_AS_IT_IS)
    others = (
        frame.filter(~plain)
        .with_columns(
            id=pl.col("raw_id")
            .str.strip_chars_start(columns.SPACES + "'")
            .str.strip_chars_end(columns.SPACES),
            reason=_UNTRIMMED_REASON.str.strip_chars(columns.SPACES),
        )
        .with_columns(is_id=pl.col("id").str.contains(WELL_FORMED_ID))
    )
    return pl.concat([frame.filter(plain).with_columns(_AS_IT_IS), others]).sort("place")


def tidied_date(raw: str) -> str:
    """Return a date without the spaces and apostrophes around it."""
    return raw.lstrip(columns.SPACES + "'").rstrip(columns.SPACES)


def repairs_of(frame: pl.DataFrame, names: dict[str, str]) -> tuple[Repair, ...]:
    """Return what was put right in a tidied frame; `names` are the file's own, by column."""
    changed = frame.filter(_WAS_CHANGED)
    if changed.is_empty():
        return ()
    flags = changed.select(found.alias(f"{kind} {column}") for kind, column, found in _REPAIRS)
    return tuple(
        Repair(changed["row"][place], names[column], kind)
        for kind, column, _ in _REPAIRS
        if column in names
        for place in flags[f"{kind} {column}"].arg_true().to_list()
    )
