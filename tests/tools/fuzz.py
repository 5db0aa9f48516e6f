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
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin
from safetensors.torch import save

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import distilled_state

from edgeconnect.cli import run as run_command
from edgeconnect.edges.maps import repair_edges
from edgeconnect.errors import InputError
from edgeconnect.evaluation import fid
from edgeconnect.evaluation.run_page import read_curves
from edgeconnect.ingan.config import SingleConfig, make_single_config
from edgeconnect.ingan.networks import Generator as SingleGenerator
from edgeconnect.ingan.store import load_generator, save_generator
from edgeconnect.inpainters.lama import Lama
from edgeconnect.io import images
from edgeconnect.io.jobs import plan
from edgeconnect.io.paths import photo_paths
from edgeconnect.io.shards import write_shard
from edgeconnect.masks.repair import read_mask
from edgeconnect.models.checkpoint import FORMAT, build_network, load_state, load_weights, save_state
from edgeconnect.models.layers import effective_weights
from edgeconnect.models.released import read_released
from edgeconnect.models.vgg import load_features
from edgeconnect.training.config import TrainConfig, make_config, to_yaml
from edgeconnect.training.run_folder import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

SECONDS = 20
PHOTOS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM", "PNG16", "TIFF16", "TIFFZ",
          "PNGP", "PNGA", "PNG1", "CMYK", "PROGRESSIVE", "PROFILE", "PLAIN", "PGM12", "TIFF1", "TIFFLZW",
          "PLANAR", "SIGNED", "GRAYALPHA", "BIGTIFF", "PAGES", "HEIC")  # fmt: skip
MASKS = ("PNG", "PNG1", "PNGA", "PNGP", "JPEG", "TIFF", "TIFF1", "BMP", "WEBP", "GIF", "PNG16", "PLAIN")
HOSTILE = (
    *(b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR."),
    *(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", b"\x80\x05N.", b"}.", b"Vx\n."),
    *(b"(" * 300, b"]" * 2000 + b".", b"L" + b"9" * 5000 + b"L\n.", b""),
)
CODES = (
    *(b"(", b"]", b"}", b"N", b"K\x01", b"\x8c\x01a", b"q\x00", b"h\x00", b"R", b"b", b"\x81", b"s", b"a"),
    *(b"t", b"0", b"2", b"Q", b"P1\n", b"\x95", b"\x8a\xff", b"ctorch\nSize\n"),
    b"ccollections\nOrderedDict\n",
)
TIFFS: dict[str, dict[str, Any]] = {
    "TIFF16": {"photometric": "rgb"},
    "TIFFZ": {"photometric": "rgb", "compression": "zlib"},
    "PLANAR": {"photometric": "rgb", "planarconfig": "separate"},
    "BIGTIFF": {"photometric": "rgb", "tile": (16, 16)},
}
NASTY = ("1e400", "-1", "nan", ".inf", "2001-99-99", "1:30:59", "0x1F", "9" * 400, "~", "true", "[1, 2]",
         "{a: b}", "[" * 300, "&a [*a]", "!!binary aGk=", "!!timestamp x", "\\x00", "'unfinished", "é\u202e",
         "a\tb", "=", "<<")  # fmt: skip


@cache
def picture(format: str, kind: str = "photo") -> bytes:
    """A small photo (or mask, or lines) with EXIF, a profile and texts, as far as the format has them."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if kind != "photo":
        pixels[:] = 0
        pixels[8:14, 4 : 16 if kind == "mask" else 5] = 255
    deep = pixels.astype(np.uint16) * 257
    if format == "PNG16":
        images.write_png(path := Path(tempfile.mkstemp(suffix=".png")[1]), deep)
        content = path.read_bytes()
        path.unlink()
        return content
    if format == "PLAIN":
        return b"P3 # plain\n24 24 255\n" + b" ".join(b"%d" % value for value in pixels.flat)
    if format == "PGM12":
        return b"P5 24 24 4095\n" + (deep[..., 0] >> 4).astype(">u2").tobytes()
    if format in TIFFS:
        array = np.moveaxis(deep, 2, 0) if format == "PLANAR" else deep
        tifffile.imwrite(file, array, bigtiff=format == "BIGTIFF", **TIFFS[format])
    elif format == "SIGNED":
        tifffile.imwrite(file, (deep[..., 0] >> 1).astype(np.int16), photometric="minisblack")
    elif format == "GRAYALPHA":
        tifffile.imwrite(file, deep[..., :2], photometric="minisblack", extrasamples=["assocalpha"])
    elif format == "PAGES":
        tifffile.imwrite(file, np.stack([pixels, pixels]), photometric="rgb")
    else:
        _save_by_pillow(file, format, Image.fromarray(pixels))
    return file.getvalue()


def _save_by_pillow(file: io.BytesIO, format: str, image: Image.Image) -> None:
    exif, texts = Image.Exif(), PngImagePlugin.PngInfo()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.5
    texts.add_text("Title", "a title")
    more: dict[str, Any] = {"exif": exif.tobytes(), "pnginfo": texts}
    if format == "PROFILE":
        more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    mode = {"PNGP": "P", "PNGA": "LA", "PNG1": "1", "TIFF1": "1", "CMYK": "CMYK"}.get(format, "RGB")
    name = {"CMYK": "JPEG", "PROGRESSIVE": "JPEG", "PROFILE": "JPEG", "HEIC": "HEIF"}.get(format, format)
    if format == "HEIC":
        try:
            import pillow_heif
        except ImportError:
            name = "AVIF"
        else:
            pillow_heif.register_heif_opener()
    if format == "TIFFLZW":
        name, more = "TIFF", {"compression": "tiff_lzw"}
    name = name[:-1] if name in ("PNGP", "PNGA", "PNG1", "TIFF1") else name
    image.convert(mode).save(file, name, progressive=format == "PROGRESSIVE", **more)


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
    if kind == "checkpoint":
        path = Path(tempfile.mkstemp(suffix=".pt")[1])
        save_state(path, {"step": 3, "networks": {"a": {"weight": torch.ones(2, 4)}}})
        content = path.read_bytes()
        path.unlink()
        return content
    if kind == "vgg":
        torch.save({"model": distilled_state()}, file)
        return file.getvalue()
    tensors = {"encoder.1.weight": torch.ones(2, 4, 7, 7), "encoder.1.bias": torch.ones(2)}
    saved: Any = {"generator": tensors} if kind == "released" else {"step": 3, "networks": {"a": tensors}}
    torch.save(saved, file, _use_new_zipfile_serialization=kind != "released")
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


def a_mask(rng: Generator) -> bytes:
    return _maybe_mutated(rng, picture(str(rng.choice(MASKS)), "mask"))


def some_edges(rng: Generator) -> bytes:
    return _maybe_mutated(rng, picture(str(rng.choice(MASKS)), "edges"))


def _maybe_mutated(rng: Generator, content: bytes) -> bytes:
    """Damaged more often than not: what is read after it must meet whole files too."""
    return mutated(rng, content) if rng.random() < 0.7 else content


def a_valid_config(rng: Generator) -> bytes:
    """A config that is right but for its bytes."""
    return mutated(rng, to_yaml(TrainConfig(stage="edge", photos=Path("p"), run=Path("r"))).encode())


def a_single_config(rng: Generator) -> bytes:
    names = [*SingleConfig.model_fields, "unknown"]
    lines = [f"{rng.choice(names)}: {rng.choice(NASTY)}" for _ in range(int(rng.integers(0, 4)))]
    return _maybe_mutated(rng, "\n".join(["photos: [p.png]", "run: r", *lines]).encode())


def a_manifest(rng: Generator) -> bytes:
    """A list of photos, masks and results as CSV or JSON lines; `read_manifest` tells by the first byte."""
    values = ["a.png", "b.png", "", "../a.png", "/dev/zero", "x" * 5000, "a\0b", ".", '"', "a,b", "é"]
    rows = [[str(rng.choice(values)) for _ in range(3)] for _ in range(int(rng.integers(1, 6)))]
    if rng.random() < 0.5:
        lines = ["photo,mask,out", *(",".join(row) for row in rows)]
    else:
        lines = [json.dumps(dict(zip(("photo", "mask", "out"), row, strict=True))) for row in rows]
        lines += [str(rng.choice(NASTY))] if rng.random() < 0.3 else []
    return _maybe_mutated(rng, "\n".join(lines).encode("utf-8", "replace"))


def a_tar(rng: Generator) -> bytes:
    """Photos in a tar as `write_shard` makes it."""
    path = Path(tempfile.mkdtemp()) / "photos.tar"
    write_shard(path, [(f"{number}.png", picture("PNG")) for number in range(2)])
    content = path.read_bytes()
    shutil.rmtree(path.parent)
    return _maybe_mutated(rng, content)


def an_index(rng: Generator) -> bytes:
    """What lies beside a tar and says where each photo is."""
    path = Path(tempfile.mkdtemp()) / "photos.tar"
    write_shard(path, [(f"{number}.png", picture("PNG")) for number in range(2)])
    content = next(other for other in path.parent.iterdir() if other != path).read_bytes()
    shutil.rmtree(path.parent)
    return _maybe_mutated(rng, content)


def a_pickle(rng: Generator) -> bytes:
    """A pickle of odd opcodes, hostile ones among them, bare or in the zip that torch writes."""
    if rng.random() < 0.3:
        body = HOSTILE[int(rng.integers(len(HOSTILE)))]
    else:
        drawn = rng.integers(len(CODES), size=int(rng.integers(1, 30)))
        body = b"\x80\x02" + b"".join(CODES[int(i)] for i in drawn) + b"."
    if rng.random() < 0.5:
        return body
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (
            ("data.pkl", body),
            ("byteorder", b"little"),
            ("version", b"3\n"),
            ("data/0", b"\0" * 64),
        ):
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def a_log(rng: Generator) -> bytes:
    """The log of a run, with lines that are none."""
    lines = [json.dumps({"step": step, "l1": 1 / step, "val_psnr_db": 20.0}) for step in range(1, 5)]
    lines.insert(
        int(rng.integers(5)), str(rng.choice(["{", "[]", '{"step": "a"}', '{"step": 1e999}', "\0", *NASTY]))
    )
    return _maybe_mutated(rng, "\n".join(lines).encode("utf-8", "replace") + b"\n")


def a_single_generator(rng: Generator) -> bytes:
    content = single_generator()
    return _maybe_mutated(rng, content)


@cache
def single_generator() -> bytes:
    """Weights of a single-image run."""
    path = Path(tempfile.mkstemp(suffix=".safetensors")[1])
    save_generator(path, SingleGenerator(width=2, downscales=1, blocks=1, residual=True), {"steps": 1})
    content = path.read_bytes()
    path.unlink()
    return content


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
    listed = photo_paths(path)
    for number in range(len(listed)):
        with listed.file(number) as photo:
            images.read_rgb(photo)


def read_edges(path: Path) -> None:
    pixels = images.read_raw(path)
    repair_edges(pixels, (pixels.shape[0], pixels.shape[1]))


def read_manifest(path: Path) -> None:
    is_json = path.read_bytes()[:1] == b"{"
    path = path.rename(path.with_suffix(".jsonl" if is_json else ".csv"))
    try:
        for job in plan([path], path.parent / "out"):
            for file in job.inputs:
                images.read_rgb(file)
    finally:
        path.rename(path.with_suffix(".list"))


def read_beside_a_tar(index: Path) -> None:
    """Photos of a tar by an index that may be wrong."""
    folder = index.parent / "tars"
    folder.mkdir(exist_ok=True)
    write_shard(folder / "photos.tar", [(f"{number}.png", picture("PNG")) for number in range(2)])
    beside = next(path for path in folder.iterdir() if path.suffix != ".tar")
    beside.write_bytes(index.read_bytes())
    read_listed(folder / "photos.tar")


def read_log(path: Path) -> None:
    config = TrainConfig(stage="edge", photos=Path("p"), run=path.parent)
    read_curves(path)
    log = Log(config, 2)
    log.write({"step": 3})
    lines = path.read_bytes().splitlines()
    if not lines or json.loads(lines[-1])["step"] != 3:
        raise AssertionError(f"expected the new line at the log's end, got {lines[-1:]!r}")


def fill_by_command(path: Path) -> None:
    """The whole command with a mask that may be wrong: a result or a sentence, and nothing half-written."""
    folder, said = path.parent / "filling", io.StringIO()
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "mask.png")
    (folder / "photo.png").write_bytes(picture("PNG"))
    words = ["inpaint", str(folder / "photo.png"), "--mask", str(folder / "mask.png"), "--inpainter", "telea"]
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = run_command([*words, "--out", str(folder / "out.png")])
    left = {file.name for file in folder.iterdir()} - {"mask.png", "photo.png"}
    shutil.rmtree(folder)
    if code not in (0, 1) or left != ({"out.png"} if code == 0 else set()):
        raise AssertionError(f"exit code {code}, left {left}")
    if code:
        raise InputError(said.getvalue().strip().splitlines()[-1])


Kind = tuple[str, Callable[["Generator"], bytes], Callable[[Path], object]]
KINDS: tuple[Kind, ...] = (
    ("photo.png", a_picture, read_and_write),
    ("photo.jpg", a_picture, partial(images.read_rgb, short_side=8)),
    ("mask.png", a_picture, partial(read_mask, size=(20, 30))),
    ("mask2.png", a_mask, partial(read_mask, size=(20, 30))),
    ("filled.png", a_mask, fill_by_command),
    ("edges.png", a_picture, read_edges),
    ("edges2.png", some_edges, read_edges),
    ("config.yaml", a_config, lambda path: make_config({}, path)),
    ("valid.yaml", a_valid_config, lambda path: make_config({}, path)),
    ("single.yaml", a_single_config, lambda path: make_single_config({}, path)),
    ("list.txt", a_list, read_listed),
    ("photos.list", a_manifest, read_manifest),
    ("photos.tar", a_tar, read_listed),
    ("photos.idx", an_index, read_beside_a_tar),
    ("log.jsonl", a_log, read_log),
    ("generator.safetensors", a_single_generator, load_generator),
    ("odd.pt", a_pickle, load_state),
    ("InpaintingModel_gen.pth", a_pickle, lambda path: read_released(path.parent)),
    ("odd_vgg.pth", a_pickle, load_features),
    ("odd_lama.pt", a_pickle, partial(Lama, device="cpu")),
    ("whole.pt", lambda rng: mutated(rng, pickled("checkpoint")), load_state),
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


@contextmanager
def silent() -> Iterator[None]:
    """AssertionError where anything is written to this process's stderr, as C libraries do."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        if said := file.read(500):
            raise AssertionError(f"a library wrote to the terminal: {said!r}")


def run_case(folder: Path, seed: int, number: int) -> tuple[str, str | None]:
    """The kind of a case with "read" or "refused", and what is wrong; None where nothing is."""
    rng = np.random.default_rng((seed, number))
    name, make, read = KINDS[number % len(KINDS)]
    path = folder / name
    path.write_bytes(make(rng))
    try:
        with silent(), at_most(SECONDS):
            read(path)
    except InputError as error:
        sentence = str(error)
        named = str(folder) in sentence or re.match(r"\S+: ", sentence)
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
    faulthandler.enable(os.dup(2))
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
