"""The InGAN paper (Shocher et al., ICCV 2019): networks, losses, transforms, training, retargeting."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Names of version 0.1, for one more release."""
    if name == "InGAN":
        where = "edgeconnect.inpainters.single_image"
        warnings.warn(f"edgeconnect.ingan.InGAN is now {where}.SingleImage", DeprecationWarning, stacklevel=2)
        return import_module(where).SingleImage
    raise AttributeError(f"module 'edgeconnect.ingan' has no attribute {name!r}")
