"""What a single-image run keeps for its later use: the photos as they were trained on, and the generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save

from edgeconnect.errors import InputError
from edgeconnect.ingan.networks import Generator
from edgeconnect.io import images
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.encoders import to_8bit
from edgeconnect.io.schema import checked, parse_json
from edgeconnect.models.checkpoint import opened, read_tensors
from edgeconnect.models.layers import normalised_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

FORMAT = "ingan-1"


def read_photos(paths: Sequence[Path], short_side: int | None) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """The photos (H,W,3) uint8 to train on, shrunk to a short side in px, and notes on what changed."""
    photos, notes = [], []
    for path in paths:
        photo = images.read_photo(path)
        rgb = to_8bit(photo.rgb)
        notes += [f"{path}: {note}" for note in photo.notes]
        if short_side is not None and min(rgb.shape[:2]) > short_side:
            height, width = (round(s * short_side / min(rgb.shape[:2])) for s in rgb.shape[:2])
            notes.append(f"{path}: shrunk from {rgb.shape[1]}x{rgb.shape[0]} to {width}x{height} px")
            rgb = images.resize(rgb, height, width)
        photos.append(rgb)
    return photos, notes


def save_photos(run: Path, photos: Sequence[NDArray[np.uint8]]) -> None:
    """Keep the photos in the run's own folder."""
    for number, photo in enumerate(photos):
        images.write_png(_photo_path(run, number), photo)


def load_photos(run: Path, count: int) -> list[NDArray[np.uint8]]:
    """A run's photos (H,W,3) uint8; raises InputError where one is missing."""
    return [images.read_rgb(_photo_path(run, number)) for number in range(count)]


def to_tensor(photo: NDArray[np.uint8]) -> Tensor:
    """(H,W,3) uint8 -> (1,3,H,W) float32 in [-1,1]."""
    return torch.from_numpy(photo.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


def to_photo(picture: Tensor) -> NDArray[np.uint8]:
    """(1,3,H,W) in [-1,1] -> (H,W,3) uint8."""
    levels = ((picture[0].float() + 1) * 127.5).round().clamp(0, 255)
    return levels.permute(1, 2, 0).to("cpu", torch.uint8).numpy()


def save_generator(path: Path, generator: Generator, made: dict[str, Any]) -> None:
    """Write a generator to one safetensors file, atomically; `made` says how it was trained."""
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in generator.state_dict().items()}
    metadata = {"format": FORMAT, "config": json.dumps(generator.config), "made": json.dumps(made)}
    write_atomically(path, save(tensors, metadata))


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    width: int = Field(ge=1, le=1024)
    downscales: int = Field(ge=0, le=8)
    blocks: int = Field(ge=0, le=64)
    residual: bool


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """A generator, in eval mode on the CPU, and how it was trained; InputError for any other file."""
    if not path.exists():
        raise InputError(f"{path}: no such file; `edgeconnect single train` writes it")
    with opened(path, "a generator", FORMAT) as file:
        said = file.metadata()
        config, made = (parse_json(said.get(name, ""), f"{path}: {name}") for name in ("config", "made"))
        values = checked(_Config, config, f"{path}: config").model_dump()
        with torch.device("meta"):  # no memory for a config that the file does not fit
            skeleton = Generator(**values, spectral=False)
        counts = {key for key, tensor in skeleton.state_dict().items() if not tensor.is_floating_point()}
        shapes = normalised_shapes(skeleton, keep=skeleton.last)
        expected = {key: (shape, key not in counts) for key, shape in shapes.items()}
        tensors = read_tensors(path, file, "", expected)
    generator = Generator(**values)
    generator.load_state_dict(tensors)
    return generator.eval(), made


def _photo_path(run: Path, number: int) -> Path:
    return run / "photos" / f"{number}.png"
