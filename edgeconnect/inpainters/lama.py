"""LaMa from a TorchScript file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from edgeconnect.device import choose_device
from edgeconnect.errors import InputError
from edgeconnect.inpainters.base import as_rgb
from edgeconnect.models.checkpoint import reason
from edgeconnect.types import Mask, Rgb

_LAMA_MULTIPLE_PX = 8


class Lama:
    """LaMa (Suvorov et al., 2022) from a TorchScript file, such as the published big-lama.pt.

    The file's module takes a photo (1,3,H,W) in [0,1] and a mask (1,1,H,W), 1 = hole, whose sides are
    multiples of 8, and gives (1,3,H,W) in [0,1]. Errors: a file that is no TorchScript. A TorchScript file is
    a program, which may write files as soon as it is loaded: take it from a source you trust.
    """

    def __init__(self, file: Path, device: str = "auto") -> None:
        self._device = choose_device(device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # PyTorch moves on, the published file stays
                self._network = torch.jit.load(str(file), map_location=self._device).eval()  # type: ignore[no-untyped-call]
        except Exception as error:  # of a damaged or hostile file, it may raise anything
            raise InputError(f"{file}: expected a TorchScript file, got {reason(error)}") from error

    def __call__(self, photo: Rgb, mask: Mask) -> Rgb:
        """Fill the hole; the sides are reflected up to the next multiple of 8."""
        bottom, right = (-side % _LAMA_MULTIPLE_PX for side in mask.shape)
        padded = np.pad(photo, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
        hole = np.pad(mask, ((0, bottom), (0, right)), mode="symmetric")
        inputs = padded.transpose(2, 0, 1).astype(np.float32) / 255, hole[None].astype(np.float32)
        with torch.inference_mode():
            output = self._network(*(torch.from_numpy(x)[None].to(self._device) for x in inputs))
        picture = output[0].permute(1, 2, 0).float().cpu().numpy()[: photo.shape[0], : photo.shape[1]]
        return as_rgb(picture)
