"""Files in the released layout, written from networks built here with PyTorch's older spectral norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from old_networks import BLOCKS, WIDTH, OldGenerator
from small import made_up_batch
from torch import nn
from torch.nn.utils import spectral_norm

from edgeconnect.errors import InputError
from edgeconnect.models.released import read_released
from edgeconnect.training.batch import Batch


class OldDiscriminator(nn.Module):
    def __init__(self, channels_in: int) -> None:
        super().__init__()
        w, activation = WIDTH, nn.LeakyReLU(0.2)

        def conv(a: int, b: int, stride: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(a, b, 4, stride, 1, bias=False))

        self.conv1 = self.features = nn.Sequential(conv(channels_in, w, 2), activation)
        self.conv2 = nn.Sequential(conv(w, 2 * w, 2), activation)
        self.conv3 = nn.Sequential(conv(2 * w, 4 * w, 2), activation)
        self.conv4 = nn.Sequential(conv(4 * w, 8 * w, 1), activation)
        self.conv5 = nn.Sequential(conv(8 * w, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(x)))))


def converge(network: nn.Module) -> None:
    """The power iteration's end, which a discriminator's many training steps reach."""
    for conv in network.modules():
        if hasattr(conv, "weight_orig"):
            u, _, vh = torch.linalg.svd(conv.weight_orig.detach().flatten(1), full_matrices=False)
            conv.weight_u.copy_(u[:, 0])
            conv.weight_v.copy_(vh[0])


Networks = dict[str, tuple[nn.Module, str]]


@pytest.fixture
def old() -> Networks:
    """The four networks by released file name, with their entry, after some uses in training mode."""
    torch.manual_seed(0)
    networks: Networks = {
        "EdgeModel_gen.pth": (OldGenerator(3, 1, spectral=True), "generator"),
        "EdgeModel_dis.pth": (OldDiscriminator(2), "discriminator"),
        "InpaintingModel_gen.pth": (OldGenerator(4, 3, spectral=False), "generator"),
        "InpaintingModel_dis.pth": (OldDiscriminator(3), "discriminator"),
    }
    for network, _ in networks.values():
        channels = next(p for p in network.parameters() if p.ndim == 4).shape[1]
        for _ in range(2):
            network.train()(torch.rand(1, channels, 24, 24))
        network.eval()
        if isinstance(network, OldDiscriminator):
            converge(network)
    return networks


def write(folder: Path, networks: Networks, prefix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for name, (network, entry) in networks.items():
        content: dict[str, Any] = {entry: {f"{prefix}{k}": v for k, v in network.state_dict().items()}}
        if entry == "generator":
            content["iteration"] = 2_000_000
        torch.save(content, folder / name)
    return folder


@torch.no_grad()
def old_outputs(networks: Networks, batch: Batch) -> dict[str, torch.Tensor]:
    """What the old networks compute, each given its inputs as the paper masks them."""
    m = batch.mask
    gray, edge, photo = batch.gray * (1 - m) + m, batch.edge * (1 - m), batch.photo * (1 - m) + m
    run = {name: network for name, (network, _) in networks.items()}
    raw = run["InpaintingModel_gen.pth"](torch.cat((photo, batch.edge), 1))
    return {
        "edge_generator": torch.sigmoid(run["EdgeModel_gen.pth"](torch.cat((gray, edge, m), 1))),
        "inpaint_generator": (torch.tanh(raw) + 1) / 2,
        "edge_discriminator": run["EdgeModel_dis.pth"](torch.cat((batch.gray, batch.edge), 1)),
        "inpaint_discriminator": run["InpaintingModel_dis.pth"](batch.photo),
    }


@pytest.mark.parametrize("prefix", ["", "module."])
def test_released_files_compute_what_their_own_networks_do(
    old: Networks, tmp_path: Path, prefix: str
) -> None:
    weights, batch = read_released(write(tmp_path, old, prefix)), made_up_batch(size=64)
    networks, expected = weights.networks, old_outputs(old, batch)
    with torch.no_grad():
        got = {
            "edge_generator": networks["edge_generator"](batch.gray, batch.edge, batch.mask),
            "inpaint_generator": networks["inpaint_generator"](batch.photo, batch.edge, batch.mask),
            "edge_discriminator": networks["edge_discriminator"](torch.cat((batch.gray, batch.edge), 1))[-1],
            "inpaint_discriminator": networks["inpaint_discriminator"](batch.photo)[-1],
        }
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, atol=1e-4, rtol=0, msg=name)
    assert networks["edge_generator"].config == {"width": WIDTH, "blocks": BLOCKS, "edge_start": "none"}
    assert weights.provenance["converted_from"] == sorted(old)


def test_the_discriminators_may_be_missing(old: Networks, tmp_path: Path) -> None:
    generators = {name: network for name, network in old.items() if "gen" in name}
    assert set(read_released(write(tmp_path, generators)).networks) == {"edge_generator", "inpaint_generator"}


def test_a_missing_generator_is_named(old: Networks, tmp_path: Path) -> None:
    folder = write(tmp_path, old)
    (folder / "InpaintingModel_gen.pth").unlink()
    with pytest.raises(InputError, match="missing the inpaint_generator"):
        read_released(folder)


def test_two_files_with_the_same_network_are_refused(old: Networks, tmp_path: Path) -> None:
    folder = write(tmp_path, old)
    (folder / "Z_gen.pth").write_bytes((folder / "EdgeModel_gen.pth").read_bytes())
    with pytest.raises(InputError, match=r"Z_gen\.pth: a second edge generator"):
        read_released(folder)


def test_an_empty_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"EdgeModel_gen\.pth"):
        read_released(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"other": 1}, "expected a released checkpoint"),
        ([1, 2], "expected a released checkpoint"),
        ({"generator": 5}, "its generator has other layers"),
        ({"generator": {"weight": torch.zeros(3)}}, "its generator has other layers"),
        ({"generator": {"encoder.1.weight": torch.zeros(4, 9, 7, 7)}}, "its generator has other layers"),
        ({"discriminator": {"conv1.0.weight_orig": torch.zeros(4, 3, 4, 4)}}, "its discriminator has other"),
    ],
)
def test_a_file_of_other_networks_is_refused_by_name(tmp_path: Path, content, complaint: str) -> None:
    torch.save(content, tmp_path / "EdgeModel_gen.pth")
    with pytest.raises(InputError, match=complaint) as caught:
        read_released(tmp_path)
    assert "EdgeModel_gen.pth" in str(caught.value)
