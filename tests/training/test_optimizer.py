"""A weighted step down named terms."""

from __future__ import annotations

import copy

import pytest
import torch

from edgeconnect.errors import NonFiniteLossError
from edgeconnect.training.optimizer import load_optimizer_state, optimizer_step


def test_a_step_goes_down_the_weighted_sum() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    optimizer_step(torch.optim.SGD([x], lr=0.1), {"a": x[0], "b": x[1].square()}, {"a": 5.0, "b": 1.0}, 1)
    assert x.tolist() == pytest.approx([2 - 0.1 * 5, 3 - 0.1 * 2 * 3])


def test_without_terms_nothing_moves_and_no_old_gradient_is_followed() -> None:
    x = torch.ones(1, requires_grad=True)
    x.grad = torch.ones(1)
    optimizer_step(torch.optim.SGD([x], lr=0.1), {}, {}, 1)
    assert x.item() == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_term_that_is_no_number_is_named_and_moves_nothing(value: str) -> None:
    x = torch.ones(1, requires_grad=True)
    terms = {"fine": x.sum(), "l1": x.sum() * float(value)}
    with pytest.raises(NonFiniteLossError, match=f"loss term 'l1' is {value} at step 7"):
        optimizer_step(torch.optim.SGD([x], lr=0.1), terms, {"fine": 1.0, "l1": 1.0}, 7)
    assert x.item() == 1


@pytest.mark.parametrize("fused", [False, True])
def test_a_saved_state_is_taken_up_in_another_memory_layout(fused: bool) -> None:
    torch.manual_seed(0)
    gradients = torch.randn(3, 4, 5, 3, 3)

    def stepped(conv: torch.nn.Conv2d, optimizer: torch.optim.Optimizer, gradient: torch.Tensor) -> None:
        conv.weight.grad = torch.empty_like(conv.weight).copy_(gradient)
        optimizer.step()

    first = torch.nn.Conv2d(5, 4, 3, bias=False)
    adam = torch.optim.Adam(first.parameters(), fused=fused)
    for gradient in gradients[:2]:
        stepped(first, adam, gradient)
    second = torch.nn.Conv2d(5, 4, 3, bias=False).to(memory_format=torch.channels_last)
    second.load_state_dict(first.state_dict())
    resumed = torch.optim.Adam(second.parameters(), fused=fused)
    load_optimizer_state(resumed, copy.deepcopy(adam.state_dict()))
    for moment in ("exp_avg", "exp_avg_sq"):
        assert resumed.state[second.weight][moment].stride() == second.weight.stride()
    stepped(first, adam, gradients[2])
    stepped(second, resumed, gradients[2])
    torch.testing.assert_close(second.weight, first.weight, rtol=0, atol=1e-7)
