"""The tables: what an answer of Register means, before anyone decides what to do next.

Pure: bytes in, a `Meaning` out. Source of every line: register/API.md, "As documented" and
"As observed". Of a body only `trainee_id`, `state` and `defer_date` are read, and the `errors` of
a 422; nothing else of what Register says about a person leaves this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from batch.rows import Deferral, folded

DEFERRABLE = frozenset({"submitted_for_trn", "trn_received"})
"""The states from which deferring works (API.md, "Deferring is not idempotent")."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T|$)", re.ASCII)
_STATE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_VERSION = re.compile(r"v\d{4}\.\d{1,3}(-[a-z]+)?", re.ASCII)
_QUOTED_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status, headers (names in lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing came back: `left` tells whether the request may have reached Register.

    `why` is in our own words; `hopeless` marks what no repeat can mend, such as a certificate
    that does not verify.
    """

    left: bool
    why: str
    hopeless: bool = False


Answer = Reply | NoReply


class Kind(StrEnum):
    """What an answer means, as a word that the journal keeps."""

    DEFERRED = "deferred"
    """A 200 about our trainee and our date."""
    NO_DATE = "no_date"
    """A 200 about our trainee that gives no date to compare."""
    DIFFERS = "differs"
    """A 200 about another trainee or another date."""
    LOST = "lost"
    """The request may have arrived; what became of it is unknown."""
    NEVER_LEFT = "never_left"
    """The request certainly did not reach Register."""
    THROTTLED = "throttled"
    """429: not looked at."""
    NOT_FOUND = "not_found"
    """404 about this trainee."""
    STATE_REFUSED = "state_refused"
    """422 about the trainee's state."""
    REFUSED = "refused"
    """Another 4xx about this row."""
    FORBIDDEN = "forbidden"
    """403."""
    UNAUTHORISED = "unauthorised"
    """401."""
    REDIRECTED = "redirected"
    """3xx."""
    WRONG_PATH = "wrong_path"
    """404 or 405 that is not about a trainee."""
    VERSION_NOT_SERVED = "version_not_served"
    """/info says that this version is not there."""
    FOUND = "found"
    """A read that shows the trainee."""
    UNCLEAR = "unclear"
    """A read that shows nothing of use."""
    SERVES = "serves"
    """/info answers as Register does."""
    NOT_REGISTER = "not_register"
    """A 200 to /info that Register would not give."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means, with the little of it that may be kept.

    `words` completes the sentence "Register …" or tells why nothing came back;
    `state`, `defer_date` are the trainee's, `latest_version` is what /info names;
    `retry_after_seconds` is a 429's, None where it gave none.
    """

    kind: Kind
    words: str = ""
    status: int | None = None
    state: str | None = None
    defer_date: str | None = None
    latest_version: str | None = None
    retry_after_seconds: float | None = None
    request_id: str | None = None
    server_time: float | None = None

    @property
    def is_service_failure(self) -> bool:
        """Whether Register, rather than the row, seems to be in trouble."""
        return self.kind in {Kind.LOST, Kind.NEVER_LEFT}


def meaning_of_defer(answer: Answer, deferral: Deferral) -> Meaning:
    """Tell what the answer to a defer request means for that deferral."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200 | 201:
            return _meaning_of_success(answer, deferral)
        case 404 if _is_about_trainee(answer):
            return _said(answer, Kind.NOT_FOUND, "does not know this trainee for this provider")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}: no such address")
        case 422:
            return _meaning_of_422(answer, deferral)
        case _:
            return _meaning_of_any(answer)


def meaning_of_read(answer: Answer, deferral: Deferral) -> Meaning:
    """Tell what the answer to reading a trainee shows."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200:
            return _meaning_of_trainee(answer, deferral)
        case 404 if _is_about_trainee(answer):
            return _said(answer, Kind.NOT_FOUND, "does not know this trainee for this provider")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}: cannot be read")
        case _:
            return _meaning_of_any(answer)


def meaning_of_info(answer: Answer) -> Meaning:
    """Tell what the answer to /info says of token, version and service."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    body = _json(answer)
    match answer.status:
        case 200 if isinstance(body, dict) and isinstance(body.get("version"), dict):
            latest = body["version"].get("latest")
            known = isinstance(latest, str) and _VERSION.fullmatch(latest)
            return _said(answer, Kind.SERVES, latest_version=latest if known else None)
        case 200:
            return _said(answer, Kind.NOT_REGISTER, "gave a page that is not Register's")
        case 400 if "version" in answer.body.decode("utf-8", "replace").lower():
            return _said(answer, Kind.VERSION_NOT_SERVED, "does not serve this version")
        case 404 if "Not found" in _errors(body):
            return _said(answer, Kind.VERSION_NOT_SERVED, "does not serve this version")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}")
        case _:
            return _meaning_of_any(answer)


def _meaning_of_silence(answer: NoReply) -> Meaning:
    return Meaning(Kind.LOST if answer.left else Kind.NEVER_LEFT, answer.why)


def _meaning_of_any(answer: Reply) -> Meaning:
    status = answer.status
    match status:
        case 401:
            return _said(answer, Kind.UNAUTHORISED, "refused the token (401)")
        case 403:
            return _said(answer, Kind.FORBIDDEN, "refused the request (403)")
        case 429:
            return _said(answer, Kind.THROTTLED, retry_after_seconds=_retry_after(answer))
        case 408:
            return _said(answer, Kind.LOST, "waited in vain for the request (408)")
        case _ if 300 <= status < 400:
            return _said(answer, Kind.REDIRECTED, f"redirects elsewhere ({status})")
        case _ if 400 <= status < 500:
            return _said(answer, Kind.REFUSED, f"refused the request ({status})")
        case _:
            return _said(answer, Kind.LOST, f"answered {status}")


def _meaning_of_success(answer: Reply, deferral: Deferral) -> Meaning:
    body = _json(answer)
    trainee = body.get("data") if isinstance(body, dict) else None
    if not isinstance(trainee, dict):
        return _said(answer, Kind.LOST, f"answered {answer.status} without Register's content")
    state, date = _state(trainee), _date(trainee)
    if not _is_same_trainee(trainee, deferral):
        return _said(answer, Kind.DIFFERS, "answered about another trainee", state=state)
    if date is None:
        return _said(answer, Kind.NO_DATE, "gave no deferral date", state=state)
    if date != deferral.defer_date:
        words = f"answered with the date {date}"
        return _said(answer, Kind.DIFFERS, words, state=state, defer_date=date)
    return _said(answer, Kind.DEFERRED, state=state, defer_date=date)


def _meaning_of_422(answer: Reply, deferral: Deferral) -> Meaning:
    errors = _errors(_json(answer))
    if any("state is invalid" in error.lower() for error in errors):
        return _said(answer, Kind.STATE_REFUSED, "says that the trainee's state forbids it")
    said = " / ".join(errors)[:_QUOTED_AT_MOST]
    reason = (deferral.defer_reason or "").strip()
    quotable = said and not (reason and reason.casefold() in " / ".join(errors).casefold())
    return _said(answer, Kind.REFUSED, f"refused it: {said}" if quotable else "refused it (422)")


def _meaning_of_trainee(answer: Reply, deferral: Deferral) -> Meaning:
    body = _json(answer)
    inner = body.get("data", body) if isinstance(body, dict) else None
    if not isinstance(inner, dict) or not _is_same_trainee(inner, deferral):
        return _said(answer, Kind.UNCLEAR, "gave no trainee to compare")
    state = _state(inner)
    if state is None:
        return _said(answer, Kind.UNCLEAR, "gave no state to compare")
    return _said(answer, Kind.FOUND, state=state, defer_date=_date(inner))


def _said(answer: Reply, kind: Kind, words: str = "", **more: Any) -> Meaning:
    return Meaning(
        kind,
        words,
        status=answer.status,
        request_id=_request_id(answer),
        server_time=_http_date(answer.headers.get("date", "")),
        **more,
    )


def _json(answer: Reply) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _errors(body: Any) -> tuple[str, ...]:
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return ()
    messages = [error.get("message") if isinstance(error, dict) else error for error in errors]
    return tuple(_printable(message) for message in messages if isinstance(message, str))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _is_about_trainee(answer: Reply) -> bool:
    return any("trainee" in error.lower() for error in _errors(_json(answer)))


def _is_same_trainee(trainee: dict[str, Any], deferral: Deferral) -> bool:
    named = trainee.get("trainee_id")
    return named is None or (
        isinstance(named, str) and folded(named) == folded(deferral.trainee_id)
    )


def _state(trainee: dict[str, Any]) -> str | None:
    state = trainee.get("state")
    return state if isinstance(state, str) and _STATE.fullmatch(state) else None


def _date(trainee: dict[str, Any]) -> str | None:
    date = trainee.get("defer_date")
    found = _DATE.match(date) if isinstance(date, str) else None
    return found.group() if found else None


def _request_id(answer: Reply) -> str | None:
    given = answer.headers.get("x-request-id", "")
    return given if re.fullmatch(r"[\w\-]{1,64}", given, re.ASCII) else None


def _retry_after(answer: Reply) -> float | None:
    """Read Retry-After: whole seconds, or a date (RFC 9110, section 10.2.3)."""
    given = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", given, re.ASCII):
        return float(given)
    until, sent = _http_date(given), _http_date(answer.headers.get("date", ""))
    return max(0.0, until - sent) if until is not None and sent is not None else None


def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None
