"""What is asked, and what an answer holds: its body and headers, read with distrust.

Pure. Whatever is missing, broken or of another shape is read as nothing; nothing here raises.
Fields of a person that nobody needs are in no model.
Source: register/API.md, "As documented", "As observed".
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Annotated, Any, Self

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from batch.register.api import DEFER_DATE, DEFER_REASON, Reply
from batch.rows import Deferral, folded, is_same_reason

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T|$)", re.ASCII)
_STATE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_VERSION = re.compile(r"v\d{4}\.\d{1,3}(-[a-z]+)?", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9a-f\-]{8,64}", re.ASCII | re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
ANOTHER_FAULT = "Unprocessable entity"
"""What Register says, in `error`, of a trainee whose record has a fault of its own."""
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]{5,20}(Z|[-+]\d{2}:\d{2})", re.ASCII)
_LARGEST_COUNT = 10**9
_LONGEST_ID = 128


def _text(value: object) -> str | None:
    """Return a text that can be written down, None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can name and UTF-8 cannot
        return None
    return value


def _id(value: object) -> str | None:
    text = _text(value)
    return text if text and len(text) <= _LONGEST_ID else None


def _matching(pattern: re.Pattern[str]) -> BeforeValidator:
    def matched(value: object) -> str | None:
        return value if isinstance(value, str) and pattern.fullmatch(value) else None

    return BeforeValidator(matched)


def _date(value: object) -> str | None:
    found = _DATE.match(value) if isinstance(value, str) else None
    return found.group() if found else None


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


_Text = Annotated[str | None, BeforeValidator(_text)]
_State = Annotated[str | None, _matching(_STATE)]
_Moment = Annotated[str | None, _matching(_MOMENT)]
_Date = Annotated[str | None, BeforeValidator(_date)]
_Count = Annotated[int | None, BeforeValidator(_count)]
_Personal = Annotated[_Text, Field(repr=False)]


class DeferralRequest(BaseModel):
    """What is asked of Register for one trainee, within `data` (API.md, "Defer a trainee")."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    defer_date: str = Field(serialization_alias=DEFER_DATE)
    defer_reason: str | None = Field(serialization_alias=DEFER_REASON)

    @classmethod
    def of(cls, deferral: Deferral) -> Self:
        """Return the request for a deferral."""
        return cls(defer_date=deferral.defer_date, defer_reason=deferral.defer_reason)

    def content(self) -> dict[str, dict[str, str]]:
        """Return it as JSON's values; no reason is no field."""
        return {"data": self.model_dump(by_alias=True, exclude_none=True)}


class ListedTrainee(BaseModel):
    """A trainee as a list shows them: what is compared in memory, and never shown or kept.

    Dates are `YYYY-MM-DD`, `updated_at` is Register's own text, good as `since`. A value of
    another shape is None; of a row without an id nothing is read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    trainee_id: Annotated[str | None, BeforeValidator(_id)] = None
    state: _State = None
    defer_date: Annotated[_Date, Field(alias=DEFER_DATE)] = None
    reinstate_date: _Date = None
    itt_start_date: _Date = None
    updated_at: _Moment = None
    trn: _Personal = None
    hesa_id: _Personal = None
    provider_trainee_id: _Personal = None
    last_name: _Personal = None
    first_names: _Personal = None
    date_of_birth: Annotated[_Date, Field(repr=False)] = None
    defer_reason: Annotated[_Personal, Field(alias=DEFER_REASON)] = None


class ListMeta(BaseModel):
    """Where a page stands in its list; None where Register says nothing that can be true."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    current_page: _Count = None
    total_pages: _Count = None
    total_count: _Count = None
    per_page: _Count = None


class ListPage(Struct, frozen=True):
    """One page of a list; `unreadable` is how many of its rows name no trainee."""

    trainees: tuple[ListedTrainee, ...]
    meta: ListMeta
    unreadable: int


def page_of(reply: Reply) -> ListPage | None:
    """Return the page that a list's 200 holds, None where it holds none."""
    content = json_of(reply)
    rows = content.get("data") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        return None
    read = tuple(trainee for row in rows if (trainee := _listed(row)))
    meta = content.get("meta")
    given = ListMeta.model_validate(meta if isinstance(meta, dict) else {})
    return ListPage(read, given, unreadable=len(rows) - len(read))


def trainee_of(reply: Reply) -> ListedTrainee | None:
    """Return the trainee that a read's 200 shows, None where it shows none.

    The trainee stands bare; a `data` around it is taken too, as after a deferral (API.md).
    """
    content = json_of(reply)
    return _listed(content.get("data", content)) if isinstance(content, dict) else None


def _listed(row: object) -> ListedTrainee | None:
    trainee = ListedTrainee.model_validate(row if isinstance(row, dict) else {})
    return trainee if trainee.trainee_id else None


def json_of(reply: Reply) -> Any:
    """Return the body as JSON, None where it is none."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def errors_of(body: Any) -> tuple[str, ...]:
    """Return the messages of a body's `errors`, which may be objects or plain strings."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return ()
    messages = [error.get("message") if isinstance(error, dict) else error for error in errors]
    return tuple(on_one_line(message) for message in messages if isinstance(message, str))


def has_another_fault(body: Any) -> bool:
    """Whether a 422 says that the trainee's record, rather than the deferral, is at fault.

    API.md, "422 has more than one shape".
    """
    return isinstance(body, dict) and body.get("error") == ANOTHER_FAULT


def is_about_trainee(reply: Reply) -> bool:
    """Whether a 404 is about a trainee, not about the path, the version or the whole API."""
    return any("trainee" in error.lower() for error in errors_of(json_of(reply)))


def is_same_trainee(trainee: dict[str, Any], deferral: Deferral) -> bool:
    """Whether the answer is about the trainee who was asked for, or names nobody."""
    return not _names_another(trainee, deferral.trainee_id)


def is_our_reason(trainee: dict[str, Any], deferral: Deferral) -> bool | None:
    """Return whether the reason shown is the one asked for; None where the key is missing."""
    if DEFER_REASON not in trainee:
        return None
    reason = trainee[DEFER_REASON]
    is_text = reason is None or isinstance(reason, str)
    return is_same_reason(reason, deferral.defer_reason) if is_text else None


def is_about_another(reply: Reply, trainee_id: str | None) -> bool:
    """Whether the body names a trainee, and not the one who was asked for; None asks for none."""
    if trainee_id is None:
        return False
    content = json_of(reply)
    inner = content.get("data", content) if isinstance(content, dict) else None
    return isinstance(inner, dict) and _names_another(inner, trainee_id)


def _names_another(trainee: dict[str, Any], trainee_id: str) -> bool:
    named = trainee.get("trainee_id")
    return named is not None and not (
        isinstance(named, str) and folded(named) == folded(trainee_id)
    )


def state_of(trainee: dict[str, Any]) -> str | None:
    """Return the trainee's state, None where there is none that looks like one."""
    state = trainee.get("state")
    return state if isinstance(state, str) and _STATE.fullmatch(state) else None


def date_of(trainee: dict[str, Any]) -> str | None:
    """Return the trainee's deferral date (`YYYY-MM-DD`), None where there is none."""
    return _date(trainee.get(DEFER_DATE))


def latest_version_of(body: dict[str, Any]) -> str | None:
    """Return the newest version that /info names, None where it names none."""
    latest = body["version"].get("latest")
    return latest if isinstance(latest, str) and _VERSION.fullmatch(latest) else None


def request_id_of(reply: Reply) -> str | None:
    """Return the id by which Register's support finds the request: hexadecimal, so no word."""
    given = reply.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def retry_after_of(reply: Reply) -> float | None:
    """Return the seconds that a 429 says to wait: it gives them, or a date (RFC 9110, 10.2.3)."""
    given = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    until, sent = _http_date(given), server_time_of(reply)
    return max(0.0, until - sent) if until is not None and sent is not None else None


def server_time_of(reply: Reply) -> float | None:
    """Return the second that the answer's `Date` says, in Unix time."""
    return _http_date(reply.headers.get("date", ""))


@lru_cache(maxsize=16)  # the answers of one second say the same
def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def on_one_line(text: str) -> str:
    """Return a text without line breaks, runs of spaces, or anything that steers a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
