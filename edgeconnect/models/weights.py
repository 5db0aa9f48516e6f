"""Where weights come from: a path, an environment variable, a name of those that are shipped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import Weights, load_weights, save_weights
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.models.released import read_released

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "EDGECONNECT_WEIGHTS"
DEFAULT = "default"
SHIPPED = Path(__file__).parents[1] / "pretrained"


def shipped_names() -> list[str]:
    """Names of the weights that came with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def find_weights(source: str | Path | None = None) -> Path:
    """The weights file that `source` means: a file, a run folder or a shipped name.

    None: what the environment variable EDGECONNECT_WEIGHTS says, else the shipped "default". Raises
    InputError.
    """
    wanted = str(source or os.environ.get(VARIABLE) or SHIPPED / f"{DEFAULT}.safetensors")
    path = Path(wanted)
    if path.is_dir():
        path /= "weights.safetensors"
    if path.is_file():
        return path
    if wanted in shipped_names():
        return SHIPPED / f"{wanted}.safetensors"
    names = ", ".join(shipped_names()) or "none"
    raise InputError(f"{path}: no such weights; expected a file, a run folder or a shipped name ({names})")


def load(source: str | Path | None = None) -> Weights:
    """The networks of `find_weights(source)`."""
    return load_weights(find_weights(source))


def gather(sources: Sequence[Path]) -> Weights:
    """The networks of all `sources` together: folders of released .pth files, weights files, runs.

    Of a network in two of them the one is taken whose training is recorded: the other is what a run used
    as it was. Raises InputError where both or neither are, and where their edge detectors or sigmas differ.
    """
    merged: Weights | None = None
    for source in sources:
        released = source.is_dir() and not (source / "weights.safetensors").exists()
        part = read_released(source) if released else load(source)
        if merged is None:
            merged = part
            continue
        for name in sorted(merged.networks.keys() & part.networks.keys()):
            if (name in merged.provenance) == (name in part.provenance):
                raise InputError(f"{source}: a second {name.replace('_', ' ')}; expected each network once")
            del (part if name in merged.provenance else merged).networks[name]
        if (merged.detector, merged.sigma) != (part.detector, part.sigma):
            raise InputError(
                f"{source}: edges of another detector or sigma ({part.detector}, {part.sigma}); expected all "
                f"trained on the same edges ({merged.detector}, {merged.sigma})"
            )
        provenance = merged.provenance | part.provenance
        merged = Weights(merged.networks | part.networks, part.sigma, provenance, part.detector)
    if merged is None:
        raise InputError("expected a folder of released .pth files, weights files or runs, got none")
    return merged


def sharpen_edges(weights: Weights, threshold: float) -> None:
    """Make the edge generator's output nearly binary around `threshold`, in place; see
    EdgeGenerator.sharpen.

    weights: with an edge generator. threshold: above 0 and below 1.
    """
    generator = weights.networks.get("edge_generator")
    if not isinstance(generator, EdgeGenerator) or not 0 < threshold < 1:
        raise InputError(f"expected an edge generator and a threshold between 0 and 1, got {threshold}")
    generator.sharpen(threshold)
    weights.provenance["edge_threshold"] = threshold


def soften_edges(weights: Weights) -> bool:
    """Undo `sharpen_edges`, in place; whether there was anything to undo.

    weights: with or without an edge generator.
    """
    generator = weights.networks.get("edge_generator")
    threshold = weights.provenance.pop("edge_threshold", None)
    if threshold is None or not isinstance(generator, EdgeGenerator):
        return False
    generator.soften(threshold)
    return True


def scale_residual(weights: Weights, scale: float) -> None:
    """Have the inpainting generator add `scale` of what it adds to its smooth start, in place; see
    InpaintGenerator.scale_residual.

    weights: with an inpainting generator. scale: above 0 and at most 1, else InputError.
    """
    generator = weights.networks.get("inpaint_generator")
    if not isinstance(generator, InpaintGenerator) or generator.hole_start != "smooth" or not 0 < scale <= 1:
        raise InputError(
            f"expected an inpainting generator with hole_start smooth and a scale from 0 to 1, got {scale}"
        )
    generator.scale_residual(scale)
    weights.provenance["residual_scale"] = scale


def save(path: Path, weights: Weights, *, half: bool = False) -> None:
    """Write a weights file; raises InputError for a name that `load` would not recognise.

    path: ends in .safetensors. weights, half: as for `checkpoint.save_weights`.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: expected a name that ends in .safetensors")
    save_weights(path, weights, half=half)
