"""Photo and mask in, whole photo out: lines, colours and texture, on photos of any size.

Only the surroundings of the holes are computed, at the photo's own resolution. A hole too deep for the
networks is filled at half the resolution first (and so on down), and the finer level starts from that.
"""

from __future__ import annotations

import copy
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import cv2
import numpy as np
import torch
from skimage.morphology import thin
from torch.nn import functional as F

from edgeconnect.device import Precision, choose_device, choose_dtype
from edgeconnect.edges import detectors
from edgeconnect.edges.canny import NARROW, known_range, to_full_gray
from edgeconnect.edges.continuation import LIKELY, SURE, continue_edges
from edgeconnect.errors import InputError
from edgeconnect.inpainters import outpaint, pictures
from edgeconnect.inpainters.texture import fill_holes
from edgeconnect.masks.regions import Box, cells, depth, hole_groups, rim, tiles
from edgeconnect.masks.shapes import feather
from edgeconnect.memory import give_back_memory
from edgeconnect.models import weights
from edgeconnect.patches.fill import NoPatchesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edgeconnect.inpainters.budget import Pace
    from edgeconnect.models.checkpoint import Weights
    from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
    from edgeconnect.types import Image, Mask

    Picture = NDArray[np.float32]

Lines = Literal["learned", "continued", "both"]

MAX_DEPTH_PX = 72  # the networks were trained on holes about this deep (128 of 256 px: 64)
CONTEXT_PX = 64  # surroundings of a hole that are looked at, at least
CONTEXT_PER_DEPTH = 1.25  # and more for deeper holes
MIN_WINDOW_PX = 256  # the training size: smaller windows would be unlike anything the networks saw
CELL_PX = 512  # larger holes are filled cell by cell, each knowing the ones before
RIM_PX = 32  # what a network without a start from outside repaints of a coarser result
MIN_SIDE_PX = 32  # smaller pictures are padded for the networks
LARGE_PX = 2**24  # photos whose memory is given back between steps
TILE_PX, TILE_MARGIN_PX = 1024, 192  # of a larger window, lines are looked for tile by tile


class EdgeConnect:
    """An edge generator and an inpainting generator, ready to use.

    `edge_generator(gray, edge, mask)` and `inpaint_generator(photo, edge, mask)` are the torch modules,
    float32. `check_cancelled`, called before each pass through a network, may raise to end what takes long.
    """

    def __init__(self, loaded: Weights, device: str = "auto", precision: Precision = "auto") -> None:
        """Take the networks of a weights file; see `load`.

        loaded: the file's networks. device, precision: as `load` takes them.
        """
        self.check_cancelled: Callable[[], None] = _nothing
        self.source = ""
        self._precision = precision
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, precision)
        self.sigma, self.detector = loaded.sigma, loaded.detector
        self.provenance = loaded.provenance
        layout = torch.channels_last
        self._networks: dict[str, torch.nn.Module] = {
            n: m.to(self.device).to(memory_format=layout).eval().requires_grad_(False)
            for n, m in loaded.networks.items()
        }
        # what `inpaint` runs; a copy in bf16 saves autocast's conversion of all weights at every call
        self._fast = {n: copy.deepcopy(m).to(self.dtype) for n, m in self._networks.items()}

    @classmethod
    def load(
        cls, source: str | Path | None = None, *, device: str = "auto", precision: Precision = "auto"
    ) -> EdgeConnect:
        """The shipped weights, or others.

        source: a path, a run folder or a shipped name. device: as `device.choose_device` takes it.
        precision: "float32", "bf16", or "auto" for bf16 where the hardware multiplies in it.
        Raises InputError for what is not there or no weights.
        """
        path = weights.find_weights(source)
        model = cls(weights.load(path), device, precision)
        model.source = path.parent.name if path.stem == "weights" else path.stem
        return model

    from_pretrained = load

    @property
    def edge_generator(self) -> EdgeGenerator:
        """G1; raises InputError where the weights file has none."""
        return cast("EdgeGenerator", self._network("edge_generator", self._networks))

    @property
    def inpaint_generator(self) -> InpaintGenerator:
        """G2; raises InputError where the weights file has none."""
        return cast("InpaintGenerator", self._network("inpaint_generator", self._networks))

    def detect_edges(self, gray: NDArray[np.floating], known: Mask | None = None) -> Mask:
        """Lines by the detector and sigma that the weights were trained with.

        gray: (H,W) in [0,1]. known: (H,W) bool, False where pixels are missing.
        Returns (H,W) bool. Raises InputError where the weights were trained on edge maps from files: those of
        a detector would be other lines.
        """
        return detectors.get(self.detector)(gray, self.sigma, known)

    def photo_edges(self, photo: Image, mask: Mask) -> Mask:
        """The photo's own lines outside its hole, by `detect_edges`: (H,W,3) and (H,W) bool -> (H,W) bool.

        What spans a small part of the range is stretched first: its lines are faint.
        photo: uint8 or uint16. mask: True = hole.
        """
        seen = known_range(photo, ~mask)
        return self._detected(lambda part: to_full_gray(photo[part.slices], seen), mask)

    def complete_edges(self, photo: Image, mask: Mask, lines: Lines = "both") -> Picture:
        """The photo's edges (`photo_edges`) with those in the hole completed.

        photo: (H,W,3) uint8 or uint16. mask: (H,W) bool, True = hole.
        lines: "learned" (drawn by G1), "continued" (the known ones, continued through the hole where that is
        likely) or "both" (the higher of the learned and, of the continued, those that are sure).
        Returns (H,W) float32 in [0,1], exactly 0 or 1 outside the hole. Raises InputError for other shapes or
        types and where nothing is known.
        """
        _check(photo, mask)
        return np.where(mask, self._lines(photo, mask, lines), self.photo_edges(photo, mask))

    def inpaint(
        self,
        photo: Image,
        mask: Mask,
        edges: NDArray[Any] | None = None,
        known_edges: NDArray[Any] | None = None,
        *,
        texture: float = 1.0,
        lines: Lines = "both",
        seed: int = 0,
        pace: Pace | None = None,
    ) -> Image:
        """The photo with its hole filled in three steps; every known pixel is identical.

        photo: (H,W,3) uint8 or uint16. mask: (H,W) bool, True = hole.
        edges: (H,W) in [0,1] or bool, used as given in the hole instead of those of `complete_edges`.
        known_edges: likewise, used outside the hole instead of the photo's own (`photo_edges`).
        texture: 0 to 1, how much of the photo's own texture is laid over the networks' colours; 0 is the
        networks alone. lines: which ones `complete_edges` draws. seed: another one gives another texture.
        pace: for `texture.windows_of(mask)`, how much is done for the texture where time is limited; None for
        all. Returns what photo is. Raises InputError for other shapes, types or ranges and where nothing is
        known.
        """
        _check(photo, mask)
        if not 0 <= texture <= 1:
            raise InputError(f"texture: expected a number from 0 to 1, got {texture}")
        soft = self._colours(photo, mask, edges, known_edges, lines)
        return self._textured(photo, mask, soft, soft, texture, seed, pace)

    def __call__(self, photo: Any, mask: Any, edges: NDArray[Any] | None = None, **how: Any) -> Any:
        """`inpaint` for pictures as people have them; gives back what it was given.

        photo: a path, a PIL image, an array (H,W[,C]) or (N,H,W,C) of uint8, uint16 or floats in [0,1], or a
        tensor (C,H,W) or (N,C,H,W). mask: likewise, of bool, 0/1 or 0/255; one for each photo or one for all.
        edges, how: as for `inpaint`. A path comes back as a PIL image. Raises InputError as `inpaint` does.
        """
        taken, give_back = pictures.photos(photo)
        holes = pictures.masks(mask, [(each.shape[0], each.shape[1]) for each in taken])
        pairs = zip(taken, holes, strict=True)
        return give_back([self.inpaint(each, hole, edges, **how) for each, hole in pairs])

    def to(self, device: str) -> EdgeConnect:
        """Move the networks to a device, as `device.choose_device` takes it; returns this."""
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, self._precision)
        for network in self._networks.values():
            network.to(self.device)
        self._fast = {n: copy.deepcopy(m).to(self.dtype) for n, m in self._networks.items()}
        return self

    def __repr__(self) -> str:
        """Its weights, where it computes, and how long each network was trained."""
        steps = {n: self.provenance.get(n, {}).get("steps") for n in self._networks}
        trained = ", ".join(f"{n}: {'? ' if s is None else f'{s} '}steps" for n, s in steps.items())
        dtype = str(self.dtype).removeprefix("torch.")
        return f"EdgeConnect({self.source or 'weights'}, device={str(self.device)!r}, {dtype}, {trained})"

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f"<code>{html.escape(repr(self))}</code>"

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: without what may be tied to this process, and without the copies."""
        return {**self.__dict__, "check_cancelled": _nothing, "_fast": {}, "device": str(self.device)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """From pickle: onto the device it was on; InputError where there is none such here."""
        self.__dict__.update(state)
        self.to(state["device"])

    def candidates(
        self,
        photo: Image,
        mask: Mask,
        count: int = 4,
        edges: NDArray[Any] | None = None,
        *,
        texture: float = 1.0,
        lines: Lines = "both",
        seed: int = 0,
    ) -> Iterator[Image]:
        """Different fills of the same hole, best guess first, each computed when it is asked for.

        photo, mask, edges, texture, lines, seed: as for `inpaint`, whose result the first one is. Every other
        one has the photo's own texture without the networks' structure; then come other seeds.
        Raises InputError as `inpaint` does.
        count: how many at most.
        """
        _check(photo, mask)
        soft = self._colours(photo, mask, edges, None, lines)
        for number in range(count):
            guide = soft if number % 2 == 0 else None
            yield self._textured(photo, mask, soft, guide, texture, seed + number // 2)

    def extend(
        self,
        photo: Image,
        by: str | outpaint.Border,
        *,
        texture: float = 1.0,
        lines: Lines = "both",
        seed: int = 0,
    ) -> Image:
        """A larger photo around the photo, whose every pixel is identical.

        photo: (H,W,3) uint8 or uint16. by: "10%" or "64px" for all sides, "left=20%,top=64px" for some, or a
        Border. texture, lines, seed: as for `inpaint`. Returns (H+top+bottom,W+left+right,3).
        Raises InputError for what no length is and as `inpaint` does.
        """
        sides = outpaint.border(outpaint.parse(by), *photo.shape[:2]) if isinstance(by, str) else by
        larger, hole = outpaint.extend(photo, sides)
        return self.inpaint(larger, hole, texture=texture, lines=lines, seed=seed)

    def _textured(
        self,
        photo: Image,
        mask: Mask,
        soft: Image,
        guide: Image | None,
        texture: float,
        seed: int,
        pace: Pace | None = None,
    ) -> Image:
        """Step three: `texture` of the photo's own patches, placed by the guide, over the networks' fill."""
        if texture == 0:
            return soft
        if mask.size > LARGE_PX:
            give_back_memory()  # what was freed in pieces; it would lie beside what comes now
        limits: dict[str, Any] = {} if pace is None else {"is_over": pace.is_over, "effort": pace.effort}
        try:
            sharp = fill_holes(
                photo,
                mask,
                guide,
                seed=seed,
                device=self.device,
                progress=lambda picture: self.check_cancelled(),
                **limits,
            )
        except NoPatchesError:
            return soft  # only without a guide: with one it stays where nothing can be copied
        if mask.size > LARGE_PX:
            give_back_memory()  # before the result is encoded, which takes as much again
        if texture == 1:
            return sharp
        result = photo.copy()
        result[mask] = _pixels((1 - texture) * _unit(soft[mask]) + texture * _unit(sharp[mask]), photo.dtype)
        return result

    def _colours(
        self,
        photo: Image,
        mask: Mask,
        edges: NDArray[Any] | None,
        known_edges: NDArray[Any] | None,
        lines: Lines,
    ) -> Image:
        """Steps one and two: the photo with its hole painted by the networks along the lines."""
        outside = None if known_edges is None else _checked_edges(known_edges, mask)
        hole_edges = (
            self._lines(photo, mask, lines, outside) if edges is None else _checked_edges(edges, mask)
        )
        result = photo.copy()
        missing = mask.copy()
        for window, hole in self._windows(mask):
            inner = missing[hole.slices]
            if not inner.any():
                continue
            known = None if outside is None else outside[window.slices]
            # what other groups have in the window is painted too, and again in their own windows
            canvas = _Canvas.of(result[window.slices], missing[window.slices])
            self._fill(canvas, missing[window.slices], hole_edges[window.slices], known)
            missing[hole.slices] = False
        return result

    def _windows(self, mask: Mask) -> list[tuple[Box, Box]]:
        """Each group of holes: the window to look at, and the hole's own bounds."""
        pairs = []
        for hole in hole_groups(mask, CONTEXT_PX):
            margin = max(CONTEXT_PX, round(CONTEXT_PER_DEPTH * depth(mask[hole.grown(1, mask.shape).slices])))
            pairs.append((hole.grown(margin, mask.shape, MIN_WINDOW_PX), hole))
        return pairs

    def _lines(self, photo: Image, mask: Mask, kind: Lines, known: Picture | None = None) -> Picture:
        """The edges (H,W) in the hole, 0 outside it."""
        windows = self._windows(mask)
        if [window for window, _ in windows] == [Box(0, 0, *mask.shape)]:
            part = self._window_lines(photo, mask, kind, known, windows[0][0])
            return np.multiply(part, mask, out=part)  # a large photo's lines, which are not copied
        lines = np.zeros(mask.shape, np.float32)
        for window, hole in windows:
            part = self._window_lines(photo, mask, kind, known, window)
            np.copyto(lines[hole.slices], part[hole.inside(window).slices], where=mask[hole.slices])
        return lines

    def _window_lines(
        self, photo: Image, mask: Mask, kind: Lines, known: Picture | None, window: Box
    ) -> Picture:
        """The edges in the holes of one window; what is outside them is unsettled."""
        outside = None if known is None else known[window.slices]
        canvas = _Canvas.of(photo[window.slices], mask[window.slices])
        return self._drawn(canvas, mask[window.slices], kind, outside)

    def _fill(self, canvas: _Canvas, mask: Mask, edge: Picture, known: Picture | None) -> None:
        """Paint I_comp into the hole of one window along `edge`, coarse to fine."""
        start = None
        if _is_deep(mask):
            start, coarse_mask = canvas.halved(mask)
            halved = None if known is None else _halved_lines(known)
            self._fill(start, coarse_mask, _halved_lines(edge), halved)
        outside: Picture | Mask = self._known_edges(canvas, mask) if known is None else known
        missing = mask.copy()
        for cell in cells(mask, CELL_PX):
            window = cell.grown(max(CONTEXT_PX, CELL_PX // 4), mask.shape, MIN_WINDOW_PX)
            part = None if start is None else _doubled(start.pixels, window, cv2.INTER_CUBIC)
            C_comp = np.where(mask[window.slices], edge[window.slices], outside[window.slices])
            painted = self._paint(canvas.seen(window), C_comp, missing[window.slices], part)
            canvas.put(cell, missing[cell.slices], painted[cell.inside(window).slices])
            missing[cell.slices] = False

    def _drawn(
        self,
        canvas: _Canvas,
        mask: Mask,
        kind: Lines,
        given: Picture | None,
        known: Picture | Mask | None = None,
    ) -> Picture:
        """The lines (h,w) in the hole of one window, coarse to fine; what is outside the hole is unsettled.

        given: lines outside the hole to be used, known: those found where none are given, if they are.
        """
        if _is_deep(mask):
            halved = None if given is None else _halved_lines(given)
            return _refined_lines(self._complete(*canvas.halved(mask), kind, halved), mask.shape)
        if known is None:
            known = self._known_edges(canvas, mask) if given is None else given
        lines = np.zeros(mask.shape, np.float32)
        for tile in tiles(mask.shape, TILE_PX):
            if mask[tile.slices].any():
                window = tile.grown(TILE_MARGIN_PX, mask.shape)
                parts = canvas.seen(window), mask[window.slices]
                part = self._new_edges(*parts, kind, known[window.slices].astype(np.float32))
                lines[tile.slices] = part[tile.inside(window).slices]
        return lines

    def _complete(self, canvas: _Canvas, mask: Mask, kind: Lines, given: Picture | None) -> Picture:
        """C_comp (h,w) of one window."""
        known: Picture | Mask = self._known_edges(canvas, mask) if given is None else given
        return np.where(mask, self._drawn(canvas, mask, kind, given, known), known)

    def _known_edges(self, canvas: _Canvas, mask: Mask) -> Mask:
        return self._detected(lambda part: _gray(canvas.seen(part)), mask)

    def _detected(self, gray: Callable[[Box], NDArray[np.floating]], mask: Mask) -> Mask:
        """The lines (h,w) outside a hole, `gray` giving a part's luminance; large pictures tile by tile."""
        found = np.zeros(mask.shape, bool)
        for tile in tiles(mask.shape, TILE_PX):
            window = tile.grown(TILE_MARGIN_PX, mask.shape)
            part = self.detect_edges(gray(window), ~mask[window.slices])
            found[tile.slices] = part[tile.inside(window).slices]
        return found

    def _new_edges(self, photo: Picture, mask: Mask, kind: Lines, known: Picture) -> Picture:
        """The lines of one window's hole (h,w): continued from the known ones, drawn by G1, or the union.

        The continued lines of the union are the sure ones alone: the likely ones are wrong so often that a
        fill along them is no nearer to the photo.
        """
        if kind == "learned" and self.edge_generator.edge_start == "none":
            return _thinned(self._learned(photo, mask, known), known, mask)
        continued = continue_edges(photo, known, mask)
        if kind == "continued":
            return (continued >= LIKELY).astype(np.float32)
        lines = self._learned(photo, mask, known, continued)
        if kind == "both":
            lines = np.maximum(lines, continued >= SURE)
        return _thinned(lines, known, mask)

    def _learned(
        self, photo: Picture, mask: Mask, known: Picture, continued: Picture | None = None
    ) -> Picture:
        """C_pred (h,w), cell by cell where the window is large."""
        C_pred = np.zeros(mask.shape, np.float32)
        gray = _gray(photo).astype(np.float32)
        start = [continued] if continued is not None and self.edge_generator.edge_start == "continued" else []
        for cell in cells(mask, CELL_PX):
            window = cell.grown(max(CONTEXT_PX, CELL_PX // 4), mask.shape, MIN_WINDOW_PX)
            planes: list[Picture | Mask] = [gray, known, mask, *start]
            inputs = [plane[window.slices] for plane in planes]
            C_pred[cell.slices] = self._run("edge_generator", *inputs)[cell.inside(window).slices][..., 0]
        return C_pred

    def _paint(self, photo: Picture, edge: Picture, mask: Mask, start: Picture | None) -> Picture:
        """I_pred (h,w,3) of one window; `start` is a coarser level's result."""
        if start is None:
            return self._run("inpaint_generator", photo, edge, mask)
        if self.inpaint_generator.hole_start == "smooth":
            return self._run("inpaint_generator", photo, edge, mask, start)
        guess, near = np.where(mask[..., None], start, photo), rim(mask, RIM_PX)
        return np.where(near[..., None], self._run("inpaint_generator", guess, edge, near), guess)

    @torch.no_grad()
    def _run(self, name: str, *arrays: Picture | Mask) -> Picture:
        """A generator on (h,w[,C]) arrays: (h,w,C) float32. Padding to the least size is hidden here."""
        self.check_cancelled()
        network = self._network(name, self._fast)
        height, width = arrays[0].shape[:2]
        padding = (0, max(MIN_SIDE_PX - width, 0), 0, max(MIN_SIDE_PX - height, 0))
        tensors = [F.pad(_tensor(array), padding, mode="replicate") for array in arrays]
        output = network(*(t.to(self.device, memory_format=torch.channels_last) for t in tensors))
        picture: Picture = output[0, :, :height, :width].permute(1, 2, 0).float().cpu().numpy()
        return picture

    def _network(self, name: str, among: dict[str, torch.nn.Module]) -> torch.nn.Module:
        if name not in among:
            held = ", ".join(among)
            raise InputError(f"these weights hold {held}, but the {name.replace('_', ' ')} is needed")
        return among[name]


def _nothing() -> None:
    """What `check_cancelled` is until somebody wants to cancel."""


def blend(photo: Image, result: Image, mask: Mask, radius_px: float) -> Image:
    """`result` in the hole, fading to `photo` within `radius_px` outside it: the pixels between change.

    photo, result: (H,W,3) of one type. mask: (H,W) bool, True = hole. radius_px: above 0.
    """
    alpha = feather(mask, radius_px)[..., None]
    return _pixels(_unit(photo) * (1 - alpha) + _unit(result) * alpha, photo.dtype)


def _check(photo: Image, mask: Mask) -> None:
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise InputError(f"photo: expected (H,W,3) uint8 or uint16, got {photo.shape} {photo.dtype}")
    if mask.dtype != np.bool_:
        raise InputError(f"mask: expected bool with True = hole, got {mask.dtype} (write e.g. `mask > 127`)")
    if mask.shape != photo.shape[:2]:
        raise InputError(f"mask: expected the photo's {photo.shape[:2]} (height, width), got {mask.shape}")
    if mask.all():
        raise InputError("mask: expected at least one known pixel, got a hole over the whole photo")


def _checked_edges(edges: NDArray[Any], mask: Mask) -> Picture:
    if edges.shape != mask.shape:
        raise InputError(f"edges: expected the photo's {mask.shape} (height, width), got {edges.shape}")
    if edges.dtype != np.bool_ and not np.issubdtype(edges.dtype, np.floating):
        raise InputError(
            f"edges: expected bool or floats in [0,1], got {edges.dtype} (write e.g. `edges / 255`)"
        )
    picture = edges.astype(np.float32)
    if not np.isfinite(picture).all() or picture.min() < 0 or picture.max() > 1:
        raise InputError(f"edges: expected values in [0,1], got {picture.min():g} to {picture.max():g}")
    return picture


def _is_deep(mask: Mask) -> bool:
    """Whether the hole is deeper than MAX_DEPTH_PX; as far as that is looked around each tile."""
    if min(mask.shape) <= 2 * MAX_DEPTH_PX:
        return False
    around = ((tile, tile.grown(MAX_DEPTH_PX + 2, mask.shape)) for tile in tiles(mask.shape, TILE_PX))
    return any(
        depth(mask[window.slices], tile.inside(window)) > MAX_DEPTH_PX
        for tile, window in around
        if mask[tile.slices].any()
    )


@dataclass(frozen=True)
class _Canvas:
    """A window that is filled part by part, in the photo's own type: as floats a large one would be huge.

    pixels: (h,w,3) uint8, uint16, or float32 in [0,1] of coarser levels. Networks see them as
    (value - low) / span, where the known ones span less than NARROW; else low is 0 and span 1: they were
    trained on photos that use their range.
    """

    pixels: NDArray[Any]
    low: float = 0.0
    span: float = 1.0

    @classmethod
    def of(cls, pixels: Image, mask: Mask) -> _Canvas:
        """A window of a photo, which `put` changes."""
        low, high = (value / np.iinfo(pixels.dtype).max for value in known_range(pixels, ~mask))
        return cls(pixels, low, high - low) if 0 < high - low < NARROW else cls(pixels)

    def seen(self, box: Box) -> Picture:
        """A part as the networks see it: (h,w,3)."""
        part = self.pixels[box.slices]
        if part.dtype != np.float32:
            part = _unit(cast("Image", part))
        return part if self.span == 1 else np.clip((part - self.low) / self.span, 0, 1).astype(np.float32)

    def put(self, box: Box, where: Mask, painted: Picture) -> None:
        """Take what was painted into a part, where (h,w) is true."""
        values = painted[where] * np.float32(self.span) + np.float32(self.low)
        is_float = self.pixels.dtype == np.float32
        self.pixels[box.slices][where] = values if is_float else _pixels(values, self.pixels.dtype)

    def halved(self, mask: Mask) -> tuple[_Canvas, Mask]:
        """Half the size, as the networks see it: means of the known pixels; a hole where there are none."""
        height, width = (-(-length // 2) for length in mask.shape)
        smaller, hole = np.empty((height, width, 3), np.float32), np.empty((height, width), bool)
        for tile in tiles((2 * height, 2 * width), TILE_PX):
            part = Box(tile.top, tile.left, min(tile.bottom, mask.shape[0]), min(tile.right, mask.shape[1]))
            known = (~mask[part.slices]).astype(np.float32)
            share, total = _mean_of_four(known), _mean_of_four(self.seen(part) * known[..., None])
            there = (slice(tile.top // 2, tile.bottom // 2), slice(tile.left // 2, tile.right // 2))
            smaller[there], hole[there] = total / np.maximum(share, 1e-3)[..., None], share < 1e-3
        return _Canvas(smaller), hole


def _mean_of_four(plane: Picture) -> Picture:
    """Half the size, odd sides repeated: (h,w[,C]) float32."""
    height, width = plane.shape[:2]
    even = cv2.copyMakeBorder(plane, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)


def _halved_lines(edge: Picture) -> Picture:
    """Half the size, lines as strong as before."""
    height, width = (-(-length // 2) for length in edge.shape)
    smaller = np.empty((height, width), np.float32)
    for tile in tiles((2 * height, 2 * width), TILE_PX):
        there = (slice(tile.top // 2, tile.bottom // 2), slice(tile.left // 2, tile.right // 2))
        smaller[there] = np.minimum(_mean_of_four(edge[tile.slices]) * 4, 1)
    return smaller


def _doubled(picture: Picture, box: Box, interpolation: int) -> Picture:
    """A part of a picture twice as large, (h,w[,C]) in [0,1], as the whole one would have it there."""
    around = Box(box.top // 2, box.left // 2, -(-box.bottom // 2), -(-box.right // 2)).grown(3, picture.shape)
    larger = cv2.resize(picture[around.slices], None, fx=2, fy=2, interpolation=interpolation)
    top, left = box.top - 2 * around.top, box.left - 2 * around.left
    part = larger[top : top + box.bottom - box.top, left : left + box.right - box.left]
    return np.asarray(np.clip(part, 0, 1), np.float32)


def _thinned(edge: Picture, known: Picture, mask: Mask) -> Picture:
    """Lines of the hole one pixel thick, as a detector draws them; fainter shades stay."""
    thick = np.where(mask, edge, known) > 0.5
    lines = cast("Mask", thin(thick))  # type: ignore[no-untyped-call]
    return np.where(thick & ~lines, 0, edge).astype(np.float32)


def _refined_lines(edge: Picture, shape: tuple[int, ...]) -> Picture:
    """Lines of a coarser level at `shape`, thinned to one pixel again as Canny's are."""
    lines = np.zeros(shape, np.float32)
    for tile in tiles(shape, TILE_PX):
        window = tile.grown(TILE_MARGIN_PX, shape)
        larger = _doubled(edge, window, cv2.INTER_LINEAR)
        thinned = cast("Mask", thin(larger > 0.5))  # type: ignore[no-untyped-call]
        lines[tile.slices] = np.where(thinned, larger, 0)[tile.inside(window).slices]
    return lines


def _gray(photo: Picture) -> NDArray[np.float64]:
    return np.asarray(photo.astype(np.float64) @ np.array([0.2125, 0.7154, 0.0721]))


def _unit(pixels: Image) -> Picture:
    return np.asarray(pixels / np.float32(np.iinfo(pixels.dtype).max), np.float32)


def _pixels(picture: Picture, dtype: np.dtype[Any]) -> Image:
    top = np.iinfo(dtype).max
    return cast("Image", np.clip(np.rint(picture * top), 0, top).astype(dtype))


def _tensor(array: Picture | Mask) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return (tensor if tensor.ndim == 3 else tensor[..., None]).permute(2, 0, 1)[None]
