"""Pictures of changing size as a GIF, an MP4 or a folder of PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.io import images
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.encoders import encode_gif

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

_WHITE = 255
FRAMES_PER_S = 12.5  # a GIF counts in hundredths of a second


def check_animation(path: Path) -> None:
    """Raises InputError for a name that no animation can be written to.

    path: ends in .gif or .mp4, or has no suffix.
    """
    if path.suffix.lower() not in ("", ".gif", ".mp4"):
        raise InputError(f"{path}: expected a name ending in .gif or .mp4, or a folder, got {path.suffix!r}")


def write_animation(path: Path, pictures: Sequence[Picture]) -> None:
    """Write pictures (H,W,3) uint8, each in the middle of a white canvas of the largest size.

    A name ending in .gif or .mp4 is a file; one without a suffix a folder of frame_0000.png, frame_0001.png,
    ... at their own sizes. InputError for another suffix, or where OpenCV has no MP4 encoder.
    path: where to. pictures: in their order.
    """
    check_animation(path)
    if not path.suffix:
        for number, picture in enumerate(pictures):
            images.write_png(path / f"frame_{number:04d}.png", picture)
        return
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    if path.suffix.lower() == ".gif":
        data = encode_gif([on_canvas(p, height, width) for p in pictures], 1 / FRAMES_PER_S)
        write_atomically(path, data)
        return
    # video codecs want even sides
    frames = [on_canvas(p, height + height % 2, width + width % 2) for p in pictures]
    write_atomically(path, lambda temporary: _write_mp4(temporary, frames))


def on_canvas(picture: Picture, height: int, width: int) -> Picture:
    """(h,w,3) uint8 in the middle of a white (height,width,3)."""
    canvas = np.full((height, width, 3), _WHITE, np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _write_mp4(path: Path, frames: Sequence[Picture]) -> None:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_S, (width, height))
    if not writer.isOpened():
        raise InputError(f"{path}: this OpenCV cannot write MP4; choose a name ending in .gif, or a folder")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
