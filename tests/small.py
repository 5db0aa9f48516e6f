"""Made-up inputs and small networks that several tests share."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edgeconnect import cli
from edgeconnect.engines import choice
from edgeconnect.engines.local import in_this_process
from edgeconnect.masks.regions import Box
from edgeconnect.models.vgg import VGG19_CHANNELS, FeatureExtractor
from edgeconnect.patches.fill import as_floats, patch_tiles
from edgeconnect.training.batch import Batch, luminance
from edgeconnect.training.config import TrainConfig, make_config

DISTILLED = {"11": (4, 3), "12": (4, 4), "21": (6, 4)}
"""Layers of a made-up distilled VGG: (channels out, channels in)."""


def made_up_batch(count: int = 2, size: int = 32, seed: int = 0) -> Batch:
    """Random photos with a square hole in the middle and sparse random edges."""
    generator = torch.Generator().manual_seed(seed)
    photo = torch.rand(count, 3, size, size, generator=generator)
    edge = (torch.rand(count, 1, size, size, generator=generator) > 0.9).float()
    mask = torch.zeros(count, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return Batch(photo, luminance(photo), edge, mask)


def small_features(seed: int = 0) -> FeatureExtractor:
    """A FeatureExtractor with VGG's first layers at 4 channels; style at relu2_2."""
    generator = torch.Generator().manual_seed(seed)
    channels = {"1_1": 3, "1_2": 4, "2_1": 4, "2_2": 4}
    layers = {
        n: (torch.randn(4, c, 3, 3, generator=generator) / 4, torch.zeros(4)) for n, c in channels.items()
    }
    preprocess = (torch.eye(3)[:, :, None, None], torch.zeros(3))
    return FeatureExtractor(layers, preprocess, padding_mode="zeros")


def write_vgg19(path: Path, last: str = "3_1") -> Path:
    """A file as torchvision's VGG-19 up to a layer; seeded weights that keep activations of usual size."""
    generator = torch.Generator().manual_seed(0)
    state, channels = {}, 3
    for name, index in {"1_1": 0, "1_2": 2, "2_1": 5, "2_2": 7, "3_1": 10}.items():
        shape = (VGG19_CHANNELS[name[0]], channels, 3, 3)
        weight = torch.randn(shape, generator=generator) * (2 / (9 * channels)) ** 0.5
        state |= {f"features.{index}.weight": weight, f"features.{index}.bias": torch.zeros(shape[0])}
        channels = shape[0]
        if name == last:
            break
    torch.save(state, path)
    return path


class MeanFill(torch.nn.Module):
    """Stands for LaMa: the mean of the known pixels."""

    def forward(self, photo: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert photo.shape[2] % 8 == 0 and photo.shape[3] % 8 == 0
        known = photo * (1 - mask)
        return known.sum(dim=(2, 3), keepdim=True) / (1 - mask).sum() + 0 * photo


def write_lama(path: Path) -> Path:
    """A TorchScript file with LaMa's signature."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(MeanFill()).save(str(path))
    return path


def distilled_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """The tensors of a made-up distilled VGG up to relu2_1, with heads to 8 channels."""
    generator = torch.Generator().manual_seed(seed)
    state = {"conv0.weight": torch.eye(3)[:, :, None, None], "conv0.bias": torch.zeros(3)}
    for name, (out_channels, in_channels) in DISTILLED.items():
        state[f"conv{name}.weight"] = torch.randn(out_channels, in_channels, 3, 3, generator=generator) / 4
        state[f"conv{name}.bias"] = torch.randn(out_channels, generator=generator) / 4
        if name.endswith("1"):
            state[f"conv{name}_aux.weight"] = torch.randn(8, out_channels, 1, 1, generator=generator)
            state[f"conv{name}_aux.bias"] = torch.zeros(8)
    return state


def patch_fill(photo: torch.Tensor, hole: torch.Tensor, *args: torch.Tensor, **options: Any) -> torch.Tensor:
    """The whole photo (H,W,3) in [0,1] as `patch_tiles` fills it, all tiles together."""
    filled = as_floats(photo).clone()
    for tile, window, part in patch_tiles(photo, hole, *args, **options):
        filled[tile.slices] = part[tile.inside(window).slices]
    return filled


def endless_patch_tiles(
    photo: torch.Tensor,
    hole: torch.Tensor,
    *args: Any,
    progress: Callable[[Callable[[], torch.Tensor]], None],
    **options: Any,
) -> Iterator[tuple[Box, Box, torch.Tensor]]:
    """`patch_tiles`, which never ends where the hole is large; it shows the picture about once a second."""
    filled = patch_fill(photo, hole, *args, progress=progress, **options)
    steps = 0
    while int(hole.sum()) > 5000:
        if steps % 100 == 0:
            progress(lambda: filled)
        time.sleep(0.01)
        steps += 1
    whole = Box(0, 0, *hole.shape)
    yield whole, whole, filled


def write_photos(folder: Path, count: int = 5, size: tuple[int, int] = (40, 56)) -> Path:
    """A folder of made-up PNG photos: smooth colours with a few boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    for number in range(count):
        photo = np.stack([y, x, (x + y) / 2], axis=2) * rng.random(3)
        for _ in range(4):
            top, left = rng.integers(size[0] - 12), rng.integers(size[1] - 12)
            photo[top : top + 12, left : left + 12] = rng.random(3)
        Image.fromarray((photo * 255).astype(np.uint8)).save(folder / f"photo_{number}.png")
    return folder


def tiny_options(folder: Path, stage: str = "edge", **options: Any) -> dict[str, Any]:
    """Options of a run that takes a second: `folder` gets photos/, features.pth and the run's own folder."""
    photos, features = folder / "photos", folder / "features.pth"
    if not photos.exists():
        write_photos(photos)
        torch.save({"epoch": 0, "model": distilled_state()}, features)
    sizes = {"size": 32, "batch_size": 2, "width": 8, "blocks": 1, "disc_width": 8, "val_count": 2}
    steps = {"steps": 6, "save_every": 3, "log_every": 1, "workers": 0, "keep": 10}
    machine = {"device": "cpu", "precision": "float32", "threads": 1}
    paths = {"photos": str(photos), "run": str(folder / "run"), "features": str(features)}
    return {"stage": stage, **paths, **sizes, **steps, **machine, **options}


def tiny_config(folder: Path, stage: str = "edge", **options: Any) -> TrainConfig:
    """`tiny_options` as a config."""
    return make_config(tiny_options(folder, stage, **options))


def run_verb(*words: object) -> None:
    """Run `edgeconnect WORDS` in this process; it must end well."""
    assert cli.run([str(word) for word in words]) == 0


def sentence_of(*words: object) -> str:
    """The one sentence on stderr with which `edgeconnect WORDS` ends in this process, exit code 1."""
    with redirect_stderr(StringIO()) as said:
        assert cli.run([str(word) for word in words]) == 1
    sentence = said.getvalue().rpartition("edgeconnect: ")[2]
    assert sentence.endswith("\n") and "\n" not in sentence[:-1]
    return sentence[:-1]


def pickled_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--jobs` sends its work through pickle, but does it in this process: that several processes do each
    item once is for tests/engines to say, and each of them takes seconds to import PyTorch."""

    def on_processes(setup: Any, items: Any, workers: int, again: Any) -> Any:
        assert workers > 1
        work = pickle.loads(pickle.dumps(setup))()
        yield from in_this_process(lambda item: work(pickle.loads(pickle.dumps(item))), items)

    monkeypatch.setattr(choice, "on_processes", on_processes)


def nearly(value: Any, rel: float = 1e-4) -> Any:
    """`value`, a report out of JSON, equal to any whose numbers are within `rel` of its own: elsewhere other
    kernels may run, whose sums round otherwise."""
    if isinstance(value, dict):
        return {key: nearly(part, rel) for key, part in value.items()}
    if isinstance(value, list):
        return [nearly(part, rel) for part in value]
    return pytest.approx(value, rel=rel) if isinstance(value, float) else value
