"""Every number of a training run, typed, with its source; filled by a YAML file and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, Field

from edgeconnect.edges.detectors import DETECTORS
from edgeconnect.io.schema import checked, read_yaml
from edgeconnect.masks.kinds import KINDS
from edgeconnect.training.extra_losses import EXTRA
from edgeconnect.training.run_config import Count, Pair, RunConfig, split

Stage = Literal["edge", "inpaint", "joint"]
Config = TypeVar("Config", bound=BaseModel)


def _word(value: Any) -> Any:
    """Let true in a YAML file, which is no text there, stand for "true"."""
    return "true" if value is True else value


def _weights(value: Any) -> Any:
    """Let "a=0.1,b=2" on the command line stand for weights by name."""
    if not isinstance(value, str):
        return value
    return {name.strip(): weight for name, _, weight in (part.partition("=") for part in value.split(","))}


Strings = Annotated[tuple[str, ...], BeforeValidator(split)]
Pixels = Annotated[tuple[int, int], BeforeValidator(split)]


class TrainConfig(RunConfig):
    """One training run. "paper" is arXiv 1901.00212; "released" the example settings of its released code."""

    stage: Stage
    photos: Path = Field(
        description="folder of training photos (searched recursively), or a file listing them"
    )
    init_from: Strings = Field(
        (), description="run folders or weights files to start from, counting from step 0"
    )

    steps: Count = Field(2_000_000, gt=0, description="training steps (released: 2 million)")
    batch_size: int = Field(8, gt=0, le=4096, description="photos a step, of all processes (paper: 8)")
    size: int = Field(
        256, ge=32, le=4096, multiple_of=4, description="side of the square training crop in px (paper: 256)"
    )
    short_side: Pixels | None = Field(
        None,
        description="a,b: short side in px before cropping, drawn from this range (paper: the crop's size)",
    )
    flip: bool = Field(True, description="mirror every other photo (paper)")
    workers: int = Field(2, ge=0, le=256, description="processes that prepare photos")
    skip_broken: bool = Field(
        False, description="leave unreadable photos out, counted and listed, instead of stopping"
    )

    masks: Strings = Field(
        ("square",),
        description=f"{', '.join(KINDS)}, folders of masks; drawn evenly (paper: square)",
    )
    mask_polarity: Literal["white", "black", "alpha", "opaque"] = Field(
        "white",
        description="what the hole is in mask files: white, black, alpha (where it is transparent) or opaque",
    )
    hole_ratio: Pair = Field(
        (0.0, 0.6), description="a,b: hole ratio of boxes and strokes (paper's tables: 0 to 0.6)"
    )
    sigma: float = Field(2.0, ge=0, le=100, description="Canny's sigma in px (paper: about 2 is best)")
    detector: str = Field(
        "canny", description=f"edge detector: {', '.join(DETECTORS)} (paper: canny); kept with the weights"
    )
    edges_folder: Path | None = Field(
        None, description="edge maps as files, by stem, instead of a detector's"
    )
    edges: Annotated[Literal["true", "predicted", "mixed"], BeforeValidator(_word)] = Field(
        "true",
        description="what stage inpaint sees in the hole: true edges (paper), a frozen G1's (released), or "
        "both in turns",
    )

    width: int = Field(
        64, gt=0, le=1024, description="channels after the generators' first convolution (paper: 64)"
    )
    blocks: int = Field(8, gt=0, le=64, description="residual blocks of the generators (paper: 8)")
    disc_width: int = Field(
        64, gt=0, le=1024, description="channels after the discriminators' first convolution (paper: 64)"
    )
    hole_start: Literal["white", "smooth"] = Field(
        "white",
        description="what inpainting starts from in the hole: white (paper) or smooth (its rim continued)",
    )
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed",
        description="inpainting generator: transposed convolutions (paper) or resize, which leave no dots",
    )
    edge_start: Literal["none", "continued"] = Field(
        "none",
        description="what the edge generator is told of the hole: none (paper) or continued (the lines at "
        "its rim, continued; known edges are then those found without the hole's pixels, as in use)",
    )
    features: str = Field("vgg19", description="vgg19 (torchvision's, paper) or a file of VGG features")
    feature_norm: Literal["imagenet", "released"] = Field(
        "imagenet",
        description="what torchvision's VGG is fed: ImageNet-normalised (paper) or [0,1] as it is (released)",
    )

    adversarial: Literal["nonsaturating", "lsgan", "hinge"] = Field(
        "nonsaturating", description="(paper: nonsaturating)"
    )
    w_edge_adv: float = Field(1.0, ge=0, description="stage edge, adversarial (paper: 1)")
    w_feature_matching: float = Field(10.0, ge=0, description="stage edge, feature matching (paper: 10)")
    w_cross_entropy: float = Field(
        0.0,
        ge=0,
        description="stage edge, cross-entropy in the hole; speeds up short trainings (paper: none)",
    )
    w_agreement: float = Field(
        0.0,
        ge=0,
        description="stage edge, 1 - F of the lines in the hole within 1 px; draws lines instead of doubt "
        "(paper: none)",
    )
    w_l1: float = Field(1.0, ge=0, description="stages inpaint and joint, L1 (paper: 1)")
    w_adv: float = Field(0.1, ge=0, description="stages inpaint and joint, adversarial (paper: 0.1)")
    w_perceptual: float = Field(0.1, ge=0, description="stages inpaint and joint, perceptual (paper: 0.1)")
    w_style: float = Field(250.0, ge=0, description="stages inpaint and joint, style (paper: 250)")

    extra: Annotated[dict[str, float], BeforeValidator(_weights)] = Field(
        {}, description=f"further generator losses, NAME=WEIGHT,...: {', '.join(EXTRA)} (paper: none)"
    )

    lr: float | None = Field(None, gt=0, description="generators' learning rate (paper: 1e-4; joint 1e-6)")
    d_lr_ratio: float = Field(
        0.1, gt=0, description="discriminators' learning rate over the generators' (paper: 0.1)"
    )
    lr_drop_at: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the steps after which learning rates fall tenfold (paper: at the plateau, "
        "joint never; so 0.8, joint 1)",
    )
    betas: Pair = Field((0.0, 0.9), description="Adam's betas (paper: 0, 0.9)")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="decay of the generators' moving average; 0 turns it off"
    )

    deterministic: bool = Field(
        False, description="the same bits on every run on a GPU too, by slower kernels (a CPU's do so always)"
    )
    compile: bool = Field(
        False, description="torch.compile the generators: a minute at the start, faster steps after"
    )
    validate_every: Count = Field(1000, gt=0, description="steps between validations and sample grids")
    val_photos: Path | None = Field(
        None, description="folder or list of validation photos (default: the training photos)"
    )
    val_count: int = Field(16, gt=0, le=100_000, description="validation photos; fixed masks go with them")

    def _faults(self) -> list[str]:
        faults = [
            f"{name}: expected a range low,high, got {pair[0]},{pair[1]}"
            for name, pair in (("hole_ratio", self.hole_ratio), ("short_side", self.short_side))
            if pair is not None and pair[0] > pair[1]
        ]
        faults += super()._faults()
        if unknown := [name for name in self.extra if name not in EXTRA]:
            faults.append(f"extra: expected losses among {', '.join(EXTRA)}, got {unknown[0]}")
        if self.detector not in DETECTORS:
            faults.append(f"detector: expected one of {', '.join(DETECTORS)}, got {self.detector}")
        if self.edges == "mixed" and self.batch_size % 2:
            faults.append(f"batch_size: expected an even one with edges mixed, got {self.batch_size}")
        if not all(0 <= ratio <= 1 for ratio in self.hole_ratio):
            low, high = self.hole_ratio
            faults.append(f"hole_ratio: expected ratios from 0 to 1, got {low},{high}")
        if self.short_side is not None and min(self.short_side) < self.size:
            faults.append(f"short_side: expected at least the size {self.size}, got {min(self.short_side)}")
        if self.short_side is not None and max(self.short_side) > 65_536:
            faults.append(f"short_side: expected at most 65536, got {max(self.short_side)}")
        return faults

    @property
    def learning_rate(self) -> float:
        """The generators' learning rate: as given, else the paper's for this stage."""
        return self.lr if self.lr is not None else (1e-6 if self.stage == "joint" else 1e-4)

    @property
    def drop_step(self) -> float:
        """The step after which learning rates are a tenth."""
        usual = 1.0 if self.stage == "joint" else 0.8
        return self.steps * (usual if self.lr_drop_at is None else self.lr_drop_at)

    @property
    def needs_features(self) -> bool:
        """Whether a loss looks at VGG's features."""
        return self.stage != "edge" and bool(self.w_perceptual or self.w_style)

    def rate_at(self, step: int) -> float:
        """The generators' learning rate in the step after `step`."""
        return self.learning_rate * (0.1 if step >= self.drop_step else 1.0)

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each named term of this stage's generator and discriminator losses."""
        if self.stage == "edge":
            return {
                "adv": self.w_edge_adv,
                "feature_matching": self.w_feature_matching,
                "cross_entropy": self.w_cross_entropy,
                "agreement": self.w_agreement,
                "d_adv": 1.0,
                **self.extra,
            }
        return {
            "l1": self.w_l1,
            "adv": self.w_adv,
            "perceptual": self.w_perceptual,
            "style": self.w_style,
            "d_adv": 1.0,
            **self.extra,
        }


def make_config(
    given: dict[str, Any], file: Path | None = None, preset: Mapping[str, Any] = MappingProxyType({})
) -> TrainConfig:
    """A checked TrainConfig from a preset, over it a YAML file's fields and over these `given`.

    Raises one InputError with all faults.
    """
    values = {**preset, **(read_yaml(file) if file else {}), **given}
    return checked(TrainConfig, values, str(file or "training options"))


def to_yaml(config: RunConfig) -> str:
    """The whole config as YAML, every field written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
