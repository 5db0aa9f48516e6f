"""The loop of every training and how it ends: at its last step, after some minutes, or on a signal that
is taken as a wish to stop at a good moment.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Report = dict[str, Any]


PATIENCE_S = 2.0  # what a terminal and a launcher send to say the same thing comes closer together


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the last step, and the signal's number where one stopped it."""

    step: int
    signal: int | None = None


def run_steps(
    step: Callable[[], Report],
    after: Callable[[Report, bool], None],
    *,
    done: int,
    steps: int,
    ends: float | None,
    stopping: Sequence[int],
    anywhere: Callable[[bool], bool] = bool,
) -> Outcome:
    """Take steps from `done` on, to the last of `steps` or until the run is to stop.

    step: takes one and reports it, its number as "step" among other things. after: gets the report and
    whether this was the last one. ends: the time.monotonic() to stop at. stopping: signals received so far.
    anywhere: whether a flag holds in any of several processes.
    """
    while done < steps:
        report = step()
        done = report["step"]
        is_late = ends is not None and time.monotonic() > ends
        is_last = done == steps or anywhere(bool(stopping) or is_late)
        after(report, is_last)
        if is_last:
            break
    return Outcome(done, stopping[0] if stopping else None)


class StopWaitingError(KeyboardInterrupt):
    """A signal came while the run waited for data, which may never come: it stops where it is."""


class Signals(list[int]):
    """Those received so far; `is_waiting` is set where one may raise StopWaitingError."""

    is_waiting = False


@contextmanager
def stop_signals() -> Iterator[Signals]:
    """A list that SIGTERM, SIGINT, SIGHUP and SIGUSR1 append their numbers to, instead of ending the process.

    One that comes `PATIENCE_S` after the first raises KeyboardInterrupt: the good moment did not come.
    """
    received = Signals()
    times: list[float] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        times.append(time.monotonic())
        if received.is_waiting:
            raise StopWaitingError
        if times[-1] - times[0] > PATIENCE_S:
            raise KeyboardInterrupt

    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")  # a closed terminal and a cluster's warning too
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    previous = [signal.signal(number, receive) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
