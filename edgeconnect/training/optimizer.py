"""Optimizers: a step down a weighted sum of named loss terms, and a saved state taken up again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from edgeconnect.errors import NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def optimizer_step(
    optimizer: torch.optim.Optimizer, terms: Mapping[str, Tensor], weights: Mapping[str, float], step: int
) -> dict[str, float]:
    """Move the optimizer's parameters by the gradient of the weighted sum; the terms as numbers.

    Without a term nothing moves. terms: scalars by name. weights: what each counts. step: named in the
    NonFiniteLossError that a term which is nan or infinite raises before anything moves.
    """
    if not terms:
        return {}
    # a step's one wait for the device, not one a term
    values = torch.stack([value.detach().float() for value in terms.values()]).tolist()
    numbers = dict(zip(terms, values, strict=True))
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise NonFiniteLossError(f"loss term {name!r} is {value} at step {step}")
    total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
    optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return numbers


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`optimizer.load_state_dict(state)` for parameters that lie in memory otherwise than when it was saved.

    PyTorch keeps the saved strides, and its fused Adam walks through parameter and moments in the order of
    memory: after a change between channels first and last, each weight would meet another weight's moments.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
