"""One computation at a time, as long as its client waits for it and the time limit allows."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from torch.overrides import TorchFunctionMode

from edgeconnect.memory import give_back_memory

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

    def __init__(self, seconds: float, *, is_patient: bool) -> None:
        self._end = time.monotonic() + seconds
        self.is_patient = is_patient
        self.is_abandoned = False

    def check(self) -> None:
        if self.is_abandoned:
            raise AbandonedError
        if time.monotonic() > self._end:
            raise OutOfTimeError


class Checking(TorchFunctionMode):
    """Calls `check` before each operation on tensors in this thread: seconds may lie between two progress
    reports, and nobody who cancels shall wait for the next.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._check()
        return func(*args, **(kwargs or {}))


class Computer:
    """What workers share: one of them computes, and patient work stands aside for other work meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self._urgent = 0  # turns that wait and are not patient
        self._here = threading.local()  # the turn of each worker's thread

    def check(self) -> None:
        """To be called often by the work itself: ends it where nobody waits any more or time is over.

        Patient work lets the others compute here. Does nothing in threads of no worker.
        """
        turn: _Turn | None = getattr(self._here, "turn", None)
        if turn is None:
            return
        if turn.is_patient and self._urgent:
            self._leave()
            self._enter(turn)
        turn.check()

    @contextmanager
    def taken(self, turn: _Turn) -> Iterator[None]:
        """Compute as this turn, once nobody else does."""
        self._enter(turn)
        self._here.turn = turn
        try:
            yield
        finally:
            self._here.turn = None
            self._leave()

    def _enter(self, turn: _Turn) -> None:
        with self._changed:
            self._urgent += not turn.is_patient
            self._changed.wait_for(lambda: not (self._is_taken or (turn.is_patient and self._urgent)))
            self._urgent -= not turn.is_patient
            self._is_taken = True

    def _leave(self) -> None:
        with self._changed:
            self._is_taken = False
            self._changed.notify_all()


class Places:
    """A bounded number of requests at the same time."""

    def __init__(self, count: int) -> None:
        self._free = count

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


class Worker(Places):
    """A single thread with a bounded number of places before it."""

    def __init__(
        self, places: int, seconds: float, computer: Computer | None = None, *, is_patient: bool = False
    ) -> None:
        """places: requests admitted at the same time; seconds: for each, waiting for its turn included;
        computer: shared with other workers; is_patient: lets their work go first.
        """
        super().__init__(places)
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edgeconnect")
        self._turn: _Turn | None = None
        self._has_ended = False
        self._is_patient = is_patient
        self.computer = computer or Computer()

    async def run(
        self, work: Callable[[], T], has_left: Callable[[], Awaitable[bool]], more_seconds: float = 0
    ) -> T:
        """The result of `work` in the thread; `has_left` tells whether the client has closed the connection.

        `more_seconds` prolong the time limit. Raises OutOfTimeError and AbandonedError, both once the work
        has really ended.
        """
        turn = _Turn(self._seconds + more_seconds, is_patient=self._is_patient)
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._take, turn, work)
        try:
            while not (await asyncio.wait([future], timeout=_LOOK_SECONDS))[0]:
                turn.is_abandoned = turn.is_abandoned or await has_left()
        except asyncio.CancelledError:
            turn.is_abandoned = True
            raise
        return future.result()

    def end(self) -> None:
        """Abandon what runs, at its next check, and what waits."""
        self._has_ended = True
        if self._turn:
            self._turn.is_abandoned = True

    def close(self) -> None:
        """End, and wait for the thread."""
        self.end()
        self._thread.shutdown(cancel_futures=True)

    def _take(self, turn: _Turn, work: Callable[[], T]) -> T:
        self._turn = turn
        turn.is_abandoned |= self._has_ended
        try:
            with self.computer.taken(turn):
                turn.check()
                return work()
        finally:
            self._turn = None
            give_back_memory()
