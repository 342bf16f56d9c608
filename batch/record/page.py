"""`report.html`: one self-contained page for people, made from the journal."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from batch import files
from batch.advice import advice
from batch.record import chart, seen
from batch.record.ledger import Ledger
from batch.record.records import RowRecord, RunRecord
from batch.rows import Code, Outcome

MOST_ROWS_SHOWN_A_CODE = 500
MOST_ROWS_SHOWN_AT_ONCE = 500
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


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that need attention for the same reason, the first of them at least."""

    code: Code
    count: int
    advice: str
    rows: tuple[RowRecord, ...]


def write_page(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write a run's page; rows stream through, however many."""
    with files.replacing(path) as file:
        for part in rendered(ledger, run_id):
            file.write(part)


def rendered(ledger: Ledger, run_id: str) -> Iterator[bytes]:
    """Stream a run's page: the same journal gives the same bytes."""
    run, codes = ledger.run(run_id), ledger.counts(run_id)
    loader = jinja2.PackageLoader("batch.record", ".")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, finalize=seen.visible
    )
    environment.filters |= {"words": _words, "day": _day}
    style, script = (loader.get_source(environment, f"page.{kind}")[0] for kind in ("css", "js"))
    parts = environment.get_template("page.html.j2").stream(
        run=run,
        banner=_banner(run),
        style=style,
        script=script,
        policy=_policy(style, script),
        parts=chart.parts(codes),
        codes={Code(code): codes[code] for code in Code if code in codes},
        groups=_groups(ledger, run_id, codes),
        curve=chart.curve(ledger.settled_by_asking(run_id), _limit(run)),
        rows=ledger.rows(run_id),
        trainee=seen.trainee,
        date=seen.date,
        place_of_date=seen.place_of_date(run.columns),
        requests=ledger.requests(run_id),
        most_at_once=MOST_ROWS_SHOWN_AT_ONCE,
    )
    parts.enable_buffering(200)
    for part in parts:
        yield part.encode("utf-8", "replace")


def _banner(run: RunRecord) -> str | None:
    if run.rehearsal:
        return "REHEARSAL: nothing was sent to Register"
    if run.settings.get("environment") == "sandbox":
        return "SANDBOX: these are not real records"
    return None


def _policy(style: str, script: str) -> str:
    """Give the page's policy: this style and this script, and nothing else from anywhere."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " base-uri 'none'; form-action 'none'"
    )


def _groups(ledger: Ledger, run_id: str, codes: dict[str, int]) -> list[Group]:
    by_code: dict[Code, list[RowRecord]] = {}
    for row in _needing_attention(ledger, run_id, codes):
        rows = by_code.setdefault(Code(row.code), [])
        if len(rows) < MOST_ROWS_SHOWN_A_CODE:
            rows.append(row)
    return [
        Group(code, codes[code], advice(code), tuple(by_code[code]))
        for code in sorted(by_code, key=_urgency)
    ]


def _urgency(code: Code) -> tuple[int, int]:
    place = _URGENT_FIRST.index(code) if code in _URGENT_FIRST else len(_URGENT_FIRST)
    return place, list(Code).index(code)


def _needing_attention(ledger: Ledger, run_id: str, codes: dict[str, int]) -> Iterator[RowRecord]:
    if codes.get(Code.ANSWER_DIFFERS):
        for row in ledger.rows(run_id, Outcome.SUCCEEDED):
            if row.code == Code.ANSWER_DIFFERS:
                yield row
    for outcome in (Outcome.UNRESOLVED, Outcome.NOT_FOUND, Outcome.UNPROCESSABLE):
        yield from ledger.rows(run_id, outcome)


def _limit(run: RunRecord) -> chart.Limit | None:
    requests, period = run.settings.get("rate_requests"), run.settings.get("rate_period_seconds")
    if not isinstance(requests, int) or not isinstance(period, int | float):
        return None
    return chart.Limit(requests, period)


def _words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _day(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}"
