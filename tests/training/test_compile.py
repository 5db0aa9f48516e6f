"""Compiled training against eager training: the same arithmetic, whatever the compiler makes of it."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from small import made_up_batch, tiny_config

from edgeconnect.device import compile_network, cpp_compiler
from edgeconnect.errors import InputError
from edgeconnect.training.trainer import Trainer, build_networks

CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(
    cpp_compiler() is None, reason="torch.compile needs a C++ compiler on the CPU"
)


def make(folder: Path, *, compile: bool = False, precision: str = "bf16") -> Trainer:
    # from 32 channels and 128 pixels on, kernels work in the tiles that a compiler got wrong
    config = tiny_config(folder, "edge", width=32, size=128, precision=precision, compile=compile)
    return Trainer(config, build_networks(config), None, CPU)


def generator_gradients(trainer: Trainer) -> list[torch.Tensor]:
    parameters = trainer.stage.generators["edge_generator"].parameters()
    # a bias before an instance norm changes nothing: its gradient is rounding alone
    return [p.grad.clone() for p in parameters if p.dim() > 1]


def relative(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).norm() / reference.norm().clamp(min=1e-12))


@needs_compiler
# the tracer hides this warning of its own, which it cannot where warnings are errors
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_compiled_training_follows_eager_training_and_goes_on_bit_for_bit_after_a_resume(
    tmp_path: Path,
) -> None:
    exact, eager, compiled = make(tmp_path, precision="float32"), make(tmp_path), make(tmp_path, compile=True)
    exact.train_step(made_up_batch(size=128, seed=0))
    for step in range(4):
        batch = made_up_batch(size=128, seed=step)
        expected, found = eager.train_step(batch), compiled.train_step(batch)
        assert all(math.isclose(found[n], expected[n], rel_tol=0.01, abs_tol=1e-4) for n in expected)
        if step == 0:
            # no farther from float32's than eager bf16's are, though each passes through dozens of roundings
            gradients = zip(*map(generator_gradients, (exact, eager, compiled)), strict=True)
            assert all(relative(c, x) < 1.3 * relative(e, x) + 1e-3 for x, e, c in gradients)
        if step == 1:
            state = copy.deepcopy(compiled.state())
    resumed = make(tmp_path, compile=True)
    resumed.load_state(state)
    for step in (2, 3):
        resumed.train_step(made_up_batch(size=128, seed=step))
    for name, network in compiled.networks.items():
        assert all(
            map(torch.equal, network.state_dict().values(), resumed.networks[name].state_dict().values())
        )


def test_without_a_cpp_compiler_the_training_does_not_start(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler: install g\+\+, or name one in CXX"):
        compile_network(torch.nn.Identity(), CPU)
