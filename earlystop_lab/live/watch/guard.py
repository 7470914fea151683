"""Who may connect to the server, how much and how long: decided before anything is read."""

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

#: seconds within which a request has to arrive, and within which its answer has to be taken
REQUEST, ANSWER = 10, 60

_HEADERS = {
    # styles are the charting library's own; scripts are files of ours, never text in the page
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Guard:
    """Reject what browsers send on behalf of other pages, and restrict what the page may do.

    A page of another origin may neither post here nor read, even under a host name of its own that
    points here: a request has to name an address, this machine, or the configured host.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or answer it with what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if (wrong := self._wrong(scope["method"], Headers(scope=scope))) is None:
            await self._app(scope, receive, guarded)
        else:
            await PlainTextResponse(wrong, 403)(scope, receive, guarded)

    def _wrong(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_here(host):
            return f"host {host[:100]!r} is not this server; use its address or localhost"
        if method in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "posts from pages of other origins are rejected"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "posts from pages of other sites are rejected"
        return None

    def _is_here(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            # an address is not looked up, so nobody can redirect it here
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False


class Impatient(H11Protocol):
    """HTTP that disconnects clients that do not finish, when sending or receiving."""

    _clock: asyncio.TimerHandle

    def connection_made(self, transport: Any) -> None:
        """Wait for a request."""
        super().connection_made(transport)
        self._clock = self.loop.call_later(REQUEST, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take the data; only the complete head of a request extends the time."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._allow(ANSWER)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._allow(REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._clock.cancel()

    def _allow(self, seconds: float) -> None:
        self._clock.cancel()
        self._clock = self.loop.call_later(seconds, self.transport.abort)
