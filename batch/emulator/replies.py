"""The shapes of Register's answers, as observed.

Pure. Source: register/API.md and the recorded answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_JSON = "application/json; charset=utf-8"
_FRESH = "max-age=0, private, must-revalidate"

STATE_REFUSED = "state is invalid must be one of [submitted_for_trn, trn_received]"
DATA_MISSING = "Param is missing or the value is empty or invalid: data"


class Response(Struct, frozen=True):
    """An answer as it leaves: status, headers (names in lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answered(content: Any) -> Response:
    """Return a 200 with JSON content."""
    return _json(200, content, {"cache-control": _FRESH})


def refused(*messages: str) -> Response:
    """Return a 422 that holds one object for each message."""
    errors = [{"error": "UnprocessableEntity", "message": message} for message in messages]
    return _json(422, {"errors": errors}, {"cache-control": "no-cache"})


def plainly_refused(status: int, message: str) -> Response:
    """Return a refusal whose `errors` holds the message as a plain string."""
    return _json(status, {"errors": [message]}, {"cache-control": "no-cache"})


def list_refused(errors: Mapping[str, list[str]]) -> Response:
    """Return the 422 of a list's bad parameters: `errors` is an object, by parameter."""
    count = f"{len(errors)} error{'' if len(errors) == 1 else 's'}"
    message = f"Validation failed: {count} prohibited this request being run"
    content = {"message": message, "errors": errors}
    return _json(422, content, {"cache-control": "no-cache"})


def not_found(message: str) -> Response:
    """Return a 404: about trainees, or the bare `Not found` of a path that leads nowhere."""
    errors = [{"error": "NotFound", "message": message}]
    return _json(404, {"errors": errors}, {"cache-control": "no-cache"})


def throttled(retry_after: str) -> Response:
    """Return a 429; `retry_after` is whole seconds."""
    headers = {"content-type": "text/plain", "retry-after": retry_after}
    return Response(429, headers | {"cache-control": "no-cache"}, b"Retry later\n")


def unauthorised() -> Response:
    """Return the 401 of a request without a good token."""
    return _json(401, {"error": "Unauthorized"}, {"cache-control": "no-cache"})


def failed() -> Response:
    """Return the 500 of an application error."""
    return _json(500, {"error": "Internal server error"})


def other_data_refused() -> Response:
    """Return the 422 of a trainee who cannot be saved for other reasons than this deferral."""
    return _json(422, {"error": "Unprocessable entity"})


def bad_request() -> Response:
    """Return the 400 with an empty body that odd bytes in a path meet."""
    return Response(400, {"content-type": "text/html; charset=utf-8"}, b"")


def page_not_found() -> Response:
    """Return the 404 page of a path outside the API."""
    page = b"<!DOCTYPE html><html><title>Page not found</title></html>"
    return Response(404, {"content-type": "text/html; charset=utf-8"}, page)


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return Response(
        status, {"content-type": _JSON, **(headers or {})}, body.encode(errors="replace")
    )
