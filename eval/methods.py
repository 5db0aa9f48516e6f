"""What `eval.speed` times: each method in a process of its own, so that its settings stay its own.

"Plain" is the same arithmetic as it would be written without a thought of speed: float32, contiguous memory,
PyTorch's own instance norm, the C library's own memory settings. What FID needs is imported where it is used:
it takes seconds in every process.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from skimage.color import rgb2gray
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn
from torch.nn import functional as F

from edgeconnect import cli
from edgeconnect.composite import composite
from edgeconnect.device import choose_device
from edgeconnect.inpainters.edgeconnect import EdgeConnect
from edgeconnect.io.images import read_rgb, write_png
from edgeconnect.masks import shapes
from edgeconnect.memory import keep_memory
from edgeconnect.models import layers, weights
from edgeconnect.models.checkpoint import Weights, build_network
from edgeconnect.models.vgg import load_features
from edgeconnect.training.batch import Batch, luminance
from edgeconnect.training.config import make_config
from edgeconnect.training.trainer import Trainer, build_networks

Work = Callable[[], Any]
PAPER_WIDTH = 64


@dataclass(frozen=True)
class Turn:
    """One turn of a method: its time, its process's highest memory so far, what it computed."""

    seconds: float
    peak_bytes: int
    result: Any


class Method:
    """One way to do the work. `prepare(*arguments)` is called in the new process and returns the work."""

    def __init__(
        self, prepare: Callable[..., Work], *arguments: Any, threads: int = 0, warm_up: int = 1
    ) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, prepare, arguments, threads), daemon=True)
        self._process.start()
        there.close()
        self._receive()  # that it is ready
        for _ in range(warm_up):
            self.turn()

    def turn(self) -> Turn:
        """Do the work once; raises whatever it raised."""
        self._here.send("go")
        turn: Turn = self._receive()
        return turn

    def _receive(self) -> Any:
        answer = self._here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> Method:
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._process.join()


def _serve(pipe: Connection, prepare: Callable[..., Work], arguments: tuple[Any, ...], threads: int) -> None:
    try:
        if threads:
            torch.set_num_threads(threads)
        work = prepare(*arguments)
        pipe.send("ready")
        while _is_wanted(pipe):
            pipe.send(_turn(work))
    except Exception as error:  # whatever it is, it is the other process's to raise
        pipe.send(error)


def _is_wanted(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


def _turn(work: Work) -> Turn:
    _wait_for_gpu()
    before = time.perf_counter()
    result = work()
    _wait_for_gpu()
    seconds = time.perf_counter() - before
    return Turn(seconds, _peak_bytes(), result)


def _wait_for_gpu() -> None:
    """A GPU works on after its functions have returned; what is not done yet would not be timed."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _peak_bytes() -> int:
    """The highest memory so far, of the GPU where one is used, else of the process; 0 on Windows, which
    Python does not ask.
    """
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def training(kind: str, features: str, size: int, batch_size: int, width: int, device: str = "cpu") -> Work:
    """A step of stage inpaint; kind: "plain", "shipped" or "compiled" (shipped, with --compile)."""
    if kind == "plain":
        _make_plain()
    else:
        keep_memory()
    sizes = {"size": size, "batch_size": batch_size, "width": width, "disc_width": width}
    machine = {"device": device, "precision": "float32" if kind == "plain" else "auto"}
    options = {"stage": "inpaint", "photos": "none", "run": "none", "compile": kind == "compiled"}
    config = make_config({**options, **sizes, **machine})
    place = choose_device(device)
    trainer = Trainer(config, build_networks(config), load_features(Path(features)), place)
    batch = made_up(batch_size, size)
    return lambda: trainer.train_step(batch)


def inference(kind: str, size: int, width: int, device: str = "cpu") -> Work:
    """Both generators on one photo; kind: "plain", or a precision of EdgeConnect ("auto", "float32").

    The work returns I_pred as (3,H,W) float32: the same from all kinds, but for rounding.
    """
    torch.manual_seed(0)
    edges = build_network("edge_generator", width=width, spectral=False).eval()
    colours = build_network("inpaint_generator", width=width).eval()
    place, dtype = choose_device(device), torch.float32
    if kind == "plain":
        _make_plain()
        edges, colours, batch = edges.to(place), colours.to(place), made_up(1, size).to(place)
    else:
        model = EdgeConnect(Weights({"edge_generator": edges, "inpaint_generator": colours}), device, kind)
        batch, dtype = made_up(1, size).to(place, channels_last=True), model.dtype

    @torch.no_grad()
    def work() -> np.ndarray:
        with torch.autocast(place.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            completed = composite(batch.edge, edges(batch.gray, batch.edge, batch.mask), batch.mask)
            painted = colours(batch.photo, completed, batch.mask)
        return painted[0].cpu().numpy()

    return work


def filling_all(source: str | None, precision: str, photos: list[np.ndarray], device: str = "cpu") -> Work:
    """Photos (H,W,3) uint8, a tenth of each a square hole; the work returns the networks' fills, in [0,1]."""
    model = EdgeConnect(weights.load(source), device, precision)
    rng = np.random.default_rng(0)
    holes = [shapes.square(rng, *photo.shape[:2], area=0.1) for photo in photos]

    def work() -> np.ndarray:
        filled = [
            model.inpaint(photo, hole, texture=0.0)[hole] for photo, hole in zip(photos, holes, strict=True)
        ]
        return np.concatenate(filled) / 255

    return work


def filling(
    source: str | None, height: int, width: int, hole_px: int, texture: float = 1.0, device: str = "cpu"
) -> Work:
    """A made-up photo of that size with one square hole in its middle, filled as shipped."""
    model = EdgeConnect.load(source, device=device)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (height // 100, width // 100, 3), np.uint8)
    photo = np.kron(small, np.ones((100, 100, 1), np.uint8))
    hole = shapes.boxes(height, width, [((width - hole_px) // 2, (height - hole_px) // 2, hole_px, hole_px)])

    def work() -> None:
        model.inpaint(photo, hole, texture=texture)

    return work


def scoring(kind: str, folder: Path) -> Work:
    """Scores of `folder`/result against `folder`/truth, protocol edgeconnect; kind: "eval.score" or "plain".

    The work returns (N,3): PSNR, SSIM and relative L1 of each pair, in the order of their names.
    """
    truth, result = folder / "truth", folder / "result"
    names = [path.name for path in sorted(truth.iterdir())]
    if kind == "plain":
        return lambda: np.array([_scikit_scores(truth / name, result / name) for name in names])
    kept = folder / "scores.jsonl"
    command = ["--truth", str(truth), "--result", str(result), "--protocol", "edgeconnect"]

    def work() -> np.ndarray:
        with redirect_stdout(io.StringIO()):
            cli.run(["score", *command, "--json", str(kept)])
        _, *rows = map(json.loads, kept.read_text().splitlines())
        return np.array([[row[name] for name in ("psnr_db", "ssim", "relative_l1")] for row in rows])

    return work


def _scikit_scores(truth: Path, result: Path) -> list[float]:
    a, b = (rgb2gray(imread(path)) for path in (truth, result))
    ssim = structural_similarity(a, b, data_range=1, win_size=51)
    return [peak_signal_noise_ratio(a, b, data_range=1), ssim, np.abs(a - b).sum() / (a + b).sum()]


def inception_features(kind: str, weights: Path, files: Sequence[Path]) -> Work:
    """FID's features of picture files; kind: "pytorch_fid" or a precision of InceptionFeatures.

    The work returns (N,2048). pytorch-fid reads in its own process here, as a method may start no other.
    """
    if kind == "pytorch_fid":
        from pytorch_fid import fid_score

        network = pytorch_fid_network(weights)

        def theirs() -> np.ndarray:
            with redirect_stderr(io.StringIO()):  # its progress bar
                return fid_score.get_activations(list(files), network, num_workers=0)

        return theirs
    from edgeconnect.metrics.fid import InceptionFeatures

    keep_memory()
    features = InceptionFeatures(weights, "cpu", kind)
    return lambda: features(read_rgb(path) for path in files)


def pytorch_fid_network(weights: Path) -> nn.Module:
    """pytorch-fid's own network with a file's weights: by itself it can only download them."""
    from pytorch_fid import inception

    with patch.object(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights)):
        return inception.InceptionV3().eval()


def write_inception(path: Path) -> None:
    """A file as pytorch-fid's, with seeded weights that keep activations of usual size."""
    from pytorch_fid import inception

    torch.manual_seed(0)
    with (
        patch.object(inception, "load_state_dict_from_url", lambda *_, **__: None),
        patch.object(nn.Module, "load_state_dict", lambda *_: None),
    ):
        network = inception.fid_inception_v3()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
    torch.save(network.state_dict(), path)


def write_pairs(folder: Path, count: int, size: int) -> None:
    """`count` made-up photos in `folder`/truth, and in `folder`/result with a blurred square each."""
    rng = np.random.default_rng(0)
    for i in range(count):
        small = rng.integers(0, 256, (16, 16, 3), np.uint8)
        truth = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
        truth = np.clip(truth + rng.normal(0, 2, truth.shape), 0, 255).astype(np.uint8)
        hole = shapes.square(rng, size, size)
        result = np.where(hole[..., None], cv2.blur(truth, (31, 31)), truth)
        write_png(folder / "truth" / f"{i:04d}.png", truth)
        write_png(folder / "result" / f"{i:04d}.png", result)


def made_up(count: int, size: int) -> Batch:
    """Smooth random photos with random edges and a square hole of a quarter of the picture."""
    torch.manual_seed(0)
    photo = F.interpolate(torch.rand(count, 3, 8, 8), (size, size), mode="bicubic").clamp(0, 1)
    mask = torch.zeros(count, 1, size, size)
    mask[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return Batch(photo, luminance(photo), (torch.rand_like(mask) > 0.95).float(), mask)


def _make_plain() -> None:
    layers.InstanceNorm.forward = lambda self, x: F.instance_norm(x)
    layers.OutputConv.forward = layers.ReflectConv.forward
