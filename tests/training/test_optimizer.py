"""A weighted step down named terms."""

from __future__ import annotations

import pytest
import torch

from edgeconnect.errors import NonFiniteLossError
from edgeconnect.training.optimizer import descend


def test_a_step_goes_down_the_weighted_sum() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    descend(torch.optim.SGD([x], lr=0.1), {"a": x[0], "b": x[1].square()}, {"a": 5.0, "b": 1.0}, 1)
    assert x.tolist() == pytest.approx([2 - 0.1 * 5, 3 - 0.1 * 2 * 3])


def test_without_terms_nothing_moves_and_no_old_gradient_is_followed() -> None:
    x = torch.ones(1, requires_grad=True)
    x.grad = torch.ones(1)
    descend(torch.optim.SGD([x], lr=0.1), {}, {}, 1)
    assert x.item() == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_term_that_is_no_number_is_named_and_moves_nothing(value: str) -> None:
    x = torch.ones(1, requires_grad=True)
    terms = {"fine": x.sum(), "l1": x.sum() * float(value)}
    with pytest.raises(NonFiniteLossError, match=f"loss term 'l1' is {value} at step 7"):
        descend(torch.optim.SGD([x], lr=0.1), terms, {"fine": 1.0, "l1": 1.0}, 7)
    assert x.item() == 1
