"""Claims that hold on every device there is: the CPU, and a GPU where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import made_up_batch, small_features, tiny_config

from edgeconnect import EdgeConnect
from edgeconnect.device import deterministic_kernels
from edgeconnect.models.smooth_fill import smooth_fill
from edgeconnect.training import losses
from edgeconnect.training.trainer import Trainer, build_networks


def test_a_photo_is_filled_as_on_the_cpu(weights_file: Path, photo: np.ndarray, device: torch.device) -> None:
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:60, 40:70] = True
    cpu, other = (
        EdgeConnect.load(weights_file, device=where, precision="float32") for where in ("cpu", str(device))
    )
    expected, found = (model.inpaint(photo, hole, texture=0.0) for model in (cpu, other))
    np.testing.assert_array_equal(found[~hole], photo[~hole])
    assert np.abs(found.astype(int) - expected).max() <= 2
    # two patches that fit equally well may be told apart by rounding: with texture, alike on the whole
    expected, found = (model.inpaint(photo, hole) for model in (cpu, other))
    np.testing.assert_array_equal(found[~hole], photo[~hole])
    assert np.abs(found.astype(int) - expected)[hole].mean() <= 2


def test_the_smooth_fill_is_as_on_the_cpu(device: torch.device) -> None:
    batch = made_up_batch()
    found = smooth_fill(batch.photo.to(device), batch.mask.to(device))
    torch.testing.assert_close(found.cpu(), smooth_fill(batch.photo, batch.mask), rtol=0, atol=1e-4)


def test_gram_matrices_are_as_on_the_cpu(device: torch.device) -> None:
    features = torch.randn(2, 6, 9, 9)
    torch.testing.assert_close(losses.gram(features.to(device)).cpu(), losses.gram(features))


@pytest.mark.parametrize("stage", ["edge", "inpaint"])
def test_a_step_has_the_losses_of_the_cpu(tmp_path: Path, stage: str, device: torch.device) -> None:
    config, cpu = tiny_config(tmp_path, stage), torch.device("cpu")
    expected, found = (
        Trainer(config, build_networks(config), small_features(), where).train_step(made_up_batch())
        for where in (cpu, device)
    )
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_run_goes_on_with_a_state_of_the_cpu(tmp_path: Path, device: torch.device) -> None:
    config = tiny_config(tmp_path)
    first = Trainer(config, build_networks(config), None, torch.device("cpu"))
    first.train_step(made_up_batch())
    second = Trainer(config, build_networks(config), None, device)
    second.load_state(first.state())
    moments = second.optimizers["g"].state
    assert all(state["exp_avg"].stride() == parameter.stride() for parameter, state in moments.items())
    assert all(state["exp_avg"].device == parameter.device for parameter, state in moments.items())


def test_deterministic_steps_give_the_same_bits_again(tmp_path: Path, device: torch.device) -> None:
    config = tiny_config(tmp_path, "inpaint")
    found = []
    for _ in range(2):
        with deterministic_kernels():
            trainer = Trainer(config, build_networks(config), small_features(), device)
            for seed in range(2):
                trainer.train_step(made_up_batch(seed=seed))
        found.append([p.cpu() for network in trainer.networks.values() for p in network.parameters()])
    assert found[0] and all(torch.equal(a, b) for a, b in zip(*found, strict=True))
