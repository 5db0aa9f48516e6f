"""LPIPS against the `lpips` package itself on the same made-up trunk."""

from __future__ import annotations

import lpips
import pytest
import torch
from torchvision import models

from edgeconnect.errors import InputError
from edgeconnect.perceptual import Lpips, perceptual_l1

BUILDERS = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, 64, 80, generator=generator)
    return a, (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def write_trunk(name, path):
    """torchvision's network with seeded weights; its convolutions in a file."""
    torch.manual_seed(1)
    trunk = getattr(models, BUILDERS[name])(weights=None)
    torch.save({key: value for key, value in trunk.state_dict().items() if "features" in key}, path)
    return trunk


@pytest.mark.parametrize("name", BUILDERS)
def test_lpips_is_the_packages_own_with_the_same_trunk(name, pair, tmp_path, monkeypatch):
    trunk = write_trunk(name, tmp_path / "trunk.pth")
    ours = Lpips(name, tmp_path / "trunk.pth")(*pair)
    monkeypatch.setattr(models, BUILDERS[name], lambda pretrained: trunk)
    theirs = lpips.LPIPS(net=name, verbose=False)(*pair, normalize=True)
    assert ours.shape == (2,)
    assert theirs.min() > 1e-4
    torch.testing.assert_close(ours, theirs.detach().flatten(), rtol=1e-5, atol=1e-7)


def test_equal_pictures_have_lpips_zero_and_batches_equal_singles(pair, tmp_path):
    write_trunk("squeeze", tmp_path / "trunk.pth")
    distance = Lpips("squeeze", tmp_path / "trunk.pth")
    a, b = pair
    assert distance(a, a).abs().max() == 0
    singles = torch.cat([distance(a[i : i + 1], b[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(distance(a, b), singles)
    with pytest.raises(InputError, match="32 pixels a side, not 80x31"):
        distance(a[:, :, :31], b[:, :, :31])


def test_a_file_of_another_network_is_refused(tmp_path):
    write_trunk("squeeze", tmp_path / "squeeze.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"squeeze\.pth is not torchvision's network for LPIPS alex"):
        Lpips("alex", tmp_path / "squeeze.pth")
    with pytest.raises(InputError, match="cannot be read as a weights file"):
        Lpips("alex", tmp_path / "text.pth")
    with pytest.raises(InputError, match="alex, vgg, squeeze, not 'resnet'"):
        Lpips("resnet", tmp_path / "squeeze.pth")


def test_perceptual_l1_sums_the_mean_differences_of_all_feature_maps():
    a = torch.tensor([[[[0.0, 1.0]]], [[[0.5, 0.5]]]])
    b = torch.tensor([[[[1.0, 1.0]]], [[[0.5, 0.5]]]])

    def features(x):
        return [x, 3 * x.mean(dim=(2, 3), keepdim=True)]

    assert perceptual_l1(features, a, b).tolist() == [0.5 + 1.5, 0]
