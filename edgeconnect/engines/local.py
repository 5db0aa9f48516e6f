"""Work in this process, or in several processes of this machine, which end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from edgeconnect.engines.base import Attempt, Outcome, Queue, Reply, attempt, check_ready
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

    from edgeconnect.engines.base import Setup, Work

_PATIENCE_S = 10  # for a worker that was asked to end
_STARTS = 3  # workers in a row that end before they are ready


def in_this_process(work: Work, items: Iterable[Any]) -> Iterator[Outcome]:
    """Each item's outcome, in order; an InputError becomes one, anything else goes through.

    work: makes the function that is called with each of the items.
    """
    for item in items:
        try:
            outcome = Outcome(item, value=work(item))
        except InputError as error:
            outcome = Outcome(item, error=str(error))
        yield outcome


def on_processes(
    setup: Setup,
    items: Iterable[Any],
    workers: int,
    again: Callable[[Any], None] = lambda item: None,
) -> Iterator[Outcome]:
    """Each item's outcome, as they come, from a number of worker processes.

    Every worker has one item at a time, and `items` is read as they become free. A worker that dies is
    replaced and its item tried again (`base.TRIES`), after `again` got it. Raises InputError where `setup`
    does, and where workers end before they are ready.
    """
    queue = Queue(items, again)
    threads = max(1, (os.cpu_count() or 1) // workers)
    running: list[_Worker] = []
    failed_starts = 0
    try:
        while True:
            while len(running) < workers and queue:
                running.append(_Worker(setup, threads, queue.take()))
            if not running:
                return
            ready = connection.wait([worker.pipe for worker in running])
            for worker in [worker for worker in running if worker.pipe in ready]:
                reply = worker.receive()
                if reply is None:
                    running.remove(worker)
                if worker.is_ready:
                    outcome = queue.settle(worker.tried, reply or Reply("failed", worker.how_it_ended()))
                    if reply and queue:
                        worker.give(queue.take())
                    elif reply:
                        running.remove(worker)
                        worker.end()
                    if outcome:
                        yield outcome
                elif reply:
                    check_ready(reply)
                    worker.is_ready, failed_starts = True, 0
                else:
                    queue.put_back(worker.tried)
                    failed_starts += 1
                    if failed_starts == _STARTS:
                        raise InputError(
                            f"expected {workers} processes to start, got {_STARTS} that ended at once "
                            f"({worker.how_it_ended()}); is there memory for all of them? take fewer"
                        )
    finally:
        for worker in running:
            worker.interrupt()
        for worker in running:
            worker.end()


class _Worker:
    """A process with the item that it has; it first answers whether it is ready, then for each item."""

    def __init__(self, setup: Setup, threads: int, first: Attempt) -> None:
        # a fork of a process that has threads, as OpenCV's and torch's, may hang
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.tried, self.is_ready = first, False
        self._process = context.Process(target=_serve, args=(other, setup, threads), daemon=True)
        self._process.start()
        other.close()
        self.give(first)

    def give(self, tried: Attempt) -> None:
        self.tried = tried
        with suppress(OSError):  # it died; that is seen when its answer is read
            self.pipe.send(tried.item)

    def receive(self) -> Reply | None:
        """Its answer; None where it ended without one."""
        try:
            reply: Reply = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return reply

    def how_it_ended(self) -> str:
        self._process.join(_PATIENCE_S)
        code = self._process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        return f"its process ended {how}"

    def interrupt(self) -> None:
        """As Ctrl-C does: what it writes is cleared away."""
        if self._process.pid and self._process.is_alive():
            with suppress(OSError):
                os.kill(self._process.pid, signal.SIGINT)

    def end(self) -> None:
        self.pipe.close()
        self._process.join(_PATIENCE_S)
        self._process.kill()


def _serve(pipe: Connection, setup: Setup, threads: int) -> None:
    """A worker process: it ends when its pipe is closed, as by the end of the process that started it."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))  # before torch and numpy are imported
    with suppress(EOFError, OSError, KeyboardInterrupt):
        made = attempt(setup)
        pipe.send(Reply(made.kind, None if made.kind == "done" else made.value))
        while made.kind == "done":
            pipe.send(attempt(made.value, pipe.recv()))
