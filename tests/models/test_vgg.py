from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from small import DISTILLED, distilled_state, small_features
from torch import nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from edgeconnect.errors import InputError
from edgeconnect.models.vgg import IMAGENET_MEAN, IMAGENET_STD, PERCEPTUAL_TAPS, STYLE_TAPS, load_features

# where torchvision's `features` has the paper's taps
INDICES = {
    "relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29,
    "relu2_2": 8, "relu3_4": 17, "relu4_4": 26, "relu5_2": 31,
}  # fmt: skip


@pytest.fixture(scope="module")
def torchvisions() -> nn.Sequential:
    """torchvision's VGG-19 convolutions (80 MB, untrained) without the 500 MB of the classifier."""
    torch.manual_seed(0)
    return make_layers(cfgs["E"]).eval()


@pytest.fixture(scope="module")
def torchvisions_file(torchvisions: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{key}": value for key, value in torchvisions.state_dict().items()}, path)
    return path


def activations(network: nn.Sequential, photo: torch.Tensor) -> dict[str, torch.Tensor]:
    """What forward hooks see at the paper's taps."""
    seen: dict[str, torch.Tensor] = {}
    for name, index in INDICES.items():
        network[index].register_forward_hook(lambda m, i, out, name=name: seen.update({name: out.clone()}))
    with torch.no_grad():
        network(photo)
    return seen


@pytest.mark.parametrize("normalisation", ["imagenet", "released"])
def test_features_are_torchvisions_own_activations(torchvisions, torchvisions_file, normalisation) -> None:
    photo = torch.rand(1, 3, 32, 48)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    given = (photo - mean) / std if normalisation == "imagenet" else photo
    expected = activations(copy.deepcopy(torchvisions), given)
    features = load_features(torchvisions_file, normalisation)
    assert features.perceptual_taps == PERCEPTUAL_TAPS
    assert features.style_taps == STYLE_TAPS
    got = features(photo, PERCEPTUAL_TAPS + STYLE_TAPS)
    assert got.keys() == expected.keys()
    for tap, values in expected.items():
        scale = values.abs().max()
        torch.testing.assert_close(got[tap] / scale, values / scale, atol=2e-5, rtol=0)


def test_features_are_frozen_and_let_gradients_through_to_the_photo() -> None:
    features, photo = small_features(), torch.rand(1, 3, 16, 16, requires_grad=True)
    assert not any(p.requires_grad for p in features.parameters())
    features(photo, ["relu2_2"])["relu2_2"].sum().backward()
    assert photo.grad is not None and photo.grad.any()


def test_a_file_of_the_first_layers_offers_their_taps_and_no_others(tmp_path: Path) -> None:
    network = make_layers(cfgs["E"][:7])  # up to relu3_1
    path = tmp_path / "first.pth"
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    features = load_features(path)
    assert features.perceptual_taps == ("relu1_1", "relu2_1", "relu3_1")
    assert features.style_taps == ("relu2_2",)
    assert features.describe() == "perceptual at relu1_1 relu2_1 relu3_1; style at relu2_2"
    with pytest.raises(ValueError, match="relu5_1"):
        features(torch.rand(1, 3, 16, 16), ["relu1_1", "relu5_1"])


def test_a_sequential_vgg_pads_by_reflection_and_keeps_its_own_preprocessing(tmp_path: Path) -> None:
    def padded(channels_in: int, channels_out: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(channels_in, channels_out, 3), nn.ReLU()]

    pool = [nn.MaxPool2d(2)]
    layers = [
        nn.Conv2d(3, 3, 1),
        *padded(3, 64)[:],
        *padded(64, 64),
        *pool,
        *padded(64, 128),
        *padded(128, 128),
    ]
    network = nn.Sequential(*layers, *pool, *padded(128, 256)).eval()
    assert [key for key in network.state_dict() if key.endswith("weight")] == [
        f"{i}.weight" for i in (0, 2, 5, 9, 12, 16)
    ]
    torch.save(network.state_dict(), tmp_path / "sequential.pth")
    photo, features = torch.rand(1, 3, 20, 24), load_features(tmp_path / "sequential.pth")
    got = features(photo, ["relu1_1", "relu2_2", "relu3_1"])
    for tap, end in (("relu1_1", 4), ("relu2_2", 14), ("relu3_1", 18)):
        torch.testing.assert_close(got[tap], network[:end](photo), atol=1e-5, rtol=1e-4)


def test_a_distilled_vgg_reaches_vggs_channels_through_its_heads(tmp_path: Path) -> None:
    state = distilled_state()
    torch.save({"epoch": 3, "model": state}, tmp_path / "distilled.pth")
    photo, features = torch.rand(1, 3, 20, 24), load_features(tmp_path / "distilled.pth")

    def layer(x: torch.Tensor, name: str) -> torch.Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.relu(F.conv2d(padded, state[f"conv{name}.weight"], state[f"conv{name}.bias"]))

    def head(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.relu(F.conv2d(x, state[f"conv{name}_aux.weight"], state[f"conv{name}_aux.bias"]))

    assert list(DISTILLED) == ["11", "12", "21"]
    first = layer(photo, "11")
    second = layer(F.max_pool2d(layer(first, "12"), 2), "21")
    got = features(photo, ["relu1_1", "relu2_1"])
    torch.testing.assert_close(got["relu1_1"], head(first, "11"))
    torch.testing.assert_close(got["relu2_1"], head(second, "21"))
    assert features.perceptual_taps == ("relu1_1", "relu2_1")
    assert features.style_taps == ("relu2_1",)


def as_features(network: nn.Sequential) -> dict[str, torch.Tensor]:
    return {f"features.{key}": value for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lambda: as_features(make_layers(cfgs["D"][:12])), r"conv3_4 has shape \(512, 256, 3, 3\)"),  # VGG-16
        (lambda: as_features(make_layers(cfgs["E"][:7], batch_norm=True)), "expected VGG-19 weights"),
        (lambda: as_features(make_layers([8, 8, "M", 16])), "conv1_1 has shape"),
        (lambda: as_features(make_layers(cfgs["E"][:1])), "at least, got 1_1"),
        (lambda: {"features.0.weight": torch.zeros(64, 3, 3, 3)}, r"features\.0\.bias"),
        (lambda: {"layer1.weight": torch.zeros(3)}, r"its keys begin with layer1\.weight"),
        (lambda: {}, "its keys begin with nothing"),
        (lambda: [1, 2, 3], "expected VGG-19 weights"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(tmp_path: Path, content, complaint: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(content(), path)
    with pytest.raises(InputError, match=complaint) as caught:
        load_features(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_pytorch_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "text.pth"
    path.write_text("not weights")
    with pytest.raises(InputError, match=r"text\.pth: expected a PyTorch file"):
        load_features(path)
    with pytest.raises(InputError, match=r"none\.pth: no such feature extractor file"):
        load_features(tmp_path / "none.pth")
