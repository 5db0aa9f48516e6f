"""Claims about reading and writing pictures; witnesses: Pillow, OpenCV and tifffile on the same files."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from skimage.color import rgb2gray

from edgeconnect.errors import InputError
from edgeconnect.io import decoders, encoders, images
from edgeconnect.io.images import Photo, read_photo, read_raw, read_rgb, write_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SHAPE = (20, 30)


def pixels(rng: np.random.Generator, channels: int, dtype: Any = np.uint8) -> np.ndarray:
    shape = SHAPE if channels == 1 else (*SHAPE, channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def png(array: np.ndarray, colour_type: int, extra: bytes = b"") -> bytes:
    """A 16-bit PNG written by hand, for what no library writes."""

    def chunk(data: bytes) -> bytes:
        return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    body = chunk(b"IHDR" + header) + (chunk(extra) if extra else b"") + chunk(b"IDAT" + zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ""])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_gray", [False, True])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_everything_a_photo_holds_survives_the_round_trip(rng, tmp_path, suffix, dtype, is_gray, has_alpha):
    colour = pixels(rng, 1, dtype)
    rgb = np.dstack([colour] * 3) if is_gray else pixels(rng, 3, dtype)
    alpha = pixels(rng, 1, dtype) if has_alpha else None
    path = tmp_path / f"photo{suffix}"
    assert write_photo(path, rgb, Photo(rgb, alpha, is_gray, SRGB)) == []
    back = read_photo(path)
    np.testing.assert_array_equal(back.rgb, rgb)
    assert back.rgb.dtype == dtype
    assert back.icc_profile == SRGB
    assert (back.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(back.alpha, alpha)
    if not (suffix.startswith(".tif") and is_gray and has_alpha and dtype == np.uint8):
        assert back.is_gray == is_gray


def test_sixteen_bit_colours_are_those_opencv_and_tifffile_see(rng, tmp_path):
    rgb = pixels(rng, 3, np.uint16)
    write_photo(tmp_path / "a.png", rgb, Photo(rgb, icc_profile=SRGB))
    write_photo(tmp_path / "a.tif", rgb, Photo(rgb, icc_profile=SRGB))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[..., ::-1], rgb)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), rgb)
    for name in ("a.png", "a.tif"):
        with Image.open(tmp_path / name) as image:
            assert image.info["icc_profile"] == SRGB


def test_webp_keeps_every_pixel_even_under_full_transparency(rng, tmp_path):
    rgb, alpha = pixels(rng, 3), np.zeros(SHAPE, np.uint8)
    assert write_photo(tmp_path / "a.webp", rgb, Photo(rgb, alpha, icc_profile=SRGB)) == []
    back = read_photo(tmp_path / "a.webp")
    np.testing.assert_array_equal(back.rgb, rgb)
    np.testing.assert_array_equal(back.alpha, alpha)
    assert back.icc_profile == SRGB


def test_bmp_keeps_pixels_and_says_that_it_loses_the_profile(rng, tmp_path):
    rgb = pixels(rng, 3)
    assert write_photo(tmp_path / "a.bmp", rgb, Photo(rgb)) == []
    assert "profile" in write_photo(tmp_path / "a.bmp", rgb, Photo(rgb, icc_profile=SRGB))[0]
    np.testing.assert_array_equal(read_photo(tmp_path / "a.bmp").rgb, rgb)


def test_jpeg_says_that_known_pixels_change_and_what_it_drops(rng, tmp_path):
    rgb = pixels(rng, 3, np.uint16)
    notes = " ".join(write_photo(tmp_path / "a.jpg", rgb, Photo(rgb, rgb[..., 0])))
    assert "known pixels change" in notes
    assert "alpha" in notes
    assert "8 bits" in notes
    gray = np.dstack([pixels(rng, 1)] * 3)
    write_photo(tmp_path / "g.jpg", gray, Photo(gray, gray[..., 0], is_gray=True))
    assert read_photo(tmp_path / "g.jpg").is_gray


@pytest.mark.parametrize("name", ["a.gif", "a.xyz", "a.jpg.txt"])
def test_an_unknown_suffix_stops_before_anything_is_written(rng, tmp_path, name):
    rgb = pixels(rng, 3)
    with pytest.raises(InputError, match=r"ending in \.png"):
        write_photo(tmp_path / "new" / name, rgb, Photo(rgb))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "has_alpha"), [("a.webp", False), ("a.bmp", False), ("a.bmp", True)])
def test_a_lossless_format_that_cannot_hold_the_photo_is_refused(rng, tmp_path, name, has_alpha):
    rgb = pixels(rng, 3, np.uint8 if has_alpha else np.uint16)
    with pytest.raises(InputError, match=r"\.png or \.tif"):
        write_photo(tmp_path / name, rgb, Photo(rgb, rgb[..., 0] if has_alpha else None))


def test_a_failed_write_leaves_the_old_file_and_no_other(rng, tmp_path, monkeypatch):
    rgb = pixels(rng, 3)
    path = tmp_path / "a.png"
    write_photo(path, rgb, Photo(rgb))
    before = path.read_bytes()

    def full_disk(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(InputError, match=r"a\.png.*No space left"):
        write_photo(path, 255 - rgb, Photo(rgb))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_alpha_follows_a_result_of_another_size(rng, tmp_path):
    rgb = pixels(rng, 3)
    write_photo(tmp_path / "a.png", np.zeros((10, 15, 3), np.uint8), Photo(rgb, np.full(SHAPE, 77, np.uint8)))
    alpha = read_photo(tmp_path / "a.png").alpha
    assert alpha is not None
    assert alpha.shape == (10, 15)
    assert (alpha == 77).all()


def test_a_result_of_another_bit_depth_is_a_bug_of_the_caller(rng, tmp_path):
    rgb = pixels(rng, 3)
    with pytest.raises(ValueError, match="uint16"):
        write_photo(tmp_path / "a.png", rgb, Photo(rgb.astype(np.uint16)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied_once_as_pillow_applies_it(rng, tmp_path, orientation, suffix):
    path, exif = tmp_path / f"a{suffix}", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels(rng, 3)).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.rgb, expected)
    np.testing.assert_array_equal(read_rgb(path), expected)
    np.testing.assert_array_equal(read_raw(path), expected)
    write_photo(tmp_path / "out.png", photo.rgb, photo)
    np.testing.assert_array_equal(read_photo(tmp_path / "out.png").rgb, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bit_files_are_turned_like_eight_bit_ones(rng, tmp_path, orientation):
    rgb = pixels(rng, 3, np.uint16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    small = Image.fromarray((rgb >> 8).astype(np.uint8))
    small.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(small))
    chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(png(rgb, 2, chunk))
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_photo(tmp_path / name).rgb >> 8, expected)


def gray_cmyk_profile() -> bytes:
    """A minimal ICC profile by which every mixture of inks without black looks like Lab (50, 0, 0)."""
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = (
        b"mft1"
        + bytes(4)
        + bytes([4, 3, 2, 0])
        + matrix
        + ramp * 4
        + bytes([128, 128, 128, 0, 128, 128]) * 8
        + ramp * 3
    )
    table += bytes(-len(table) % 4)
    size = 128 + 4 + 12 + len(table)
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ") + date + b"acsp"
    header += bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


def test_cmyk_is_converted_by_its_profile_or_plainly_and_said(tmp_path):
    image = Image.new("CMYK", (30, 20), (0, 255, 255, 0))
    image.save(tmp_path / "plain.jpg")
    image.save(tmp_path / "profile.tif", icc_profile=gray_cmyk_profile())
    image.save(tmp_path / "broken.jpg", icc_profile=b"this is no profile")
    plain, by_profile, broken = (read_photo(tmp_path / n) for n in ("plain.jpg", "profile.tif", "broken.jpg"))
    assert plain.rgb[0, 0] == pytest.approx([255, 0, 0], abs=2)
    assert "no ICC profile" in plain.notes[0]
    assert by_profile.rgb[0, 0] == pytest.approx([119, 119, 119], abs=2)  # L* = 50 in sRGB
    assert "by its ICC profile" in by_profile.notes[0]
    assert "unusable" in broken.notes[0]
    assert {p.icc_profile for p in (plain, by_profile, broken)} == {None}
    np.testing.assert_array_equal(read_rgb(tmp_path / "plain.jpg"), plain.rgb)


def test_palette_one_bit_and_transparent_colour_become_what_they_show(rng, tmp_path):
    image = Image.fromarray(pixels(rng, 1) % 3)
    image = image.convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "p.png", transparency=1)
    palette = read_photo(tmp_path / "p.png")
    indices = np.asarray(image)
    np.testing.assert_array_equal(palette.rgb, np.eye(3, dtype=np.uint8)[indices] * 255)
    np.testing.assert_array_equal(palette.alpha, np.where(indices == 1, 0, 255))

    bits = pixels(rng, 1) > 127
    Image.fromarray(bits).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_raw(tmp_path / "1.png"), bits * np.uint8(255))
    Image.fromarray(bits).save(tmp_path / "1t.png", transparency=0)
    assert read_raw(tmp_path / "1t.png").shape == (*SHAPE, 2)

    gray = pixels(rng, 1)
    Image.fromarray(gray).save(tmp_path / "t.png", transparency=7)
    transparent = read_photo(tmp_path / "t.png")
    assert transparent.is_gray
    np.testing.assert_array_equal(transparent.alpha, np.where(gray == 7, 0, 255))


def test_sixteen_bit_transparency_is_read_as_the_png_standard_says(rng, tmp_path):
    gray_alpha, gray, rgb = pixels(rng, 2, np.uint16), pixels(rng, 1, np.uint16), pixels(rng, 3, np.uint16)
    (tmp_path / "la.png").write_bytes(png(gray_alpha, 4))
    (tmp_path / "g.png").write_bytes(png(gray, 0, b"tRNS" + struct.pack(">H", gray[3, 4])))
    (tmp_path / "rgb.png").write_bytes(png(rgb, 2, b"tRNS" + struct.pack(">3H", *rgb[3, 4])))
    np.testing.assert_array_equal(read_raw(tmp_path / "la.png"), gray_alpha)
    from_gray, from_rgb = read_photo(tmp_path / "g.png"), read_photo(tmp_path / "rgb.png")
    np.testing.assert_array_equal(from_gray.alpha, np.where(gray == gray[3, 4], 0, 65535))
    np.testing.assert_array_equal(from_rgb.alpha, np.where((rgb == rgb[3, 4]).all(2), 0, 65535))
    np.testing.assert_array_equal(from_rgb.rgb, rgb)


@pytest.mark.parametrize("name", ["a.ppm", "a.jp2"])
def test_other_sixteen_bit_formats_keep_their_bits(rng, tmp_path, name):
    rgb = rng.integers(0, 65536, (64, 96, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / name), rgb[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    np.testing.assert_array_equal(read_photo(tmp_path / name).rgb, rgb)


def test_eight_bits_of_sixteen_are_rounded_not_cut(tmp_path):
    deep = np.array([[0, 128, 129, 257, 65406, 65407, 65535]], np.uint16)
    images.write_png(tmp_path / "a.png", deep)
    assert read_rgb(tmp_path / "a.png")[0, :, 0].tolist() == [0, 0, 1, 1, 254, 255, 255]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animation_is_refused_with_its_number_of_frames(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    for read in (read_photo, read_rgb, read_raw):
        with pytest.raises(InputError, match=rf"a\{suffix}.*animation of 3 frames"):
            read(tmp_path / f"a{suffix}")


def test_the_first_page_of_a_tiff_is_taken_and_said(tmp_path):
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    photo = read_photo(tmp_path / "a.tif")
    assert photo.rgb[0, 0].tolist() == [255, 0, 0]
    assert photo.notes == ("the first of 2 pictures in the file",)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif"])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
def test_a_truncated_file_is_an_error_that_names_it(rng, tmp_path, suffix, kept):
    path = tmp_path / f"half{suffix}"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    for read in (read_photo, read_rgb, read_raw):
        with pytest.raises(InputError, match=rf"half\{suffix}: expected"):
            read(path)


# Pillow warns about a TIFF whose directory is missing before it gives up
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_truncated_sixteen_bit_file_is_an_error_too(rng, tmp_path, suffix):
    path = tmp_path / f"half{suffix}"
    cv2.imwrite(str(path), rng.integers(0, 65536, (64, 64, 3), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"half\{suffix}: expected"):
        read_photo(path)


def _file(format: str) -> bytes:
    file = io.BytesIO()
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(picture).save(file, format, exif=Image.Exif())
    return file.getvalue()


FILES = {
    format: _file(format)
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
}
FILES["PNG16"] = png(np.random.default_rng(0).integers(0, 65536, (24, 24, 3), dtype=np.uint16), 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_named_and_never_crashes(tmp_path, format, places):
    data = bytearray(FILES[format])
    for place, value in places:
        data[place % len(data)] = value
    path = tmp_path / "damaged"
    path.write_bytes(data)
    try:
        assert read_photo(path).rgb.shape[2] == 3
    except InputError as error:
        assert str(path) in str(error)


def test_files_that_are_no_pictures_are_named_for_what_they_are(rng, tmp_path):
    tifffile.imwrite(tmp_path / "float.tif", rng.random(SHAPE, np.float32))
    tifffile.imwrite(tmp_path / "floats.tif", rng.random((*SHAPE, 3), np.float32), photometric="rgb")
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "light.hdr").write_bytes(b"#?RADIANCE\n")
    reasons = {
        "float.tif": "32-bit floats",
        "floats.tif": "float or unusual channels",
        "text.jpg": "another kind",
        "empty.png": "an empty file",
        "phone.jpg": "a damaged HEIC",
        "light.hdr": "Radiance HDR: convert",
        "missing.png": "no such file",
        ".": "got a folder",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            read_photo(tmp_path / name)


@pytest.fixture
def phone_photo(rng, tmp_path):
    """A HEIC file without loss, and its pixels."""
    heif = pytest.importorskip("pillow_heif")
    pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
    heif.register_heif_opener()
    path = tmp_path / "phone.heic"
    Image.fromarray(pixels).save(path, "HEIF", quality=-1, chroma=444, matrix_coefficients=0)
    return path, pixels


def test_a_phones_heic_is_read_with_its_package(phone_photo):
    path, pixels = phone_photo
    np.testing.assert_array_equal(read_photo(path).rgb, pixels)


def test_where_heic_cannot_be_read_the_way_out_is_named(phone_photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(Image.OPEN, "HEIF", None)
    with pytest.raises(InputError, match=r"phone\.heic: .*HEIC: pip install 'edgeconnect\[heic\]'"):
        read_photo(phone_photo[0])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [9_999, 2_000])
def test_more_pixels_than_the_limit_are_refused_before_decoding(tmp_path, monkeypatch, limit):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoders, "MAX_PIXELS", limit)
    with pytest.raises(
        InputError, match=r"a\.png: expected at most 0(\.\d+)? megapixels, got.*(100x100|10000)"
    ):
        read_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_scan_above_pillows_own_limit_is_read_and_the_limit_left_alone(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    Image.new("L", (200, 100)).save(tmp_path / f"a{suffix}")
    assert read_photo(tmp_path / f"a{suffix}").rgb.shape == (100, 200, 3)
    assert Image.MAX_IMAGE_PIXELS == 5_000


def test_readers_in_parallel_leave_pillows_limit_as_it_was(rng, tmp_path):
    path, limit = tmp_path / "a.jpg", Image.MAX_IMAGE_PIXELS
    Image.fromarray(pixels(rng, 3)).save(path)
    with ThreadPoolExecutor(8) as pool:
        shapes = set(pool.map(lambda _: read_rgb(path).shape, range(200)))
    assert shapes == {(*SHAPE, 3)}
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"])
def test_training_reads_what_full_fidelity_reads_in_eight_bits(rng, tmp_path, mode):
    image = (
        Image.fromarray(pixels(rng, 3)).convert(mode)
        if mode != "I;16"
        else Image.fromarray(pixels(rng, 1, np.uint16))
    )
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_rgb(tmp_path / "a.png"), images.to_8bit(read_photo(tmp_path / "a.png").rgb)
    )


@pytest.mark.parametrize("size", [(640, 400), (400, 641), (100, 100), (99, 700)])
def test_a_large_jpeg_is_read_smaller_but_never_below_the_short_side_asked_for(tmp_path, size):
    ramp = np.linspace(0, 255, size[0])[None].repeat(size[1], 0).astype(np.uint8)
    Image.fromarray(np.dstack([ramp] * 3)).save(tmp_path / "a.jpg", quality=95)
    whole, small = read_rgb(tmp_path / "a.jpg"), read_rgb(tmp_path / "a.jpg", short_side=100)
    assert min(100, *size) <= min(small.shape[:2]) < 200
    resized = images.resize(whole, *small.shape[:2]).astype(float)
    assert np.abs(resized - small).mean() < 2


def test_pictures_are_listed_by_content_sorted_and_without_hidden_ones(tmp_path):
    for name in ("b.dat", "a.jpg", "sub/c.png", ".hidden.png", ".thumbs/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name, "PNG")
    (tmp_path / "notes.png").write_text("Pictures of 2024")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    names = [str(path.relative_to(tmp_path)) for path in images.list_images(tmp_path)]
    assert names == ["a.jpg", "b.dat", "broken.jpg", "sub/c.png"]
    flat = images.list_images(tmp_path, recursive=False)
    assert [path.name for path in flat] == ["a.jpg", "b.dat", "broken.jpg"]
    with pytest.raises(InputError, match="folder of pictures, got nothing"):
        images.list_images(tmp_path / "missing")
    with pytest.raises(InputError, match="got a file"):
        images.list_images(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="readable"):
        images.is_image(tmp_path / "missing")


@pytest.mark.parametrize("format", FILES)
def test_every_format_that_is_read_is_recognised(tmp_path, format):
    (tmp_path / "a").write_bytes(FILES[format])
    assert images.is_image(tmp_path / "a")
    assert read_photo(tmp_path / "a").rgb.shape == (24, 24, 3)


@pytest.mark.parametrize("shape", [(10, 15), (40, 90), (20, 30)])
def test_a_flat_photo_stays_flat_at_any_size(shape):
    resized = images.resize(np.full((*SHAPE, 3), 93, np.uint8), *shape)
    np.testing.assert_array_equal(resized, np.full((*shape, 3), 93, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_of_equal_channels_is_exactly_their_value_for_every_value(dtype):
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 256)
    np.testing.assert_array_equal(encoders.to_gray(np.dstack([values] * 3)), values)


def test_gray_is_the_luminance_that_scikit_image_computes(rng):
    rgb = pixels(rng, 3, np.uint16)
    np.testing.assert_allclose(encoders.to_gray(rgb), rgb2gray(rgb) * 65535, atol=0.51)


def test_png_holds_bool_masks_as_black_and_white(rng, tmp_path):
    mask = pixels(rng, 1) > 127
    images.write_png(tmp_path / "mask", mask)
    np.testing.assert_array_equal(np.asarray(Image.open(Path(tmp_path / "mask"))), mask * np.uint8(255))


def test_a_link_back_to_a_folder_above_does_not_find_its_pictures_again(tmp_path):
    images.write_png(tmp_path / "a.png", np.zeros((4, 4), bool))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/up").symlink_to(tmp_path, target_is_directory=True)
    assert images.list_images(tmp_path) == [tmp_path / "a.png"]


@pytest.mark.parametrize(("name", "max_px"), [("a.webp", 16383), ("a.jpg", 65535)])
def test_a_picture_too_long_for_a_format_is_refused_in_a_sentence(tmp_path, name, max_px):
    long = np.zeros((1, max_px + 1, 3), np.uint8)
    with pytest.raises(InputError, match=f"{name}: expected at most {max_px} px a side"):
        images.write_photo(tmp_path / name, long, images.Photo(long))
    assert not list(tmp_path.iterdir())
