"""Fréchet Inception distance: pytorch-fid's features, and a Fréchet distance that needs no full rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgeconnect.device import exact_float32
from edgeconnect.errors import InputError
from edgeconnect.models.downloads import Download, load_tensors

Floats = NDArray[np.float64]
Precision = Literal["float32", "bf16"]

FEATURES = 2048
_FOLDED_AT = 4  # times as many pictures as features are merged into statistics at once
INCEPTION = Download(
    "FID's Inception v3",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "--inception",
    "EDGECONNECT_INCEPTION",
)


@dataclass(frozen=True)
class Statistics:
    """A set's Gaussian: `mean` (D,), `factor` (R,D) with factorᵀ factor = sample covariance; its `count`."""

    mean: Floats
    factor: Floats
    count: int | None

    @classmethod
    def of(cls, features: NDArray[Any]) -> Statistics:
        """Statistics of features (N,D). Errors: fewer than two pictures, which have no covariance."""
        count, dimensions = features.shape
        if count < 2:
            raise InputError(f"FID needs at least two pictures a set, not {count}")
        mean = features.mean(axis=0, dtype=np.float64)
        factor = (features - mean) / np.sqrt(count - 1)
        if count > dimensions:
            factor = np.asarray(np.linalg.qr(factor, mode="r"))
        return cls(mean, factor, count)

    @classmethod
    def of_covariance(cls, mean: Floats, covariance: Floats, count: int | None = None) -> Statistics:
        """Statistics kept as mean (D,) and covariance (D,D), which may be singular.

        count: of pictures they were made of, None where nobody knows.
        """
        values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
        real = values > values[-1] * len(values) * np.finfo(np.float64).eps  # the rest is rounding
        return cls(np.asarray(mean, np.float64), np.sqrt(values[real])[:, None] * vectors[:, real].T, count)

    def merged(self, other: Statistics) -> Statistics:
        """Statistics of this set and the `other` together (Chan, Golub & LeVeque, 1979).

        Errors: an unknown count.
        """
        if self.count is None or other.count is None:
            raise InputError("expected statistics with their number of pictures, to merge them")
        count, shift = self.count + other.count, other.mean - self.mean
        parts = [each.factor * np.sqrt(cast("int", each.count) - 1) for each in (self, other)]
        parts.append(shift[None] * np.sqrt(self.count / count * other.count))
        factor = np.concatenate(parts) / np.sqrt(count - 1)
        if len(factor) > factor.shape[1]:
            factor = np.asarray(np.linalg.qr(factor, mode="r"))
        return Statistics(self.mean + shift * (other.count / count), factor, count)

    @property
    def covariance(self) -> Floats:
        """The sample covariance (D,D)."""
        return self.factor.T @ self.factor


class Collector:
    """Statistics of features that come block by block, in memory that does not grow with their number.

    The same blocks in the same order give the same numbers, whoever computed them.
    """

    def __init__(self) -> None:
        self._blocks: list[NDArray[Any]] = []
        self._done: Statistics | None = None

    def add(self, features: NDArray[Any]) -> None:
        """Take a block of features: (n,D), a row for each picture."""
        self._blocks.append(features)
        if sum(map(len, self._blocks)) >= _FOLDED_AT * features.shape[1]:
            self._fold()

    def statistics(self) -> Statistics:
        """Those of all blocks. Errors: fewer than two pictures in all."""
        if self._blocks or self._done is None:
            self._fold()
        return cast("Statistics", self._done)

    def _fold(self) -> None:
        features = np.concatenate(self._blocks) if self._blocks else np.empty((0, FEATURES))
        if self._done is None:
            self._done = Statistics.of(features)
        elif len(features) == 1:  # has a mean alone
            alone = Statistics(np.asarray(features[0], np.float64), np.zeros((0, features.shape[1])), 1)
            self._done = self._done.merged(alone)
        else:
            self._done = self._done.merged(Statistics.of(features))
        self._blocks = []


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """Squared Fréchet distance of two Gaussians in float64 (Heusel et al., 2017).

    |μa - μb|² + tr Σa + tr Σb - 2 tr (Σa Σb)^½, where with Σ = FᵀF the last trace is the sum of the singular
    values of Fa Fbᵀ: no larger than the sets, and at ease with singular covariances.
    a, b: of features of one size.
    """
    overlap = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    distance = np.sum((a.mean - b.mean) ** 2) + np.sum(a.factor**2) + np.sum(b.factor**2) - 2 * overlap
    return max(float(distance), 0.0)  # rounding may leave -1e-13 for equal sets


class InceptionFeatures:
    """Pictures -> Inception v3's pool3 features (N,2048), as pytorch-fid computes them.

    `weights` is pytorch-fid's file. `bf16` is faster and approximate.
    Errors: a file of another network; no file and no way to download it.
    device, precision: where and how it computes.
    """

    def __init__(
        self,
        weights: Path | str | None = None,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.file = INCEPTION.find(weights)
        self.device, self.precision = torch.device(device), precision
        network = _fused(_inception(self.file).eval())
        self._network = network.to(self.device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(
        self, pictures: Iterable[NDArray[np.uint8]], batch_size: int = 16, done: Callable[[int], object] = int
    ) -> NDArray[np.float32]:
        """Features (N,2048) of pictures (H,W,3) of any sizes; `done` is told how many each batch held.

        batch_size: pictures of one size at a time.
        """
        batches = []
        for batch in _batched(pictures, batch_size):
            autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
            with exact_float32(), autocast:  # kept statistics are of a precision, not of a device
                features = self._network(torch.cat([_resized(x) for x in batch]).to(self.device))
            batches.append(features.float().cpu().numpy())
            done(len(batch))
        return np.concatenate(batches) if batches else np.empty((0, FEATURES), np.float32)


def _batched(pictures: Iterable[NDArray[np.uint8]], size: int) -> Iterator[list[NDArray[np.uint8]]]:
    remaining = iter(pictures)
    while batch := list(islice(remaining, size)):
        yield batch


def _resized(picture: NDArray[np.uint8]) -> Tensor:
    """(1,3,299,299) in [-1,1], bilinear without smoothing: pytorch-fid's own preparation."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    return 2 * F.interpolate(pixels, size=(299, 299), mode="bilinear", align_corners=False) - 1


def _inception(path: Path) -> nn.Module:
    """pytorch-fid's Inception from a file: its own builder can only download."""
    # torchvision takes longer to import than PyTorch itself, and whoever has statistics needs neither
    from pytorch_fid import inception as blocks
    from torchvision.models.inception import inception_v3

    with torch.device("meta"):  # no numbers are drawn that the file's replace
        network: nn.Module = inception_v3(
            num_classes=1008, aux_logits=False, weights=None, init_weights=False
        )
        network.Mixed_5b = blocks.FIDInceptionA(192, pool_features=32)
        network.Mixed_5c = blocks.FIDInceptionA(256, pool_features=64)
        network.Mixed_5d = blocks.FIDInceptionA(288, pool_features=64)
        network.Mixed_6b = blocks.FIDInceptionC(768, channels_7x7=128)
        network.Mixed_6c = blocks.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6d = blocks.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6e = blocks.FIDInceptionC(768, channels_7x7=192)
        network.Mixed_7b = blocks.FIDInceptionE_1(1280)
        network.Mixed_7c = blocks.FIDInceptionE_2(2048)
    try:
        network.load_state_dict(load_tensors(path), assign=True)
    except RuntimeError as error:
        raise InputError(f"{path} is not pytorch-fid's Inception v3: it has other tensors") from error
    network.fc = nn.Identity()
    return network.float()


def _fused(network: nn.Module) -> nn.Module:
    """Each batch norm folded into its convolution: the same function with less work."""
    from torchvision.models.inception import BasicConv2d  # as above

    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), nn.Identity()
    return network
