"""Generator losses besides the paper's, by name; a run asks for them with `--extra NAME=WEIGHT`.

A new one is a file of this package and a line here. Needs no torch: the config checks its names by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from edgeconnect.training.batch import Batch
    from edgeconnect.training.stages import Prediction

    ExtraLoss = Callable[[Batch, Prediction], Tensor]

EXTRA: Mapping[str, str] = {
    "total_variation": "total_variation:total_variation",
}
"""Names of functions `(batch, prediction) -> scalar`: the module of this package and the function in it."""


def load(name: str) -> ExtraLoss:
    """The loss of that name in EXTRA."""
    module, _, function = EXTRA[name].partition(":")
    found: ExtraLoss = getattr(import_module(f"edgeconnect.training.{module}"), function)
    return found
