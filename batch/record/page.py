"""`report.html`: one self-contained page for people, made from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from batch import files
from batch.advice import advice
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord
from batch.rows import Code, Outcome

MOST_ROWS_SHOWN_A_CODE = 500
_URGENT_FIRST = (
    Code.ANSWER_DIFFERS,
    Code.ANSWER_LOST,
    Code.REGISTER_KEEPS_FAILING,
    Code.NOT_SENT,
    Code.REINSTATED_SINCE,
    Code.CONFLICTING_ROWS,
    Code.REFUSED_BY_REGISTER,
    Code.STATE_NOT_DEFERRABLE,
    Code.ALREADY_DEFERRED,
    Code.TRAINEE_NOT_FOUND,
)
_LABELS = {
    Outcome.SUCCEEDED: "Succeeded",
    Outcome.NOT_FOUND: "Not found",
    Outcome.UNPROCESSABLE: "Unprocessable",
    Outcome.UNRESOLVED: "Unresolved",
}
_CHART_WIDTH, _CHART_HEIGHT = 640, 120
_MOST_BARS = 60


@dataclass(frozen=True, slots=True)
class Count:
    """One outcome's number, and its part of the picture, in percent."""

    outcome: str
    label: str
    rows: int
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that need attention for the same reason."""

    code: str
    count: int
    advice: str
    rows: tuple[RowRecord, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """How many rows were settled in one stretch of time, drawn."""

    x: float
    y: float
    width: float
    height: float
    said: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows settled over time against the rate limit, drawn to `_CHART_WIDTH` by `_CHART_HEIGHT`."""

    bars: tuple[Bar, ...]
    limit_y: float | None
    said: str


def write_page(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write a run's page; rows stream through, however many."""
    run = ledger.run(run_id)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("batch.record", "."), autoescape=True, trim_blocks=True
    )
    parts = environment.get_template("page.html.j2").stream(
        run=run,
        banner=_banner(run),
        counts=_counts(ledger, run),
        groups=_groups(ledger, run_id),
        chart=_chart(ledger, run),
        rows=ledger.rows(run_id),
        outcomes=_LABELS,
        requests=ledger.requests(run_id),
    )
    parts.enable_buffering(200)
    with files.replacing(path) as file:
        for part in parts:
            file.write(part.encode("utf-8", "replace"))


def _banner(run: RunRecord) -> str | None:
    if run.rehearsal:
        return "REHEARSAL: nothing was sent to Register"
    if run.settings.get("environment") == "sandbox":
        return "SANDBOX: these are not real records"
    return None


def _counts(ledger: Ledger, run: RunRecord) -> list[Count]:
    codes = ledger.counts(run.run_id)
    counts, left = [], 0.0
    for outcome in Outcome:
        rows = sum(count for code, count in codes.items() if Code(code).outcome is outcome)
        width = 100 * rows / run.input_rows if run.input_rows else 0.0
        counts.append(Count(outcome, _LABELS[outcome], rows, round(left, 3), round(width, 3)))
        left += width
    return counts


def _groups(ledger: Ledger, run_id: str) -> list[Group]:
    by_code: dict[Code, list[RowRecord]] = {}
    totals = {Code(code): count for code, count in ledger.counts(run_id).items()}
    for row in _needing_attention(ledger, run_id):
        rows = by_code.setdefault(Code(row.code), [])
        if len(rows) < MOST_ROWS_SHOWN_A_CODE:
            rows.append(row)
    urgent = {code: place for place, code in enumerate(_URGENT_FIRST)}
    ordered = sorted(
        by_code, key=lambda code: (urgent.get(code, len(urgent)), list(Code).index(code))
    )
    return [Group(code, totals[code], advice(code), tuple(by_code[code])) for code in ordered]


def _needing_attention(ledger: Ledger, run_id: str) -> Iterator[RowRecord]:
    if ledger.counts(run_id).get(Code.ANSWER_DIFFERS):
        for row in ledger.rows(run_id, Outcome.SUCCEEDED):
            if row.code == Code.ANSWER_DIFFERS:
                yield row
    for outcome in (Outcome.UNRESOLVED, Outcome.NOT_FOUND, Outcome.UNPROCESSABLE):
        yield from ledger.rows(run_id, outcome)


def _chart(ledger: Ledger, run: RunRecord) -> Chart | None:
    settled = sorted(_seconds(moment) for moment in ledger.settled_by_asking(run.run_id))
    if len(settled) < 2:
        return None
    first, span = settled[0], max(settled[-1] - settled[0], 1.0)
    step = max(1.0, span / (_MOST_BARS - 1))
    heights = [0] * (int(span // step) + 1)
    for moment in settled:
        heights[int((moment - first) // step)] += 1
    limit = _limit_in(step, run)
    top = max([*heights, limit or 0.0])
    width = _CHART_WIDTH / len(heights)
    bars = tuple(
        Bar(
            round(place * width, 2),
            round(_CHART_HEIGHT * (1 - height / top), 2),
            round(max(width - 1, 1), 2),
            round(_CHART_HEIGHT * height / top, 2),
            f"{height} rows from second {place * step:.0f}",
        )
        for place, height in enumerate(heights)
    )
    said = f"{len(settled)} rows in {span:.0f} seconds, at most {max(heights)} in {step:.0f} s."
    return Chart(bars, None if limit is None else round(_CHART_HEIGHT * (1 - limit / top), 2), said)


def _limit_in(step: float, run: RunRecord) -> float | None:
    """Give what the rate limit allows in one bar: a whole period's at once, if the bar is short."""
    requests, period = run.settings.get("rate_requests"), run.settings.get("rate_period_seconds")
    if not isinstance(requests, int) or not isinstance(period, int | float):
        return None
    return requests * max(1.0, step / period)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
