"""Four of scikit-image's sample photos, each with a hole, filled: the first thing a new user sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage import data

from edgeconnect.cli.options import add_model_options, load_model
from edgeconnect.edges.maps import draw_edges
from edgeconnect.io import encoders, images
from edgeconnect.io.atomic import real_path
from edgeconnect.io.images import resize
from edgeconnect.masks import shapes, strokes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edgeconnect.inpainters.edgeconnect import EdgeConnect
    from edgeconnect.types import Mask, Rgb

SIDE_PX = 256


def samples() -> Iterator[tuple[str, Rgb, Mask]]:
    """Name, photo (256,256,3) and mask (256,256) of each sample; boxes and strokes in turn, always the
    same.
    """
    rng = np.random.default_rng(7)
    sources = {
        "astronaut": data.astronaut,
        "chelsea": data.chelsea,
        "coffee": data.coffee,
        "rocket": data.rocket,
    }
    for number, (name, load) in enumerate(sources.items()):
        photo = _square(load())  # type: ignore[no-untyped-call]
        if number % 2:
            mask = strokes.strokes(rng, SIDE_PX, SIDE_PX, ratio=(0.12, 0.18), border=False)
        else:
            mask = shapes.square(rng, SIDE_PX, SIDE_PX, area=0.08)
        yield name, photo, mask


def picture(model: EdgeConnect) -> Rgb:
    """A row for each sample: the photo with its hole, the edges (completed ones blue), the networks' colours
    along them, the result with the photo's own texture, the photo.
    """
    rows = []
    for _, photo, mask in samples():
        edges = model.complete_edges(photo, mask)
        soft, result = (model.inpaint(photo, mask, texture=texture) for texture in (0.0, 1.0))
        holed = np.where(mask[..., None], np.uint8(255), photo)
        rows.append(np.hstack([holed, draw_edges(edges, mask), soft, result, photo]))
    return np.vstack(rows)


def _square(photo: Rgb) -> Rgb:
    """The middle square, 256x256."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(np.ascontiguousarray(photo[top : top + side, left : left + side, :3]), SIDE_PX, SIDE_PX)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--out", type=Path, default=Path("edgeconnect-demo.png"), help="[%(default)s]")
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Fill the samples, write one picture of all of them, print where it is; the exit code."""
    encoders.output_format(options.out)  # before the work
    shown = picture(load_model(options))
    for note in images.write_photo(options.out, shown, images.Photo(shown)):
        print(note, file=sys.stderr)
    print("each row: the photo with its hole, edges (completed ones blue), colours alone, result, photo")
    print(real_path(options.out))
    return 0
