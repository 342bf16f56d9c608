"""Asking Register over HTTPS: each answer, or its absence, comes back as a value."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import httpx

from batch import __version__, systems
from batch.register.api import Answer, NoReply, Reply
from batch.register.body import DeferralRequest, is_about_another
from batch.register.connections import Connections, surplus_of
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
    """Asks Register, one request at a time on a connection: defer, trainee, trainees, info.

    Redirects are not followed. Raises UsageProblem where the environment names a proxy that cannot
    be used.
    """

    def __init__(
        self, base_url: str, *, api_version: str, token: str, timeout_seconds: float
    ) -> None:
        self._base_url = base_url
        self.api_version = api_version
        self._timeout_seconds = timeout_seconds
        self._token = token
        self._headers = {
            "Host": httpx.URL(base_url).netloc.decode("ascii"),
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"defer-batch/{__version__}",
        }
        self._timeout = httpx.Timeout(None, connect=CONNECT_SHARE * timeout_seconds).as_dict()
        self._connections = Connections(base_url)

    async def __aenter__(self) -> Self:
        """Return the client; its connections are closed at the end."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._connections.close()

    async def defer(self, deferral: Deferral) -> Answer:
        """Ask Register to defer one trainee."""
        path = f"/trainees/{quote(deferral.trainee_id, safe='')}/defer"
        content = DeferralRequest.of(deferral).content()
        return await self._ask("POST", path, content=content, about=deferral.trainee_id)

    async def trainee(self, trainee_id: str) -> Answer:
        """Read one trainee, on a new connection: it settles what another one left open."""
        path = f"/trainees/{quote(trainee_id, safe='')}"
        return await self._ask("GET", path, about=trainee_id, fresh=True)

    async def trainees(self, query: Mapping[str, str | int]) -> Answer:
        """Ask for one page of the list of trainees, by API.md's parameters, on a new connection."""
        path = f"/trainees?{urlencode(query)}"
        return await self._ask("GET", path, most_bytes=MOST_LIST_BYTES, fresh=True)

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
        fresh: bool = False,
    ) -> Answer:
        connection, is_at_rest = self._connections.take(fresh=fresh), False
        try:
            async with asyncio.timeout(self._timeout_seconds):
                request = self._request(method, path, content, api_version)
                response = await connection.handle_async_request(request)
                answer = await self._read(response, most_bytes)
                surplus = surplus_of(response)
                await response.aclose()
                is_its_own = isinstance(answer, Reply) and not is_about_another(answer, about)
                shows_rest = surplus == b"" and not systems.READS_AHEAD
                is_at_rest = shows_rest and is_its_own and not fresh
                return NoReply(left=True, why=_TOO_MANY) if surplus else answer
        except TimeoutError:
            return NoReply(left=True, why="gave no answer in time")
        except httpx.HTTPError as error:
            return _no_reply(error)
        except httpx.InvalidURL:
            return NoReply(left=False, why="has an address that cannot be used", hopeless=True)
        finally:
            # One answer too many would shift every later one on its connection.
            if is_at_rest:
                self._connections.keep(connection)
            else:
                await connection.aclose()

    def _request(
        self, method: str, path: str, content: object, api_version: str | None
    ) -> httpx.Request:
        """Return what httpx's client would build, without what it would look up each time."""
        version = quote(api_version or self.api_version, safe=".")
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        headers = self._headers
        if content is not None:
            length = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            headers = headers | length
        return httpx.Request(
            method,
            f"{self._base_url}/api/{version}{path}",
            headers=headers,
            stream=httpx.ByteStream(body),
            extensions={"timeout": self._timeout},
        )

    async def _read(self, response: httpx.Response, most_bytes: int) -> Answer:
        # Nothing encoded was asked for, and a few bytes of it can stand for gigabytes.
        if response.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
            return NoReply(left=True, why="answered in an encoding that was not asked for")
        body = bytearray()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        # `aiter_raw` would close it at once, before it is known whether more came than an answer.
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
