"""InGAN's two networks: a generator of any size and shape, a patch discriminator at several scales.

Shocher et al., "InGAN" (ICCV 2019), section 4 and appendix. Pictures are (N,3,H,W) in [-1,1]. Everything is
convolutional: what a pixel becomes, and how real a patch looks to D, depends on its surroundings alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional as F

from edgeconnect.models.layers import ReflectConv, initialise, normalise_spectrum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

Norm = Literal["batch", "photo", "none"]

SLOPE = 0.2  # of the leaky ReLUs
PATCH_PX = 9  # side of what a discriminator's output sees
STEP_PX = 2  # between two neighbouring outputs
MIN_PX = 13
"""Smallest side a discriminator can take: batch norm needs more than one output before the last layer."""


class Generator(nn.Module):
    """y = G(x; T): entry layer, T applied to its features, a U-Net with additive skips, tanh.

    (N,3,h,w), any h and w from 4 up, and a `transform` of feature maps -> (N,3,H,W) of its size. `width`
    channels after the entry, doubled by each of `downscales` poolings; then `blocks` residual blocks.
    `residual` (not published): what comes out is added to the transformed picture, and starts at 0.
    spectral: with spectral norm; without it the shapes can be asked for, at no cost.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        downscales: int = 3,
        blocks: int = 6,
        residual: bool = False,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.config = {"width": width, "downscales": downscales, "blocks": blocks, "residual": residual}
        self.is_residual = residual
        widths = [width << level for level in range(downscales + 1)]
        self.entry = _layer(ReflectConv(3, width, 7, bias=False))
        self.downs = nn.ModuleList(_layer(ReflectConv(w, 2 * w, 3, bias=False)) for w in widths[:-1])
        self.middle = nn.Sequential(*(Bottleneck(widths[-1]) for _ in range(blocks)))
        self.ups = nn.ModuleList(_layer(ReflectConv(2 * w, w, 3, bias=False)) for w in reversed(widths[:-1]))
        self.last = ReflectConv(width, 3, 7)
        initialise(self)
        if spectral:
            normalise_spectrum(self, keep=self.last)
        if residual:
            nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
        moved = transform(self.entry(x))
        height, width = moved.shape[-2:]
        # every pooling must halve evenly, and leave two pixels to reflect
        to_height, to_width = (self._even(side) for side in (height, width))
        features = _extended(moved, to_height - height, to_width - width)
        skips = []
        for down in self.downs:
            skips.append(features)
            features = _halved(down(features))
        features = self.middle(features)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            features = up(_doubled(features)) + skip
        y: Tensor = torch.tanh(self.last(features))[..., :height, :width]
        return (transform(x) + 2 * y).clamp(-1, 1) if self.is_residual else y

    def _even(self, side: int) -> int:
        multiple = 1 << len(self.downs)
        return max(-(-side // multiple), 4) * multiple


class Bottleneck(nn.Module):
    """A residual block: 1x1, 3x3, 1x1 convolutions, the inner ones at a quarter of the width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 4, 1)
        self.body = nn.Sequential(
            *_layer(nn.Conv2d(channels, inner, 1, bias=False)),
            *_layer(ReflectConv(inner, inner, 3, bias=False)),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class Discriminator(nn.Module):
    """D: one patch network for each scale; their maps are brought to the finest one's size and averaged.

    Scale k is the picture shrunk by `factor`^k, and has its own network of `width` channels. A picture is
    seen at as many of the `scales` as leave `min_px` px on its shorter side (at the first one always).
    `norm`: "batch", as published, which hides contrast and hue from D, as a batch is one picture; "photo",
    by the statistics of real pictures (PhotoNorm); or "none".
    """

    def __init__(
        self,
        scales: int,
        *,
        width: int = 64,
        factor: float = 1.4,
        min_px: int = MIN_PX,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.factor, self.min_px = factor, min_px
        self.nets = nn.ModuleList(_patch_network(width, norm) for _ in range(scales))

    def forward(self, x: Tensor, weights: Sequence[float]) -> Tensor:
        """(N,3,H,W) -> (N,1,h,w) in [0,1], 1 = real; `weights` of the scales, the finest first.

        The output at (i, j) is about the pixels around (2i+4, 2j+4): 9x9 at the finest scale.
        """
        return _average(self.maps(x), weights)

    def real(self, x: Tensor, weights: Sequence[float]) -> Tensor:
        """As forward, for a picture that is known to be real: norm "photo" learns its statistics from it."""
        norms = [module for module in self.modules() if isinstance(module, PhotoNorm)]
        for norm in norms:
            norm.learns = True
        logits: Tensor = self(x, weights)
        for norm in norms:
            norm.learns = False
        return logits

    def known(self, x: Tensor, hole: Tensor, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
        """The logits of a picture with a hole, from those patches alone that see none of it.

        hole (N,1,H,W), 1 = hole -> the map (N,1,h,w) averaged over the scales that count at a place, and
        their share of the weights there, 0 where every patch sees the hole: a loss weights the map by it.
        """
        maps, seen = self.maps(x), self.known_patches(hole)
        return _average_known(maps, seen, weights)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Each scale's own map in [0,1], the finest first."""
        levels = zip(self.nets, self._pyramid(x), strict=False)
        return [torch.sigmoid(net(level).float()) for net, level in levels]

    def known_patches(self, hole: Tensor) -> list[Tensor]:
        """For each scale (N,1,h,w) bool: the outputs whose patch has no part in `hole` (1 = hole)."""
        # a pixel of a smaller scale is known where none that it averages lies in the hole
        touched = [(level > 1e-6).float() for level in self._pyramid(hole)]
        return [F.max_pool2d(level, PATCH_PX, STEP_PX) == 0 for level in touched]

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            sizes = scale_sizes(x.shape[-2], x.shape[-1], len(self.nets), self.factor, self.min_px)
            return [x, *(F.interpolate(x, s, mode="bilinear", antialias=True) for s in sizes[1:])]


class PhotoNorm(nn.Module):
    """Batch norm by the running statistics of real pictures alone, whatever it is shown (not published).

    Batch norm by a picture's own statistics cannot tell a pale, dark or tinted picture from the photo.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.learns = False
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.learns and self.training:
            with torch.no_grad():
                self.count += 1
                variance, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
                share = (1 / self.count).clamp(min=0.1)
                self.mean.lerp_(mean, share)
                self.variance.lerp_(variance, share)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias)


def scale_sizes(
    height: int, width: int, max_scales: int | None, factor: float = 1.4, min_px: int = MIN_PX
) -> list[tuple[int, int]]:
    """The sizes at which a picture is seen: itself, then smaller by `factor` each, at most `max_scales`."""
    sizes, shrink = [(height, width)], factor
    while (max_scales is None or len(sizes) < max_scales) and min(height, width) / shrink >= min_px:
        sizes.append((round(height / shrink), round(width / shrink)))
        shrink *= factor
    return sizes


def scale_weights(count: int, progress: float) -> list[float]:
    """Weights of the scales, the finest first, with sum 1: even at `progress` 1, favouring coarse ones at 0.

    The start is proportional to 2^k for scale k (the paper says only that it favours the coarse ones).
    """
    start = [2.0**k / (2**count - 1) for k in range(count)]
    return [(1 - progress) * weight + progress / count for weight in start]


# autocast on a CPU would do these in float32 and convert every map twice
def _extended(x: Tensor, below: int, right: int) -> Tensor:
    """Last rows and columns repeated."""
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def _halved(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.max_pool2d(x, 2)


def _doubled(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.interpolate(x, scale_factor=2, mode="nearest")


def _average(maps: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean of maps at the first one's size, weights of absent scales left out."""
    used = weights[: len(maps)]
    size = maps[0].shape[-2:]
    terms = [w * _at_size(m, size) for w, m in zip(used, maps, strict=True)]
    return torch.stack(terms).sum(0) / sum(used)


def _average_known(
    maps: Sequence[Tensor], seen: Sequence[Tensor], weights: Sequence[float]
) -> tuple[Tensor, Tensor]:
    used, size = weights[: len(maps)], maps[0].shape[-2:]
    # an interpolated place counts where all that it is interpolated from does
    counts = [_at_size((~known).float(), size) < 1e-6 for known in seen]
    shares = torch.stack([w / sum(used) * c for w, c in zip(used, counts, strict=True)])
    total = torch.stack([s * _at_size(m, size) for s, m in zip(shares, maps, strict=True)]).sum(0)
    share = shares.sum(0)
    return total / share.clamp(min=1e-6), share


def _at_size(values: Tensor, size: Sequence[int]) -> Tensor:
    values = values.float()
    if values.shape[-2:] == tuple(size):
        return values
    return F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)


def _patch_network(width: int, norm: Norm) -> nn.Sequential:
    """(N,3,H,W) -> (N,1,(H-7)//2,(W-7)//2), logits; no padding: every output sees real pixels alone."""
    last, bias = nn.Conv2d(2 * width, 1, 1), norm == "none"
    net = nn.Sequential(
        *_layer(nn.Conv2d(3, width, 3, bias=bias), norm),
        *_layer(nn.Conv2d(width, 2 * width, 3, stride=2, bias=bias), norm),
        *_layer(nn.Conv2d(2 * width, 2 * width, 3, bias=bias), norm),
        last,
    )
    initialise(net)
    normalise_spectrum(net, keep=last)
    return net


def _layer(convolution: nn.Conv2d, norm: Norm = "batch") -> nn.Sequential:
    """A convolution, a norm, leaky ReLU."""
    norms = {"batch": nn.BatchNorm2d, "photo": PhotoNorm, "none": nn.Identity}
    return nn.Sequential(
        convolution, norms[norm](convolution.out_channels), nn.LeakyReLU(SLOPE, inplace=True)
    )
