"""Frozen VGG-19 features for the perceptual and style losses, from torchvision or from a file.

Taps are named relu<block>_<layer> as in Simonyan & Zisserman (ICLR 2015). A file may hold fewer layers than
the whole network; the losses use the paper's taps that it offers, and `describe` says which.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import reason
from edgeconnect.models.downloads import Download
from edgeconnect.models.layers import ReflectConv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

PERCEPTUAL_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
STYLE_TAPS = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
VGG19_LAYERS = tuple(f"{b}_{i}" for b, n in enumerate((2, 2, 4, 4, 4), start=1) for i in range(1, n + 1))
VGG19_CHANNELS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Normalisation = Literal["imagenet", "released"]
VGG19 = Download(
    what="torchvision's VGG-19",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    flag="--features",
    variable="EDGECONNECT_VGG19",
)


class FeatureExtractor(nn.Module):
    """VGG-19's convolutions in order; frozen.

    `convolutions` maps layer names ("1_1", ...) to (weight, bias); `heads`, where given, map a tap's channels
    to others by a 1x1 convolution (a distilled network's way to VGG's own channel numbers). `preprocess` is a
    1x1 convolution on RGB in [0,1].
    padding_mode: of all convolutions.
    """

    def __init__(
        self,
        convolutions: Mapping[str, tuple[Tensor, Tensor]],
        preprocess: tuple[Tensor, Tensor],
        *,
        padding_mode: Literal["zeros", "reflect"],
        heads: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        super().__init__()
        self.preprocess = _conv(*preprocess, "zeros")
        self.convs = nn.ModuleDict({name: _conv(*wb, padding_mode) for name, wb in convolutions.items()})
        self.heads = nn.ModuleDict({name: _conv(*wb, "zeros") for name, wb in (heads or {}).items()})
        self.requires_grad_(False).eval()
        offered = [f"relu{name}" for name in (self.heads or self.convs)]
        self.perceptual_taps = tuple(t for t in PERCEPTUAL_TAPS if t in offered)
        # a network without any of the paper's style layers is matched where it was trained to resemble VGG
        self.style_taps = tuple(t for t in STYLE_TAPS if t in offered) or tuple(offered[1:])

    def forward(self, photo: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """Activations of `photo` (N,3,H,W) in [0,1] at each tap: {tap: (N,C,h,w)}.

        taps: names of activations, such as relu3_1.
        """
        wanted = set(taps)
        with torch.autocast(photo.device.type, enabled=False):
            x = self.preprocess(photo.float())
        features: dict[str, Tensor] = {}
        block = "1"
        for name, conv in self.convs.items():
            if name[0] != block:
                x, block = F.max_pool2d(x, 2), name[0]
            x = F.relu(conv(x))
            if f"relu{name}" in wanted:
                features[f"relu{name}"] = F.relu(self.heads[name](x)) if self.heads else x
            if len(features) == len(wanted):
                return features
        raise ValueError(f"this feature extractor has no {sorted(wanted - set(features))}")

    def describe(self) -> str:
        """Which layers the losses compare, in one line."""
        return f"perceptual at {' '.join(self.perceptual_taps)}; style at {' '.join(self.style_taps)}"


def find_vgg19(given: Path | None = None) -> Path:
    """torchvision's VGG-19 file: given, from EDGECONNECT_VGG19, torch hub's cache or a download."""
    return VGG19.find(given)


def load_features(path: Path, normalisation: Normalisation = "imagenet") -> FeatureExtractor:
    """Read a feature extractor from a file, recognised by its keys and shapes.

    Understood: torchvision's VGG-19 state dict; a plain Sequential VGG-19 (or its first layers) that begins
    with a 1x1 preprocessing convolution and pads by reflection; a distilled VGG with `conv<block><layer>`
    layers and `_aux` heads. `normalisation` applies to the first: ImageNet mean and standard deviation, or
    "released", [0,1] as it is. Raises InputError for anything else.
    path: .pth or .safetensors.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such feature extractor file")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: expected a PyTorch file of VGG-19 weights, got {reason(error)}") from error
    state = state.get("model", state) if isinstance(state, dict) else {}
    try:
        extractor = _recognised(state, normalisation)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected VGG-19 weights (torchvision's, a Sequential or a distilled one): {error}"
        ) from None
    if not extractor.style_taps:
        raise InputError(f"{path}: expected layers up to relu2_1 at least, got {' '.join(extractor.convs)}")
    return extractor


def _recognised(state: Mapping[str, Tensor], normalisation: Normalisation) -> FeatureExtractor:
    if "features.0.weight" in state:
        return _from_torchvision(state, normalisation)
    if "0.weight" in state and state["0.weight"].shape[2:] == (1, 1):
        return _from_sequential(state)
    if "conv0.weight" in state and "conv11_aux.weight" in state:
        return _from_distilled(state)
    raise ValueError(f"its keys begin with {', '.join(list(state)[:2]) or 'nothing'}")


def _from_torchvision(state: Mapping[str, Tensor], normalisation: Normalisation) -> FeatureExtractor:
    indices = _integers(state, r"features\.(\d+)\.weight")
    layers = _vgg19({i: (state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i in indices})
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    if normalisation == "released":
        mean, std = torch.zeros(3), torch.ones(3)
    preprocess = (torch.diag(1 / std)[:, :, None, None], -mean / std)
    return FeatureExtractor(layers, preprocess, padding_mode="zeros")


def _from_sequential(state: Mapping[str, Tensor]) -> FeatureExtractor:
    first, *indices = _integers(state, r"(\d+)\.weight")
    layers = _vgg19({i: (state[f"{i}.weight"], state[f"{i}.bias"]) for i in indices})
    preprocess = (state[f"{first}.weight"], state[f"{first}.bias"])
    return FeatureExtractor(layers, preprocess, padding_mode="reflect")


def _from_distilled(state: Mapping[str, Tensor]) -> FeatureExtractor:
    def pair(key: str) -> tuple[Tensor, Tensor]:
        return state[f"{key}.weight"], state[f"{key}.bias"]

    names = [n for n in VGG19_LAYERS if f"conv{n.replace('_', '')}.weight" in state]
    layers = {n: pair(f"conv{n.replace('_', '')}") for n in names}
    heads = {n: pair(f"conv{n.replace('_', '')}_aux") for n in names if n.endswith("_1")}
    return FeatureExtractor(layers, pair("conv0"), padding_mode="reflect", heads=heads)


def _integers(state: Mapping[str, Tensor], pattern: str) -> list[int]:
    return sorted(int(m[1]) for m in (re.fullmatch(pattern, key) for key in state) if m)


def _vgg19(convolutions: Mapping[int, tuple[Tensor, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    """The convolutions, in their order, by layer name; ValueError where their shapes are not VGG-19's."""
    named = dict(zip(VGG19_LAYERS, convolutions.values(), strict=False))
    channels = 3
    for name, (weight, _) in named.items():
        expected = (VGG19_CHANNELS[name[0]], channels, 3, 3)
        if tuple(weight.shape) != expected:
            raise ValueError(f"conv{name} has shape {tuple(weight.shape)}, expected {expected}")
        channels = expected[0]
    return named


def _conv(weight: Tensor, bias: Tensor, padding_mode: Literal["zeros", "reflect"]) -> nn.Conv2d:
    out_channels, in_channels, kernel, _ = weight.shape
    conv: nn.Conv2d
    if padding_mode == "reflect":
        conv = ReflectConv(in_channels, out_channels, kernel)
    else:
        conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv
