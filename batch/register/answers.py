"""The tables: what an answer of Register means, before anyone decides what to do next.

Pure: bytes in, a `Meaning` out. Source of every line: register/API.md, "As documented" and
"As observed". Of a body only `trainee_id`, `state` and `defer_date` are read, and the `errors` of
a 422; nothing else of what Register says about a person leaves this module.
"""

from __future__ import annotations

from typing import Any

from batch.register import body
from batch.register.api import Answer, Kind, Meaning, NoReply, Reply
from batch.rows import Deferral

_QUOTED_AT_MOST = 200
_REPEATED_AT_MOST = 7


def meaning_of_defer(answer: Answer, deferral: Deferral) -> Meaning:
    """Return what the answer to a defer request means for that deferral."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200 | 201:
            return _meaning_of_success(answer, deferral)
        case 404 if body.is_about_trainee(answer):
            return _said(answer, Kind.NOT_FOUND, "does not know this trainee for this provider")
        case 404:
            return _said(answer, Kind.WRONG_PATH, "answered 404: no such address")
        case 422:
            return _meaning_of_422(answer, deferral)
        case _:
            return _meaning_of_any(answer)


def meaning_of_read(answer: Answer, deferral: Deferral) -> Meaning:
    """Return what the answer to reading a trainee shows."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200:
            return _meaning_of_trainee(answer, deferral)
        case 404 if body.is_about_trainee(answer):
            return _said(answer, Kind.NOT_FOUND, "does not know this trainee for this provider")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}: cannot be read")
        case _:
            return _meaning_of_any(answer)


def meaning_of_info(answer: Answer) -> Meaning:
    """Return what the answer to /info says of token, version and service."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    content = body.json_of(answer)
    match answer.status:
        case 200 if isinstance(content, dict) and isinstance(content.get("version"), dict):
            latest = body.latest_version_of(content)
            return _said(answer, Kind.SERVES, latest_version=latest)
        case 200:
            return _said(answer, Kind.NOT_REGISTER, "gave a page that is not Register's")
        case 400 if "version" in answer.body.decode("utf-8", "replace").lower():
            return _said(answer, Kind.VERSION_NOT_SERVED, "does not serve this version")
        case 404 if "Not found" in body.errors_of(content):
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
            return _said(answer, Kind.THROTTLED, retry_after_seconds=body.retry_after_of(answer))
        case 408:
            return _said(answer, Kind.LOST, "waited in vain for the request (408)")
        case _ if 300 <= status < 400:
            return _said(answer, Kind.REDIRECTED, f"redirects elsewhere ({status})")
        case _ if 400 <= status < 500:
            return _said(answer, Kind.REFUSED, f"refused the request ({status})")
        case _:
            return _said(answer, Kind.LOST, f"answered {status}")


def _meaning_of_success(answer: Reply, deferral: Deferral) -> Meaning:
    content = body.json_of(answer)
    trainee = content.get("data") if isinstance(content, dict) else None
    if not isinstance(trainee, dict):
        return _said(answer, Kind.LOST, f"answered {answer.status} without Register's content")
    state, date = body.state_of(trainee), body.date_of(trainee)
    if not body.is_same_trainee(trainee, deferral):
        return _said(answer, Kind.DIFFERS, "answered about another trainee", state=state)
    if date is None:
        return _said(answer, Kind.NO_DATE, "gave no deferral date", state=state)
    if date != deferral.defer_date:
        words = f"answered with the date {date}"
        return _said(answer, Kind.DIFFERS, words, state=state, defer_date=date)
    return _said(answer, Kind.DEFERRED, state=state, defer_date=date)


def _meaning_of_422(answer: Reply, deferral: Deferral) -> Meaning:
    errors = body.errors_of(body.json_of(answer))
    if any("state is invalid" in error.lower() for error in errors):
        return _said(answer, Kind.STATE_REFUSED, "says that the trainee's state forbids it")
    said = body.on_one_line(" / ".join(errors))
    quotable = said and not _repeats(said, body.on_one_line(deferral.defer_reason or ""))
    words = f"refused it: {said[:_QUOTED_AT_MOST]}" if quotable else "refused it (422)"
    return _said(answer, Kind.REFUSED, words)


def _repeats(said: str, reason: str) -> bool:
    """Whether a text repeats a reason, or so much of it that it could be about health."""
    text, whole = said.casefold(), reason.casefold()
    most = min(len(whole), _REPEATED_AT_MOST + 1)
    return most > 0 and any(whole[i : i + most] in text for i in range(len(whole) - most + 1))


def _meaning_of_trainee(answer: Reply, deferral: Deferral) -> Meaning:
    content = body.json_of(answer)
    inner = content.get("data", content) if isinstance(content, dict) else None
    if not isinstance(inner, dict) or not body.is_same_trainee(inner, deferral):
        return _said(answer, Kind.UNCLEAR, "gave no trainee to compare")
    state = body.state_of(inner)
    if state is None:
        return _said(answer, Kind.UNCLEAR, "gave no state to compare")
    return _said(answer, Kind.FOUND, state=state, defer_date=body.date_of(inner))


def _said(answer: Reply, kind: Kind, words: str = "", **more: Any) -> Meaning:
    return Meaning(
        kind,
        words,
        status=answer.status,
        request_id=body.request_id_of(answer),
        server_time=body.server_time_of(answer),
        **more,
    )
