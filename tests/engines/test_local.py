"""Worker processes: every item once, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edgeconnect.engines.base import TRIES
from edgeconnect.engines.local import in_this_process, on_processes
from edgeconnect.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals here")


def square(number: int) -> int:
    """What is worked on."""
    if number < 0:
        raise InputError(f"{number}: expected 0 or more")
    if number == 13:
        raise ZeroDivisionError("of 13")
    return number * number


def squaring() -> Callable[[int], int]:
    return square


def dying(folder: Path, numbers: tuple[int, ...], times: int) -> Callable[[int], int]:
    """Squares, but the process dies at some numbers, the first `times` that one comes."""

    def work(number: int) -> int:
        place = folder / f"{number}.{time.monotonic_ns()}"
        place.touch()
        if number in numbers and len(list(folder.glob(f"{number}.*"))) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return square(number)

    return work


def refusing() -> Callable[[int], int]:
    raise InputError("weights: expected a file")


def ending() -> Callable[[int], int]:
    os._exit(3)


def test_several_processes_give_what_one_gives() -> None:
    items = [*range(10), -1]
    one = {outcome.item: (outcome.value, outcome.error) for outcome in in_this_process(square, items)}
    three = {outcome.item: (outcome.value, outcome.error) for outcome in on_processes(squaring, items, 3)}
    assert one == three and one[7] == (49, None) and one[-1] == (None, "-1: expected 0 or more")


def test_items_are_taken_as_workers_become_free() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            yield taken
            taken += 1

    outcomes = on_processes(squaring, endless(), 2)
    for _ in range(20):
        next(outcomes)
    outcomes.close()
    assert taken < 20 + 2 * 2


def test_a_worker_that_dies_costs_nothing_but_the_time_of_its_item(tmp_path: Path) -> None:
    cleared: list[int] = []
    setup = partial(dying, tmp_path, (3, 8), 1)
    outcomes = list(on_processes(setup, range(12), 2, cleared.append))
    assert {outcome.item: outcome.value for outcome in outcomes} == {n: n * n for n in range(12)}
    tries = Counter(path.stem for path in tmp_path.iterdir())
    assert tries.pop("3") == tries.pop("8") == 2 and set(tries.values()) == {1}
    assert sorted(cleared) == [3, 8]


def test_an_item_that_kills_each_worker_is_given_up_and_said(tmp_path: Path) -> None:
    outcomes = {o.item: o for o in on_processes(partial(dying, tmp_path, (2,), 99), [1, 2, 13, 4], 1)}
    assert outcomes[2].error == f"its process ended by signal 9 (tried {TRIES} times)"
    assert outcomes[13].error == f"ZeroDivisionError: of 13 (tried {TRIES} times)"
    assert [outcomes[n].value for n in (1, 4)] == [1, 16]
    assert len(list(tmp_path.glob("2.*"))) == TRIES


def test_a_setup_that_fails_ends_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights: expected a file"):
        list(on_processes(refusing, range(5), 2))
    with pytest.raises(InputError, match=r"ended at once \(its process ended with code 3\)"):
        list(on_processes(ending, range(5), 2))
