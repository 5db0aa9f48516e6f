"""EdgeConnect: structure-guided image inpainting, lines first, colour next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeconnect.inpainters.edgeconnect import EdgeConnect

__all__ = ["EdgeConnect", "__version__"]

__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    """Import torch and the networks only when they are asked for: `edgeconnect --help` stays instant."""
    if name == "EdgeConnect":
        from edgeconnect.inpainters.edgeconnect import EdgeConnect

        return EdgeConnect
    raise AttributeError(f"module 'edgeconnect' has no attribute {name!r}")
