"""Which edges a model is given instead of its own: the conditions that `eval.ablate` compares."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeconnect.edges.canny import to_gray
from edgeconnect.edges.maps import repair_edges
from edgeconnect.errors import InputError
from edgeconnect.evaluation.gains import shuffled_lines
from edgeconnect.evaluation.pairing import Example, square
from edgeconnect.evaluation.pairs import by_name
from edgeconnect.io.images import read_raw, read_rgb

if TYPE_CHECKING:
    from edgeconnect import EdgeConnect
    from edgeconnect.inpainters.edgeconnect import Lines as Kind

KINDS: tuple[Kind, ...] = ("learned", "continued", "both")
Lines = NDArray[Any]  # (H,W) bool or float in [0,1]

NONE, COMPLETED, TRUE = "none in the hole", "completed", "true"
STRANGE, SHUFFLED = "another photo's", "true, shuffled"
AUDITED = (NONE, COMPLETED, TRUE, STRANGE, SHUFFLED)


@dataclass(frozen=True)
class Given:
    """The edges that a hole is filled with; where `sigma` or `known` is given, it is what decides the known
    edges instead of the model's own Canny.
    """

    hole: Lines
    known: Lines | None = None
    sigma: float | None = None


Condition = Callable[["EdgeConnect", Example], Given]


def edges(options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]) -> dict[str, Condition]:
    """With completed edges, without any, and with the true ones given as a user's edit would be."""
    return {COMPLETED: _completed, NONE: _none, "none at all": _none_at_all, TRUE: _true}


def lines(options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]) -> dict[str, Condition]:
    """The hole's lines drawn by G1, continued from the known ones and both, against none."""
    kinds: dict[str, Condition] = {kind: partial(_completed, kind=kind) for kind in KINDS}
    return {NONE: _none, **kinds, TRUE: _true}


def sigma(options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]) -> dict[str, Condition]:
    """Canny's sigma: known edges at each, those in the hole completed from them or the true ones."""
    if min(options.sigmas) < 0:
        raise InputError(f"--sigmas: expected 0 or more pixels, got {min(options.sigmas):g}")
    own, *others = dict.fromkeys([model.sigma, *options.sigmas])
    return {
        f"{kind}, sigma {value:g}": partial(_at_sigma, condition, value)
        for kind, condition in ((COMPLETED, _completed), (TRUE, _true))
        for value in (own, *sorted(others))
    }


def detector(
    options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]
) -> dict[str, Condition]:
    """Another detector's edge maps of the whole photos, known edges included, against Canny's."""
    files = by_name(options.maps)
    name_of = {x.path: x.path.relative_to(options.photos).with_suffix("").as_posix() for x in found}
    if lacking := [name for name in name_of.values() if name not in files]:
        raise InputError(
            f"{options.maps}: expected an edge map for each photo, none of {len(files)} is named {lacking[0]}"
        )

    def theirs(_: EdgeConnect, x: Example) -> Given:
        lines = read_map(files[name_of[x.path]], x, options.map_polarity)
        return Given(lines, known=lines)

    return {"Canny": _canny_everywhere, f"maps of {options.maps.name}": theirs, "none at all": _none_at_all}


def audit(options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]) -> dict[str, Condition]:
    """Is the edge map used, and for the better? Completed, true, another photo's and shuffled lines."""
    if len(found) < 2:
        raise InputError("expected at least two photos, got one: the audit takes another photo's edges")
    following = dict(zip((x.case.name for x in found), [*found[1:], found[0]], strict=True))

    def strange(used: EdgeConnect, x: Example) -> Given:
        return _true(used, following[x.case.name])

    def shuffled(used: EdgeConnect, x: Example) -> Given:
        return Given(shuffled_lines(_true(used, x).hole, x.mask, np.random.default_rng(options.seed)))

    return dict(zip(AUDITED, (_none, _completed, _true, strange, shuffled), strict=True))


def _none(_: EdgeConnect, x: Example) -> Given:
    return Given(np.zeros(x.mask.shape, bool))


def _none_at_all(_: EdgeConnect, x: Example) -> Given:
    nothing = np.zeros(x.mask.shape, bool)
    return Given(nothing, known=nothing)


def _completed(model: EdgeConnect, x: Example, kind: Kind = "both") -> Given:
    return Given(model.complete_edges(x.photo, x.mask, kind))


def _true(model: EdgeConnect, x: Example) -> Given:
    return Given(model.detect_edges(to_gray(x.photo)))


def _canny_everywhere(model: EdgeConnect, x: Example) -> Given:
    lines = _true(model, x).hole
    return Given(lines, known=lines)


def _at_sigma(condition: Condition, sigma_px: float, model: EdgeConnect, x: Example) -> Given:
    return Given(condition(at_sigma(model, sigma_px), x).hole, sigma=sigma_px)


def at_sigma(model: EdgeConnect, sigma_px: float) -> EdgeConnect:
    """The same networks with another sigma for the known edges."""
    other = copy.copy(model)
    other.sigma = sigma_px
    return other


def read_map(path: Path, x: Example, polarity: Any) -> NDArray[np.float32]:
    """An edge map of an example's photo, squared as the photo was. Errors: a map of another size."""
    size = read_rgb(x.path).shape[:2]
    try:
        lines, _ = repair_edges(read_raw(path), size, polarity)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    smaller = square(np.rint(lines * 255).astype(np.uint8), len(x.mask)) / 255
    thinning = max(min(size) / len(x.mask), 1)  # a line of one pixel stays as strong where it shrinks
    return np.asarray(np.minimum(smaller * thinning, 1), np.float32)


ABLATIONS = {"edges": edges, "lines": lines, "sigma": sigma, "detector": detector, "audit": audit}
"""Each gives its conditions by name; the first is what the others are compared with."""
