"""Damaged and hostile files of every kind: each is read, or refused in one sentence that names it.

    python tests/tools/fuzz.py --cases 2000 --seed 0

A case is a function of (seed, number): `--first N --cases 1` runs one again. Prints each fault and how many
there are: an exception that is no InputError, a sentence that does not name the file, spans lines or does not
print, more than SECONDS. The exit code is 1 where there is one.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import signal
import struct
import sys
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import torch
from PIL import ExifTags, Image, PngImagePlugin
from safetensors.torch import save

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import distilled_state

from edgeconnect.edges.maps import repair_edges
from edgeconnect.errors import InputError
from edgeconnect.evaluation import fid
from edgeconnect.inpainters.lama import Lama
from edgeconnect.io import images
from edgeconnect.io.paths import photo_paths
from edgeconnect.masks.repair import read_mask
from edgeconnect.models.checkpoint import FORMAT, build_network, load_state, load_weights
from edgeconnect.models.layers import effective_weights
from edgeconnect.models.released import read_released
from edgeconnect.models.vgg import load_features
from edgeconnect.training.config import TrainConfig, make_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

SECONDS = 20
PHOTOS = (
    "JPEG",
    "PNG",
    "WEBP",
    "TIFF",
    "BMP",
    "GIF",
    "JPEG2000",
    "AVIF",
    "PPM",
    "PNG16",
    "TIFF16",
    "TIFFZ",
    "PNGP",
)
NASTY = ("1e400", "-1", "nan", ".inf", "2001-99-99", "1:30:59", "0x1F", "9" * 400, "~", "true", "[1, 2]",
         "{a: b}", "[" * 300, "&a [*a]", "!!binary aGk=", "!!timestamp x", "\\x00", "'unfinished", "é\u202e",
         "a\tb", "=", "<<")  # fmt: skip


@cache
def picture(format: str) -> bytes:
    """A small photo with EXIF, a profile and texts, as far as the format has them."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    exif, texts, file = Image.Exif(), PngImagePlugin.PngInfo(), io.BytesIO()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.5
    texts.add_text("Title", "a title")
    if format == "PNG16":
        images.write_png(path := Path(tempfile.mkstemp(suffix=".png")[1]), pixels.astype(np.uint16) * 257)
        content = path.read_bytes()
        path.unlink()
        return content
    if format in ("TIFF16", "TIFFZ"):
        compression = "zlib" if format == "TIFFZ" else None
        tifffile.imwrite(file, pixels.astype(np.uint16) * 257, photometric="rgb", compression=compression)
        return file.getvalue()
    image = Image.fromarray(pixels)
    image = image.convert("P") if format == "PNGP" else image
    image.save(
        file, format.removesuffix("P") if format == "PNGP" else format, exif=exif.tobytes(), pnginfo=texts
    )
    return file.getvalue()


@cache
def weights() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a small weights file."""
    network = build_network("edge_generator", width=2, blocks=1)
    tensors = {f"edge_generator.{key}": value for key, value in effective_weights(network).items()}
    texts = {"networks": json.dumps({"edge_generator": network.config}), "provenance": "{}"}
    return tensors, {"format": FORMAT, "sigma": "2.0", "detector": "canny", **texts}


@cache
def pickled(kind: str) -> bytes:
    """A released checkpoint, a training state or a TorchScript file."""
    file = io.BytesIO()
    if kind == "script":
        with warnings.catch_warnings(action="ignore"):  # it is deprecated, and such files are around
            torch.jit.save(torch.jit.script(torch.nn.Identity()), file)
        return file.getvalue()
    if kind == "vgg":
        torch.save({"model": distilled_state()}, file)
        return file.getvalue()
    tensors = {"encoder.1.weight": torch.ones(2, 4, 7, 7), "encoder.1.bias": torch.ones(2)}
    content: Any = {"generator": tensors} if kind == "released" else {"step": 3, "networks": {"a": tensors}}
    torch.save(content, file, _use_new_zipfile_serialization=kind != "released")
    return file.getvalue()


@cache
def statistics() -> bytes:
    file = io.BytesIO()
    np.savez(file, mu=np.zeros(8), sigma=np.eye(8))
    return file.getvalue()


def mutated(rng: Generator, content: bytes) -> bytes:
    """Some bytes changed, lost, doubled, put in or cut off; half of the places in the first 200 bytes."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        reach = len(data) if rng.random() < 0.5 else min(200, len(data))
        at, length = int(rng.integers(max(reach, 1))), int(rng.integers(1, 9))
        how = rng.integers(7)
        if how <= 2:
            data[at : at + 1] = bytes([int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))])
        elif how == 3:
            del data[at : at + length]
        elif how == 4:
            data[at:at] = data[at : at + length]
        elif how == 5:
            data[at:at] = rng.bytes(length)
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def png_with_right_checksums(content: bytes) -> bytes:
    """A PNG whose chunks' CRC are made to fit: damage that decoders do not notice by them."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        chunk = content[place + 4 : place + 8 + length]
        parts.append(content[place : place + 4] + chunk + struct.pack(">I", zlib.crc32(chunk)))
        place += 12 + length
    return b"".join(parts)


def a_picture(rng: Generator) -> bytes:
    format = str(rng.choice(PHOTOS))
    content = mutated(rng, picture(format))
    return png_with_right_checksums(content) if format.startswith("PNG") and rng.random() < 0.7 else content


def a_config(rng: Generator) -> bytes:
    names = [*TrainConfig.model_fields, "unknown", "run"]
    lines = [f"{rng.choice(names)}: {rng.choice(NASTY)}" for _ in range(int(rng.integers(1, 8)))]
    content = "\n".join(["stage: edge", "photos: p", "run: r", *lines]).encode()
    return mutated(rng, content) if rng.random() < 0.5 else content


def a_list(rng: Generator) -> bytes:
    names = [
        b"a.png",
        b"../a.png",
        b"/dev/zero",
        b"\xff\xfe",
        b"x" * 5000,
        b"a\0b",
        b"",
        b"\x1b[2J",
        b".",
        b"fifo",
    ]
    return b"\n".join(names[int(i)] for i in rng.integers(len(names), size=int(rng.integers(1, 9))))


def a_weights_file(rng: Generator) -> bytes:
    tensors, texts = (dict(part) for part in weights())
    how = rng.integers(5)
    if how == 0:
        return mutated(rng, save(tensors, texts))
    if how == 1:
        del tensors[str(rng.choice(list(tensors)))]
    elif how == 2:
        key = str(rng.choice(list(tensors)))
        tensors[key] = tensors[key] * float(rng.choice([np.nan, np.inf, 1e38]))
    name = str(rng.choice(list(texts)))
    choices = ["", "{}", "[]", "null", "3", "[" * 5000, '{"edge_generator": null}', texts[name], *NASTY]
    texts[name] = str(rng.choice(choices))
    if rng.random() < 0.5:
        field, value = str(rng.choice(["width", "blocks", "edge_start", "other"])), str(rng.choice(NASTY))
        good = json.loads(weights()[1]["networks"])["edge_generator"]
        texts["networks"] = json.dumps({"edge_generator": good | {field: value}})
    return save(tensors, texts)


def read_and_write(path: Path) -> None:
    photo = images.read_photo(path)
    if photo.rgb.size < 10**6:
        for suffix in (".png", ".tif", ".jpg"):
            images.write_photo(path.with_name(f"out{suffix}"), photo.rgb, photo)


def read_listed(path: Path) -> None:
    for photo in photo_paths(path):
        images.read_rgb(photo)


def read_edges(path: Path) -> None:
    pixels = images.read_raw(path)
    repair_edges(pixels, (pixels.shape[0], pixels.shape[1]))


Kind = tuple[str, Callable[["Generator"], bytes], Callable[[Path], object]]
KINDS: tuple[Kind, ...] = (
    ("photo.png", a_picture, read_and_write),
    ("photo.jpg", a_picture, partial(images.read_rgb, short_side=8)),
    ("mask.png", a_picture, partial(read_mask, size=(20, 30))),
    ("edges.png", a_picture, read_edges),
    ("config.yaml", a_config, lambda path: make_config({}, path)),
    ("list.txt", a_list, read_listed),
    ("weights.safetensors", a_weights_file, load_weights),
    (
        "EdgeModel_gen.pth",
        lambda rng: mutated(rng, pickled("released")),
        lambda path: read_released(path.parent),
    ),
    ("state.pt", lambda rng: mutated(rng, pickled("state")), load_state),
    ("lama.pt", lambda rng: mutated(rng, pickled("script")), partial(Lama, device="cpu")),
    ("vgg.pth", lambda rng: mutated(rng, pickled("vgg")), load_features),
    ("truth.npz", lambda rng: mutated(rng, statistics()), fid.load),
)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """TimeoutError after some seconds."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_case(folder: Path, seed: int, number: int) -> tuple[str, str | None]:
    """The kind of a case with "read" or "refused", and what is wrong; None where nothing is."""
    rng = np.random.default_rng((seed, number))
    name, make, read = KINDS[number % len(KINDS)]
    path = folder / name
    path.write_bytes(make(rng))
    try:
        with at_most(SECONDS):
            read(path)
    except InputError as error:
        sentence = str(error)
        named = str(folder) in sentence or ": expected" in sentence
        fault = None if named and sentence.isprintable() and len(sentence) < 8000 else f"said {sentence!r}"
        return f"{name} refused", fault
    except Exception:
        return f"{name} failed", traceback.format_exc(limit=-4)
    finally:
        path.unlink(missing_ok=True)
    return f"{name} read", None


def run(cases: int, seed: int = 0, first: int = 0) -> tuple[Counter[str], list[tuple[int, str]]]:
    """How many cases of each kind were read and refused, and what failed by number."""
    outcomes: Counter[str] = Counter()
    faults = []
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings(action="ignore"):
        folder = Path(temporary)
        (folder / "a.png").write_bytes(picture("PNG"))
        for number in range(first, first + cases):
            outcome, fault = run_case(folder, seed, number)
            outcomes[outcome] += 1
            faults += [(number, fault)] if fault else []
    return outcomes, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    torch.set_num_threads(1)
    outcomes, faults = run(options.cases, options.seed, options.first)
    for number, fault in faults:
        print(f"case {number}: {fault}")
    for outcome in sorted(outcomes):
        print(f"{outcomes[outcome]:6} {outcome}")
    print(f"{options.cases} cases, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
