"""What the networks are given, and the conventions, stated once.

- Photos are RGB in [0, 1]; gray is their luminance 0.2125 R + 0.7154 G + 0.0721 B in [0, 1].
- Masks are 1 in the hole (missing) and 0 where the photo is known; the package knows no other polarity.
- Edge maps are 1 on a line and 0 elsewhere; a predicted one holds probabilities.
- Tensors are float32, channels first (N,C,H,W); arrays outside the networks are (H,W,C) uint8 and (H,W) bool.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

LUMINANCE = (0.2125, 0.7154, 0.0721)


def luminance(photo: Tensor) -> Tensor:
    """Gray version of a photo, as scikit-image's rgb2gray: (N,3,H,W) in [0,1] -> (N,1,H,W) in [0,1]."""
    return torch.einsum("nchw,c->nhw", photo, photo.new_tensor(LUMINANCE))[:, None]


@dataclass(frozen=True)
class Batch:
    """One batch: photo (N,3,H,W), gray, edge and mask (N,1,H,W) each, float32 in [0,1], mask 1 = hole.

    start (N,1,H,W), the lines continued into the hole, is there where the edge generator begins with them;
    hole_share (), the masks' mean over all photos of a step, where other processes have some of them.
    """

    photo: Tensor
    gray: Tensor
    edge: Tensor
    mask: Tensor
    start: Tensor | None = None
    hole_share: Tensor | None = None

    @staticmethod
    def stack(items: Sequence[Batch]) -> Batch:
        """One batch out of single items without the batch dimension ((C,H,W) each)."""
        planes = {f.name: [getattr(item, f.name) for item in items] for f in fields(Batch)}
        return Batch(**{name: torch.stack(plane) for name, plane in planes.items() if plane[0] is not None})

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, which copies to a GPU while it computes (for DataLoader)."""
        return self._each(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str, *, channels_last: bool = False) -> Batch:
        """The same batch on another device, optionally with channels last in memory (same values)."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return self._each(lambda tensor: tensor.to(device, non_blocking=True, memory_format=layout))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{name: change(tensor) for name, tensor in tensors.items() if tensor is not None})

    def __len__(self) -> int:
        return self.photo.shape[0]
