"""`report.html`: one self-contained page for people, made from the journal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from batch import columns, files
from batch.codes import Code, Outcome
from batch.hints import corrections_command, reconcile_command, resume_command, verify_command
from batch.record import chart, manifest, to_correct
from batch.record.findings import findings, headline, sentence_of
from batch.record.ledger import Ledger
from batch.record.particulars import particulars
from batch.record.records import RowRecord, RunRecord
from batch.run_settings import rate_limit_in
from batch.words import day_of, days_written_out

MOST_ROWS_SHOWN_AT_ONCE = 500


def write_page(
    ledger: Ledger, run_id: str, path: Path, rows: Iterable[RowRecord] | None = None
) -> None:
    """Write a run's page; rows stream through, however many. They are read unless given."""
    with files.replacing(path) as file:
        file.writelines(rendered(ledger, run_id, rows))


def rendered(
    ledger: Ledger, run_id: str, rows: Iterable[RowRecord] | None = None
) -> Iterator[bytes]:
    """Yield a run's page: the same journal gives the same bytes. Rows are read unless given."""
    environment = _environment()
    style, script = (_source(environment, f"page.{kind}") for kind in ("css", "js"))
    parts = environment.get_template("page.html.j2").stream(
        _told(ledger, run_id, rows or ledger.rows(run_id)),
        style=style,
        script=script,
        policy=_policy(style, script),
    )
    parts.enable_buffering(200)
    for part in parts:
        yield part.encode("utf-8", "replace")


def _told(ledger: Ledger, run_id: str, rows: Iterable[RowRecord]) -> dict[str, object]:
    """Return what the template asks for, but for what makes the page work."""
    run, codes = ledger.run(run_id), ledger.counts(run_id)
    reports_dir, command = Path(run.reports_dir), ledger.last_command(run_id)
    corrections = reports_dir / run_id / manifest.TO_CORRECT
    return {
        "run": run,
        "banner": run.banner,
        "headline": headline(run, codes),
        "resume": resume_command(run_id, reports_dir, command),
        "reconcile": reconcile_command(run_id, reports_dir, command)
        if run.lacks_final_check(codes)
        else None,
        "verify": verify_command(run_id, reports_dir),
        "to_correct": to_correct.counted(codes),
        "run_corrections": corrections_command(run.command, corrections),
        "parts": chart.parts(codes),
        "segments": chart.segments(codes),
        "trainees": ledger.trainees(run_id),
        "codes": {Code(code): codes[code] for code in Code if code in codes},
        "findings": findings(ledger, run_id),
        "curve": chart.curve(ledger.settled_by_asking(run_id), _limit(run)),
        "rows": _lines(run, rows),
        "trainee": trainee,
        "reference": partial(reference, run),
        "message": sentence_of,
        "particulars": particulars(ledger, run_id),
        "most_at_once": MOST_ROWS_SHOWN_AT_ONCE,
    }


def _lines(run: RunRecord, rows: Iterable[RowRecord]) -> Iterator[Markup]:
    """Yield the table's rows: as a part of the template they took most of the page's time."""
    place, labels = place_of_date(run.columns), _labels()
    tones = {code.value: chart.tone_of(code) for code in Code}
    for number, row in enumerate(rows, 1):
        later = ' class="later"' if number > MOST_ROWS_SHOWN_AT_ONCE else ""
        named = reference(run, row)
        known = f'<bdi class="ref">{_shown(named)}</bdi> ' if named else ""
        yield Markup(  # noqa: S704 — each part of it is escaped, or our own
            f'<tr data-outcome="{row.outcome}"{later}><td class="n">{row.row_number}</td>'
            f'<td class="who">{known}<bdi class="mono">{_shown(trainee(row))}</bdi></td>'
            f'<td class="n">{_day_in_table(date(row, place))}</td>'
            f'<td class="{tones[row.code]}"><span class="tag">{labels[row.outcome]}</span></td>'
            f'<td class="mono">{row.code}</td><td><bdi>{_shown(sentence_of(row))}</bdi></td></tr>\n'
        )


@lru_cache(maxsize=1000)
def _day_in_table(written: str) -> str:
    """Return a date as people write it, and for programs as it is; what is none as it stands."""
    in_full = days_written_out(written)
    if in_full == written:
        return f"<bdi>{_shown(written)}</bdi>"
    return f'<time datetime="{_shown(written)}">{_shown(in_full)}</time>'


def _shown(text: str) -> str:
    return escape(visible(text))


def _labels() -> dict[str, str]:
    return {outcome.value: outcome.label.capitalize() for outcome in Outcome}


@cache  # compiling the template takes longer than writing the page of a short run
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("batch.record"),
        autoescape=True,
        trim_blocks=True,
        finalize=visible,
    )
    environment.filters |= {
        "words": _words,
        "day": _day,
        "written_out": days_written_out,
        "number": "{:,}".format,
    }
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
    limit = rate_limit_in(run.settings)
    return None if limit is None else chart.Limit(limit.requests, limit.period_seconds)


def _words(code: str) -> str:
    """Return a code as a heading."""
    words = code.replace("_", " ").capitalize()
    for name, written in (("register", "Register"), ("trn", "TRN"), ("hesa", "HESA")):
        words = re.sub(rf"\b{name}\b", written, words)
    return words


def _day(moment: str) -> str:
    return day_of(datetime.fromisoformat(moment))


MOST_CHARACTERS = 30
"""How much of an id or a date that failed a check is shown: it may be anything, also a reason."""

_REFERENCES = (
    (columns.PROVIDER_TRAINEE_ID, "No."),
    (columns.TRN, "TRN"),
    (columns.HESA_ID, "HESA"),
)
"""Where the list's own number stands, best first, and what stands before it on the page."""

_LONGEST_ID = 64
_AN_ID = re.compile(r"[A-Za-z0-9]{24}", re.ASCII)
_A_DATE = re.compile(r"[\d/.-]{6,10}", re.ASCII)


def visible(value: object) -> object:
    """Return a text with what has no shape of its own named, such as `[U+202E]`; else the value."""
    if not isinstance(value, str) or value.isprintable() or hasattr(value, "__html__"):
        return value
    return "".join(letter if letter.isprintable() else f"[U+{ord(letter):04X}]" for letter in value)


def trainee(row: RowRecord) -> str:
    """Return the row's id. Where a row has too many values, only what is an id beyond doubt."""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _AN_ID.fullmatch(row.trainee_id):
        return ""
    return _short(row.trainee_id, _LONGEST_ID)


def reference(run: RunRecord, row: RowRecord) -> str:
    """Return how the list itself numbers the row's trainee, by whom people know them; no name."""
    for name, words in _REFERENCES:
        header = run.held_in.get(name)
        if header not in run.columns:
            continue
        value = row.values[run.columns.index(header)].strip(columns.SPACES + "'")
        is_unsure = row.code == Code.WRONG_NUMBER_OF_VALUES and not value.isdecimal()
        if value and not is_unsure:
            return f"{words} {_short(value, MOST_CHARACTERS)}"
    return ""


def date(row: RowRecord, place: int | None) -> str:
    """Return the row's date; where it failed a check, as it stands in its column of that place."""
    if row.defer_date is not None:
        return row.defer_date
    written = row.values[place] if place is not None and place < len(row.values) else ""
    if row.code == Code.WRONG_NUMBER_OF_VALUES and not _A_DATE.fullmatch(written):
        return ""
    return _short(written, MOST_CHARACTERS)


def place_of_date(names: tuple[str, ...]) -> int | None:
    """Return where the date stands among the input's own columns."""
    known = [columns.known_column(name) for name in names]
    return known.index(columns.DEFER_DATE) if columns.DEFER_DATE in known else None


def _short(value: str, most: int) -> str:
    return value if len(value) <= most else value[: MOST_CHARACTERS - 1] + "…"
