"""Distances between pictures as networks see them: LPIPS, and the mean L1 distance over any feature maps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torchvision import models

from edgeconnect.downloads import Download, load_tensors
from edgeconnect.errors import InputError

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
        """Distances (N,), 0 if equal, of two batches (N,3,H,W) in [0,1]; InputError under 32 pixels."""
        if min(a.shape[2:]) < 32:
            raise InputError(f"LPIPS needs pictures of 32 pixels a side, not {a.shape[3]}x{a.shape[2]}")
        distances: Tensor = self._network(a.to(self._device), b.to(self._device), normalize=True)
        return distances.flatten().cpu()


def perceptual_l1(features: Callable[[Tensor], Sequence[Tensor]], a: Tensor, b: Tensor) -> Tensor:
    """Sum over feature maps of their mean absolute difference, one value a picture.

    `features` takes a batch (N,3,H,W) in [0,1] to feature maps (N,C,h,w); `a`, `b` are such batches -> (N,).
    """
    pairs = zip(features(a), features(b), strict=True)
    return torch.stack([(x - y).abs().mean(dim=(1, 2, 3)) for x, y in pairs]).sum(dim=0)


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
        raise InputError(f"{path} is not torchvision's network for LPIPS {trunk}: {error}") from error
    return network
