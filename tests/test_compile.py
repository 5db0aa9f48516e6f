"""Compiled training against eager training: the same arithmetic, whatever the compiler makes of it."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from small import made_up_batch, tiny_config

from edgeconnect.errors import InputError
from edgeconnect.runtime import compile_network, cpp_compiler
from edgeconnect.trainer import Trainer, build_networks

CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(
    cpp_compiler() is None, reason="torch.compile needs a C++ compiler on the CPU"
)


def make(folder: Path, *, compile: bool) -> Trainer:
    # from 32 channels and 128 pixels on, kernels work in the tiles that a compiler got wrong
    config = tiny_config(folder, "edge", width=32, size=128, precision="bf16", compile=compile)
    return Trainer(config, build_networks(config), None, CPU)


def generator_gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    networks = trainer.stage.generators.items()
    # a bias before an instance norm changes nothing: its gradient is rounding alone
    return {k: p.grad.clone() for _, g in networks for k, p in g.named_parameters() if p.dim() > 1}


def relative(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).norm() / reference.norm().clamp(min=1e-12))


@needs_compiler
# the tracer hides this warning of its own, which it cannot where warnings are errors
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_compiled_training_follows_eager_training_and_goes_on_bit_for_bit_after_a_resume(
    tmp_path: Path,
) -> None:
    eager, compiled = (make(tmp_path, compile=compiled) for compiled in (False, True))
    for step in range(4):
        batch = made_up_batch(size=128, seed=step)
        expected, found = eager.train_step(batch), compiled.train_step(batch)
        assert all(math.isclose(found[n], expected[n], rel_tol=0.02, abs_tol=1e-4) for n in expected)
        if step == 0:  # later on, Adam has divided tiny gradients by their size
            reference, gradients = generator_gradients(eager), generator_gradients(compiled)
            # the deepest weights' gradients have passed through forty roundings to 8 bits
            assert all(relative(gradients[name], reference[name]) < 0.2 for name in reference)
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
