"""Where a request leads, and what Register accepts as the content of a defer request.

Pure. Source: register/API.md, "As observed", and the recorded answers.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from batch.emulator import replies
from batch.emulator.replies import Response


class Endpoint(StrEnum):
    """What can be asked of Register."""

    DEFER = "defer"
    READ = "read"
    INFO = "info"
    LIST = "list"
    NONE = "none"
    """A path under /api that is nothing of the above."""
    ELSEWHERE = "elsewhere"
    """A path that is not under /api."""
    MALFORMED = "malformed"
    """A path that does not decode to text."""


class Route(Struct, frozen=True):
    """Where a request leads: `trainee_id` and `version` are "" where the path names none.

    `query` is the part behind the question mark, still encoded.
    """

    endpoint: Endpoint
    version: str = ""
    trainee_id: str = ""
    query: str = ""


def route_of(method: str, target: str) -> Route:
    """Return where a request leads; `target` is the path as sent, still encoded, with its query.

    An encoded slash or dot is part of an id; a bare `..` is not, it leads to another path.
    """
    path, _, query = target.partition("?")
    segments = _segments(path)
    if segments is None:
        return Route(Endpoint.MALFORMED)
    if segments[:1] != ["api"]:
        return Route(Endpoint.ELSEWHERE)
    version = segments[1] if len(segments) > 1 else ""
    match (method, segments[2:]):
        case ("POST", ["trainees", trainee_id, "defer"]):
            return Route(Endpoint.DEFER, version, trainee_id)
        case ("GET", ["trainees", trainee_id]):
            return Route(Endpoint.READ, version, trainee_id)
        case ("GET", ["trainees"]):
            return Route(Endpoint.LIST, version, query=query)
        case ("GET", ["info"]):
            return Route(Endpoint.INFO, version)
        case _:
            return Route(Endpoint.NONE, version)


def _segments(path: str) -> list[str] | None:
    if "%" not in path and "/." not in path:
        return path.strip("/").split("/")
    try:
        decoded = [unquote_to_bytes(part).decode() for part in _without_dots(path)]
    except UnicodeDecodeError:
        return None
    return None if any("\0" in part for part in decoded) else decoded


def _without_dots(path: str) -> list[str]:
    kept: list[str] = []
    for part in path.strip("/").split("/"):
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    return kept


LONGEST = 128
"""Characters; Register fails (500) on a longer date instead of refusing it."""

_TIME = r"(?:T\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?(?:Z|[-+]\d{2}(?::?\d{2})?)?)?"
_FORMS = tuple(
    re.compile(rf"\s*{form}{_TIME}\s*", re.ASCII | re.IGNORECASE)
    for form in (
        r"(?P<year>\d{2,})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?",
        r"(?P<year>\d{4}|\d{2})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{2,})-(?P<day_of_year>\d{3})",
        r"(?P<year>\d{4}|\d{2})(?P<day_of_year>\d{3})",
        r"(?P<year>\d{4}|\d{2})-?W(?P<week>\d{2})-?(?P<weekday>\d)",
    )
)


def stored_date(text: str) -> str | None:
    """Return what Register stores of a date (`YYYY-MM-DD`), or None where it keeps nothing of it.

    Raises ValueError where Register refuses the date.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        raise ValueError("defer_date is invalid")
    parts = {name: int(digits) for name, digits in found.groupdict().items() if digits}
    _refuse_unreal(parts)
    if "month" in parts and "day" in parts:
        return f"{parts['year']:04d}-{parts['month']:02d}-{parts['day']:02d}"
    return None


def _refuse_unreal(parts: dict[str, int]) -> None:
    """Raise ValueError where the parts name no day; the calendar repeats after 400 years."""
    year = 2000 + parts["year"] % 400
    if "week" in parts:
        dt.date.fromisocalendar(year, parts["week"], parts["weekday"])
    elif "day_of_year" in parts:
        days = (dt.date(year + 1, 1, 1) - dt.date(year, 1, 1)).days
        if not 1 <= parts["day_of_year"] <= days:
            raise ValueError("no such day")
    else:
        dt.date(year, parts["month"], parts.get("day", 1))


LONGEST_REASON = 500
"""Unicode code points, untrimmed."""


class Wanted(Struct, frozen=True):
    """A deferral whose date and reason are good: `defer_date` is what would be stored."""

    defer_date: str | None
    defer_reason: str | None


def wanted(body: bytes, content_type: str) -> Wanted | Response:
    """Read a defer request's body: what it wants, or the refusal."""
    try:
        content = _content(body, content_type)
    except ValueError:
        column = len(body.decode(errors="replace")) + 1
        said = "Expected ',' or '}' after object value, got: eof at line 1 column"
        return replies.plainly_refused(400, f"{said} {column}")
    data = content.get("data") if isinstance(content, dict) else None
    if not data:
        return replies.plainly_refused(422, replies.DATA_MISSING)
    return _checked(data) if isinstance(data, dict) else replies.failed()


def _content(body: bytes, content_type: str) -> Any:
    is_json = content_type.partition(";")[0].strip().lower() == "application/json"
    return json.loads(body) if is_json and body.strip() else None


def _checked(data: dict[str, Any]) -> Wanted | Response:
    text, reason = _text(data.get("defer_date")), _text(data.get("defer_reason"))
    if text and len(text) > LONGEST:
        return replies.failed()
    messages, stored = [], None
    if not text or not text.strip():
        messages.append("defer_date can't be blank")
    else:
        try:
            stored = stored_date(text)
        except ValueError:
            messages.append("defer_date is invalid")
    if reason and len(reason) > LONGEST_REASON:
        messages.append(f"defer_reason is too long (maximum is {LONGEST_REASON} characters)")
    return replies.refused(*messages) if messages else Wanted(stored, reason)


def _text(value: Any) -> str | None:
    """Return a plain value as text; Register ignores lists and objects."""
    return None if value is None or isinstance(value, (list, dict)) else str(value)
