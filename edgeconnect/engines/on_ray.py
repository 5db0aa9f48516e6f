"""Work on a Ray cluster: one machine or hundreds that see the same files."""

from __future__ import annotations

import importlib
import os
import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeconnect.engines.base import Attempt, Outcome, Queue, Reply, attempt, check_ready
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edgeconnect.engines.base import Setup

_PATIENCE_S = 30  # until it is said that there is no room for workers
_STARTS = 3  # of every worker, in a row, that end before they are ready


def on_ray(
    setup: Setup,
    items: Iterable[Any],
    workers: int | None = None,
    again: Callable[[Any], None] = lambda item: None,
    *,
    use_gpus: bool = True,
    print_line: Callable[[str], None] = lambda text: None,
) -> Iterator[Outcome]:
    """Each item's outcome, as they come, from workers all over a Ray cluster.

    The cluster is the one that this process has joined, that RAY_ADDRESS names, or that runs here; else one
    is started for this machine. workers: None is one for each GPU (`use_gpus`) or else each CPU. Every worker
    has one item at a time, and `items` is read as they become free. One that is lost, alone or with its
    machine, is replaced and its item tried again (`base.TRIES`), after `again` got it. print_line gets a
    sentence where the cluster has no room. Raises InputError where `setup` does, where there is no Ray, and
    where workers end before they are ready.
    """
    ray = _library()
    with _connected(ray):
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if use_gpus else 0
        count = workers or gpus or int(resources.get("CPU", 1)) or 1
        pool = _Pool(ray, setup, count, 1 if gpus else 0)
        try:
            yield from _outcomes(pool, Queue(items, again), print_line)
        finally:
            pool.end()


def _outcomes(pool: _Pool, queue: Queue, print_line: Callable[[str], None]) -> Iterator[Outcome]:
    is_said = False
    failed_starts = 0
    while True:
        pool.feed(queue)
        if not pool.is_busy and not queue:
            return
        answers = pool.answers(_PATIENCE_S)
        if not answers and not pool.is_busy and not is_said:
            is_said = True
            print_line("the Ray cluster has no room for a worker yet: waiting for CPUs, GPUs or machines")
        for tried, reply in answers:
            if tried:
                outcome = queue.settle(tried, reply)
                if outcome:
                    yield outcome
            elif reply.kind == "done":
                failed_starts = 0
            else:
                failed_starts += 1
                if failed_starts == _STARTS * pool.count:
                    raise InputError(f"expected workers to start on the Ray cluster, got: {reply.value}")


class _Worker:
    """What runs as an actor: a process somewhere in the cluster that keeps what its setup loaded."""

    def __init__(self, setup: Setup, folder: str, gpus: int) -> None:
        self._made = attempt(_set_up, setup, folder, gpus)

    def ready(self) -> Reply:
        return Reply(self._made.kind, None if self._made.kind == "done" else self._made.value)

    def work(self, item: Any) -> Reply:
        return attempt(self._made.value, item)


def _set_up(setup: Setup, folder: str, gpus: int) -> Any:
    """Set up where paths mean the same as in the process that has the items, on the GPU that Ray chose."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: expected the same folder on every machine of the cluster, as on a shared drive, got "
            f"on {platform.node()}: {error.strerror}"
        ) from None
    if gpus:
        _check_gpu()
    return setup()


def _check_gpu() -> None:
    """Raise InputError where PyTorch cannot use the GPU that the cluster says is there."""
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"{platform.node()}: expected a GPU that PyTorch can use, as the Ray cluster has one there, got "
            "none; with --device cpu the workers need no GPU"
        )


class _Pool:
    """The actors, which of them are free, and what is awaited of the others."""

    def __init__(self, ray: Any, setup: Setup, count: int, gpus: int) -> None:
        self.count = count
        self._ray = ray
        self._class = ray.remote(
            num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )(_Worker)
        self._arguments = (setup, str(os.getcwd()), gpus)  # noqa: PTH109 (Path would follow links)
        self._free: list[Any] = []
        self._awaited: dict[Any, tuple[Any, Attempt | None]] = {}
        for _ in range(count):
            self._start()

    @property
    def is_busy(self) -> bool:
        """Whether items are being worked on."""
        return any(tried for _, tried in self._awaited.values())

    def feed(self, queue: Queue) -> None:
        """Give every free actor an item, while there are some."""
        while self._free and queue:
            actor, tried = self._free.pop(), queue.take()
            self._awaited[actor.work.remote(tried.item)] = actor, tried

    def answers(self, seconds: float) -> list[tuple[Attempt | None, Reply]]:
        """What came, within some seconds: (an item, its reply), or (None, why an actor did not start)."""
        done, _ = self._ray.wait(list(self._awaited), num_returns=1, timeout=seconds)
        found = []
        for reference in done:
            actor, tried = self._awaited.pop(reference)
            try:
                reply: Reply = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._ray.kill(actor)
                self._start()
                reply = Reply("failed", f"its worker was lost: {_reason(error)}")
            else:
                if tried is None:
                    check_ready(reply)
                self._free.append(actor)
            found.append((tried, reply))
        return found

    def end(self) -> None:
        """End all actors."""
        for actor in [*self._free, *(actor for actor, _ in self._awaited.values())]:
            self._ray.kill(actor)

    def _start(self) -> None:
        actor = self._class.remote(*self._arguments)
        self._awaited[actor.ready.remote()] = actor, None


def _reason(error: Exception) -> str:
    """The last line that says something of what Ray tells at length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


def _library() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError("--engine ray needs the package: pip install 'edgeconnect[ray]'") from None


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Part of a cluster, for as long as it is needed."""
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = os.environ.get("RAY_ADDRESS", "this machine")
        raise InputError(f"expected a Ray cluster at {where}, got: {_reason(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()
