"""Asking Register over HTTPS: each answer, or its absence, comes back as a value."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from batch import __version__
from batch.errors import UsageProblem
from batch.register.api import Answer, NoReply, Reply
from batch.register.body import is_about_another
from batch.rows import Deferral

CONNECT_SHARE = 0.75
"""How much of the time for an answer may pass before there is a connection: then nothing left."""
MOST_BYTES = 2_000_000
"""A body longer than this is no answer of Register's: about 2 KB a trainee is usual."""
MOST_LIST_BYTES = 8_000_000
"""The same of a page of the list: 250 rows take about 650 KB."""

_TOO_MANY = "sent more than one answer, so that nobody knows which of them is this row's"
UNVERIFIED = "has a certificate that does not verify"
"""Why there is no answer where TLS was refused by us."""

_READ_HEADERS = ("x-request-id", "retry-after", "date")
_QUOTED_STATUS = 422
"""The one answer whose words are quoted to people."""

_SHORTEST_SECRET = 8
"""A shorter token is one of a rehearsal, and stands within ordinary words of every answer."""


class Client:
    """One pool of connections for a run: `defer`, `trainee`, `trainees`, `info`.

    TLS is verified against the operating system's trust store; proxies are honoured; redirects are
    not followed. Raises UsageProblem where the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_version: str,
        token: str,
        timeout_seconds: float,
        max_at_once: int,
    ) -> None:
        self._base_url = base_url
        self.api_version = api_version
        self._timeout_seconds = timeout_seconds
        self._token = token
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"defer-batch/{__version__}",
            }
        )
        trust = _trust(base_url)

        def pool(kept_alive: int | None) -> httpx.AsyncClient:
            limits = {"max_connections": max_at_once + 1, "max_keepalive_connections": kept_alive}
            return httpx.AsyncClient(
                verify=trust,
                timeout=httpx.Timeout(None, connect=CONNECT_SHARE * timeout_seconds),
                limits=httpx.Limits(**limits),
                follow_redirects=False,
                trust_env=not _is_loopback(base_url),
            )

        try:
            self._http, self._fresh = pool(None), pool(0)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            # of a SOCKS proxy, or one whose address is none; its words may hold a password
            raise UsageProblem(
                "a proxy in the environment cannot be used, so nothing was asked or sent",
                hint="unset ALL_PROXY, and name in HTTPS_PROXY one whose address begins with "
                "http://",
            ) from error
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the pools."""
        await self._open.enter_async_context(self._http)
        await self._open.enter_async_context(self._fresh)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pools."""
        await self._open.__aexit__(kind, error, trace)

    async def defer(self, deferral: Deferral) -> Answer:
        """Ask Register to defer one trainee."""
        data = {"defer_date": deferral.defer_date}
        if deferral.defer_reason is not None:
            data["defer_reason"] = deferral.defer_reason
        path = f"/trainees/{quote(deferral.trainee_id, safe='')}/defer"
        return await self._ask("POST", path, content={"data": data}, about=deferral.trainee_id)

    async def trainee(self, trainee_id: str) -> Answer:
        """Read one trainee, on a connection of its own: it settles what another one left open."""
        path = f"/trainees/{quote(trainee_id, safe='')}"
        return await self._ask("GET", path, about=trainee_id, by=self._fresh)

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        """Ask for one page of the list of trainees, by the parameters of API.md."""
        path = f"/trainees?{urlencode(query)}"
        return await self._ask("GET", path, most_bytes=MOST_LIST_BYTES)

    async def info(self, api_version: str | None = None) -> Answer:
        """Ask whether token and version are accepted; of another version, if one is given."""
        return await self._ask("GET", "/info", api_version=api_version)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        content: object = None,
        about: str | None = None,
        api_version: str | None = None,
        most_bytes: int = MOST_BYTES,
        by: httpx.AsyncClient | None = None,
    ) -> Answer:
        version = quote(api_version or self.api_version, safe=".")
        address = f"{self._base_url}/api/{version}{path}"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = httpx.Request(method, address, headers=self._headers, json=content)
                response = await (by or self._http).send(request, stream=True)
                try:
                    answer = await self._read(response, most_bytes)
                    machine = _state_machine(response)
                    surplus = b"" if machine is None else machine.trailing_data[0]
                    is_another = isinstance(answer, Reply) and is_about_another(answer, about)
                    if machine is None:
                        await response.extensions["network_stream"].aclose()
                    elif is_another or surplus:
                        # An answer too many would shift every later one on this connection: what
                        # is not at rest is closed below, and never used again.
                        machine.send_failed()
                    return NoReply(left=True, why=_TOO_MANY) if surplus else answer
                finally:
                    await response.aclose()
        except TimeoutError:
            return NoReply(left=True, why="gave no answer in time")
        except httpx.HTTPError as error:
            return _no_reply(error)
        except httpx.InvalidURL:
            return NoReply(left=False, why="has an address that cannot be used", hopeless=True)

    async def _read(self, response: httpx.Response, most_bytes: int) -> Answer:
        # Nothing encoded was asked for, and a few bytes of it can stand for gigabytes.
        if response.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
            return NoReply(left=True, why="answered in an encoding that was not asked for")
        body = bytearray()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        # `aiter_raw` would give the connection back at once, before it is known to be at rest.
        async for part in response.stream:
            body += part
            if len(body) > most_bytes:
                return NoReply(left=True, why="sent far more than an answer")
        named = ((name, response.headers.get(name)) for name in _READ_HEADERS)
        headers = {name: value for name, value in named if value and not self._shows(value)}
        text = bytes(body)
        quotable = response.status_code != _QUOTED_STATUS or not self._shows(_unescaped(text))
        return Reply(response.status_code, headers, text, quotable=quotable)

    def _shows(self, text: str) -> bool:
        """Whether a text says the token back to us, plain or as JSON writes it."""
        if len(self._token) < _SHORTEST_SECRET:
            return False
        return self._token in text or json.dumps(self._token)[1:-1] in text


def _state_machine(response: httpx.Response) -> Any:
    """Return h11's state of the connection that an answer came on, None where nothing shows it.

    Its `trailing_data` is what came behind the answer, though nobody asked: httpx shows it nowhere,
    and would take it for the answer to the next request. What comes later, onto an idle connection,
    makes httpcore close that.
    """
    held: Any = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        held = getattr(held, name, None)
    return held


def _unescaped(body: bytes) -> str:
    """Return JSON with nothing escaped that need not be, so that words in it can be found."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)  # as answers.py will read it
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _no_reply(error: httpx.HTTPError) -> NoReply:
    """Return what became of the request: certainly never left, or may have arrived."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        if _is_about_certificate(error):
            return NoReply(
                left=False,
                why=UNVERIFIED,
                hopeless=True,
            )
        return NoReply(left=False, why="could not be reached")
    if isinstance(error, httpx.ProxyError):
        return NoReply(left=False, why="could not be reached through the proxy")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return NoReply(left=False, why="could not be asked", hopeless=True)
    if isinstance(error, httpx.TimeoutException):
        return NoReply(left=True, why="gave no answer in time")
    return NoReply(left=True, why="broke off the connection")


def _is_about_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def proxy_for(base_url: str) -> str | None:
    """Return the proxy that requests to a Register take, None where they take none.

    It is shown to people, so without the name and password that its address may hold.
    """
    parts = urlsplit(base_url)
    if _is_loopback(base_url) or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    scheme, _, rest = proxy.rpartition("://")
    return f"{scheme or 'http'}://{rest.rpartition('@')[2]}"


def _is_loopback(base_url: str) -> bool:
    return urlsplit(base_url).hostname in {"127.0.0.1", "::1", "localhost"}


def _trust(base_url: str) -> ssl.SSLContext | bool:
    if base_url.startswith("http:"):
        return False
    import truststore  # noqa: PLC0415 — only where there is TLS

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
