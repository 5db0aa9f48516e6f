"""uvicorn around the application, with patience for slow clients that ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgeconnect.errors import InputError
from edgeconnect.web.app import create_app
from edgeconnect.web.guard import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edgeconnect.web.limits import Limits
    from edgeconnect.web.models import Models

_ASK_SECONDS = 10  # until a connection's request line and headers have arrived
_TAKE_SECONDS = 60  # until some of an answer that fills the socket's buffer has been taken:
_TAKE_BYTES = 256 * 1024
_END_SECONDS = 3  # for fills to end by themselves
_CONNECTIONS = 100


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP, which by itself waits without end for headers that trickle and answers nobody takes."""

    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_request()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._await_request()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what was sent."""
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        if self._stuck:
            self._stuck.cancel()

    def _await_taking(self) -> None:
        left = self.transport.get_write_buffer_size()

        def abort_if_stuck() -> None:
            if self.transport.get_write_buffer_size() > left - _TAKE_BYTES:
                self.transport.abort()
            else:
                self._await_taking()

        self._stuck = self.loop.call_later(_TAKE_SECONDS, abort_if_stuck)

    def _await_request(self) -> None:
        last = self.cycle

        def close_if_still() -> None:
            if self.cycle is not last or self.transport.is_closing():
                return
            if self.transport.get_write_buffer_size():  # an answer is still on its way
                self._await_request()
            else:
                self.transport.abort()

        self.loop.call_later(_ASK_SECONDS, close_if_still)


class PromptServer(uvicorn.Server):
    """uvicorn, which lets requests end by themselves for a moment; long ones need telling."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the fills from the photo alone, then the rest."""
        state = self.config.app.state  # type: ignore[union-attr]
        state.end_patient_work()
        asyncio.get_running_loop().call_later(_END_SECONDS, state.end_work)
        # who interrupts knows that requests were cut, and needs no traceback of each
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
        await super().shutdown(sockets)


def serve(
    models: Models,
    host: str,
    port: int,
    *,
    names: Collection[str] = (),
    limits: Limits | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Answer at host:port (0: a free one) until interrupted; `names` are further host names to answer to.

    `on_ready` gets the URL once it is taken; InputError where it cannot be.
    """
    if not host.strip():
        raise InputError("--host: expected an address of this machine, got none; all of them are 0.0.0.0")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, ValueError) as error:
        raise InputError(f"{host}:{port}: expected a free address of this machine, got: {error}") from None
    with listening:
        address = f"[{host}]" if ":" in host else host
        on_ready(f"http://{address}:{listening.getsockname()[1]}/")
        server(models, host, port, names=names, limits=limits).run([listening])


def server(
    models: Models, host: str, port: int, *, names: Collection[str] = (), limits: Limits | None = None
) -> uvicorn.Server:
    """The server that `serve` runs."""
    known = {*LOOPBACK, host.lower(), *(name.lower() for name in names)}
    app = create_app(models, limits, known, addresses=host not in LOOPBACK)
    settings: dict[str, Any] = {
        "http": PatientProtocol,
        "ws": "none",
        "timeout_keep_alive": 5,
        "limit_concurrency": _CONNECTIONS,
        "timeout_graceful_shutdown": 5,
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_level": "warning",
    }
    return PromptServer(uvicorn.Config(app, host=host, port=port, **settings))
