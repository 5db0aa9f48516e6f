"""One photo is enough: InGAN (Shocher et al., ICCV 2019), and holes filled from the photo's own patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeconnect.inpainters.single_image import InGAN

__all__ = ["InGAN"]


def __getattr__(name: str) -> Any:
    """Import torch and the networks only when they are asked for."""
    if name == "InGAN":
        from edgeconnect.inpainters.single_image import InGAN

        return InGAN
    raise AttributeError(f"module 'edgeconnect.ingan' has no attribute {name!r}")
