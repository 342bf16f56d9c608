"""What reading puts right: spaces and apostrophes around values, control characters in reasons.

As expressions over a chunk of rows. Most rows are plain, so the costly ones see only the others.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from batch import columns


def _is_id(column: str) -> pl.Expr:
    """Whether a value can be an id of Register's: digits alone are another number."""
    value = pl.col(column).str
    return value.contains(_OF_AN_ID) & (value.len_bytes() <= 64)


_OF_AN_ID = r"^[0-9]*[A-Za-z_-][A-Za-z0-9_-]*$"
_FORMULA_TEXT = r'^="((?s:.*))"$'
_ADDRESS = (
    r"(?i)^(?:https?://)?(?:[a-z0-9-]+\.)?register-trainee-teachers\.service\.gov\.uk"
    r"/trainees/([A-Za-z0-9_-]{1,64})(?:[/?#].*)?$"
)
"""The address of a trainee in Register; what stands behind `trainees/` is the id."""

_EDGE_OF_ID = f"^'*[{columns.SPACES}]|[{columns.SPACES}]$"
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_UNGUARD = r"^'('*[=+\-@\t\r])"
_UNTRIMMED_REASON = pl.col("raw_reason").str.replace(_UNGUARD, "$1").str.replace_all(_CONTROLS, "")
_IS_PLAIN = _is_id("raw_id") & ~pl.col("raw_reason").str.contains(
    rf"^[{columns.SPACES}'=]|[{columns.SPACES}]$|{_CONTROLS}"
)
_AS_IT_IS = (
    pl.col("raw_id").alias("id"),
    pl.col("raw_reason").alias("reason"),
    _IS_PLAIN.alias("is_id"),
    pl.lit(False).alias("was_tidied"),
)
_IS_TIDIED = (pl.col("raw_id") != pl.col("id")) | (pl.col("raw_reason") != pl.col("reason"))
_WAS_CHANGED = (
    pl.col("was_tidied") | pl.col("was_rewritten") | (pl.col("raw_date") != pl.col("date"))
)
_REPAIRS = (
    ("formula_taken_as_text", columns.TRAINEE_ID, pl.col("raw_id").str.contains(_FORMULA_TEXT)),
    (
        "formula_taken_as_text",
        columns.DEFER_DATE,
        pl.col("raw_date").str.contains(_FORMULA_TEXT),
    ),
    (
        "formula_taken_as_text",
        columns.DEFER_REASON,
        pl.col("raw_reason").str.contains(_FORMULA_TEXT) & ~pl.col("reason").str.starts_with("="),
    ),
    ("address_taken_as_id", columns.TRAINEE_ID, pl.col("raw_id").str.contains(r"/trainees/")),
    ("date_read", columns.DEFER_DATE, pl.col("was_rewritten")),
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


class Repair(Struct, frozen=True):
    """Something that reading put right: what kind, where; never the value."""

    row_number: int
    column: str
    kind: str


def tidied(frame: pl.DataFrame, *, with_formulas: bool) -> pl.DataFrame:
    """Add `id`, `is_id` (well formed), `reason` and `was_tidied` to `raw_id` and `raw_reason`.

    `with_formulas`: `="…"` is its text, as a spreadsheet shows it of a CSV.
    """
    read = frame.with_columns(_AS_IT_IS)  # here `is_id` says which rows are plain
    if read["is_id"].all():
        return read
    reason = _UNTRIMMED_REASON.str.strip_chars(columns.SPACES)
    trainee = pl.col("raw_id").str.strip_chars_start(columns.SPACES + "'")
    trainee = trainee.str.strip_chars_end(columns.SPACES)
    if with_formulas:
        reason = _without_formula(reason).str.strip_chars(columns.SPACES)
        trainee = _without_formula(trainee).str.strip_chars(columns.SPACES)
    others = (
        read.filter(~pl.col("is_id"))
        .with_columns(id=trainee.str.replace(_ADDRESS, "$1"), reason=reason)
        .with_columns(is_id=_is_id("id"), was_tidied=_IS_TIDIED)
    )
    return pl.concat([read.filter("is_id"), others]).sort("place")


def _without_formula(value: pl.Expr) -> pl.Expr:
    """Return the text of `="…"`, in which quotes are doubled; other values as they are."""
    inner = value.str.replace(_FORMULA_TEXT, "$1").str.replace_all('""', '"', literal=True)
    return pl.when(value.str.contains(_FORMULA_TEXT)).then(inner).otherwise(value)


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
