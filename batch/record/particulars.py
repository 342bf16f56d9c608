"""What the page's last part, "The record", says of a run: everything but its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from batch import systems
from batch.hints import verify_command
from batch.record.ledger import Ledger
from batch.record.records import Resumption, RunRecord
from batch.run_settings import rate_limit_in
from batch.words import counted, day_of, repair_list

_MOST_REFUSALS = 10
_SWITCHED_OFF = {
    "preview": "trainees were not looked up before sending",
    "final_check": "deferrals were not read back at the end",
}


class Particular(Struct, frozen=True):
    """One thing of the record: what it is, and what is said of it, in lines.

    `is_literal`: it is to be copied or compared letter by letter.
    """

    term: str
    lines: tuple[str, ...]
    is_literal: bool = False


def particulars(ledger: Ledger, run_id: str) -> Iterator[Particular]:
    """Yield what is on record of a run, in the order of its page."""
    run = ledger.run(run_id)
    yield Particular("Run", (run.run_id,), is_literal=True)
    if run.follows:
        yield Particular("Corrects rows of", run.follows, is_literal=True)
    yield Particular("Run by", (_who(run.operator_name, run.operator, run.host),))
    yield Particular("Began", (_moment(run.started_at),))
    resumptions = ledger.resumptions(run_id)
    for number, taken_up in enumerate(resumptions, 1):
        is_closing = run.ended == "closed" and number == len(resumptions)
        yield from _interrupted(run, taken_up, "Closed" if is_closing else "Resumed")
    if run.finished_at:
        yield Particular("Ended", (_moment(run.finished_at),))
    yield from _of_the_file(run)
    yield from _of_register(ledger, run)
    yield Particular("Tool", (f"defer-batch {run.tool_version}, Python {run.python_version}",))
    if run.command:
        yield Particular(
            "Command", (f"defer-batch {systems.as_command(run.command)}",), is_literal=True
        )
    yield Particular("Options", (", ".join(_options(run.settings)),))
    yield Particular(
        "To prove it", (verify_command(run_id, Path(run.reports_dir)),), is_literal=True
    )


def _interrupted(run: RunRecord, taken_up: Resumption, what: str) -> Iterator[Particular]:
    """Yield why a run had stopped, and who did what then, on which terms."""
    because = taken_up.stopped_because or "The run was cut off."
    at = "" if taken_up.stopped_at is None else f"{_moment(taken_up.stopped_at)}: "
    yield Particular("Interrupted", (f"{at}{because}",))
    who = _who(taken_up.operator_name, taken_up.operator, taken_up.host)
    lines = [f"{_moment(taken_up.resumed_at)}, by {who}"]
    before, now = set(_options(run.settings)), list(_options(taken_up.settings))
    if changed := [line for line in now if line not in before]:
        lines.append(f"with {', '.join(changed)}")
    if taken_up.token_fingerprint != run.token_fingerprint:
        lines.append(f"with another token: fingerprint {taken_up.token_fingerprint or 'none'}")
    yield Particular(what, tuple(lines))


def _of_the_file(run: RunRecord) -> Iterator[Particular]:
    size = f"{run.input_rows:,} {'row' if run.input_rows == 1 else 'rows'}"
    yield Particular("File", (f"{run.input_name}, {size}, {run.input_size:,} bytes",))
    yield Particular("Its SHA-256", (run.input_sha256,), is_literal=True)
    if run.reading_lines:
        yield Particular("Read as", run.reading_lines)
    if run.notices:
        yield Particular("Notices", run.notices)
    if run.repairs:
        yield Particular("Repaired while reading", (repair_list(run.repairs),))


def _of_register(ledger: Ledger, run: RunRecord) -> Iterator[Particular]:
    yield Particular("Register", (f"{run.base_url}, version {run.api_version}",))
    if run.token_fingerprint:
        yield Particular("Token", (f"fingerprint {run.token_fingerprint}",))
    requests = ledger.requests(run.run_id)
    sent = f"{requests.sent:,} sent; {requests.read_back:,} of them read a trainee to settle a row"
    throttled = f"{requests.throttled:,} were refused by the rate limit"
    yield Particular("Requests", (f"{sent}; {throttled}",))
    if run.looks:
        yield Particular("Looked up", tuple(map(_look, run.looks)))
    warnings = tuple(dict.fromkeys(str(words) for look in run.looks for words in _warned(look)))
    if warnings:
        yield Particular("Warnings", warnings)
    if run.final_check is not None:
        yield Particular("Confirmed", (_confirmed(run.final_check),))
    refusals = ledger.refusals(run.run_id)
    if refusals:
        said = (f"{words} ({counted(rows, 'row')})" for words, rows in refusals[:_MOST_REFUSALS])
        more = len(refusals) - _MOST_REFUSALS
        rest = (f"and {more:,} more in unprocessable.csv",) if more > 0 else ()
        yield Particular("Refused by Register", (*said, *rest))


def _look(look: Mapping[str, object]) -> str:
    rows = look.get("looked_up")
    count = rows if isinstance(rows, int) else 0
    verb = "was" if count == 1 else "were"
    return (
        f"{_moment(str(look.get('at')))}: the trainees of {counted(count, 'row')} {verb} looked up"
    )


def _warned(look: Mapping[str, object]) -> list[object]:
    found = look.get("warnings")
    return found if isinstance(found, list) else []


def _confirmed(check: Mapping[str, object]) -> str:
    of = f"{check.get('confirmed')} of {check.get('checked')} deferrals"
    return f"{_moment(str(check.get('at')))}: {of} were read back as they were sent"


def _options(settings: Mapping[str, object]) -> Iterator[str]:
    """Yield the settings of a run, in words."""
    limit = rate_limit_in(settings)
    if limit is None:
        yield "no rate limit"
    else:
        yield f"at most {limit.requests} requests in {limit.period_seconds:g} s"
    for name, words in _IN_WORDS.items():
        if isinstance(settings.get(name), int | float):
            yield words.format(f"{settings[name]:g}")
    if settings.get("again"):
        yield "rows of earlier runs were sent again (--again)"
    if settings.get("match_by"):
        yield f"trainees were found by {settings['match_by']}"
    yield from (words for name, words in _SWITCHED_OFF.items() if settings.get(name) is False)


_IN_WORDS = {
    "max_at_once": "at most {} at once",
    "timeout_seconds": "{} s to wait for an answer",
    "lost_answer_wait_seconds": "{} s to wait after a lost one",
    "give_up_after_seconds": "the run stops after {} s without any",
}


def _who(name: str | None, login: str, host: str) -> str:
    return f"{name}, as {login} on {host}" if name else f"{login} on {host}"


def _moment(at: str) -> str:
    """Return a time of the journal (ISO 8601) as people read it."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at
    return f"{day_of(moment)}, {moment:%H:%M:%S} UTC"
