"""`report.html`: one self-contained page for people, made from the journal."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import jinja2

from batch import files
from batch.advice import resume_command, verify_command
from batch.record import chart, findings
from batch.record.findings import attention, verdict
from batch.record.ledger import Ledger
from batch.record.records import RunRecord
from batch.rows import Code

MOST_ROWS_SHOWN_AT_ONCE = 500


def write_page(ledger: Ledger, run_id: str, path: Path) -> None:
    """Write a run's page; rows stream through, however many."""
    with files.replacing(path) as file:
        for part in rendered(ledger, run_id):
            file.write(part)


def rendered(ledger: Ledger, run_id: str) -> Iterator[bytes]:
    """Yield a run's page: the same journal gives the same bytes."""
    environment = _environment()
    style, script = (_source(environment, f"page.{kind}") for kind in ("css", "js"))
    parts = environment.get_template("page.html.j2").stream(
        _told(ledger, run_id), style=style, script=script, policy=_policy(style, script)
    )
    parts.enable_buffering(200)
    for part in parts:
        yield part.encode("utf-8", "replace")


def _told(ledger: Ledger, run_id: str) -> dict[str, object]:
    """Return what the template asks for, but for what makes the page work."""
    run, codes = ledger.run(run_id), ledger.counts(run_id)
    reports_dir = Path(run.reports_dir)
    return {
        "run": run,
        "banner": run.banner,
        "verdict": verdict(run, codes),
        "resume": resume_command(run_id, reports_dir),
        "verify": verify_command(run_id, reports_dir),
        "parts": chart.parts(codes),
        "codes": {Code(code): codes[code] for code in Code if code in codes},
        "attention": attention(ledger, run_id),
        "curve": chart.curve(ledger.settled_by_asking(run_id), _limit(run)),
        "rows": ledger.rows(run_id),
        "trainee": findings.trainee,
        "date": findings.date,
        "place_of_date": findings.place_of_date(run.columns),
        "requests": ledger.requests(run_id),
        "most_at_once": MOST_ROWS_SHOWN_AT_ONCE,
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("batch.record"),
        autoescape=True,
        trim_blocks=True,
        finalize=findings.visible,
    )
    environment.filters |= {"words": _words, "day": _day, "number": "{:,}".format}
    environment.globals["labels"] = chart.LABELS
    return environment


def _source(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _policy(style: str, script: str) -> str:
    """Return the page's policy: this style and this script, and nothing else from anywhere."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " base-uri 'none'; form-action 'none'"
    )


def _limit(run: RunRecord) -> chart.Limit | None:
    requests, period = run.settings.get("rate_requests"), run.settings.get("rate_period_seconds")
    if not isinstance(requests, int) or not isinstance(period, int | float):
        return None
    return chart.Limit(requests, period)


def _words(code: str) -> str:
    return code.replace("_", " ").capitalize().replace("register", "Register")


def _day(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}"
