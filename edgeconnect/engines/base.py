"""What all engines agree on: work, outcomes, and which item is tried when."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Work = Callable[[Any], Any]
"""Takes an item, gives its value; raises InputError for an item that cannot be used."""

Setup = Callable[[], Work]
"""Makes a worker's `Work`, once: what takes long, such as a model, is loaded here. It can be pickled."""

TRIES = 3
"""How often an item is tried whose worker dies, or which raises something else than InputError."""


@dataclass(frozen=True)
class Outcome:
    """What became of an item: its value, or else a sentence (`error`) that says why there is none."""

    item: Any
    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Reply:
    """What a worker answers: "done" with a value; "refused" (an InputError) or "failed" with a sentence."""

    kind: Literal["done", "refused", "failed"]
    value: Any = None


@dataclass(frozen=True)
class Attempt:
    """An item with how often it was tried before."""

    item: Any
    before: int = 0


def attempt(function: Callable[..., Any], *arguments: Any) -> Reply:
    """Call a function and answer with what came of it; only what ends the process goes through."""
    try:
        return Reply("done", function(*arguments))
    except InputError as error:
        return Reply("refused", str(error))
    except Exception as error:
        return Reply("failed", f"{type(error).__name__}: {error}")


def check_ready(reply: Reply) -> None:
    """Raise what a worker's setup raised: InputError, or RuntimeError for anything else."""
    if reply.kind == "refused":
        raise InputError(reply.value)
    if reply.kind == "failed":
        raise RuntimeError(f"a worker could not start: {reply.value}")


class Queue:
    """Items in their order, taken one at a time as workers become free; those to try again come first."""

    def __init__(self, items: Iterable[Any], again: Callable[[Any], None]) -> None:
        """again: gets an item before it is tried again, to clear away what a dead worker left."""
        self._items, self._again = iter(items), again
        self._waiting: deque[Attempt] = deque()

    def __bool__(self) -> bool:
        """Whether there is an item to take."""
        if not self._waiting:
            self._waiting.extend(Attempt(item) for item in (next(self._items, self),) if item is not self)
        return bool(self._waiting)

    def take(self) -> Attempt:
        """The next one; there must be one."""
        assert self
        return self._waiting.popleft()

    def put_back(self, untried: Attempt) -> None:
        """One that was taken and not tried."""
        self._waiting.appendleft(untried)

    def settle(self, tried: Attempt, reply: Reply) -> Outcome | None:
        """What became of an item; None where it will be tried again."""
        if reply.kind == "done":
            return Outcome(tried.item, value=reply.value)
        if reply.kind == "refused":
            return Outcome(tried.item, error=reply.value)
        if tried.before + 1 == TRIES:
            return Outcome(tried.item, error=f"{reply.value} (tried {TRIES} times)")
        self._again(tried.item)
        self._waiting.append(Attempt(tried.item, tried.before + 1))
        return None
