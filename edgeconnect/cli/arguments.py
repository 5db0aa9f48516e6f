"""Types of command line arguments, for the commands and the recipes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number, `least` or more, and `most` or less."""
    wanted = f"{least} or more" if most is None else f"{least} to {most}"

    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"expected a whole number, {wanted}, got {text!r}")
        return number

    return whole
