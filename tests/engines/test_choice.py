"""Whoever works, values come in the order of their items.

The workers import this file: it does without PyTorch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from edgeconnect.engines.choice import HERE, Engine
from edgeconnect.errors import InputError

EACH = pytest.mark.parametrize("engine", [HERE, Engine("local", 3)], ids=["here", "three processes"])


def later() -> Callable[[int], int]:
    """Squares, of which the first takes the longest."""

    def work(number: int) -> int:
        if number < 0:
            raise InputError(f"{number}: expected 0 or more")
        time.sleep(0.5 if number == 0 else 0)
        return number * number

    return work


@EACH
@pytest.mark.skipif(sys.platform == "win32", reason="processes of this machine's system")
def test_values_come_in_order_whoever_is_done_first(engine: Engine) -> None:
    assert list(engine.values(later, range(8))) == [n * n for n in range(8)]


@EACH
def test_the_first_that_has_no_value_ends_it_with_its_sentence(engine: Engine) -> None:
    with pytest.raises(InputError, match="-3: expected 0 or more"):
        list(engine.values(later, [1, 2, -3]))
