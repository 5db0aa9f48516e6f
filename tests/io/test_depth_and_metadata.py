"""Claims about what files hold besides 8-bit pixels; witnesses: tifffile, OpenCV and Pillow on them."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, PngImagePlugin
from skimage import data

from edgeconnect.errors import InputError
from edgeconnect.io import decoders
from edgeconnect.io.images import Photo, read_photo, read_rgb, write_photo

SHAPE = (20, 30)


def deep(rng: np.random.Generator, *channels: int, top: int = 65536) -> np.ndarray:
    return rng.integers(0, top, (*SHAPE, *channels), dtype=np.uint16)


def full(values: np.ndarray, white: int) -> np.ndarray:
    """Values up to `white` as 16 bits, rounded."""
    return np.rint(values * (65535 / white)).astype(np.uint16)


@pytest.mark.parametrize("white", [256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_ppm_and_pgm_of_any_depth_are_as_bright_as_they_say(rng, tmp_path, white, kind):
    values = deep(rng, *([3] if kind in ("P3", "P6") else []), top=white + 1)
    pixels = (
        values.astype(">u2").tobytes() if kind in ("P5", "P6") else " ".join(map(str, values.flat)).encode()
    )
    (tmp_path / "a.ppm").write_bytes(
        f"{kind}\n# a comment\n{SHAPE[1]} {SHAPE[0]}\n{white}\n".encode() + pixels
    )
    found = read_photo(tmp_path / "a.ppm")
    expected = full(np.atleast_3d(values), white)
    assert np.abs(found.rgb.astype(int) - expected).max() <= 1 and found.is_gray == (values.ndim == 2)


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_jpeg_2000_is_as_bright_as_its_codestream_says(rng, tmp_path, bits, white):
    values = rng.integers(0, white + 1, (64, 96, 3), dtype=np.uint8 if bits == 8 else np.uint16)
    cv2.imwrite(str(tmp_path / "a.jp2"), values[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    content = (tmp_path / "a.jp2").read_bytes()
    stored = 15 if bits > 8 else 7  # what OpenCV wrote: samples of 8 or 16 bits
    at = content.index(b"\xff\x4f\xff\x51") + 42
    assert content[at : at + 9 : 3] == bytes([stored] * 3)
    found = read_photo(tmp_path / "a.jp2").rgb
    np.testing.assert_array_equal(found, values)


def test_a_twelve_bit_jpeg_2000_is_not_dark(rng, tmp_path):
    values = rng.integers(0, 4096, (64, 96), dtype=np.uint16)
    # no library here writes 12 bits: 16, with half of white as in 12, and then another depth in the header
    cv2.imwrite(
        str(tmp_path / "a.jp2"), values + 32768 - 2048, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    )
    content = bytearray((tmp_path / "a.jp2").read_bytes())
    content[content.index(b"\xff\x4f\xff\x51") + 42] = 11
    (tmp_path / "a.jp2").write_bytes(content)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jp2").rgb[..., 0], full(values, 4095))


@pytest.mark.parametrize("is_deep", [False, True])
def test_an_avif_of_more_than_eight_bits_is_recognised(tmp_path, is_deep):
    Image.fromarray(data.astronaut()[:32, :32]).save(tmp_path / "a.avif")
    content = bytearray((tmp_path / "a.avif").read_bytes())
    content[content.index(b"av1C") + 6] |= 0x40 * is_deep
    (tmp_path / "a.avif").write_bytes(content)
    assert decoders._is_deep_avif(tmp_path / "a.avif") == is_deep


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_grey_with_alpha_of_sixteen_bits_is_read(rng, tmp_path, compression):
    values = deep(rng, 2)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", extrasamples=["unassalpha"],
                     planarconfig="contig", compression=compression)  # fmt: skip
    found = read_photo(tmp_path / "a.tif")
    assert found.is_gray and found.alpha is not None
    np.testing.assert_array_equal(np.dstack([found.rgb[..., 0], found.alpha]), values)


def test_premultiplied_alpha_is_divided_out_and_said(rng, tmp_path):
    colour, alpha = deep(rng, 3), deep(rng)
    alpha[:3], alpha[3:6] = 0, 65535
    multiplied = np.rint(colour * (alpha[..., None] / 65535)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([multiplied, alpha]), photometric="rgb",
                     extrasamples=["assocalpha"])  # fmt: skip
    found = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.alpha, alpha)
    error = np.abs(found.rgb.astype(int) - colour)[alpha > 0]
    assert (error <= 1 + 32768 / alpha[alpha > 0][:, None]).all()
    np.testing.assert_array_equal(found.rgb[3:6], colour[3:6])
    assert "multiplied by alpha" in found.notes[0]


def test_signed_numbers_keep_their_order_and_distances(rng, tmp_path):
    values = rng.integers(-1000, 3000, SHAPE).astype(np.int16)
    tifffile.imwrite(tmp_path / "ct.tif", values)
    found = read_photo(tmp_path / "ct.tif")
    np.testing.assert_array_equal(found.rgb[..., 0].astype(int) - 32768, values)
    assert "32768" in found.notes[0]


def test_further_channels_are_left_out_and_counted(rng, tmp_path):
    for dtype in (np.uint8, np.uint16):
        values = deep(rng, 5).astype(dtype)
        tifffile.imwrite(tmp_path / "spot.tif", values, photometric="rgb", planarconfig="contig",
                         extrasamples=["unassalpha", "unspecified"])  # fmt: skip
        found = read_photo(tmp_path / "spot.tif")
        np.testing.assert_array_equal(np.dstack([found.rgb, found.alpha]), values[..., :4])
        assert found.notes == ("1 further channel left out",)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_marked", [True, False])
def test_a_thumbnail_stored_first_is_not_the_picture(rng, tmp_path, dtype, is_marked):
    values = deep(rng, 3).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(values[::3, ::3].copy(), photometric="rgb", subfiletype=int(is_marked))
        file.write(values, photometric="rgb", compression="zlib")
    found = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.rgb, values)
    assert found.notes == ("number 2, the first that is no thumbnail, of 2 pictures in the file",)


def test_a_tiff_of_a_thumbnail_alone_is_refused(rng, tmp_path):
    tifffile.imwrite(tmp_path / "a.dng", deep(rng, 3), photometric="rgb", subfiletype=1)
    with pytest.raises(InputError, match=r"a\.dng: expected a picture, got a TIFF with its thumbnail"):
        read_photo(tmp_path / "a.dng")


def test_deep_cmyk_is_no_rgb_with_alpha(tmp_path):
    inks = np.zeros((*SHAPE, 4), np.uint16)
    inks[..., 1:3] = 65535  # magenta and yellow: red
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    found = read_photo(tmp_path / "a.tif")
    assert found.alpha is None and found.rgb[0, 0].tolist() == [255, 0, 0] and "CMYK" in found.notes[0]


def twelve_bit_tiff(values: np.ndarray) -> bytes:
    """Grey values packed to 12 bits each, as scanners write them and no library here does."""
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=2)[..., 4:]
    rows = np.packbits(bits.reshape(len(values), -1), axis=1).tobytes()
    height, width = values.shape
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: len(rows)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + rows


def test_a_packed_twelve_bit_tiff_is_as_bright_as_it_says(rng, tmp_path):
    values = deep(rng, top=4096)
    (tmp_path / "a.tif").write_bytes(twelve_bit_tiff(values))
    found = read_photo(tmp_path / "a.tif").rgb[..., 0]
    assert np.abs(found.astype(int) - full(values, 4095)).max() <= 1


def test_a_deep_tiff_compressed_by_lzw_is_read_or_refused_but_never_wrong(rng, tmp_path):
    values = deep(rng, 3)
    cv2.imwrite(str(tmp_path / "a.tif"), values[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").rgb, values)


def test_one_bit_says_that_it_becomes_grey(tmp_path):
    Image.fromarray(data.horse()).save(tmp_path / "a.tif")
    assert read_photo(tmp_path / "a.tif").notes == ("1 bit a pixel, which becomes 8 bit grey",)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="a"/></x:xmpmeta>'


def write_with_everything(path: Path, rgb: np.ndarray) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.5
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Straße")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    more: dict[str, Any] = {"pnginfo": texts} if path.suffix == ".png" else {"xmp": XMP}
    if path.suffix == ".tif":
        exif[700], more = XMP, {}
    Image.fromarray(rgb).save(path, exif=exif.tobytes(), dpi=(300, 200), **more)


@pytest.mark.parametrize("source", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("result", [".png", ".jpg", ".tif", ".webp", ".bmp"])
def test_what_a_file_says_is_kept_or_its_loss_is_said(rng, tmp_path, source, result):
    path, out = tmp_path / f"a{source}", tmp_path / f"b{result}"
    write_with_everything(path, data.astronaut()[:40, :60])
    photo = read_photo(path)
    assert photo.orientation == 6 or source == ".tif"
    assert photo.rgb.shape == (60, 40, 3)
    notes = " ".join(write_photo(out, photo.rgb, photo))
    with Image.open(out) as image:
        image.load()
        exif, xmp = image.getexif(), image.info.get("xmp", b"")
        kept = {
            "EXIF": exif.get(ExifTags.Base.Make) == "Maker"
            and exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ExposureTime) == 0.5,
            "XMP": b'dc:title="a"' in xmp,
            "the resolution": np.allclose(image.info.get("dpi", 0), (300, 200), atol=0.1),
            "texts": image.info.get("Title") == "Straße",
        }
        assert exif.get(ExifTags.Base.Orientation, 1) == 1 and b'Orientation="6"' not in xmp
        assert image.size == (40, 60)
    for name, is_kept in kept.items():
        was_there = (name != "texts" or source == ".png") and (name != "the resolution" or source != ".webp")
        assert is_kept or not was_there or name in notes, name
    if result == ".png":
        assert notes == ""


def test_sixteen_bit_files_keep_what_they_say(rng, tmp_path):
    write_with_everything(tmp_path / "a.png", data.astronaut()[:40, :60])
    said = read_photo(tmp_path / "a.png").metadata
    rgb = deep(rng, 3)
    assert write_photo(tmp_path / "b.png", rgb, Photo(rgb, metadata=said)) == []
    back = read_photo(tmp_path / "b.png")
    np.testing.assert_array_equal(back.rgb, rgb)
    assert back.metadata == said
    notes = write_photo(tmp_path / "b.tif", rgb, Photo(rgb, metadata=said))
    assert notes == ["TIFF of 16 bits cannot hold EXIF and texts here: left out"]
    back = read_photo(tmp_path / "b.tif")
    np.testing.assert_array_equal(back.rgb, rgb)
    assert back.metadata.dpi == said.dpi and back.metadata.xmp == said.xmp


def test_exif_too_long_for_a_jpeg_is_left_out_and_said(tmp_path):
    rgb = data.astronaut()[:40, :60]
    write_with_everything(tmp_path / "a.png", rgb)
    said = read_photo(tmp_path / "a.png").metadata
    long = type(said)(said.dpi, said.exif, XMP + b" " * 70_000, ())
    assert "XMP" in write_photo(tmp_path / "a.jpg", rgb, Photo(rgb, metadata=long))[-1]


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    Image.fromarray(data.astronaut()[:40, :60]).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"
    )
    assert read_photo(tmp_path / "a.jpg").rgb.shape == (40, 60, 3) == read_rgb(tmp_path / "a.jpg").shape


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".tif"])
def test_sixteen_bits_count_twice_against_the_limit(rng, tmp_path, monkeypatch, suffix):
    for depth in (np.uint8, np.uint16):
        cv2.imwrite(str(tmp_path / f"{np.dtype(depth).itemsize}{suffix}"), deep(rng, 3).astype(depth))
    monkeypatch.setattr(decoders, "MAX_PIXELS", 600)
    assert read_photo(tmp_path / f"1{suffix}").rgb.shape == (*SHAPE, 3)
    with pytest.raises(InputError, match=rf"2\{suffix}: expected at most 0.0003 megapixels of 16 bits"):
        read_photo(tmp_path / f"2{suffix}")


def test_a_png_whose_header_lies_is_refused_before_memory_is_taken(tmp_path):
    Image.fromarray(data.astronaut()[:9, :9]).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 18_000, 18_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.png: expected the 18000x18000 pixels of its header"):
        read_photo(tmp_path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_flat_png_is_not_taken_for_a_lie(tmp_path):
    Image.new("1", (4000, 4000)).save(tmp_path / "a.png", optimize=True)
    assert read_photo(tmp_path / "a.png").rgb.shape == (4000, 4000, 3)
    Image.new("RGBA", (3000, 3000)).save(tmp_path / "b.png", optimize=True)
    assert read_photo(tmp_path / "b.png").alpha is not None


def test_what_libraries_say_of_a_file_does_not_reach_the_terminal(rng, tmp_path, capfd):
    rgb = deep(rng, 3)
    write_photo(tmp_path / "a.png", rgb, Photo(rgb, icc_profile=b"no profile at all" * 20))
    tifffile.imwrite(
        tmp_path / "b.tif", rgb, photometric="rgb", extratags=[(65000, 2, 5, b"a\xff\xfe\0\0", True)]
    )
    Image.fromarray(data.astronaut()[:9, :9]).save(tmp_path / "c.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    content = (tmp_path / "b.tif").read_bytes()
    (tmp_path / "d.tif").write_bytes(content[:4] + b"\xff" * 4 + content[8:])
    png = (tmp_path / "a.png").read_bytes()
    (tmp_path / "e.png").write_bytes(png[:-1] + b"!")
    (tmp_path / "f.png").write_bytes(png[:-14] + b"!" + png[-13:])
    for name in ("a.png", "b.tif", "c.jpg", "d.tif", "e.png", "f.png"):
        try:
            read_photo(tmp_path / name)
        except InputError:
            assert name in ("d.tif", "f.png")
    assert capfd.readouterr() == ("", "")
