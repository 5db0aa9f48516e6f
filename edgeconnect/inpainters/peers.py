"""Other patch inpainters, used where they are installed: PyPatchMatch, G'MIC, OpenCV's contributed modules.

They are programs of others under their own licences; nothing of them comes with this package.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.io.images import read_rgb, write_png

if TYPE_CHECKING:
    from edgeconnect.types import Inpainter, Mask, Rgb

GMIC_SECONDS = 600


def pypatchmatch(radius_px: int = 3) -> Inpainter:
    """PyPatchMatch from PyPI: patches of 2 * radius_px + 1 px. InputError where it is not there."""
    try:
        import patchmatch
    except ImportError as error:
        raise InputError(f"pypatchmatch needs the package PyPatchMatch: {error}") from None

    def inpaint(photo: Rgb, mask: Mask) -> Rgb:
        holes = mask.astype(np.uint8) * np.uint8(255)
        return np.asarray(patchmatch.inpaint(photo, holes, patch_size=radius_px), np.uint8)

    return inpaint


def gmic() -> Inpainter:
    """G'MIC's multi-scale patch inpainting, `inpaint_matchpatch`. InputError where it is not there."""
    program = shutil.which("gmic")
    if program is None:
        raise InputError("gmic: expected G'MIC's command line program on the PATH, got none")

    def inpaint(photo: Rgb, mask: Mask) -> Rgb:
        with tempfile.TemporaryDirectory(prefix="edgeconnect-") as folder:
            names = [str(Path(folder, name)) for name in ("photo.png", "mask.png", "result.png")]
            write_png(names[0], photo)
            write_png(names[1], mask)
            command = [program, *names[:2], "inpaint_matchpatch[0]", "[1]", "output[0]", names[2]]
            try:
                done = subprocess.run(command, capture_output=True, timeout=GMIC_SECONDS, check=False)
            except subprocess.TimeoutExpired:
                raise InputError(f"gmic: expected a result within {GMIC_SECONDS} s, got none") from None
            if done.returncode or not Path(names[2]).is_file():
                said = done.stderr.decode(errors="replace").strip().splitlines()
                raise InputError(f"gmic: expected a result, got exit code {done.returncode}: {said[-1:]}")
            return read_rgb(names[2])

    return inpaint


def opencv_contrib(method: str) -> Inpainter:
    """OpenCV's xphoto: "shiftmap" (He & Sun, 2012) or "fsr" (Seiler et al., 2015).

    Raises InputError where this build of OpenCV has no contributed modules.
    """
    xphoto: Any = getattr(cv2, "xphoto", None)
    if xphoto is None:
        raise InputError(
            f"opencv-{method} needs OpenCV's contributed modules (opencv-contrib-python-headless)"
        )
    kind = {"shiftmap": xphoto.INPAINT_SHIFTMAP, "fsr": xphoto.INPAINT_FSR_BEST}[method]

    def inpaint(photo: Rgb, mask: Mask) -> Rgb:
        known = (~mask).astype(np.uint8) * np.uint8(255)
        result = photo.copy()
        source = cv2.cvtColor(photo, cv2.COLOR_RGB2Lab) if method == "shiftmap" else photo
        target = np.zeros_like(source)
        xphoto.inpaint(source, known, target, kind)
        filled = cv2.cvtColor(target, cv2.COLOR_Lab2RGB) if method == "shiftmap" else target
        result[mask] = filled[mask]
        return result

    return inpaint
