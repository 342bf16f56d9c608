"""Who may ask for a page: nobody but the browser that was opened with the key.

Other users of this machine and pages of the web can reach the port too. Each request is judged
here, before any page sees it; the headers that keep a browser from doing more are added here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPENING = "/open"
"""The address that takes the one-time key."""
ASKING_AGAIN = "/again"
"""The address at which a second start of the app asks for another key."""

FORM_TOKEN = "form_token"  # noqa: S105 — the name of a field
_SAFE = frozenset({"GET", "HEAD"})

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_OPENED = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Defer trainees</title>
<meta http-equiv="refresh" content="0; url=/"></head>
<body><main><h1>Defer trainees</h1><p><a href="/">Go on</a></p></main></body></html>
"""
_STYLE = (
    "body{font:1.0625rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
)
_REFUSED_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
}
"""The style of this page stands in it: a stranger is given none of our files."""

_REFUSED = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Not open to you</title>
<style>{style}</style></head>
<body><main><h1>This page is not open to you</h1>
<p>It belongs to whoever started the app, and to the window that it opened.
If you started it: it has been restarted since, or this is another browser.
Nothing was done. Start <b>defer-batch app</b> again, and use the window that it opens.</p>
</main></body></html>
"""


class Keys:
    """The secrets of one start of the app: none of them is written down but `control`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie_name = f"defer-batch-{port}"
        self.session = secrets.token_urlsafe(32)
        self.form = secrets.token_urlsafe(32)
        self.control = secrets.token_urlsafe(32)
        self._one_time: set[str] = set()

    def one_time(self) -> str:
        """Return a key that opens the app once."""
        key = secrets.token_urlsafe(32)
        self._one_time.add(key)
        return key

    def take(self, key: str) -> bool:
        """Whether a key opens the app; it does so once."""
        found = next((one for one in self._one_time if _same(one, key)), None)
        self._one_time.discard(found or "")
        return found is not None

    def address(self) -> str:
        """Return an address that opens the app once."""
        return f"http://127.0.0.1:{self.port}{OPENING}?key={self.one_time()}"

    def is_form(self, told: str) -> bool:
        """Whether a form was made by this session's own pages."""
        return _same(self.form, told)


def proof(control: str, *words: str) -> str:
    """Return what only who knows the control secret can say of these words."""
    return hmac.new(control.encode(), "\n".join(words).encode(), "sha256").hexdigest()


class Gate:
    """Lets through what the opened browser asks; answers everything else with 403."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys
        self._hosts = {f"127.0.0.1:{keys.port}", f"localhost:{keys.port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] != "http":
            return
        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _answer(self, scope: Scope) -> Response | None:
        """Return the answer of the gate itself, None where the pages may answer."""
        headers = Headers(scope=scope)
        if [headers.get("host")] != headers.getlist("host") or headers["host"] not in self._hosts:
            return refused()
        if scope["method"] in _SAFE and scope["path"] in {OPENING, ASKING_AGAIN}:
            query = parse_qs(scope["query_string"].decode("latin-1"))
            if scope["path"] == OPENING:
                return self._opened(query.get("key", [""])[0])
            return self._asked_again(query)
        if not self._has_cookie(headers.getlist("cookie")):
            return refused()
        if scope["method"] not in _SAFE and not _is_of_our_own(headers):
            return refused()
        return None

    def _opened(self, key: str) -> Response:
        """Change a one-time key for the session's cookie."""
        if not self._keys.take(key):
            return refused()
        # no redirect: where another page (a file, a mail) led here, a strict cookie does not follow
        answer = HTMLResponse(_OPENED)
        answer.set_cookie(
            self._keys.cookie_name, self._keys.session, httponly=True, samesite="strict", path="/"
        )
        return answer

    def _asked_again(self, query: dict[str, list[str]]) -> Response:
        """Return a fresh key to who proves to know the control secret, and prove it in return."""
        nonce, told = (query.get(name, [""])[0] for name in ("nonce", "proof"))
        if not nonce or not _same(proof(self._keys.control, "ask", nonce), told):
            return refused()
        key = self._keys.one_time()
        return Response(f"{key}\n{proof(self._keys.control, 'answer', nonce, key)}")

    def _has_cookie(self, sent: Iterable[str]) -> bool:
        for line in sent:
            try:
                cookie = SimpleCookie(line).get(self._keys.cookie_name)
            except CookieError:
                continue
            if cookie is not None and _same(cookie.value, self._keys.session):
                return True
        return False


def refused() -> Response:
    """Return the answer to whoever has no business here."""
    return HTMLResponse(_REFUSED.format(style=_STYLE), 403, _REFUSED_HEADERS)


def _is_of_our_own(headers: Headers) -> bool:
    """Whether a browser says that the request comes from one of our own pages."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    is_origin = origin in {None, f"http://{headers['host']}"}
    return is_origin and site in {None, "same-origin"}


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the headers of every answer, unless the page set its own."""

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return adding
