"""How a run ends: at its last step, or on SIGTERM and SIGINT, taken as a wish to stop at a good moment."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE_S = 2.0  # what a terminal and a launcher send to say the same thing comes closer together


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the last step, and the signal's number where one stopped it."""

    step: int
    signal: int | None = None


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that SIGTERM and SIGINT append their numbers to, instead of ending the process at once.

    One that comes `PATIENCE_S` after the first raises KeyboardInterrupt: the good moment did not come.
    """
    received: list[int] = []
    times: list[float] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        times.append(time.monotonic())
        if times[-1] - times[0] > PATIENCE_S:
            raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = [signal.signal(number, receive) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
