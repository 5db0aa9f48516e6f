"""Settings that go together, by name: how large a training is. Options and config files override them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeconnect.training.config import Stage

Preset = Literal["tiny", "small", "paper"]
NAMES: tuple[Preset, ...] = get_args(Preset)

_TINY: Mapping[str, Any] = {
    "width": 16, "disc_width": 16, "blocks": 4, "size": 64, "short_side": (64, 128), "batch_size": 4,
    "steps": 2000, "lr": 3e-4, "ema_decay": 0.99, "masks": ("square",), "save_every": 500,
    "validate_every": 250,
}  # fmt: skip
_SMALL: Mapping[str, Any] = {
    "width": 32, "disc_width": 32, "masks": ("strokes", "strokes", "boxes", "square"),
    "hole_ratio": (0.02, 0.6), "steps": 8000, "lr": 3e-4, "ema_decay": 0.998,
}  # fmt: skip
_SOFT_LINES: Mapping[str, Any] = {"w_cross_entropy": 5, "w_edge_adv": 0.03, "w_feature_matching": 0.3}
_COLOURS: Mapping[str, Any] = {"hole_start": "smooth", "betas": (0.9, 0.99), "w_style": 0, "w_adv": 0}

# "small" is data/recipes/edge.yaml and inpaint.yaml, whose comments say why; "tiny" is to see it work
PRESETS: Mapping[Preset, Mapping[Stage, Mapping[str, Any]]] = {
    "tiny": {
        "edge": {**_TINY, **_SOFT_LINES},
        "inpaint": {**_TINY, **_COLOURS, "w_perceptual": 0},
        "joint": {**_TINY, **_COLOURS, "w_perceptual": 0, "lr": 1e-5},
    },
    "small": {
        "edge": {**_SMALL, **_SOFT_LINES, "size": 128, "short_side": (160, 288), "batch_size": 4},
        "inpaint": {
            **_SMALL, **_COLOURS, "w_perceptual": 1, "size": 192, "short_side": (200, 320), "batch_size": 2,
            "edges": "mixed",
        },
        "joint": {
            **_SMALL, **_COLOURS, "w_perceptual": 1, "size": 192, "short_side": (200, 320), "batch_size": 2,
            "lr": 1e-5,
        },
    },
    "paper": {"edge": {}, "inpaint": {}, "joint": {}},
}  # fmt: skip
