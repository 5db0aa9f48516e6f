"""Everything that fills a hole, `(photo, mask) -> photo`, and the registry that finds it by name."""

from edgeconnect.inpainters.registry import find, get, names

__all__ = ["find", "get", "names"]
