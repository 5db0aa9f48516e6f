"""Claims about holes; witnesses: counting, SciPy's distance transform and labels, Pillow's JPEG."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage import data

from edgeconnect.errors import InputError
from edgeconnect.io.images import read_raw, write_png
from edgeconnect.io.pairing import pair_by_stem
from edgeconnect.masks import shapes, strokes
from edgeconnect.masks.repair import looks_like_mask, repair

SIZES = st.integers(16, 160)
RATIOS = st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)).map(lambda ends: (min(ends), max(ends)))


def seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rim(mask: np.ndarray) -> np.ndarray:
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = True
    return mask & ~inner


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), SIZES, SIZES, RATIOS, st.sampled_from([None, True, False]))
def test_strokes_have_the_ratio_asked_for_to_the_pixel(seed, height, width, ratio, border):
    mask = strokes.strokes(seeded(seed), height, width, ratio, border)
    assert mask.shape == (height, width)
    assert mask.dtype == bool
    assert ratio[0] * mask.size - 0.5 <= mask.sum() <= max(1, ratio[1] * mask.size + 0.5)
    drawn = seeded(seed).uniform(*ratio)  # the first number that strokes() takes
    assert mask.sum() == max(1, round(drawn * mask.size))
    if border is not None:
        assert rim(mask).any() == border
    assert shapes.touches_border(mask) == rim(mask).any()


def test_stroke_ratios_are_uniform_over_their_range():
    ratios = [shapes.hole_ratio(strokes.strokes(seeded(seed), 64, 64, (0.1, 0.5))) for seed in range(400)]
    counts, _ = np.histogram(ratios, 4, (0.1, 0.5))
    assert (abs(counts - 100) < 40).all()  # 100 expected, standard deviation 8.7


@pytest.mark.parametrize("ratio", [0.9, 1.0])
def test_strokes_can_cover_nearly_everything(rng, ratio):
    assert shapes.hole_ratio(strokes.strokes(rng, 40, 56, (ratio, ratio), True)) == pytest.approx(
        ratio, abs=1e-3
    )


def test_strokes_are_strokes_and_not_dust(rng):
    for border in (True, False):
        for _ in range(20):
            _, pieces = ndimage.label(strokes.strokes(rng, 128, 128, (0.2, 0.3), border))
            assert pieces < 128 * 128 * 0.2 / 30


def test_the_same_seed_draws_the_same_strokes_and_another_seed_others():
    first, again, other = (strokes.strokes(seeded(seed), 64, 64) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("ratio", [(0.5, 0.2), (-0.1, 0.2), (0.2, 1.1)])
def test_a_ratio_that_is_no_range_is_refused(rng, ratio):
    with pytest.raises(InputError, match="0 <= low <= high <= 1"):
        strokes.strokes(rng, 64, 64, ratio)


def test_a_hole_that_has_no_room_inside_the_border_is_refused(rng):
    with pytest.raises(InputError, match="room inside the border of 16x16"):
        strokes.strokes(rng, 16, 16, (0.9, 0.9), border=False)


@given(st.integers(0, 2**32), SIZES, SIZES, st.floats(0.01, 1))
def test_squares_have_the_area_asked_for(seed, height, width, area):
    for mask in (shapes.square(seeded(seed), height, width, area), shapes.centre(height, width, area)):
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns
        # rounded to whole pixels, each side is off by half a pixel at most
        assert abs(mask.sum() - area * mask.size) <= 0.5 * (rows + columns) + 1


def test_a_quarter_of_256_is_a_square_of_128_anywhere():
    corners = set()
    for seed in range(50):
        mask = shapes.square(seeded(seed), 256, 256)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert (len(rows), len(columns), mask.sum()) == (128, 128, 128 * 128)
        corners.add((rows[0], columns[0]))
    assert len(corners) > 40


def test_the_centre_is_in_the_middle():
    mask = shapes.centre(256, 256)
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    assert shapes.hole_ratio(mask) == 0.25


@pytest.mark.parametrize("area", [0, -1, 1.01])
def test_an_area_that_is_no_share_is_refused(area):
    with pytest.raises(InputError, match="hole area"):
        shapes.centre(64, 64, area)


def test_halves_are_the_four_sides():
    seen = {tuple(map(bool, shapes.half(seeded(s), 20, 30)[[0, 0, -1], [0, -1, 0]])) for s in range(40)}
    assert seen == {(True, True, False), (False, False, True), (True, False, True), (False, True, False)}
    assert {shapes.hole_ratio(shapes.half(seeded(seed), 20, 30)) for seed in range(40)} == {0.5}


def test_boxes_are_x_y_width_height_and_clipped_to_the_image():
    mask = shapes.boxes(10, 20, [(2, 1, 3, 4), (18, 8, 9, 9)])
    expected = np.zeros((10, 20), bool)
    expected[1:5, 2:5] = True
    expected[8:, 18:] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("box", [(20, 0, 5, 5), (-9, 0, 9, 5), (3, 3, 0, 4), (5, 5, -2, 3)])
def test_a_box_outside_the_image_is_refused_by_its_numbers(box):
    with pytest.raises(InputError, match=",".join(map(str, box))):
        shapes.boxes(10, 20, [box])


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), RATIOS)
def test_random_boxes_together_have_the_ratio_asked_for(seed, count, ratio):
    mask = shapes.random_boxes(seeded(seed), 200, 240, (count, count), ratio)
    assert shapes.hole_ratio(mask) == pytest.approx(seeded(seed).uniform(*ratio), abs=0.01)
    assert ndimage.label(mask)[1] <= count


def test_augmenting_gives_all_eight_views_and_keeps_the_shape_of_others(rng):
    mask = np.zeros((5, 5), bool)
    mask[0, 1] = mask[0, 2] = True
    views = {shapes.augment(rng, mask).tobytes() for _ in range(200)}
    expected = {np.rot90(m, k).tobytes() for m in (mask, mask[:, ::-1]) for k in range(4)}
    assert views == expected
    assert len(expected) == 8
    assert {shapes.augment(rng, np.ones((3, 7), bool)).shape for _ in range(20)} == {(3, 7)}


@pytest.mark.parametrize("radius", [0, 1, 2.5, 7])
def test_dilate_and_feather_agree_with_scipys_distances(rng, radius):
    mask = rng.uniform(size=(40, 50)) > 0.995
    distance = ndimage.distance_transform_edt(~mask)
    np.testing.assert_array_equal(shapes.dilate(mask, radius), distance <= radius)
    expected = np.clip(1 - distance / (radius + 1), 0, 1)
    feathered = shapes.feather(mask, radius)
    assert feathered.dtype == np.float32
    np.testing.assert_allclose(feathered, expected, atol=1e-5)


def test_an_empty_mask_stays_empty_dilated_or_feathered():
    empty = np.zeros((8, 9), bool)
    assert not shapes.dilate(empty, 3).any()
    assert not shapes.feather(empty, 3).any()
    assert not shapes.touches_border(empty)


@pytest.fixture
def hole(rng) -> np.ndarray:
    return strokes.strokes(rng, 64, 96, (0.2, 0.3), border=False)


def test_clean_masks_of_any_depth_are_read_as_they_are(hole):
    for pixels in (
        hole,
        hole * np.uint8(255),
        hole * np.uint16(65535),
        hole * np.uint8(1),
        hole * np.uint16(255),
    ):
        mask, notes = repair(pixels)
        np.testing.assert_array_equal(mask, hole)
        assert f"white is the hole ({hole.mean():.1%}" in notes[-1]
    assert repair(hole * np.uint8(255), polarity="white")[1] == []


def test_dark_values_are_stretched_and_said(hole):
    mask, notes = repair(hole * np.uint8(1), polarity="white")
    np.testing.assert_array_equal(mask, hole)
    assert notes == ["values only reach 1 of 255: stretched"]


def test_told_polarity_is_followed_whatever_the_picture(hole):
    for pixels in (hole * np.uint8(255), np.dstack([hole * np.uint8(255)] * 3)):
        np.testing.assert_array_equal(repair(pixels, polarity="black")[0], ~hole)
        np.testing.assert_array_equal(repair(pixels, polarity="white")[0], hole)


def test_an_inverted_mask_is_guessed_and_said(hole):
    mask, notes = repair(~hole)
    np.testing.assert_array_equal(mask, hole)
    guess = f"guessed that black is the hole ({hole.mean():.1%} of the image)"
    assert notes == [f"{guess}; if white is, say so: polarity white"]


@pytest.mark.parametrize("border", [True, False])
@pytest.mark.parametrize("ratio", [(0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6)])
def test_masks_in_our_polarity_are_never_taken_for_inverted_ones(rng, ratio, border):
    for _ in range(10):
        drawn = strokes.strokes(rng, 64, 64, ratio, border)
        np.testing.assert_array_equal(repair(drawn)[0], drawn)


def test_jpeg_fringe_is_cut_at_half_and_its_share_is_said(hole):
    file = io.BytesIO()
    Image.fromarray(hole * np.uint8(255)).save(file, "JPEG", quality=30)
    pixels = np.asarray(Image.open(file))
    mask, notes = repair(pixels)
    assert (mask != hole).mean() < 0.02
    assert (pixels > 0).mean() > hole.mean() + 0.05  # what counting every grey pixel as hole would give
    between = ((pixels > 25) & (pixels < 230)).mean()
    assert any(f"{between:.2%} of the pixels are in between" in note for note in notes)


def test_transparent_parts_of_a_picture_are_the_hole(rng, hole):
    photo = rng.integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    alpha = ~hole * np.uint8(255)
    mask, notes = repair(np.dstack([photo, alpha]))
    np.testing.assert_array_equal(mask, hole)
    assert "transparent is the hole" in notes[-1]
    black = np.dstack([np.zeros_like(photo), alpha])
    np.testing.assert_array_equal(repair(black)[0], hole)
    np.testing.assert_array_equal(repair(np.dstack([photo[..., 0], alpha]), polarity="alpha")[0], hole)


def test_one_colour_painted_on_a_transparent_layer_is_the_hole(hole):
    ink = np.where(hole[..., None], np.uint8([255, 40, 0]), np.uint8(0))
    mask, notes = repair(np.dstack([ink, hole * np.uint8(255)]))
    np.testing.assert_array_equal(mask, hole)
    assert "painted on a transparent layer" in notes[-1]


def test_an_opaque_alpha_channel_says_nothing(hole):
    opaque = np.full(hole.shape, 255, np.uint8)
    np.testing.assert_array_equal(repair(np.dstack([hole * np.uint8(255), opaque]))[0], hole)


@pytest.mark.parametrize("ink", [0, 1, 255])
@pytest.mark.parametrize("opacity", [255, 128, 115, 110])
def test_strokes_of_any_ink_and_opacity_on_a_transparent_layer_are_the_hole(hole, ink, opacity):
    layer = np.dstack([np.full((*hole.shape, 3), ink, np.uint8), hole * np.uint8(opacity)])
    mask, notes = repair(layer)
    np.testing.assert_array_equal(mask, hole)
    assert ("stretched" in notes[0]) == (opacity < 128)


@pytest.mark.parametrize("shade", [145, 160])
def test_a_brush_of_little_opacity_on_white_is_the_hole(hole, shade):
    mask, notes = repair(np.where(hole, np.uint8(shade), np.uint8(255)))
    np.testing.assert_array_equal(mask, hole)
    assert notes[0] == f"values only go down to {shade} of 255: stretched"


def test_the_soft_rim_of_an_eraser_belongs_to_the_hole_and_a_shadow_elsewhere_does_not(rng, hole):
    distance = ndimage.distance_transform_edt(~hole)
    alpha = np.clip(distance * 50, 0, 255).astype(np.uint8)
    away = distance > 12
    alpha[away] = np.where(rng.random(hole.shape) < 0.5, 200, 255)[away]
    mask, notes = repair(np.dstack([rng.integers(0, 256, (*hole.shape, 3), dtype=np.uint8), alpha]))
    np.testing.assert_array_equal(mask, (alpha < 255) & ~away)
    assert "half transparent" in notes[0]


def test_the_opaque_part_is_the_hole_where_that_is_told(hole):
    layer = np.dstack([hole * np.uint8(9), hole * np.uint8(255)])
    np.testing.assert_array_equal(repair(layer, polarity="opaque")[0], hole)
    np.testing.assert_array_equal(repair(layer, polarity="alpha")[0], ~hole)


VOC = np.uint8([[0, 0, 0], [128, 0, 0], [0, 128, 0], [64, 0, 0], [64, 128, 0], [0, 64, 0], [224, 224, 192]])


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_object_of_a_label_map_is_the_hole(void, dtype):
    labels = np.zeros((60, 80), dtype)
    for number in range(1, 21):
        labels[10:50, 3 * number : 3 * number + 3] = number
    if void:
        labels[9, 3:63] = 255
    mask, notes = repair(labels)
    np.testing.assert_array_equal(mask, labels > 0)
    assert "label map" in notes[0]
    np.testing.assert_array_equal(repair(labels, polarity="black")[0], labels == 0)
    np.testing.assert_array_equal(repair(labels.astype(np.uint16) * 1000)[0], (labels > 0))


def test_every_object_in_the_palette_of_voc_is_the_hole():
    indices = np.zeros((40, 80), np.uint8)
    indices[10:30, 10:70] = np.arange(60) // 10 + 1
    for chosen in (VOC, VOC[[0, 3, 5, 3, 5, 3, 5]], VOC[[0, 1, 3, 1, 3, 1, 3]]):
        np.testing.assert_array_equal(repair(chosen[indices])[0], indices > 0)


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket", "camera", "moon", "text", "brick"])
def test_a_photo_is_no_mask(name):
    with pytest.raises(InputError, match="expected a mask, got a picture"):
        repair(getattr(data, name)())


def test_what_masks_look_like(hole):
    assert looks_like_mask(np.dstack([hole * np.uint8(255)] * 3))
    assert not looks_like_mask(np.zeros((9, 9, 3), np.uint8)) and not looks_like_mask(data.cat())


@pytest.mark.parametrize("ink", ["white", "colour", "transparent"])
def test_a_guess_that_most_is_hole_says_how_to_turn_it(ink):
    most = np.ones((64, 64), bool)
    most[:, 10:31] = False  # inside, on the border: nothing says inverted
    most[:, 40:50] = False
    pixels = {
        "white": most * np.uint8(255),
        "colour": np.where(most[..., None], np.uint8([255, 0, 0]), np.uint8(0)),
        "transparent": np.dstack(
            [seeded(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), ~most * np.uint8(255)]
        ),
    }[ink]
    mask, notes = repair(pixels)
    assert mask.mean() > 0.5
    told = notes[-1].rpartition("polarity ")[2]
    np.testing.assert_array_equal(repair(pixels, polarity=told)[0], ~mask)


def test_alpha_is_demanded_in_vain_without_an_alpha_channel(hole):
    with pytest.raises(InputError, match="alpha channel, got 1 channels"):
        repair(hole, polarity="alpha")


@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 0, 255), (0, 0, 255), (0, 255, 0)])
@pytest.mark.parametrize("background", [0, 255, 128])
def test_a_coloured_brush_is_the_hole_on_any_plain_background(hole, colour, background):
    pixels = np.where(hole[..., None], np.uint8(colour), np.uint8(background))
    mask, notes = repair(pixels)
    np.testing.assert_array_equal(mask, hole)
    assert notes[-1].startswith("guessed that what is ")


def test_another_size_is_met_by_nearest_pixel_and_said(hole):
    mask, notes = repair(hole, (128, 192))
    np.testing.assert_array_equal(mask, np.kron(hole, np.ones((2, 2), bool)))
    assert "resized from 96x64 to 192x128 by nearest pixel" in notes
    mask, notes = repair(hole, (128, 96))
    assert mask.shape == (128, 96)
    assert any("stretches its width by 0.50" in note for note in notes)
    np.testing.assert_array_equal(repair(mask, hole.shape)[0], hole)


def test_empty_and_full_masks_are_said():
    assert "the mask is empty: there is no hole" in repair(np.zeros((9, 9), np.uint8))[1]
    full, notes = repair(np.full((9, 9), 255, np.uint8), polarity="white")
    assert full.all()
    assert notes == ["the mask is all hole: nothing is known"]


def test_float_masks_are_refused(hole):
    with pytest.raises(InputError, match="float64"):
        repair(hole.astype(float))


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_photos_and_masks_pair_by_stem_whatever_the_suffix_and_order():
    pairs = pair_by_stem(
        paths("p/b.jpg", "p/a.png", "p/c.d.jpg"), paths("m/a.png", "m/c.d_mask.png", "m/b-mask.gif")
    )
    assert pairs == [
        (Path("p/b.jpg"), Path("m/b-mask.gif")),
        (Path("p/a.png"), Path("m/a.png")),
        (Path("p/c.d.jpg"), Path("m/c.d_mask.png")),
    ]


def test_a_photo_that_is_called_mask_pairs_with_its_own_mask():
    assert pair_by_stem(paths("p/my_mask.jpg"), paths("m/my_mask.png")) == [
        (Path("p/my_mask.jpg"), Path("m/my_mask.png"))
    ]


def test_endings_that_tell_photos_from_masks_do_not_count():
    photos = paths("p/a.png", "p/case1_input.png", "p/b-photo.jpg")
    masks = paths("p/b_mask_02.png", "p/a_mask001.png", "p/case1_mask.png")
    assert pair_by_stem(photos, masks) == list(zip(photos, [masks[1], masks[2], masks[0]], strict=True))


def test_trees_of_folders_pair_by_their_path():
    photos, found = paths("p/x/1.jpg", "p/y/1.jpg"), paths("m/y/1_mask.png", "m/x/1.png")
    assert pair_by_stem(photos, found) == [(photos[0], found[1]), (photos[1], found[0])]


def test_what_is_missing_is_named_on_both_sides():
    with pytest.raises(InputError) as error:
        pair_by_stem(
            paths("p/a.jpg", "p/b.jpg", "p/c.jpg", "p/d.jpg", "p/e.jpg"), paths("m/e.png", "m/z.png")
        )
    assert "4 photos without a mask (p/a.jpg, p/b.jpg, p/c.jpg, ...)" in str(error.value)
    assert "1 masks without a photo (m/z.png)" in str(error.value)


def test_two_masks_for_one_photo_are_named():
    with pytest.raises(InputError, match=r"m/a\.png and m/a_mask\.png"):
        pair_by_stem(paths("p/a.jpg"), paths("m/a.png", "m/a_mask.png"))


def test_nothing_pairs_with_nothing():
    assert pair_by_stem([], []) == []


@pytest.fixture
def recipe(monkeypatch):
    """The recipes beside the package, which are run from the repository and never installed."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])

    def load(name: str) -> ModuleType:
        return importlib.import_module(f"masks.{name}")

    return load


def test_the_drawing_recipe_fills_every_class_and_its_check_finds_nothing_wrong(recipe, tmp_path, capsys):
    size = ["--width", "48", "--height", "32", "--count", "2"]
    assert recipe("draw").main(["--out", str(tmp_path), *size]) == 0
    files = sorted(tmp_path.iterdir())
    assert len({path.read_bytes() for path in files}) == len(files) == 6 * 2 * 2
    for path in files:
        _, percents, border, _ = path.stem.split("_")
        low, high = (int(percent) / 100 for percent in percents.split("-"))
        mask = read_raw(path) > 0
        assert low - 0.001 <= mask.mean() <= high + 0.001
        assert rim(mask).any() == (border == "border")
    assert recipe("check").main([str(tmp_path)]) == 1  # more than half of an image is not left to a guess
    assert "24 masks, 4 problems" in (out := capsys.readouterr().out) and out.count("tell --polarity") == 4
    assert recipe("check").main([str(tmp_path), "--polarity", "white"]) == 0
    assert "24 masks, 0 problems" in capsys.readouterr().out


def test_the_drawing_recipe_draws_boxes_and_refuses_nonsense(recipe, tmp_path, capsys):
    main = recipe("draw").main
    boxes = ["--kind", "boxes", "--ratios", "10-20", "--count", "1"]
    assert main(["--out", str(tmp_path / "boxes"), *boxes]) == 0
    assert [path.name for path in (tmp_path / "boxes").iterdir()] == ["boxes_10-20_any_000.png"]
    assert main(["--out", str(tmp_path), "--ratios", "20-10"]) == 1
    assert "percents like 0-10,10-20, got '20-10'" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--width", "8"]) == 1


def test_the_check_names_every_trouble_and_fails(recipe, tmp_path, capsys, hole):
    photos, found = tmp_path / "photos", tmp_path / "masks"
    for name in ("good", "inverted", "small", "empty", "photo", "broken"):
        write_png(photos / f"{name}.png", np.zeros((*hole.shape, 3), np.uint8))
    write_png(found / "good.png", hole)
    write_png(found / "inverted.png", ~hole)
    write_png(found / "small_mask.png", hole[::2, ::2])
    write_png(found / "empty.png", hole & False)
    write_png(found / "photo.png", np.arange(hole.size, dtype=np.uint32).astype(np.uint8).reshape(hole.shape))
    (found / "broken.png").write_bytes((found / "good.png").read_bytes()[:60])
    check = recipe("check").main
    assert check([str(found), "--photos", str(photos), "--repair-to", str(tmp_path / "clean")]) == 1
    out = capsys.readouterr().out
    for trouble in (
        "broken.png: expected",
        "empty.png: no hole",
        "photo.png: expected a mask, got a picture: 79.7% of its values are neither black nor white",
        "small_mask.png: 48x32 for a photo of 96x64",
        "mixed polarity",
    ):
        assert trouble in out
    for name in ("good.png", "inverted.png"):
        np.testing.assert_array_equal(read_raw(tmp_path / "clean" / name) > 0, hole)
    assert (read_raw(tmp_path / "clean" / "small_mask.png").shape) == hole.shape

    (photos / "good.png").unlink()
    assert check([str(found), "--photos", str(photos)]) == 1
    assert "1 masks without a photo" in capsys.readouterr().out
    assert check([str(tmp_path / "nowhere")]) == 1
    assert check([str(photos.parent / "clean"), "--photos", str(photos.parent / "clean")]) == 1


def test_other_kinds_are_drawn_in_the_classes_that_they_can_have(recipe, tmp_path, capsys):
    main = recipe("draw").main
    common = ["--out", str(tmp_path), "--width", "64", "--height", "48", "--count", "2"]
    assert main([*common, "--kind", "square", "--ratios", "20-30"]) == 0
    ratios = [(read_raw(path) > 0).mean() for path in tmp_path.glob("square_20-30_any_*.png")]
    assert ratios == pytest.approx([0.25, 0.25], abs=0.02)
    assert main([*common, "--kind", "half", "--ratios", "0-10"]) == 1
    assert "classes that half can have" in capsys.readouterr().err


def test_the_widest_gap_goes_around_the_ends():
    mask = np.zeros((3, 20), bool)
    assert shapes.widest_gap(mask) == 0 == shapes.widest_gap(~mask)
    mask[1, [5, 11]] = True
    assert shapes.widest_gap(mask) == 18  # columns 12 to 4
    for shift in range(20):
        assert shapes.widest_gap(np.roll(mask, shift, axis=1)) == (18 + shift) % 20
