"""One computation at a time, as long as its client waits for it and the time limit allows."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

T = TypeVar("T")

_LOOK_SECONDS = 0.1  # how often a waiting client is looked after


class BusyError(Exception):
    """All places are taken."""


class OutOfTimeError(Exception):
    """The time limit of a request is over."""


class AbandonedError(Exception):
    """The client of a computation has gone."""


class _Turn:
    """One request's time: until when it may last, and whether anybody still waits."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.is_abandoned = False

    def check(self) -> None:
        if self.is_abandoned:
            raise AbandonedError
        if time.monotonic() > self._end:
            raise OutOfTimeError


class Worker:
    """A single thread with a bounded number of places before it."""

    def __init__(self, places: int, seconds: float) -> None:
        """places: requests admitted at the same time; seconds: for each, waiting for its turn included."""
        self._free = places
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edgeconnect")
        self._turn: _Turn | None = None

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; raises BusyError where there is none."""
        if self._free < 1:
            raise BusyError
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    def check(self) -> None:
        """To be called often by the work itself: ends it where nobody waits any more or time is over."""
        if self._turn:
            self._turn.check()

    async def run(self, work: Callable[[], T], has_left: Callable[[], Awaitable[bool]]) -> T:
        """The result of `work` in the thread; `has_left` tells whether the client has closed the connection.

        Raises OutOfTimeError and AbandonedError, both once the work has really ended.
        """
        turn = _Turn(self._seconds)
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._take, turn, work)
        try:
            while not (await asyncio.wait([future], timeout=_LOOK_SECONDS))[0]:
                turn.is_abandoned = turn.is_abandoned or await has_left()
        except asyncio.CancelledError:
            turn.is_abandoned = True
            raise
        return future.result()

    def close(self) -> None:
        """End the thread; what runs is abandoned at its next check."""
        if self._turn:
            self._turn.is_abandoned = True
        self._thread.shutdown(cancel_futures=True)

    def _take(self, turn: _Turn, work: Callable[[], T]) -> T:
        self._turn = turn
        try:
            turn.check()
            return work()
        finally:
            self._turn = None
