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


class Clocks:
    """Disconnect clients that do not finish, when sending a request or taking its answer.

    A connection has :data:`REQUEST` seconds until the head of its request is complete, which is
    when the application is called, and then :data:`ANSWER` seconds until it is answered.
    """

    def __init__(self) -> None:
        self._open: dict[Any, Connection] = {}

    def protocol(self, **server: Any) -> asyncio.Protocol:
        """A new connection, as ``uvicorn.Config(http=...)`` makes them."""
        return Connection(H11Protocol(**server), self._open)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, during which the time for an answer runs."""

        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            connection = self._open.get(scope.get("client"))
            if connection is None:
                await app(scope, receive, send)
                return
            connection.allow(ANSWER)
            try:
                await app(scope, receive, send)
            finally:
                connection.allow(REQUEST)

        return timed


class Connection(asyncio.Protocol):
    """A connection of the server with a clock, by nothing but the protocol of asyncio."""

    def __init__(self, server: asyncio.Protocol, others: dict[Any, "Connection"]) -> None:
        self._server, self._open = server, others
        self._clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a request."""
        self._transport = transport
        # the address by which the application knows it; of IPv6 there is more
        self._client = tuple((transport.get_extra_info("peername") or ())[:2])
        self._open[self._client] = self
        self.allow(REQUEST)
        self._server.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._open.get(self._client) is self:
            del self._open[self._client]
        if self._clock is not None:
            self._clock.cancel()
        self._server.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass the data on, which do not extend the time."""
        self._server.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing follows."""
        return self._server.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client is slower."""
        self._server.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client has caught up."""
        self._server.resume_writing()

    def allow(self, seconds: float) -> None:
        """Give the client so much time from now on."""
        if self._clock is not None:
            self._clock.cancel()
        if self._open.get(self._client) is self:
            loop = asyncio.get_running_loop()
            self._clock = loop.call_later(seconds, self._transport.abort)
