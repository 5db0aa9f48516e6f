"""A trained generator at work: its photo at any size, as a trapezoid, in any outline, through sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgeconnect.device import choose_device, choose_dtype
from edgeconnect.errors import InputError
from edgeconnect.ingan.store import load_generator, load_photos, to_photo, to_tensor
from edgeconnect.ingan.transforms import Transformation
from edgeconnect.patches.redraw import redraw
from edgeconnect.training.run_folder import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeconnect.device import Precision
    from edgeconnect.ingan.networks import Generator
    from edgeconnect.types import Mask

    Picture = NDArray[np.uint8]
    Shifts = tuple[float, float]

MIN_PX = 8
_MAX_VALUES = 2**28  # of one feature map at the result's size: 1 GB in float32
_VALUES_REDRAWN = 16  # a pixel: colours, votes, matches


@dataclass(frozen=True)
class Retargeter:
    """A generator and the photos (H,W,3) uint8 that it was trained on; `sizes` is the trained range.

    Without a generator the photo itself is stretched, and redrawn.
    """

    generator: Generator | None
    photos: list[Picture]
    sizes: tuple[float, float]
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(cls, run: Path, *, device: str = "auto", precision: Precision = "auto") -> Retargeter:
        """The generator of a run's last save; raises InputError where `run` holds none.

        device, precision: as for `EdgeConnect.load`.
        """
        generator, made = load_generator(Paths(run).weights)
        chosen = choose_device(device)
        photos = load_photos(run, int(made["photos"]))
        low, high = made["sizes"]
        return cls(generator.to(chosen), photos, (low, high), chosen, choose_dtype(chosen, precision))

    @classmethod
    def untrained(cls, photo: Picture, *, device: str = "auto") -> Retargeter:
        """Of a photo (H,W,3) uint8 alone, its patches and no generator.

        device: as `device.choose_device` takes it.
        """
        return cls(None, [photo], (0.0, math.inf), choose_device(device), torch.float32)

    def size(self, scale: tuple[float, float], photo: int = 0) -> tuple[int, int]:
        """(height, width) in px of a photo at a scale of its height and width."""
        height, width = self.photo(photo).shape[:2]
        return max(round(height * scale[0]), 1), max(round(width * scale[1]), 1)

    def photo(self, number: int) -> Picture:
        """One of the photos; InputError for a number there is none of."""
        if not 0 <= number < len(self.photos):
            raise InputError(f"photo {number}: expected 0 to {len(self.photos) - 1}, this run's photos")
        return self.photos[number]

    def retarget(
        self,
        size: tuple[int, int],
        shifts: Shifts = (0.0, 0.0),
        photo: int = 0,
        *,
        raw: bool = False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Picture:
        """A photo's patches at another size (height, width) in px -> (height,width,3) uint8.

        What the generator draws is redrawn with the photo's own patches (`redraw`), unless `raw`. `shifts` of
        the top corners as in Transformation; beyond the trapezoid's sides its reflection is shown
        (`as_alpha` says where). progress: called now and then with the share that is redrawn; may raise.
        InputError for sizes too small to show a patch or too large to compute.
        """
        source = self.photo(photo)
        self._check(size)
        drawn = generate(self.generator, source, Transformation(size, shifts), self.device, self.dtype)
        if raw:
            return drawn
        stretched, known = (torch.from_numpy(np.float32(p) / 255).to(self.device) for p in (drawn, source))
        picture = redraw(stretched, known, progress).clamp(0, 1).mul(255).round().to(torch.uint8)
        return np.asarray(picture.cpu().numpy(), np.uint8)

    def in_outline(
        self,
        outline: Mask,
        photo: int = 0,
        *,
        raw: bool = False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Picture:
        """A photo retargeted to the bounding box of an outline (H,W), True = show -> (H,W,4) uint8.

        Alpha is 255 in the outline and 0, with black, outside. raw, progress: as of `retarget`. InputError
        for an empty outline.
        """
        rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
        if not len(rows):
            raise InputError("the outline is empty: expected a mask with a white part")
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        result = np.zeros((*outline.shape, 4), np.uint8)
        height, width = outline[part].shape
        result[part][..., :3] = self.retarget((height, width), photo=photo, raw=raw, progress=progress)
        result[..., 3] = 255
        result[~outline] = 0
        return result

    def through_sizes(
        self, size: tuple[int, int], count: int, shifts: Shifts = (0.0, 0.0), photo: int = 0
    ) -> Iterator[Picture]:
        """`count` pictures from the photo's own size to `size` and `shifts` and back, of a smooth motion.

        As the generator draws them: redrawn, each would have another layout. Sizes differ from picture to
        picture; the first is the photo's own. InputError for less than 2.
        """
        if count < 2:
            raise InputError(f"expected 2 or more frames, got {count}")
        start = self.photo(photo).shape[:2]
        for share in (1 - np.cos(2 * np.pi * np.arange(count) / count)) / 2:
            height, width = (round(a + share * (b - a)) for a, b in zip(start, size, strict=True))
            yield self.retarget((height, width), (share * shifts[0], share * shifts[1]), photo, raw=True)

    def note(self, size: tuple[int, int], photo: int = 0) -> str | None:
        """A sentence where `size` is beyond what was trained.

        size: height and width in px. photo: the number of the photo.
        """
        low, high = self.sizes
        height, width = self.photo(photo).shape[:2]
        scales = size[0] / height, size[1] / width
        if all(low <= scale <= high for scale in scales):
            return None
        return f"scaled by {scales[0]:.2f},{scales[1]:.2f}, but trained from {low:g} to {high:g}"

    def _check(self, size: tuple[int, int]) -> None:
        height, width = size
        most = _MAX_VALUES // (self.generator.config["width"] if self.generator else _VALUES_REDRAWN)
        if min(size) < MIN_PX or height * width > most:
            raise InputError(
                f"expected a result of at least {MIN_PX}x{MIN_PX} px and at most {most / 1e6:.1f} "
                f"megapixels, got {width}x{height}"
            )


@torch.no_grad()
def generate(
    generator: Generator | None,
    photo: Picture,
    transformation: Transformation,
    device: torch.device,
    dtype: torch.dtype,
) -> Picture:
    """G(x; T) of a photo (H,W,3) uint8 as (h,w,3) uint8, T(x) without a generator; it is left as it was."""
    x = to_tensor(photo).to(device)
    if generator is None:
        return to_photo(transformation(x))
    was_training = generator.training
    generator.eval()
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        y: Any = generator(x, transformation)
    generator.train(was_training)
    return to_photo(y)


def as_alpha(size: tuple[int, int], shifts: Shifts) -> Picture:
    """(H,W) uint8: 255 in the trapezoid of a picture of a size, 0 beside it.

    size: height and width in px. shifts: of the top corners over the width.
    """
    return Transformation(size, shifts).inside()[0, 0].numpy().astype(np.uint8) * np.uint8(255)
