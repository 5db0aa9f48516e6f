"""Is an edit of the edges really used? `python -m eval.edit_claim --photos DIR --masks DIR --features FILE`.

Each photo is filled twice: with the edges that the model completes, and with the true ones given as a user's
edit would be. If edits are used, the second result is closer to the truth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from edgeconnect import EdgeConnect, images, masks
from edgeconnect.edges import canny, to_gray
from edgeconnect.errors import InputError
from edgeconnect.metrics import bootstrap_interval, psnr
from edgeconnect.perceptual import perceptual_l1
from edgeconnect.provenance import versions
from edgeconnect.vgg import load_features
from edgeconnect.weights import find_weights
from eval.tables import write_json_lines

Rgb = NDArray[np.uint8]
Distance = Callable[[Rgb, Rgb], float]

MEASURES = {"hole_psnr_db": "higher is better", "perceptual": "lower is better"}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison; exits with 1 for unusable input."""
    options = _parser().parse_args(argv)
    try:
        rows = compare(options)
        summary = summarise(rows) | {
            "n": len(rows),
            "weights": find_weights(options.weights).name,
            "versions": versions(),
        }
        show(summary)
        if options.json:
            write_json_lines(options.json, [summary, *rows])
    except InputError as error:
        sys.exit(f"edit_claim: {error}")


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a photo: each measure with completed and with true edges. Photos and masks are spread evenly
    over their sorted folders.
    """
    model = EdgeConnect.load(options.weights)
    distance = _perceptual(options.features)
    photos = _spread(images.list_images(options.photos), options.count)
    drawn = _spread(images.list_images(options.masks), options.count)
    rows = []
    for path, mask_path in tqdm(list(zip(photos, drawn, strict=True)), unit="photo", dynamic_ncols=True):
        photo = _square(images.read_rgb(path), options.size)
        mask, _ = masks.repair(images.read_raw(mask_path), photo.shape[:2])
        row: dict[str, Any] = {"photo": path.name, "mask": mask_path.name, "hole_ratio": float(mask.mean())}
        true_edges = canny(to_gray(photo), model.sigma)
        for name, edges in (("completed", model.complete_edges(photo, mask)), ("true", true_edges)):
            result = np.asarray(model.inpaint(photo, mask, edges), np.uint8)
            row[f"hole_psnr_db_{name}"] = psnr(photo, result, mask)
            row[f"perceptual_{name}"] = distance(photo, result)
        rows.append(row)
    return rows


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the mean gain from the edit with its 95 % bootstrap interval over photos."""
    summary: dict[str, Any] = {}
    for measure, direction in MEASURES.items():
        pairs = np.array([(row[f"{measure}_completed"], row[f"{measure}_true"]) for row in rows])
        gains = (pairs[:, 1] - pairs[:, 0]) * (1 if direction.startswith("higher") else -1)
        summary[measure] = {
            "completed": float(pairs[:, 0].mean()),
            "true": float(pairs[:, 1].mean()),
            "gain": float(gains.mean()),
            "gain_95": bootstrap_interval(gains.tolist()),
            "photos_better": int((gains > 0).sum()),
        }
    return summary


def show(summary: dict[str, Any]) -> None:
    """The summary as a Markdown table."""
    print(f"N = {summary['n']}, weights {summary['weights']}")
    print("| measure | completed edges | true edges | gain (95 %) | photos better |\n|---|---|---|---|---|")
    for measure, direction in MEASURES.items():
        s = summary[measure]
        low, high = s["gain_95"]
        cells = f"{s['completed']:.3f} | {s['true']:.3f} | {s['gain']:.3f} [{low:.3f}, {high:.3f}]"
        print(f"| {measure}, {direction} | {cells} | {s['photos_better']} |")


def _perceptual(path: Path) -> Distance:
    """The mean L1 distance of two photos in the features of a VGG file, summed over the paper's layers."""
    extractor = load_features(path)
    taps = extractor.perceptual_taps

    def features(batch: torch.Tensor) -> list[torch.Tensor]:
        found = extractor(batch, taps)
        return [found[tap] for tap in taps]

    def tensor(photo: Rgb) -> torch.Tensor:
        return torch.from_numpy(photo.astype(np.float32) / 255).permute(2, 0, 1)[None]

    return lambda a, b: float(perceptual_l1(features, tensor(a), tensor(b))[0])


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    if len(paths) < count:
        raise InputError(f"expected at least {count} pictures, got {len(paths)}")
    return [paths[int(i)] for i in np.linspace(0, len(paths) - 1, count)]


def _square(photo: Rgb, side: int) -> Rgb:
    """The middle square at side x side."""
    height, width = photo.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    return images.resize(np.ascontiguousarray(photo[top : top + least, left : left + least]), side, side)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.edit_claim", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--masks", type=Path, required=True, metavar="DIR")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE", help="VGG-19, as in training")
    parser.add_argument("--weights", metavar="NAME|PATH", help="[default]")
    parser.add_argument("--count", type=int, default=30, metavar="N", help="photos [%(default)s]")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="of the squares [%(default)s]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write JSON lines")
    return parser


if __name__ == "__main__":
    main()
