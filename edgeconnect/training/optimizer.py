"""One step of an optimizer down a weighted sum of named loss terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgeconnect.errors import NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def descend(
    optimizer: torch.optim.Optimizer, terms: Mapping[str, Tensor], weights: Mapping[str, float], step: int
) -> None:
    """Move the optimizer's parameters by the gradient of the weighted sum; without a term nothing moves.

    `step` is named in the NonFiniteLossError that a term which is nan or infinite raises beforehand.
    """
    for name, value in terms.items():
        if not torch.isfinite(value):
            raise NonFiniteLossError(f"loss term {name!r} is {value.item()} at step {step}")
    if not terms:
        return
    total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
    optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
