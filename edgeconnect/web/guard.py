"""Who may talk to the server, how much may be sent, and what browsers may do with the answers."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


SLOW_SECONDS, SLOW_BYTES = 5.0, 4096


class TooLargeError(Exception):
    """A request's body is over the limit."""


class Guard:
    """ASGI middleware: answers requests for other hosts or from other sites' pages itself (421, 403).

    The Host check keeps other sites from reaching a server on this machine by a name of theirs that resolves
    to it, the Origin check from posting to it.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, addresses: bool = False) -> None:
        """hosts: names in lower case that the server answers to; addresses: and to any IP address."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, add headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app
        if len(headers.getlist("host")) != 1 or not self._is_ours(headers["host"]):
            app = _refusal(421, "this server answers to other host names; see `edgeconnect serve --help`")
        elif not _is_same_origin(headers):
            app = _refusal(403, "requests from other sites' pages are refused")
        await app(scope, receive, send_guarded)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        return name in self._hosts or (self._addresses and _is_address(name))


def host_name(host: str) -> str:
    """The name in a Host header or URL authority: no port, no brackets, lower case."""
    name, _, port = host.rpartition(":")
    if not name or not port.isdecimal():
        name = host
    return name.strip("[]").lower()


def limited(receive: Receive, headers: Headers, max_bytes: int) -> Receive:
    """`receive` for a body up to `max_bytes`, said in advance or not; raises TooLargeError beyond.

    TimeoutError for one that trickles: nothing in SLOW_SECONDS, or after them less than SLOW_BYTES a second.
    """
    length = headers.get("content-length", "0")
    taken, is_whole, start = 0, False, time.monotonic()

    async def receive_some() -> Message:
        nonlocal taken, is_whole
        if int(length) > max_bytes:
            raise TooLargeError
        async with asyncio.timeout(None if is_whole else SLOW_SECONDS):
            message = await receive()
        taken += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if taken > max_bytes:
            raise TooLargeError
        passed = time.monotonic() - start
        if not is_whole and passed > SLOW_SECONDS and taken < SLOW_BYTES * passed:
            raise TimeoutError
        return message

    return receive_some


def _is_same_origin(headers: Headers) -> bool:
    """Whether a browser says so, or no browser sent it."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return origin in (f"http://{headers['host']}", f"https://{headers['host']}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(status: int, sentence: str) -> ASGIApp:
    return JSONResponse({"error": sentence}, status)
