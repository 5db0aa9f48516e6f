"""The files of truth, result, mask and edge map side by side, and each picture's scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.edges.maps import repair_edges
from edgeconnect.engines.choice import HERE, Engine
from edgeconnect.errors import InputError
from edgeconnect.io.images import list_images, read_colours, read_raw, read_rgb
from edgeconnect.io.pairing import pair_by_stem
from edgeconnect.masks.repair import read_mask
from edgeconnect.masks.shapes import hole_ratio, touches_border
from edgeconnect.metrics.pixel import edge_precision_recall, score_pair

if TYPE_CHECKING:
    from edgeconnect.masks.repair import Polarity
    from edgeconnect.metrics.perceptual import Lpips

Row = dict[str, Any]

ABOUT = ("name", "hole_ratio", "touches_border", "known_pixels_changed", "bits")
"""What a row holds besides scores."""

_NAMED_IN_ERRORS = 10
_LPIPS_BATCH = 8
_AT_ONCE = 2 * _LPIPS_BATCH  # pictures that a process has at a time; whole batches, as of one process
_LOOKED_AT = 16  # masks whose polarity is looked at


@dataclass(frozen=True)
class Entry:
    """The files of one picture."""

    name: str
    truth: Path
    result: Path
    mask: Path | None
    edges: Path | None


def entries(truth: Path, result: Path, masks: Path | None, edges: Path | None) -> list[Entry]:
    """The folders' files side by side, by their paths below them without the suffix; masks may end in _mask.

    Errors: an empty folder; two files of one name; files without their counterpart, listed.
    """
    found = {folder: by_name(folder) for folder in (truth, result, edges) if folder}
    names = sorted(set().union(*found.values()))
    lacking = {folder: [name for name in names if name not in files] for folder, files in found.items()}
    problems = [f"{folder} lacks {len(some)} ({_listed(some)})" for folder, some in lacking.items() if some]
    if problems:
        raise InputError(f"expected files of the same names, but {' and '.join(problems)}")
    mask_of = dict(pair_by_stem(list(found[truth].values()), pictures(masks))) if masks else {}
    return [
        Entry(name, path, found[result][name], mask_of.get(path), found[edges][name] if edges else None)
        for name, path in sorted(found[truth].items())
    ]


def checked_polarity(masks: Path | None, polarity: Polarity | None) -> Polarity:
    """What was told, or white; InputError where the mask files look as if it were something else."""
    if polarity is not None or masks is None:
        return polarity or "white"
    files = pictures(masks)
    some = files[:: max(1, len(files) // _LOOKED_AT)]
    other = [path for path in some if _looks_otherwise(path)]
    if len(other) > len(some) / 2:
        raise InputError(
            f"{masks}: expected masks whose white is the hole, got {len(other)} of {len(some)} that look "
            f"otherwise ({other[0].name}: {read_mask(other[0])[1][-1]}); tell --polarity, white if it is"
        )
    return "white"


def _looks_otherwise(path: Path) -> bool:
    guessed, white = read_mask(path)[0], read_mask(path, polarity="white")[0]
    return bool((guessed ^ white).sum() > guessed.sum() / 2)


def score_entry(entry: Entry, protocol: str, polarity: Polarity | None) -> Row:
    """One picture's scores; with a mask its hole ratio too, with an edge map also precision and recall.

    polarity: None is white, and InputError where the result equals the truth there and nowhere else.
    """
    truth, result = _of_one_depth(read_colours(entry.truth), read_colours(entry.result))
    try:
        mask = read_mask(entry.mask, polarity=polarity or "white")[0] if entry.mask else None
        row = {"name": entry.name, **score_pair(truth, result, mask, protocol), "bits": 8 * truth.itemsize}
        if mask is not None:
            row |= _about_hole(truth, result, mask)
            if polarity is None and row["known_pixels_changed"] and not (truth != result)[mask].any():
                raise InputError(
                    "the result equals the truth in the hole and differs outside it: is the hole what is not "
                    "white in the mask? tell --polarity, white if it is"
                )
        if entry.edges is not None and mask is not None:
            row |= _edge_scores(truth, mask, entry.edges)
    except InputError as error:
        raise InputError(f"{entry.name}: {error}") from error
    return row


def score_all(
    found: Sequence[Entry],
    protocol: str,
    polarity: Polarity | None,
    workers: int,
    engine: Engine = HERE,
    load_lpips: Callable[[], Lpips] | None = None,
) -> list[Row]:
    """Every picture's scores, in threads or by other processes; with `load_lpips` its LPIPS as `lpips` too.

    Errors: all pictures that cannot be scored, listed.
    """
    setup = partial(_set_up, protocol, polarity, workers if engine.is_here else 1, load_lpips)
    step = len(found) if engine.is_here else _AT_ONCE
    parts = [found[at : at + step] for at in range(0, len(found), step)]
    outcomes = [row for rows in engine.values(setup, parts) for row in rows]
    problems = [x for x in outcomes if isinstance(x, str)]
    if problems:
        raise InputError(f"{len(problems)} of {len(found)} cannot be scored: {_listed(problems, '; ')}")
    return [x for x in outcomes if not isinstance(x, str)]


def _set_up(
    protocol: str, polarity: Polarity | None, workers: int, load_lpips: Callable[[], Lpips] | None
) -> Callable[[Sequence[Entry]], list[Row | str]]:
    """What is done with some pictures: their scores, or why one has none."""
    distance = load_lpips() if load_lpips else None

    def attempt(entry: Entry) -> Row | str:
        try:
            return score_entry(entry, protocol, polarity)
        except InputError as error:
            return str(error)

    def work(entries: Sequence[Entry]) -> list[Row | str]:
        with ThreadPoolExecutor(workers) as pool:
            rows = list(pool.map(attempt, entries))
        if distance and not any(isinstance(row, str) for row in rows):
            for row, value in zip(rows, lpips_values(entries, distance, workers), strict=True):
                cast("Row", row)["lpips"] = value
        return rows

    return work


def _of_one_depth(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both with 16 bits where one of them has."""
    if a.dtype == b.dtype:
        return a, b
    deep, shallow = (a, b.astype(np.uint16) * 257) if b.dtype == np.uint8 else (a.astype(np.uint16) * 257, b)
    return deep, shallow


def lpips_values(found: Sequence[Entry], distance: Lpips, workers: int) -> list[float]:
    """LPIPS of every picture, in batches of neighbours of one size."""
    import torch

    def tensors(entry: Entry) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_rgb(entry.truth), read_rgb(entry.result)

    values: list[float] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(found), _LPIPS_BATCH):
            pairs = list(pool.map(tensors, found[start : start + _LPIPS_BATCH]))
            for _, same in groupby(pairs, key=lambda pair: pair[0].shape):
                stacked = torch.tensor(np.array(list(same))).permute(1, 0, 4, 2, 3).float() / 255
                values += distance(*stacked).tolist()
    return values


def _about_hole(truth: NDArray[Any], result: NDArray[Any], mask: NDArray[np.bool_]) -> Row:
    if mask.shape != truth.shape[:2]:
        sizes = (f"{x.shape[1]}x{x.shape[0]}" for x in (mask, truth))
        raise InputError("the mask is {} but the picture is {}".format(*sizes))
    return {
        "hole_ratio": hole_ratio(mask),
        "touches_border": touches_border(mask),
        "known_pixels_changed": bool((truth != result)[~mask].any()),
    }


def _edge_scores(truth: NDArray[Any], mask: NDArray[np.bool_], path: Path) -> Row:
    """Of a predicted edge map (lines white) against Canny of the truth at sigma 2, in the hole."""
    predicted, _ = repair_edges(read_raw(path), truth.shape[:2], polarity="white")
    score = edge_precision_recall(predicted, canny(to_gray(truth)), mask)
    return {"edge_precision": score.precision, "edge_recall": score.recall, "edge_f1": score.f1}


def by_name(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their paths below it without the suffix. Errors: none; two of one name."""
    found: dict[str, Path] = {}
    for path in pictures(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise InputError(f"{folder}: expected one file a name, got {found[name].name} and {path.name}")
        found[name] = path
    return found


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder. Errors: none there."""
    files = list_images(folder)
    if not files:
        raise InputError(f"{folder}: expected pictures, got none")
    return files


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    more = [f"and {len(names) - _NAMED_IN_ERRORS} more"] if len(names) > _NAMED_IN_ERRORS else []
    return separator.join([*names[:_NAMED_IN_ERRORS], *more])
