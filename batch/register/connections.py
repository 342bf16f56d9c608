"""The connections to Register: one for each request under way, used again only when at rest."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from batch.errors import UsageProblem


class Connections:
    """The connections of a run: `take` one for a request, then `keep` it or close it.

    TLS is verified against the operating system's trust store; the environment's proxy is honoured.
    Raises UsageProblem where it names a proxy that cannot be used.
    """

    def __init__(self, base_url: str) -> None:
        self._trust = _trust(base_url)
        self._idle: list[httpx.AsyncHTTPTransport] = []
        try:
            proxy = _proxy(base_url)
            self._proxy = None if proxy is None else httpx.Proxy(proxy)
            self._idle.append(self._new())
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            # of a SOCKS proxy, or one whose address is none; its words may hold a password
            raise UsageProblem(
                "a proxy in the environment cannot be used, so nothing was asked or sent",
                hint="unset ALL_PROXY, and name in HTTPS_PROXY one whose address begins with "
                "http://",
            ) from error

    def take(self, *, fresh: bool = False) -> httpx.AsyncHTTPTransport:
        """Return a connection that nobody else has; one that was never used where `fresh`."""
        return self._new() if fresh or not self._idle else self._idle.pop()

    def keep(self, connection: httpx.AsyncHTTPTransport) -> None:
        """Keep a connection at rest for a later request."""
        self._idle.append(connection)

    async def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            await self._idle.pop().aclose()

    def _new(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=5.0)
        return httpx.AsyncHTTPTransport(verify=self._trust, proxy=self._proxy, limits=limits)


def surplus_of(response: httpx.Response) -> bytes | None:
    """Return what came behind a read answer, though nobody asked; None where nothing shows it.

    It is h11's `trailing_data`: httpx shows it nowhere, and would take it for the answer to the
    next request. What comes later, onto an idle connection, makes httpcore close that, but where
    the event loop reads ahead (`systems.READS_AHEAD`): there no connection is used again.
    """
    held: Any = response.stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        held = getattr(held, name, None)
    return None if held is None else bytes(held.trailing_data[0])


def proxy_for(base_url: str) -> str | None:
    """Return the proxy that requests to a Register take, None where they take none.

    It is shown to people, so without the name and password that its address may hold.
    """
    proxy = _proxy(base_url)
    if proxy is None:
        return None
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _proxy(base_url: str) -> str | None:
    """Return the environment's (or the system's) proxy as it stands there, with its secrets."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in {"127.0.0.1", "::1", "localhost"} or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _trust(base_url: str) -> ssl.SSLContext:
    if base_url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: there is no TLS
    import truststore  # noqa: PLC0415 — only where there is TLS

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
