"""The tables: what an answer of Register means, before anyone decides what to do next.

Pure: bytes in, a `Meaning` out. Source of every line: register/API.md, "As documented" and
"As observed". Of an answer about one trainee a `Meaning` keeps the state and the deferral date
alone, of a 422 its words; a list's page holds what the roster compares in memory.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from batch.register import body
from batch.register.api import Answer, NoReply, Reply
from batch.register.body import ListedTrainee, ListPage
from batch.rows import Deferral

_QUOTED_AT_MOST = 200
_REPEATED_AT_MOST = 7


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
    LISTED = "listed"
    """A page of the list of trainees."""
    NOBODY = "nobody"
    """A list with nobody in it, or a page past its end."""
    SERVES = "serves"
    """/info answers as Register does."""
    NOT_REGISTER = "not_register"
    """A 200 to /info that Register would not give."""


class Meaning(Struct, frozen=True):
    """What an answer means, with the little of it that may be kept.

    `words` completes the sentence "Register …" or tells why nothing came back;
    `state`, `defer_date` are the trainee's, `latest_version` is what /info names;
    `retry_after_seconds` is a 429's, None where it gave none. `page` and `trainee` are what a look
    shows: they are compared in memory, and kept nowhere. `is_our_reason`: whether a read shows the
    reason that was asked for, None where it shows none of either.
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
    page: ListPage | None = None
    trainee: ListedTrainee | None = None
    is_our_reason: bool | None = None

    @property
    def is_service_failure(self) -> bool:
        """Whether Register, rather than the row, seems to be in trouble."""
        return self.kind in {Kind.LOST, Kind.NEVER_LEFT}


def meaning_of_defer(answer: Answer, deferral: Deferral, *, was_found: bool = False) -> Meaning:
    """Return what the answer to a defer request means for that deferral.

    `was_found`: Register showed the trainee just before. That it knows nobody of that id may then
    be the answer to another request, so this one's is lost.
    """
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200 | 201:
            return _meaning_of_success(answer, deferral)
        case 404 if body.is_about_trainee(answer) and was_found:
            return _said(answer, Kind.LOST, "does not know a trainee whom it has just shown")
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
            return _said(answer, Kind.NOT_REGISTER, "answered with a page that is not Register's")
        case 400 if "version" in answer.body.decode("utf-8", "replace").lower():
            return _said(answer, Kind.VERSION_NOT_SERVED, "does not serve this version")
        case 404 if "Not found" in body.errors_of(content):
            return _said(answer, Kind.VERSION_NOT_SERVED, "does not serve this version")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}")
        case _:
            return _meaning_of_any(answer)


def meaning_of_list(answer: Answer) -> Meaning:
    """Return what the answer to asking for a list shows; `page` holds the trainees of LISTED."""
    if isinstance(answer, NoReply):
        return _meaning_of_silence(answer)
    match answer.status:
        case 200 if page := body.page_of(answer):
            return _said(answer, Kind.LISTED, page=page)
        case 200:
            return _said(answer, Kind.LOST, "answered 200 without a list of trainees")
        case 404 if "No trainees found" in body.errors_of(body.json_of(answer)):
            return _said(answer, Kind.NOBODY, "has no such trainees")
        case 404 | 405:
            return _said(answer, Kind.WRONG_PATH, f"answered {answer.status}: it has no list")
        case _:
            return _meaning_of_any(answer)


def meaning_of_look(answer: Answer, trainee_id: str) -> Meaning:
    """Return what the answer to reading a trainee shows of the person; `trainee` of FOUND."""
    meaning = meaning_of_read(answer, Deferral(trainee_id, "", None))
    if meaning.kind is not Kind.FOUND or isinstance(answer, NoReply):
        return meaning
    return replace(meaning, trainee=body.trainee_of(answer))


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
            return _said(answer, Kind.LOST, "did not receive the request in time (408)")
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
    content = body.json_of(answer)
    if body.has_another_fault(content):
        words = (
            f'refused it: "{body.ANOTHER_FAULT}": the trainee\'s record in Register has another '
            "fault, so open it there"
        )
        return _said(answer, Kind.REFUSED, words)
    errors = body.errors_of(content)
    if any("state is invalid" in error.lower() for error in errors):
        return _said(answer, Kind.STATE_REFUSED, "says that the trainee's state forbids it")
    quote = body.on_one_line(" / ".join(errors))[:_QUOTED_AT_MOST]
    reason = body.on_one_line(deferral.defer_reason or "")
    quotable = quote and answer.quotable and not _repeats(quote, reason)
    words = f"refused it: {quote}" if quotable else "refused it (422)"
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
    is_ours = body.is_our_reason(inner, deferral)
    date = body.date_of(inner)
    return _said(answer, Kind.FOUND, state=state, defer_date=date, is_our_reason=is_ours)


def _said(answer: Reply, kind: Kind, words: str = "", **more: Any) -> Meaning:
    return Meaning(
        kind,
        words,
        status=answer.status,
        request_id=body.request_id_of(answer),
        server_time=body.server_time_of(answer),
        **more,
    )
