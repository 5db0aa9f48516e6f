"""What tables show of a result: measures with their headings, those of networks among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.metrics.patches import hole_band_wasserstein, hole_coherence
from edgeconnect.metrics.pixel import score_pair
from edgeconnect.provenance import file_hash
from edgeconnect.types import Mask, Rgb

if TYPE_CHECKING:
    import torch

    from edgeconnect.metrics.perceptual import Trunk


@dataclass(frozen=True)
class Measure:
    """`of(truth, result, mask)` is one picture's score, kept in rows under `key`, shown under `heading`."""

    key: str
    heading: str
    higher_is_better: bool
    of: Callable[[Rgb, Rgb, Mask], float]


def _of_protocol(protocol: str, name: str, truth: Rgb, result: Rgb, mask: Mask) -> float:
    return score_pair(truth, result, mask, protocol)[name]


STANDARD = tuple(
    Measure(f"{protocol}/{name}", heading, higher_is_better, partial(_of_protocol, protocol, name))
    for protocol, name, heading, higher_is_better in (
        ("hole", "psnr_db", "PSNR in the hole, dB", True),
        ("hole", "ssim", "SSIM in the hole", True),
        ("hole", "l1", "L1 in the hole", False),
        ("edgeconnect", "psnr_db", "PSNR, gray, dB", True),
        ("edgeconnect", "ssim", "SSIM, gray, window 51", True),
        ("lama", "ssim", "SSIM, RGB, Gaussian", True),
    )
)
HOLE = STANDARD[:2]
VGG_L1 = "hole/vgg_l1"


EXTRA: Mapping[str, Measure] = {
    "patch_coherence": Measure(
        "patches/coherence",
        "patch coherence",
        False,
        lambda truth, result, mask: hole_coherence(result, mask),
    ),
    "patch_distribution": Measure(
        "patches/band_wasserstein",
        "patch distribution",
        False,
        lambda truth, result, mask: hole_band_wasserstein(result, mask),
    ),
}
"""What a benchmark scores besides STANDARD where it is asked for by name. A new one is a function in
`metrics/` and a line here.
"""
PATCHES = ("patch_coherence", "patch_distribution")
"""Whether the filled hole is made of the photo's own patches; the truth is not looked at."""


def by_names(text: str) -> list[Measure]:
    """The measures of EXTRA that "a,b" names. Errors: another name."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in EXTRA]:
        raise InputError(f"expected measures among {', '.join(EXTRA)}, got {unknown[0]}")
    return [EXTRA[name] for name in names]


def vgg_l1(file: Path, device: str) -> Measure:
    """Distance in VGG-19's relu1_1, relu2_1 and relu3_1 in the hole (`perceptual.VggDistance`)."""
    from edgeconnect.device import choose_device
    from edgeconnect.metrics.perceptual import VggDistance

    distance = VggDistance(file, choose_device(device))

    def of(truth: Rgb, result: Rgb, mask: Mask) -> float:
        return float(distance(_tensor(truth), _tensor(result), _tensor(mask))[0])

    return Measure(f"{VGG_L1}/{_digits(file)}", "VGG L1 in the hole", False, of)


def unit_distance(file: Path, device: str) -> Measure:
    """Squared distance of VGG-19's features of unit length in the hole (`perceptual.UnitDistance`)."""
    from edgeconnect.device import choose_device
    from edgeconnect.metrics.perceptual import UnitDistance

    distance = UnitDistance(file, choose_device(device))

    def of(truth: Rgb, result: Rgb, mask: Mask) -> float:
        return float(distance(_tensor(truth), _tensor(result), _tensor(mask))[0])

    return Measure(f"hole/vgg_unit/{_digits(file)}", "VGG unit distance in the hole", False, of)


def lpips(trunk: Trunk, file: Path | None, device: str) -> Measure:
    """LPIPS 0.1 of the whole pictures."""
    from edgeconnect.device import choose_device
    from edgeconnect.metrics.perceptual import Lpips

    distance = Lpips(trunk, file, choose_device(device))

    def of(truth: Rgb, result: Rgb, mask: Mask) -> float:
        return float(distance(_tensor(truth), _tensor(result))[0])

    return Measure(f"lama/lpips_{trunk}/{_digits(distance.file)}", f"LPIPS {trunk}", False, of)


def _digits(file: Path) -> str:
    """The first digits of a weights file's SHA-256, part of the key: other weights are another measure."""
    return file_hash(file)[:8]


def _tensor(picture: NDArray[Any]) -> torch.Tensor:
    """(H,W[,C]) uint8 or bool -> (1,C,H,W) in [0,1]."""
    import torch

    layers = np.atleast_3d(picture).astype(np.float32) / (1 if picture.dtype == np.bool_ else 255)
    return torch.from_numpy(layers).permute(2, 0, 1)[None]
