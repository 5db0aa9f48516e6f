"""Every number of a single-image training, typed, with its source; presets for machines without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edgeconnect.errors import InputError
from edgeconnect.io.schema import checked, read_yaml
from edgeconnect.training.run_config import Count, Pair, RunConfig

# at 2e-4 and more, colours ran away within 500 steps, and at less a few thousand are too few: so the result
# starts as the resized photo, G is slower than D, the reconstruction counts more, and D sees hue and contrast
_SHORT: dict[str, Any] = {
    "residual": True,
    "disc_norm": "photo",
    "lr": 1e-4,
    "d_lr_ratio": 3.0,
    "w_reconstruction": 0.3,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "medium": {
        **_SHORT,
        "short_side": 256,
        "crop": 128,
        "width": 32,
        "disc_width": 32,
        "steps": 12_000,
        "decay_from": 6000,
        "sizes_until": 1600,
        "scales_until": 4000,
        "inverse_from": 3000,
    },
    "small": {
        **_SHORT,
        "short_side": 128,
        "crop": 64,
        "width": 16,
        "downscales": 2,
        "disc_width": 24,
        "steps": 6000,
        "decay_from": 3000,
        "sizes_until": 800,
        "scales_until": 2000,
        "inverse_from": 1500,
        "precision": "float32",  # with so few channels, conversions cost more than bf16 saves
        "save_every": 250,
        "preview_every": 250,
    },
}
"""What a preset changes: smaller crops and networks, and what makes few steps go further."""


class SingleConfig(RunConfig):
    """A training on one photo (or a few). "paper" is Shocher et al., "InGAN" (ICCV 2019)."""

    photos: tuple[Path, ...] = Field(min_length=1, description="the photo, or several textures")
    preset: Literal["paper", "medium", "small"] = Field(
        "small",
        description="paper, medium (hours on a CPU) or small (a quarter of an hour): the other defaults",
    )

    steps: Count = Field(75_000, gt=0, description="training steps (paper: 75000; 20000 and more are good)")
    short_side: int | None = Field(
        None,
        ge=16,
        le=65_536,
        description="the photo is shrunk to this short side in px (paper: as it is)",
    )
    crop: int = Field(256, ge=16, le=4096, description="side of the random crop of a step in px (paper: 256)")

    sizes: Pair = Field(
        (0.15, 2.25), description="a,b: a side of the result over the crop's, uniform (paper: 0.15,2.25)"
    )
    sizes_until: Count = Field(
        10_000, ge=0, description="steps in which the sizes grow from 1 to all of them (paper: 10000)"
    )
    trapezoids: float = Field(
        0.25, ge=0, le=1, description="share of steps with a trapezoid (own choice; the paper gives none)"
    )
    max_shift: float = Field(
        0.3, ge=0, lt=0.475, description="largest shift of its top corners over the width (own choice)"
    )
    noise_levels: float = Field(
        1.0, ge=0, le=255, description="uniform noise on what G and D see, in grey levels of 255 (paper: 1)"
    )

    width: int = Field(64, gt=0, le=1024, description="channels after the generator's entry (paper: 64)")
    downscales: int = Field(3, ge=0, le=8, description="poolings of the generator's U-Net (paper: 3)")
    blocks: int = Field(6, ge=0, le=64, description="residual blocks at its bottom (paper: 6)")
    residual: bool = Field(
        False, description="what the generator makes is added to the transformed photo (paper: no)"
    )
    disc_width: int = Field(64, gt=0, le=1024, description="channels of a patch network's start (paper: 64)")
    disc_norm: Literal["batch", "photo", "none"] = Field(
        "batch",
        description="norm in the patch networks: batch (paper; it hides contrast and hue), photo (by the "
        "statistics of real pictures) or none",
    )
    scales: int | None = Field(
        None, gt=0, le=32, description="scales of the discriminator (paper: as many as fit; ablation: 1)"
    )
    scale_factor: float = Field(1.4, ge=1.05, le=16, description="from one scale to the next (paper: 1.4)")
    scale_min_px: int = Field(13, ge=13, description="shorter side of the smallest scale (paper: about 13)")
    scales_until: Count = Field(
        25_000, ge=0, description="steps in which coarse scales count more (paper: 25000)"
    )

    w_reconstruction: float = Field(
        0.1, ge=0, description="encoder-encoder term, the paper's lambda (paper: 0.1; ablation: 0)"
    )
    inverse_from: Count = Field(
        10_000,
        ge=0,
        description="step after which the reconstruction has its own G step (paper: 10000)",
    )
    lr: float = Field(5e-5, gt=0, description="the generator's learning rate (paper: 5e-5)")
    d_lr_ratio: float = Field(
        1.0, gt=0, description="discriminator's learning rate over the generator's (paper: 1)"
    )
    betas: Pair = Field((0.5, 0.999), description="Adam's betas (paper: 0.5, 0.999)")
    decay_from: Count = Field(
        20_000, ge=0, description="step from which the learning rate falls linearly to 0 (paper: 20000)"
    )

    preview_every: Count = Field(
        1000, gt=0, description="steps between previews in samples/, after early ones at 10, 20, 40, ..."
    )

    def _faults(self) -> list[str]:
        low, high = self.sizes
        is_range = 0.01 <= low <= 1 <= high <= 16
        faults = [] if is_range else [f"sizes: expected a range around 1, got {low:g},{high:g}"]
        return faults + super()._faults()

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each named loss term."""
        back = self.w_reconstruction
        return {"adv": 1.0, "reconstruction": back, "inverse": back, "d_adv": 1.0}


# what may differ when a run goes on; anything else would make it another run
MAY_CHANGE = frozenset(
    (
        "run",
        "device",
        "threads",
        "save_every",
        "keep",
        "log_every",
        "preview_every",
        "max_minutes",
        "tensorboard",
    )
)


RENAMED = {"most_shift": "max_shift", "scale_least_px": "scale_min_px"}
"""The fields that had another name in version 0.1, in whose runs' config.yaml they stand under it."""


def make_single_config(given: dict[str, Any], file: Path | None = None) -> SingleConfig:
    """A checked SingleConfig: the preset's values, over them a YAML file's and then `given`.

    All faults come in one InputError.
    """
    values = _renamed(read_yaml(file) if file else {}) | _renamed(given)
    preset = values.get("preset", SingleConfig.model_fields["preset"].default)
    if preset not in PRESETS:
        raise InputError(f"preset: expected {', '.join(PRESETS)}, got {preset!r}")
    return checked(SingleConfig, {**PRESETS[preset], **values}, str(file or "training options"))


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """Fields under their present names; one that stands there under both keeps the old one, as unknown."""
    return {
        new if (new := RENAMED.get(name)) and new not in values else name: value
        for name, value in values.items()
    }
