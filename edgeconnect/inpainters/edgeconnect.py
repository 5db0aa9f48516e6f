"""Photo and mask in, whole photo out: lines, colours and texture, on photos of any size.

Only the surroundings of the holes are computed, at the photo's own resolution. A hole too deep for the
networks is filled at half the resolution first (and so on down), and the finer level starts from that.
"""

from __future__ import annotations

import copy
import html
from typing import TYPE_CHECKING, Any, Literal, cast

import cv2
import numpy as np
import torch
from skimage.morphology import thin
from torch.nn import functional as F

from edgeconnect.device import Precision, choose_device, choose_dtype
from edgeconnect.edges import detectors
from edgeconnect.edges.canny import NARROW, to_full_gray
from edgeconnect.edges.continuation import LIKELY, SURE, continue_edges
from edgeconnect.errors import InputError
from edgeconnect.inpainters import outpaint, pictures
from edgeconnect.inpainters.texture import fill_holes
from edgeconnect.masks.regions import Box, cells, depth, hole_groups, rim
from edgeconnect.masks.shapes import feather
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
        return self.detect_edges(to_full_gray(photo, ~mask), ~mask)

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
            seen, low, span = _stretched(_unit(result[window.slices]), missing[window.slices])
            filled = low + span * self._fill(seen, missing[window.slices], hole_edges[window.slices], known)
            pixels = _pixels(filled[hole.inside(window).slices], photo.dtype)
            result[hole.slices][inner] = pixels[inner]
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
        lines = np.zeros(mask.shape, np.float32)
        for window, hole in self._windows(mask):
            outside = None if known is None else known[window.slices]
            seen, _, _ = _stretched(_unit(photo[window.slices]), mask[window.slices])
            part = self._complete(seen, mask[window.slices], kind, outside)
            inner = mask[hole.slices]
            lines[hole.slices][inner] = part[hole.inside(window).slices][inner]
        return lines

    def _fill(self, photo: Picture, mask: Mask, edge: Picture, known: Picture | None) -> Picture:
        """I_comp (h,w,3) of one window along `edge`, coarse to fine."""
        start = None
        if _is_deep(mask):
            halved = None if known is None else _halved_lines(known)
            start = _resized(self._fill(*_halved(photo, mask), _halved_lines(edge), halved), mask.shape)
        photo, mask = photo.copy(), mask.copy()
        C_comp = np.where(mask, edge, self._known_edges(photo, mask) if known is None else known)
        for cell in cells(mask, CELL_PX):
            window = cell.grown(max(CONTEXT_PX, CELL_PX // 4), mask.shape, MIN_WINDOW_PX)
            part = None if start is None else start[window.slices]
            painted = self._paint(photo[window.slices], C_comp[window.slices], mask[window.slices], part)
            inner = mask[cell.slices]
            photo[cell.slices][inner] = painted[cell.inside(window).slices][inner]
            mask[cell.slices] = False
        return photo

    def _complete(self, photo: Picture, mask: Mask, kind: Lines, known: Picture | None) -> Picture:
        """C_comp (h,w) of one window, coarse to fine."""
        is_deep = _is_deep(mask)
        if is_deep:
            halved = None if known is None else _halved_lines(known)
            lines = _refined_lines(self._complete(*_halved(photo, mask), kind, halved), mask.shape)
        known = self._known_edges(photo, mask) if known is None else known
        if not is_deep:
            lines = self._new_edges(photo, mask, kind, known)
        return np.where(mask, lines, known)

    def _known_edges(self, photo: Picture, mask: Mask) -> Picture:
        return self.detect_edges(_gray(photo), ~mask).astype(np.float32)

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
    return depth(mask) > MAX_DEPTH_PX and min(mask.shape) > 2 * MAX_DEPTH_PX


def _halved(photo: Picture, mask: Mask) -> tuple[Picture, Mask]:
    """Half the size: means of the known pixels; a hole where there are none."""
    size = (-(-mask.shape[1] // 2), -(-mask.shape[0] // 2))
    known = (~mask).astype(np.float32)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(photo * known[..., None], size, interpolation=cv2.INTER_AREA)
    return np.asarray(total / np.maximum(share, 1e-3)[..., None], np.float32), share < 1e-3


def _halved_lines(edge: Picture) -> Picture:
    """Half the size, lines as strong as before."""
    size = (-(-edge.shape[1] // 2), -(-edge.shape[0] // 2))
    return np.asarray(np.minimum(cv2.resize(edge, size, interpolation=cv2.INTER_AREA) * 4, 1), np.float32)


def _thinned(edge: Picture, known: Picture, mask: Mask) -> Picture:
    """Lines of the hole one pixel thick, as a detector draws them; fainter shades stay."""
    thick = np.where(mask, edge, known) > 0.5
    lines = cast("Mask", thin(thick))  # type: ignore[no-untyped-call]
    return np.where(thick & ~lines, 0, edge).astype(np.float32)


def _refined_lines(edge: Picture, shape: tuple[int, ...]) -> Picture:
    """Lines of a coarser level at `shape`, thinned to one pixel again as Canny's are."""
    larger = cv2.resize(edge, shape[::-1], interpolation=cv2.INTER_LINEAR)
    lines = cast("Mask", thin(larger > 0.5))  # type: ignore[no-untyped-call]
    return np.where(lines, larger, 0).astype(np.float32)


def _resized(picture: Picture, shape: tuple[int, ...]) -> Picture:
    return np.asarray(
        np.clip(cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1), np.float32
    )


def _gray(photo: Picture) -> NDArray[np.float64]:
    return np.asarray(photo.astype(np.float64) @ np.array([0.2125, 0.7154, 0.0721]))


def _stretched(photo: Picture, mask: Mask) -> tuple[Picture, float, float]:
    """A window whose known pixels span less than NARROW, stretched to [0,1]: with its low end and its span.

    The networks were trained on photos that use their range; a wide window stays as it is, with 0 and 1.
    """
    known = photo[~mask]
    low, span = (float(known.min()), float(np.ptp(known))) if known.size else (0.0, 1.0)
    if not 0 < span < NARROW:
        return photo, 0.0, 1.0
    return np.asarray(np.clip((photo - low) / span, 0, 1), np.float32), low, span


def _unit(pixels: Image) -> Picture:
    return np.asarray(pixels / np.float32(np.iinfo(pixels.dtype).max), np.float32)


def _pixels(picture: Picture, dtype: np.dtype[Any]) -> Image:
    top = np.iinfo(dtype).max
    return cast("Image", np.clip(np.rint(picture * top), 0, top).astype(dtype))


def _tensor(array: Picture | Mask) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return (tensor if tensor.ndim == 3 else tensor[..., None]).permute(2, 0, 1)[None]
