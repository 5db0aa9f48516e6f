"""Photos, holes and edges as training items; which item comes when is a function of its position alone.

A position counts all items since step 0. Its photo follows from a permutation seeded by (seed, epoch), its
crop, mirroring and hole from a generator seeded by (seed, position): no state to save, any number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from edgeconnect.edges import detectors
from edgeconnect.edges.canny import to_gray
from edgeconnect.edges.continuation import continue_edges
from edgeconnect.edges.maps import repair_edges
from edgeconnect.errors import InputError
from edgeconnect.io import images
from edgeconnect.io.paths import PathList, find_broken, photo_paths
from edgeconnect.masks.sampler import MaskMix
from edgeconnect.training.batch import Batch

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

    from numpy.typing import NDArray

    from edgeconnect.models.generators import EdgeStart
    from edgeconnect.types import Mask, Rgb

    Edge = NDArray[np.float32]

__all__ = [
    "MaskMix", "PathList", "Positions", "TrainingPhotos", "find_broken", "photo_paths", "training_loader",
    "validation_items",
]  # fmt: skip

Place = tuple[int, int]
"""(position, index): the item's number since step 0, and which photo it takes."""

_PATIENCE_S = 600  # for a batch of workers; a full /dev/shm keeps them waiting without end
_AHEAD, _PLANES = 2, 7  # batches that a worker prepares ahead; of a photo, gray, edges, hole and start
_EDGE_SUFFIXES = (".png", ".webp", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")


class TrainingPhotos(Dataset[Batch]):
    """Photos cut to squares, with their edges and a hole each: items are Batches of (C,S,S) tensors.

    Everything random about an item follows from (seed, position). With `skip_broken` every photo is decoded
    once beforehand; `skipped` has a sentence for each that was left out. Without it a broken photo raises
    InputError when its turn comes; no other photo ever takes its place.
    """

    def __init__(
        self,
        paths: PathList,
        size: int,
        *,
        masks: MaskMix,
        short_side: tuple[int, int] | None = None,
        sigma: float = 2.0,
        detector: str = "canny",
        edges_folder: Path | None = None,
        edge_start: EdgeStart = "none",
        seed: int = 0,
        flip: bool = True,
        skip_broken: bool = False,
        check_workers: int = 2,
    ) -> None:
        """size: side of the crop in pixels; short_side: range (ends included) it is cut from, None = size."""
        low, high = short_side or (size, size)
        if not size <= low <= high:
            raise InputError(f"short_side must be a range from {size} (the crop's size) up, got {low},{high}")
        broken = find_broken(paths, check_workers) if skip_broken else []
        self.skipped = [sentence for _, sentence in broken]
        self.paths = paths.without(index for index, _ in broken)
        if not len(self.paths):
            raise InputError(f"none of {len(paths)} photos can be read; the first: {self.skipped[0]}")
        self.size, self.short_side, self.seed, self.flip = size, (low, high), seed, flip
        self.masks, self.edges_folder = masks, edges_folder
        self.sigma, self.detector, self.edge_start = sigma, detector, edge_start

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: Place) -> Batch:
        position, index = place
        rng = np.random.default_rng((self.seed, position))
        short_side = int(rng.integers(*self.short_side, endpoint=True))
        photo, edge = _read(self.paths, index, short_side, self.edges_folder)
        top, left = (int(rng.integers(length - self.size + 1)) for length in photo.shape[:2])
        window = (slice(top, top + self.size), slice(left, left + self.size))
        mirror = slice(None, None, -1 if self.flip and rng.integers(2) else 1)
        photo, edge = photo[window][:, mirror], None if edge is None else edge[window][:, mirror]
        mask = self.masks.draw(rng, self.size, self.size)
        return _item(photo, edge, mask, self.sigma, self.detector, self.edge_start)

    def __getitems__(self, places: list[Place]) -> list[Batch] | InputError:
        """What the DataLoader calls: an error travels as a value, else torch puts a traceback around it."""
        try:
            return [self[place] for place in places]
        except InputError as error:
            return error


class Positions(Sampler[list[Place]]):
    """Endless batches of (position, index), from any step on; every epoch has its own order of all photos."""

    def __init__(
        self, batch_size: int, count: int, seed: int = 0, start_step: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        """batch_size is a process's own; `rank` of `world` processes share the positions of a step."""
        self.batch_size, self.count, self.seed = batch_size, count, seed
        self.start_step, self.rank, self.world = start_step, rank, world

    def __iter__(self) -> Iterator[list[Place]]:
        epoch, order = -1, np.empty(0, np.int64)
        first = (self.start_step * self.world + self.rank) * self.batch_size
        while True:
            batch = []
            for position in range(first, first + self.batch_size):
                if position // self.count != epoch:
                    epoch = position // self.count
                    order = self.order(epoch)
                batch.append((position, int(order[position % self.count])))
            yield batch
            first += self.batch_size * self.world

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The permutation of an epoch: (count,) indices."""
        # the 1 keeps it apart from the items' own generators, seeded by (seed, position)
        return np.random.default_rng((self.seed, epoch, 1)).permutation(self.count)


class TrainingLoader(DataLoader[Batch]):
    """A DataLoader that raises a worker's InputError as it was raised, with its one sentence."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in self._batches():
            if isinstance(batch, InputError):
                try:
                    raise batch
                finally:
                    del batch  # the cycle error - traceback - frame would keep the workers alive
            yield batch

    def _batches(self) -> Iterator[Batch | InputError]:
        try:
            yield from super().__iter__()
        except RuntimeError as error:
            text = str(error)
            if not any(word in text for word in ("shared memory", "shm", "timed out", "exited unexpectedly")):
                raise
            raise InputError(
                f"the {self.num_workers} workers brought no batch: {text.splitlines()[0]}; is the shared "
                "memory (/dev/shm) full? free some, or take --workers 0"
            ) from None


def training_loader(
    dataset: TrainingPhotos,
    batch_size: int,
    workers: int,
    start_step: int = 0,
    rank: int = 0,
    world: int = 1,
    *,
    device: torch.device | str = "cpu",
) -> TrainingLoader:
    """Endless batches from `start_step` on, the same ones for any number of workers.

    device: where they will be used; for CUDA they come in page-locked memory. The dataset is pickled for the
    workers; its list of photos goes to them as shared memory.
    """
    if workers:
        _check_shared_memory(world * workers * _AHEAD * batch_size * dataset.size**2 * _PLANES * 4)
    places = Positions(batch_size, len(dataset), dataset.seed, start_step, rank, world)
    return TrainingLoader(
        dataset,
        batch_sampler=places,
        num_workers=workers,
        timeout=_PATIENCE_S if workers else 0,
        prefetch_factor=_AHEAD if workers else None,
        multiprocessing_context=_clean_processes() if workers else None,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        pin_memory=torch.device(device).type == "cuda",
        # its own, because starting workers draws from it: the global one belongs to the training step
        generator=torch.Generator(),
    )


def _check_shared_memory(needed: int) -> None:
    """Raise InputError where what workers prepare ahead does not fit: they would hang or be killed."""
    try:
        found = os.statvfs("/dev/shm")
    except (OSError, AttributeError):  # another system
        return
    if (free := found.f_bavail * found.f_frsize) < needed:
        raise InputError(
            f"workers: expected {needed / 2**20:.0f} MB of shared memory for their batches, got "
            f"{free / 2**20:.0f} free in /dev/shm; enlarge it (docker: --shm-size) or take fewer --workers"
        )


def validation_items(
    paths: PathList,
    size: int,
    masks: MaskMix,
    seed: int = 0,
    count: int = 32,
    *,
    sigma: float = 2.0,
    detector: str = "canny",
    edges_folder: Path | None = None,
    edge_start: EdgeStart = "none",
) -> list[Batch]:
    """`count` photos (all, if there are fewer), centre crops with a fixed hole each: (C,S,S) items."""
    chosen = np.sort(np.random.default_rng((seed, 2)).permutation(len(paths))[:count])
    items = []
    for number, index in enumerate(chosen.tolist()):
        photo, edge = _read(paths, index, size, edges_folder)
        top, left = ((length - size) // 2 for length in photo.shape[:2])
        window = (slice(top, top + size), slice(left, left + size))
        mask = masks.draw(np.random.default_rng((seed, number, 3)), size, size)
        window_edge = None if edge is None else edge[window]
        items.append(_item(photo[window], window_edge, mask, sigma, detector, edge_start))
    return items


def _read(paths: PathList, index: int, short_side: int, edges_folder: Path | None) -> tuple[Rgb, Edge | None]:
    """Photo (H,W,3) and another detector's edges (H,W), if there are any, scaled to the short side."""
    with paths.file(index) as path:
        # with edges of its own size, a JPEG must not come smaller
        photo = images.read_rgb(path, short_side=None if edges_folder else short_side)
    if edges_folder is None:
        return _resize(photo, _scaled(photo.shape, short_side)), None
    size = _scaled(photo.shape, short_side)
    edge = _read_edges(_edge_path(edges_folder, paths.name(index)), photo.shape[:2])
    # area averages, not nearest: a line of one pixel must not get holes
    edge = np.asarray(cv2.resize(edge, size[::-1], interpolation=cv2.INTER_AREA), np.float32)
    return _resize(photo, size), edge


def _resize(photo: Rgb, size: tuple[int, int]) -> Rgb:
    """Photos prepared at the right size, as most are, cost nothing here."""
    return photo if photo.shape[:2] == size else images.resize(photo, *size)


def _scaled(shape: tuple[int, ...], short_side: int) -> tuple[int, int]:
    """Height and width with the short side at `short_side`, the other one in proportion."""
    height, width = shape[:2]
    scale = short_side / min(height, width)
    return max(short_side, round(height * scale)), max(short_side, round(width * scale))


def _edge_path(folder: Path, photo: Path) -> Path:
    """The map of a photo's stem: at the same place below its folder, or else directly in it."""
    is_below = not photo.is_absolute() and ".." not in photo.parts
    for stem in ([photo.with_suffix("")] if is_below else []) + [Path(photo.stem)]:
        for suffix in _EDGE_SUFFIXES:
            if (path := folder / f"{stem}{suffix}").exists():
                return path
    raise InputError(f"{photo}: expected its edge map {photo.stem}.png in {folder}, got none")


def _read_edges(path: Path, size: tuple[int, int]) -> Edge:
    """A detector's map as it is: white lines, faint ones too."""
    try:
        return repair_edges(images.read_raw(path), size, "white", noise=0)[0]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _item(
    photo: Rgb, edge: Edge | None, mask: Mask, sigma: float, detector: str, edge_start: EdgeStart
) -> Batch:
    """Arrays of one photo as a Batch without the batch dimension; edges None: of all pixels.

    Where lines are continued from the known edges, those are what is found without the hole's pixels, as in
    use: they end some px from the rim and are bent there.
    """
    photo = np.array(photo, order="C")  # the reader's pixels may be read-only, which torch does not take
    gray = to_gray(photo)
    detect = detectors.get(detector)
    lines: NDArray[Any] = detect(gray, sigma, None) if edge is None else edge
    start = None
    if edge_start == "continued":
        lines = np.where(mask, lines, detect(gray, sigma, ~mask)) if edge is None else lines
        start = _plane(continue_edges(photo, lines, mask))
    pixels = torch.from_numpy(photo).permute(2, 0, 1).to(torch.float32, memory_format=torch.contiguous_format)
    return Batch(pixels.div_(255), _plane(gray), _plane(lines), _plane(mask), start)


def _plane(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[None]


def _collate(items: list[Batch] | InputError) -> Batch | InputError:
    return items if isinstance(items, InputError) else Batch.stack(items)


def _clean_processes() -> BaseContext:
    """Workers that start from a process without threads: a fork of one that used OpenCV hangs."""
    has_forkserver = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if has_forkserver else "spawn")
    context.set_forkserver_preload(["edgeconnect.training.data"])
    return context


def _start_worker(worker: int) -> None:
    """One thread each; Ctrl-C is for the training process, which finishes its step and ends the workers.

    Workers end with that process, however it ends: they would wait for it to take their batches.
    """
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
