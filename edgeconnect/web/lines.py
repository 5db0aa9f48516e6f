"""An answer that grows while it is computed: a line of JSON for each event, the result in the last one."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from starlette.types import Send

    Event = dict[str, Any]

MEDIA_TYPE = "application/x-ndjson"


class Slot:
    """Takes events from the computing thread to the event loop; one that nobody took in time is replaced."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._event: Event | None = None

    def put(self, event: Event) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._set, event)

    async def until(self, task: asyncio.Task[Any]) -> AsyncIterator[Event]:
        """The events as they come, until the task has ended."""
        task.add_done_callback(lambda _: self._changed.set())
        while not task.done():
            await self._changed.wait()
            self._changed.clear()
            if self._event is not None:
                event, self._event = self._event, None
                yield event

    def _set(self, event: Event) -> None:
        if self._event is not None and "picture" in self._event:
            event = self._event | event  # a picture stays the newest until another one comes
        self._event = event
        self._changed.set()


async def send_lines(
    send: Send,
    slot: Slot,
    work: Coroutine[Any, Any, Response],
    explained: Callable[[BaseException], tuple[int, str]],
) -> None:
    """Answer with the slot's events and what `work` comes to, or with the sentence about how it failed.

    Until the first event, what `work` raises is raised, to be answered with its own status; and so is a bug.
    """
    task = asyncio.ensure_future(work)
    has_begun = False
    try:
        async for event in slot.until(task):
            if not has_begun:
                await _begin(send)
                has_begun = True
            await _line(send, event)
        if not has_begun:
            task.result()
            await _begin(send)
        await _line(send, _last(task, explained), more=False)
        if (error := task.exception()) and explained(error)[0] == 500:
            raise error
    finally:
        task.cancel()
        await asyncio.wait([task])


def _last(task: asyncio.Task[Response], explained: Callable[[BaseException], tuple[int, str]]) -> Event:
    try:
        response = task.result()
    except Exception as error:
        return {"error": explained(error)[1]}
    headers = response.headers
    return {
        "stage": "done",
        "box": [int(number) for number in headers["Edgeconnect-Box"].split(",")],
        "picture": base64.b64encode(response.body).decode(),
        "photo": headers["Edgeconnect-Photo"],
        "notes": json.loads(headers["Edgeconnect-Notes"]),
    }


def _begin(send: Send) -> Awaitable[None]:
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    return send({"type": "http.response.start", "status": 200, "headers": headers})


def _line(send: Send, event: Event, *, more: bool = True) -> Awaitable[None]:
    body = json.dumps(event).encode() + b"\n"
    return send({"type": "http.response.body", "body": body, "more_body": more})
