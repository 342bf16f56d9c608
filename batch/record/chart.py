"""The pictures of a page, as numbers to draw: parts of a whole, and settled rows over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from batch.codes import TABLE, Attention, Code, Outcome, counts_of
from batch.words import day_of

WIDTH, HEIGHT = 640, 160
TO_KNOW = "to_know"
"""The tone of rows that are for information."""

MOST_POINTS = 240


class Part(Struct, frozen=True):
    """One outcome's rows; `tone` is how they are coloured, see `tone_of`."""

    outcome: Outcome
    label: str
    rows: int
    tone: str


class Segment(Struct, frozen=True):
    """Rows of one tone, and where their part of the bar lies, in percent of the whole."""

    tone: str
    left: float
    width: float


class Limit(Struct, frozen=True):
    """How many requests were allowed in how many seconds."""

    requests: int
    period_seconds: float


class Curve(Struct, frozen=True):
    """Rows settled so far, over time, drawn to `WIDTH` by `HEIGHT`.

    `line` and `area` are SVG points; `limit` those of what the rate limit allows, or None.
    """

    line: str
    area: str
    limit: str | None
    rows: int
    began: str
    ended: str
    said: str


def tone_of(code: Code) -> str:
    """Return how a row is coloured: by its outcome, but plainly where nobody has to do anything."""
    is_known = TABLE[code].attention is Attention.TO_KNOW
    return TO_KNOW if is_known else code.outcome.value


def parts(codes: Mapping[str, int]) -> list[Part]:
    """Return the four counts."""
    tones = {
        outcome: {tone_of(Code(c)) for c in codes if Code(c).outcome is outcome}
        for outcome in Outcome
    }
    return [
        Part(
            outcome,
            outcome.label.capitalize(),
            rows,
            TO_KNOW if tones[outcome] <= {TO_KNOW} else outcome.value,
        )
        for outcome, rows in counts_of(codes).items()
    ]


def segments(codes: Mapping[str, int]) -> list[Segment]:
    """Return the counts as segments of one bar, in the order of the outcomes."""
    counts = dict.fromkeys([*map(str, Outcome), TO_KNOW], 0)
    for code, count in codes.items():
        counts[tone_of(Code(code))] += count
    whole, left, found = sum(codes.values()), 0.0, []
    for tone, rows in counts.items():
        width = 100 * rows / whole if rows else 0.0
        if rows:
            found.append(Segment(tone, round(left, 3), round(width, 3)))
        left += width
    return found


def curve(moments: Iterable[str], limit: Limit | None) -> Curve | None:
    """Return how many rows were settled by when (ISO 8601), None where there is no time to show."""
    settled = sorted(datetime.fromisoformat(moment).timestamp() for moment in moments)
    if len(settled) < 2:
        return None
    rows, first = len(settled), settled[0]
    span = max(settled[-1] - first, 0.001)
    step = max(1, rows // MOST_POINTS)
    known = [(0.0, 1), *((settled[n] - first, n + 1) for n in range(step, rows, step))]
    known.append((span, rows))
    line = _drawn(known, span, rows)
    began = datetime.fromtimestamp(first, tz=UTC)
    ended = began + timedelta(seconds=span)
    return Curve(
        line,
        f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}",
        None if limit is None else _drawn(_allowed(limit, span, rows), span, rows),
        rows,
        f"{began:%H:%M:%S}",
        f"{ended:%H:%M:%S}"
        if began.date() == ended.date()
        else f"{day_of(ended)}, {ended:%H:%M:%S}",
        _said(rows, span, limit),
    )


def _said(rows: int, span: float, limit: Limit | None) -> str:
    told = f"{rows:,} rows were settled in {_duration(span)}"
    if limit is None:
        return told
    return f"{told}, where {limit.requests} requests in {limit.period_seconds:g} s were allowed"


def _allowed(limit: Limit, span: float, rows: int) -> list[tuple[float, float]]:
    """Return the most that can be settled by when: a period's requests at once, then their rate."""
    reached = (rows - limit.requests) * limit.period_seconds / limit.requests
    if reached <= 0:
        return [(0.0, rows), (span, rows)]
    until = min(reached, span)
    most = limit.requests * (1 + until / limit.period_seconds)
    return [(0.0, limit.requests), (until, most), (span, most)]


def _drawn(known: Iterable[tuple[float, float]], span: float, rows: int) -> str:
    return " ".join(
        f"{WIDTH * at / span:.1f},{HEIGHT * (1 - count / rows):.1f}" for at, count in known
    )


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
