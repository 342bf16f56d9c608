"""What Register accepts as the content of a defer request.

Pure. Source: register/API.md, "As observed", and the recorded answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from batch.register import replies
from batch.register.dates import LONGEST, stored_date
from batch.register.meanings import Reply

LONGEST_REASON = 500
"""Unicode code points, untrimmed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deferral whose date and reason are good: `defer_date` is what would be stored."""

    defer_date: str | None
    defer_reason: str | None


def wanted(body: bytes, content_type: str) -> Wanted | Reply:
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


def _checked(data: dict[str, Any]) -> Wanted | Reply:
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
    """Give a plain value as text; Register lets lists and objects fall."""
    return None if value is None or isinstance(value, (list, dict)) else str(value)
