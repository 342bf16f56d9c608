"""The faults that happen, by name: each function gives one, for a trainee and the nth request.

Pure. Sources: the issues' lists and register/API.md, "Trouble".
"""

from __future__ import annotations

import json
from typing import Any

from batch.emulator import replies
from batch.emulator.faults import (
    Altered,
    Arrival,
    AtOnce,
    Canned,
    Deferring,
    Dropped,
    Fault,
    Given,
    Hung,
    Late,
    Never,
    Reinstating,
    Truncated,
)
from batch.emulator.replies import Reply

_HTML = {"content-type": "text/html"}
_TEXT = {"content-type": "text/plain", "cache-control": "no-cache"}

MAINTENANCE = Canned(
    Reply(500, _HTML, b"<!DOCTYPE html><html><title>Maintenance</title><h1>Sorry</h1></html>")
)
"""The page that answers every path while Register is being worked on."""

DATABASE_DOWN = Canned(
    Reply(
        500,
        {"content-type": "text/plain; charset=utf-8"},
        b"500 Internal Server Error\nIf you are the administrator of this website, then please "
        b"read this web application's log file and/or the web server's log file to find out what "
        b"went wrong.",
    )
)
APPLICATION_ERROR = Canned(replies.failed())
BLOCKED = Canned(Reply(403, _TEXT, b"Forbidden\n"))
UNAUTHORISED = Canned(replies.unauthorised())
NOT_FOUND = Canned(replies.not_found("Not found"))
SIGN_IN_PAGE = Canned(Reply(200, _HTML, b"<!DOCTYPE html><html><title>Sign in</title></html>"))
"""The 200 of a portal or proxy that is not Register."""


def gateway_page(status: int) -> Canned:
    """Return the gateway's HTML page for 502, 503 or 504."""
    return Canned(Reply(status, _HTML, f"<html><h1>{status} Gateway</h1></html>".encode()))


def throttled(retry_after: str | None) -> Canned:
    """Return a 429 with that Retry-After: seconds, a date, anything, or None for no header."""
    if retry_after is not None:
        return Canned(replies.throttled(retry_after))
    return Canned(Reply(429, _TEXT, b"Retry later\n"))


def redirected(location: str) -> Canned:
    """Return a redirect to that address."""
    return Canned(Reply(302, {**_HTML, "location": location}, b""))


def empty(status: int) -> Canned:
    """Return an answer without a body."""
    return Canned(Reply(status, {}, b""))


def json_content(status: int, content: Any) -> Canned:
    """Return any JSON answer."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return Canned(Reply(status, headers, json.dumps(content).encode()))


def lost_before(trainee_id: str, *, nth: int = 1) -> Fault:
    """Lose the request: the connection ends, and Register never saw it."""
    return answered_before(trainee_id, Dropped(), nth=nth)


def lost_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Lose the answer: the trainee is deferred, then the connection ends."""
    return answered_after(trainee_id, Dropped(), nth=nth)


def truncated_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Defer the trainee, and cut the answer in half."""
    return answered_after(trainee_id, Truncated(), nth=nth)


def error_after(trainee_id: str, *, nth: int = 1) -> Fault:
    """Defer the trainee, then fail in the follow-up work: 500."""
    return answered_after(trainee_id, APPLICATION_ERROR, nth=nth)


def answered_before(trainee_id: str, given: Given, *, nth: int = 1) -> Fault:
    """Answer something else, before Register saw the request."""
    return Fault(trainee_id, first=nth, last=nth, arrival=Never(), given=given)


def answered_after(trainee_id: str, given: Given, *, nth: int = 1) -> Fault:
    """Answer something else, after Register did what was asked."""
    return Fault(trainee_id, first=nth, last=nth, given=given)


def slow(trainee_id: str, seconds: float, *, nth: int = 1) -> Fault:
    """Defer the trainee at once, and answer so many seconds later."""
    return Fault(trainee_id, first=nth, last=nth, delay_seconds=seconds)


def arriving_late(
    trainee_id: str,
    seconds: float,
    *,
    nth: int = 1,
    checked_first: bool = False,
    given: Given | None = None,
) -> Fault:
    """Leave the client without an answer, and defer the trainee so many seconds later."""
    late = Late(seconds, checked_first=checked_first)
    return Fault(trainee_id, first=nth, last=nth, arrival=late, given=given or Dropped())


def hanging(trainee_id: str, *, nth: int = 1, processed: bool = True) -> Fault:
    """Answer nothing for as long as the client waits."""
    arrival: Arrival = AtOnce() if processed else Never()
    return Fault(trainee_id, first=nth, last=nth, arrival=arrival, given=Hung())


def deferred_by_another_before(trainee_id: str, defer_date: str, *, nth: int = 1) -> Fault:
    """Have somebody else defer the trainee just before the request arrives."""
    return Fault(trainee_id, first=nth, last=nth, before=(Deferring(defer_date),))


def reinstated_after(trainee_id: str, *, given: Given | None = None, nth: int = 1) -> Fault:
    """Defer the trainee, have somebody else reinstate them, and lose the answer."""
    return Fault(trainee_id, first=nth, last=nth, after=(Reinstating(),), given=given or Dropped())


def answering_about(trainee_id: str, /, *, nth: int = 1, **changes: str | None) -> Fault:
    """Defer the trainee, and name another trainee or date in the 200, or none."""
    return Fault(trainee_id, first=nth, last=nth, given=Altered(tuple(changes.items())))


def out_of_service(given: Given, *, first: int = 1, last: int | None = None) -> Fault:
    """Let nothing reach Register, from the first to the last request of any kind."""
    return Fault(None, None, first, last, arrival=Never(), given=given)
