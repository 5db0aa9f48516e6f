"""Who works: this process, several of this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgeconnect.engines.local import in_this_process, on_processes
from edgeconnect.engines.on_ray import on_ray
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from edgeconnect.engines.base import Outcome, Setup


@dataclass(frozen=True)
class Engine:
    """Who works: this process, `workers` processes of this machine, or as many on a Ray cluster.

    workers: None is one here, and on Ray what the cluster has room for, each with a GPU of its own where
    there are some and `use_gpus`.
    """

    name: Literal["local", "ray"] = "local"
    workers: int | None = None
    use_gpus: bool = True

    @property
    def is_here(self) -> bool:
        """Whether this process does all the work itself."""
        return self.name == "local" and self.workers in (None, 1)

    def outcomes(
        self,
        setup: Setup,
        items: Iterable[Any],
        again: Callable[[Any], None] = lambda item: None,
        print_line: Callable[[str], None] = lambda text: None,
    ) -> Iterator[Outcome]:
        """Each item's outcome, as they come: see `in_this_process`, `on_processes` and `on_ray`.

        setup: called once in each worker, makes the function that does an item's work. items: what it is
        given, one by one. again: called with an item whose worker was lost, before it is tried again.
        print_line: gets sentences for the terminal.
        """
        if self.is_here:
            return in_this_process(setup(), items)
        if self.name == "local":
            return on_processes(setup, items, self.workers or 1, again)
        return on_ray(setup, items, self.workers, again, use_gpus=self.use_gpus, print_line=print_line)

    def values(
        self, setup: Setup, items: Sequence[Any], print_line: Callable[[str], None] = lambda text: None
    ) -> Iterator[Any]:
        """Each item's value, in their order; InputError for the first that has none.

        setup, items, print_line: as for `outcomes`.
        """
        waiting: dict[int, Any] = {}
        following = 0
        for outcome in self.outcomes(_Numbered(setup), list(enumerate(items)), print_line=print_line):
            if outcome.error is not None:
                raise InputError(outcome.error)
            waiting[outcome.item[0]] = outcome.value
            while following in waiting:
                yield waiting.pop(following)
                following += 1


HERE = Engine()
"""This process alone."""


@dataclass(frozen=True)
class _Numbered:
    """A setup whose work takes (number, item) and leaves the number alone."""

    setup: Setup

    def __call__(self) -> Callable[[tuple[int, Any]], Any]:
        work = self.setup()
        return lambda numbered: work(numbered[1])
