"""LPIPS against the `lpips` package itself on the same made-up trunk."""

from __future__ import annotations

import lpips
import pytest
import torch
from small import write_vgg19
from torchvision import models

from edgeconnect.errors import InputError
from edgeconnect.metrics.perceptual import Lpips, UnitDistance, VggDistance, perceptual_l1
from edgeconnect.models.vgg import load_features

BUILDERS = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, 64, 80, generator=generator)
    return a, (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def write_trunk(name, path):
    """torchvision's network with seeded weights; its convolutions in a file. Nothing else of it is there."""
    torch.manual_seed(1)
    with torch.device("meta"):  # a hundred million numbers of VGG's classifier
        trunk = getattr(models, BUILDERS[name])(weights=None)
    trunk.features.to_empty(device="cpu")
    for module in trunk.features.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            torch.nn.init.zeros_(module.bias)
    torch.save(trunk.features.state_dict(prefix="features."), path)
    return trunk


@pytest.mark.slow
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


def test_with_a_mask_a_place_counts_by_its_share_of_hole():
    a, b = torch.zeros(1, 1, 2, 4), torch.tensor([[[[1.0, 2, 4, 8], [1, 2, 4, 8]]]])
    mask = torch.tensor([[[[0.0, 1, 1, 1], [0, 0, 1, 1]]]])

    def features(x):
        return [x, x[:, :, ::2, ::2]]

    # five hole pixels differ by 2, 4, 4, 8, 8; of the small map's two places one is a quarter hole, one all
    expected = (2 + 4 + 4 + 8 + 8) / 5 + (0.25 * 1 + 1 * 4) / 1.25
    assert perceptual_l1(features, a, b, mask).item() == pytest.approx(expected)
    assert perceptual_l1(features, a, b, torch.ones_like(mask)) == perceptual_l1(features, a, b)
    with pytest.raises(InputError, match="no hole"):
        perceptual_l1(features, a, b, 0 * mask)


def test_the_vgg_distance_is_torchvisions_layers_compared(pair, tmp_path):
    path = write_vgg19(tmp_path / "vgg.pth")
    layers = models.vgg.make_layers(models.vgg.cfgs["E"])[:12]
    layers.load_state_dict({k.removeprefix("features."): v for k, v in torch.load(path).items()})
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected, (x, y) = torch.zeros(2), ((z - mean[:, None, None]) / std[:, None, None] for z in pair)
    with torch.inference_mode():
        for i, layer in enumerate(layers):
            x, y = layer(x), layer(y)
            if i in (1, 6, 11):  # after the first convolution of each block
                expected += (x - y).abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(VggDistance(path)(*pair), expected, rtol=1e-4, atol=1e-5)


def test_a_vgg_without_the_layers_is_refused(tmp_path):
    path = write_vgg19(tmp_path / "short.pth", last="2_1")
    with pytest.raises(
        InputError, match="expected VGG-19 with relu1_1, relu2_1, relu3_1, got relu1_1, relu2_1"
    ):
        VggDistance(path)


def test_kept_features_are_of_the_photo_at_hand(pair, tmp_path):
    distance, (a, b) = VggDistance(write_vgg19(tmp_path / "vgg.pth")), pair
    first, again, other = distance(a, b), distance(a, b.flip(-1)), distance(b, a.flip(-1))
    fresh = VggDistance(tmp_path / "vgg.pth")
    assert torch.equal(first, fresh(a, b)) and torch.equal(again, fresh(a, b.flip(-1)))
    assert torch.equal(other, fresh(b, a.flip(-1))) and fresh(a, a).tolist() == [0, 0]


def test_the_unit_distance_is_lpips_without_its_weights(pair, tmp_path):
    """By the `lpips` package's own normalisation."""
    path = write_vgg19(tmp_path / "vgg.pth")
    distance = UnitDistance(path)
    extractor = load_features(path)
    maps = [extractor(batch, distance.taps) for batch in pair]
    expected = sum(
        (lpips.normalize_tensor(maps[0][tap]) - lpips.normalize_tensor(maps[1][tap]))
        .square()
        .sum(1)
        .mean((1, 2))
        for tap in distance.taps
    )
    torch.testing.assert_close(distance(*pair), expected, rtol=1e-3, atol=1e-4)
    assert distance(pair[0], pair[0]).max() == 0


def test_the_unit_distance_counts_the_hole_alone(pair, tmp_path):
    distance, (a, b) = UnitDistance(write_vgg19(tmp_path / "vgg.pth")), pair
    mask = torch.zeros(2, 1, 64, 80)
    mask[:, :, :16, :16] = 1
    elsewhere = torch.cat((a[..., :56], b[..., 56:]), dim=3)
    assert distance(a, elsewhere, mask).max() < 0.2 * distance(a, b, mask).min()
