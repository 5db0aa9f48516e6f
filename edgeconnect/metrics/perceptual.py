"""Distances between pictures as networks see them: LPIPS, and the mean L1 distance of feature maps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from edgeconnect.device import exact_float32
from edgeconnect.errors import InputError
from edgeconnect.models.downloads import Download, load_tensors
from edgeconnect.models.vgg import FeatureExtractor, load_features

Trunk = Literal["alex", "vgg", "squeeze"]

_WEIGHTS: dict[Trunk, models.WeightsEnum] = {
    "alex": models.AlexNet_Weights.IMAGENET1K_V1,
    "vgg": models.VGG16_Weights.IMAGENET1K_V1,
    "squeeze": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
TRUNKS = {
    trunk: Download(
        f"LPIPS's {trunk} trunk", weights.url, "--lpips-trunk", f"EDGECONNECT_LPIPS_{trunk.upper()}"
    )
    for trunk, weights in _WEIGHTS.items()
}


class Lpips:
    """Learned perceptual distance (Zhang et al., 2018), v0.1: the `lpips` package, its trunk from a file.

    `trunk_file` is torchvision's state dict of AlexNet, VGG-16 or SqueezeNet 1.1; the heads come with it.
    Errors: an unknown trunk, a file of another network, no file and no way to download it.
    device: where it computes.
    """

    def __init__(
        self, trunk: Trunk = "alex", trunk_file: Path | str | None = None, device: torch.device | str = "cpu"
    ) -> None:
        if trunk not in get_args(Trunk):
            raise InputError(f"LPIPS has the trunks {', '.join(get_args(Trunk))}, not {trunk!r}")
        self.file = TRUNKS[trunk].find(trunk_file)
        self._network = _lpips(trunk, self.file).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,), 0 if equal, of two batches (N,3,H,W) in [0,1]; InputError under 32 pixels.

        a, b: in either order, the distance is the same.
        """
        if min(a.shape[2:]) < 32:
            raise InputError(f"LPIPS needs pictures of 32 pixels a side, not {a.shape[3]}x{a.shape[2]}")
        with exact_float32():
            distances: Tensor = self._network(a.to(self._device), b.to(self._device), normalize=True)
        return distances.flatten().cpu()


class VggDistance:
    """Mean L1 distance of VGG-19's features, summed over relu1_1, relu2_1 and relu3_1; see `perceptual_l1`.

    `file` is one that `vgg.load_features` understands. Errors: any other; one without these layers.
    device: where it computes.
    """

    TAPS = ("relu1_1", "relu2_1", "relu3_1")

    def __init__(self, file: Path | str, device: torch.device | str = "cpu") -> None:
        self.file = Path(file)
        self._extractor = load_features(self.file).to(device).to(memory_format=torch.channels_last)
        self._last: tuple[Tensor, list[Tensor]] | None = None
        self._device = device
        if not set(self.TAPS) <= set(offered := self._extractor.perceptual_taps):
            raise InputError(f"{file}: expected VGG-19 with {', '.join(self.TAPS)}, got {', '.join(offered)}")

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
        """Distances (N,), 0 if equal, of two batches (N,3,H,W) in [0,1]; mask (N,1,H,W), 1 = hole.

        The features of `a` are kept for the next call: many results of one photo are scored one by one.
        b: likewise, not kept.
        """
        hole = None if mask is None else mask.to(self._device)
        if self._last is None or self._last[0].device != a.device or not torch.equal(self._last[0], a):
            self._last = a.clone(), self._features(a)
        return _l1(self._last[1], self._features(b), hole).cpu()

    def _features(self, batch: Tensor) -> list[Tensor]:
        found = _exact(self._extractor, batch.to(self._device), self.TAPS)
        return [found[tap] for tap in self.TAPS]


class UnitDistance:
    """Squared distance of VGG-19's features, each place's vector scaled to length 1, summed over `taps`.

    LPIPS without its learned weights (Zhang et al., 2018, "cos"): unlike an L1 distance it does not reward
    the mean of all that might be there. `file` is one that `vgg.load_features` understands; `taps` are those
    of the paper's five that it offers. Raises InputError for any other.
    device: where it computes.
    """

    def __init__(self, file: Path | str, device: torch.device | str = "cpu") -> None:
        self._extractor = load_features(Path(file)).to(device).to(memory_format=torch.channels_last)
        self.taps, self._device = self._extractor.perceptual_taps, device

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
        """Distances (N,), 0 if equal, of two batches (N,3,H,W) in [0,1]; mask (N,1,H,W), 1 = hole.

        a, b: in either order, the distance is the same.
        """
        hole = None if mask is None else mask.to(self._device)
        pairs = zip(self._features(a), self._features(b), strict=True)
        return (
            torch.stack([_mean((x - y).square().sum(1, keepdim=True), hole) for x, y in pairs]).sum(0).cpu()
        )

    def _features(self, batch: Tensor) -> list[Tensor]:
        found = _exact(self._extractor, batch.to(self._device), self.taps)
        return [F.normalize(found[tap], dim=1, eps=1e-8) for tap in self.taps]


def _exact(extractor: FeatureExtractor, batch: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
    """Features in float32 on every device: scores of a GPU are compared with those of a CPU."""
    with exact_float32():
        found: dict[str, Tensor] = extractor(batch.contiguous(memory_format=torch.channels_last), taps)
    return found


def perceptual_l1(
    features: Callable[[Tensor], Sequence[Tensor]], a: Tensor, b: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Sum over feature maps of their mean absolute difference, one value a picture.

    `features` takes a batch (N,3,H,W) in [0,1] to feature maps (N,C,h,w); `a`, `b` are such batches -> (N,).
    With a mask (N,1,H,W), 1 = hole, each place of a map counts by the share of hole in the pixels it stands
    for. Errors: a mask without a hole.
    """
    return _l1(features(a), features(b), mask)


def _l1(a: Sequence[Tensor], b: Sequence[Tensor], mask: Tensor | None) -> Tensor:
    """`perceptual_l1` of feature maps."""
    if mask is not None and not mask.flatten(1).any(dim=1).all():
        raise InputError("the mask has no hole, so there is no pixel to score")
    pairs = zip(a, b, strict=True)
    return torch.stack([_mean((x - y).abs().mean(dim=1, keepdim=True), mask) for x, y in pairs]).sum(dim=0)


def _mean(difference: Tensor, mask: Tensor | None) -> Tensor:
    """Means (N,) of (N,1,h,w), weighted by a mask of another size."""
    if mask is None:
        return difference.mean(dim=(1, 2, 3))
    height, width = difference.shape[2:]
    share = F.adaptive_avg_pool2d(mask.float(), (height, width))
    return (difference * share).sum(dim=(1, 2, 3)) / share.sum(dim=(1, 2, 3))


def _lpips(trunk: Trunk, path: Path) -> nn.Module:
    """The package's network with the file's trunk: its slice2.3.weight is torchvision's features.3.weight."""
    import lpips

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The parameter 'pretrained'")
        warnings.filterwarnings("ignore", message="Arguments other than a weight enum")
        network: nn.Module = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    convolutions = network.get_submodule("net")
    state = load_tensors(path)
    try:
        convolutions.load_state_dict(
            {key: state["features." + key.partition(".")[2]] for key in convolutions.state_dict()}
        )
    except (KeyError, RuntimeError) as error:  # a key that is missing; a tensor of another shape
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not torchvision's network for LPIPS {trunk}: {reason}") from error
    return network
