"""Claims about the networks in use that hold for any weights."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from skimage.feature import canny

from edgeconnect import EdgeConnect
from edgeconnect.edges.canny import to_gray
from edgeconnect.edges.continuation import LIKELY, SURE
from edgeconnect.errors import InputError
from edgeconnect.inpainters import edgeconnect
from edgeconnect.inpainters.edgeconnect import blend
from edgeconnect.models.checkpoint import Weights, build_network, save_weights

QUICK = pytest.mark.usefixtures("quick_patches")  # holds whatever is copied


def _hole(
    shape: tuple[int, ...], top: int = 30, left: int = 40, height: int = 30, width: int = 40
) -> np.ndarray:
    mask = np.zeros(shape[:2], bool)
    mask[top : top + height, left : left + width] = True
    return mask


def _large(photo: np.ndarray, times: int) -> np.ndarray:
    return np.tile(photo, (times, times, 1))


def test_every_known_pixel_is_identical_and_the_hole_is_new(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    result = model.inpaint(photo, mask)
    assert result.shape == photo.shape and result.dtype == photo.dtype
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    assert (result[mask] != photo[mask]).any()


def test_an_empty_mask_returns_the_photo(model: EdgeConnect, photo: np.ndarray) -> None:
    np.testing.assert_array_equal(model.inpaint(photo, np.zeros(photo.shape[:2], bool)), photo)


def test_the_inputs_are_not_changed(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    before, holes = photo.copy(), mask.copy()
    model.inpaint(photo, mask)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(mask, holes)


@QUICK
def test_what_the_hole_held_does_not_matter(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    other = photo.copy()
    other[mask] = 255 - other[mask]
    np.testing.assert_array_equal(model.inpaint(photo, mask), model.inpaint(other, mask))
    np.testing.assert_array_equal(model.complete_edges(photo, mask), model.complete_edges(other, mask))


def test_sixteen_bit_photos_stay_sixteen_bit(model: EdgeConnect, photo: np.ndarray) -> None:
    deep = photo.astype(np.uint16) * 257
    mask = _hole(photo.shape)
    result = model.inpaint(deep, mask)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~mask], deep[~mask])
    soft, shallow = (model.inpaint(part, mask, texture=0) for part in (deep, photo))
    assert np.abs(soft[mask] / 257 - shallow[mask]).max() <= 0.51


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (31, 33), (97, 50), (66, 151)])
def test_any_size_works(model: EdgeConnect, rng: np.random.Generator, size: tuple[int, int]) -> None:
    photo = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = rng.random(size) < 0.3
    mask.flat[0] = False
    result = model.inpaint(photo, mask)
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    assert model.complete_edges(photo, mask).shape == size


def test_known_edges_are_scikit_image_s_and_the_hole_s_rim_is_no_edge(
    model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = _hole(photo.shape)
    edges = model.complete_edges(photo, mask)
    assert edges.dtype == np.float32 and edges.min() >= 0 and edges.max() <= 1
    np.testing.assert_array_equal(edges[~mask], canny(to_gray(photo), 2.0, mask=~mask)[~mask])


@QUICK
def test_given_edges_are_used_in_the_hole_and_only_there(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    drawn = np.zeros(mask.shape, np.float32)
    drawn[45, 42:78] = 1
    elsewhere = drawn.copy()
    elsewhere[:20] = 1
    result = model.inpaint(photo, mask, drawn)
    assert (result[mask] != model.inpaint(photo, mask, np.zeros_like(drawn))[mask]).any()
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    np.testing.assert_array_equal(result, model.inpaint(photo, mask, elsewhere))
    np.testing.assert_array_equal(result, model.inpaint(photo, mask, drawn.astype(bool)))


@QUICK
def test_given_known_edges_are_used_outside_the_hole_and_only_there(
    model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = _hole(photo.shape)
    own = canny(to_gray(photo), 2.0, mask=~mask)
    nothing = np.zeros(mask.shape, bool)
    result = model.inpaint(photo, mask, nothing, known_edges=nothing)
    assert (result[mask] != model.inpaint(photo, mask, nothing)[mask]).any()
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    np.testing.assert_array_equal(model.inpaint(photo, mask, known_edges=own), model.inpaint(photo, mask))
    np.testing.assert_array_equal(result, model.inpaint(photo, mask, nothing, known_edges=mask))


@QUICK
def test_the_completed_edges_given_back_change_nothing(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    edges = model.complete_edges(photo, mask)
    np.testing.assert_array_equal(model.inpaint(photo, mask, edges), model.inpaint(photo, mask))


@QUICK
def test_a_hole_s_result_does_not_depend_on_the_photo_s_size(model: EdgeConnect, photo: np.ndarray) -> None:
    large = _large(photo, 8)
    mask = _hole(large.shape, 400, 500, 40, 40)
    window = (slice(400 - 108, 400 + 148), slice(500 - 108, 500 + 148))
    whole = model.inpaint(large, mask)
    alone = model.inpaint(np.ascontiguousarray(large[window]), mask[window])
    np.testing.assert_array_equal(whole[window], alone)


@QUICK
@pytest.mark.parametrize("hole_start", ["white", "smooth"])
def test_a_deep_hole_is_filled_coarse_to_fine(
    photo: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole_start: str
) -> None:
    torch.manual_seed(0)
    painter = build_network("inpaint_generator", width=8, blocks=1, hole_start=hole_start)
    networks = {
        "edge_generator": build_network("edge_generator", width=8, blocks=1),
        "inpaint_generator": painter,
    }
    save_weights(tmp_path / "w.safetensors", Weights(networks))
    model = EdgeConnect.load(tmp_path / "w.safetensors", precision="float32")
    sizes = []
    run = model._run
    monkeypatch.setattr(
        model, "_run", lambda name, first, *rest: sizes.append(first.shape) or run(name, first, *rest)
    )
    large = _large(photo, 5)
    mask = _hole(large.shape, 100, 150, 200, 220)
    result = model.inpaint(large, mask)
    np.testing.assert_array_equal(result[~mask], large[~mask])
    assert min(s[0] for s in sizes) <= 0.6 * max(s[0] for s in sizes)


def test_a_hole_larger_than_a_cell_is_filled_everywhere(model: EdgeConnect, photo: np.ndarray) -> None:
    large = _large(photo, 8)
    mask = _hole(large.shape, 300, 20, 24, 900)
    result = model.inpaint(large, mask, texture=0)
    np.testing.assert_array_equal(result[~mask], large[~mask])
    assert (result[mask] != large[mask]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p, m: (p[..., 0], m), "photo: expected"),
        (lambda p, m: (p / 255, m), "photo: expected"),
        (lambda p, m: (p, m.astype(np.uint8) * 255), "mask > 127"),
        (lambda p, m: (p, m[:-1]), "mask: expected the photo's"),
        (lambda p, m: (p, np.ones_like(m)), "at least one known pixel"),
    ],
)
def test_wrong_input_is_named_in_a_sentence(
    model: EdgeConnect, photo: np.ndarray, change, sentence: str
) -> None:
    wrong_photo, wrong_mask = change(photo, _hole(photo.shape))
    for call in (model.inpaint, model.complete_edges):
        with pytest.raises(InputError, match=sentence):
            call(wrong_photo, wrong_mask)


@pytest.mark.parametrize(
    ("edges", "sentence"),
    [
        (np.zeros((5, 5), np.float32), "edges: expected the photo's"),
        (np.zeros((96, 128), np.uint8), "edges / 255"),
        (np.full((96, 128), 255.0), r"values in \[0,1\]"),
        (np.full((96, 128), np.nan), r"values in \[0,1\]"),
    ],
)
def test_wrong_edges_are_named_in_a_sentence(
    model: EdgeConnect, photo: np.ndarray, edges: np.ndarray, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        model.inpaint(photo, _hole(photo.shape), edges)


def test_weights_without_an_inpainting_generator_still_complete_edges(
    tmp_path: Path, photo: np.ndarray
) -> None:
    save_weights(
        tmp_path / "e.safetensors",
        Weights({"edge_generator": build_network("edge_generator", width=8, blocks=1)}),
    )
    model = EdgeConnect.load(tmp_path / "e.safetensors")
    mask = _hole(photo.shape)
    assert model.complete_edges(photo, mask).shape == mask.shape
    with pytest.raises(InputError, match="inpaint generator is needed"):
        model.inpaint(photo, mask)


def test_bf16_stays_near_float32(weights_file: Path, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    results = [
        EdgeConnect.load(weights_file, device="cpu", precision=p).inpaint(photo, mask, texture=0).astype(int)
        for p in ("float32", "bf16")
    ]
    difference = np.abs(results[0] - results[1])
    assert 0 < difference.max() <= 24 and difference.mean() < 1


def test_blending_changes_the_band_around_the_hole_and_nothing_beyond(photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    result = 255 - photo
    blended = blend(photo, result, mask, 4)
    np.testing.assert_array_equal(blended[mask], result[mask])
    far = np.ones_like(mask)
    far[30 - 6 : 60 + 6, 40 - 6 : 80 + 6] = False
    np.testing.assert_array_equal(blended[far], photo[far])
    assert (blended[28, 45] != photo[28, 45]).any() and (blended[28, 45] != result[28, 45]).any()


def test_the_generators_take_tensors_of_the_documented_shapes(model: EdgeConnect) -> None:
    gray, edge, mask = (torch.rand(2, 1, 40, 52) for _ in range(3))
    mask = (mask > 0.5).float()
    assert model.edge_generator(gray, edge, mask).shape == (2, 1, 40, 52)
    assert model.inpaint_generator(torch.rand(2, 3, 40, 52), edge, mask).shape == (2, 3, 40, 52)


@pytest.mark.slow
def test_completed_edges_given_back_change_nothing_in_deep_holes_and_several(
    model: EdgeConnect, rng: np.random.Generator
) -> None:
    photo = rng.integers(0, 256, (300, 620, 3), dtype=np.uint8)
    mask = np.zeros((300, 620), bool)
    mask[40:250, 30:250] = True  # filled coarse to fine
    mask[100:120, 300:330] = mask[20:40, 560:600] = True  # one within reach of it, one far away
    edges = model.complete_edges(photo, mask)
    assert edges[mask].max() > 0
    given, own = (model.inpaint(photo, mask, lines, texture=0) for lines in (edges, None))
    np.testing.assert_array_equal(given, own)


@pytest.mark.parametrize("texture", [-0.1, 1.1, float("nan")])
def test_a_texture_outside_its_range_is_named(model: EdgeConnect, photo: np.ndarray, texture: float) -> None:
    with pytest.raises(InputError, match="texture: expected a number from 0 to 1"):
        model.inpaint(photo, _hole(photo.shape), texture=texture)


def test_texture_lies_between_the_networks_and_the_photos_own(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    soft, half, full = (model.inpaint(photo, mask, texture=t)[mask].astype(float) for t in (0, 0.5, 1))
    assert (soft != full).any()
    assert np.abs(half - (soft + full) / 2).max() <= 1


@QUICK
def test_candidates_begin_with_the_usual_fill_and_differ(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    fills = list(model.candidates(photo, mask, 4))
    np.testing.assert_array_equal(fills[0], model.inpaint(photo, mask))
    assert all((fill[~mask] == photo[~mask]).all() for fill in fills)
    assert len({fill.tobytes() for fill in fills}) == 4


def test_a_drawn_line_moves_what_is_copied(model: EdgeConnect, photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    drawn = np.zeros(mask.shape, np.float32)
    drawn[mask.any(1).argmax() + 4] = 1
    assert (model.inpaint(photo, mask, drawn) != model.inpaint(photo, mask, 0 * drawn))[mask].any()


def test_lines_are_learned_continued_or_both() -> None:
    y, x = np.mgrid[:128, :160]
    photo = np.where(x + y // 4 > 80, 200, 60).astype(np.uint8)[..., None].repeat(3, axis=2)
    mask = _hole(photo.shape, 40, 60, 40, 40)
    network = build_network("edge_generator", width=4, blocks=1, edge_start="continued")
    torch.nn.init.constant_(network.net.decoder[-1].bias, -3)  # faint everywhere
    model = EdgeConnect(Weights({"edge_generator": network}), device="cpu")
    maps = {kind: model.complete_edges(photo, mask, kind) for kind in ("learned", "continued", "both")}
    continued = maps["continued"]
    assert set(np.unique(continued)) == {0, 1} and 30 < continued[mask].sum() < 60
    np.testing.assert_array_equal(maps["both"], np.maximum(maps["learned"], continued))
    np.testing.assert_array_equal(model.complete_edges(photo, mask), maps["both"])


def test_of_both_kinds_the_continued_lines_are_the_sure_ones(
    photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = _hole(photo.shape)
    levels = [LIKELY - 0.05, LIKELY + 0.05, SURE - 0.05, SURE + 0.05]
    monkeypatch.setattr(
        "edgeconnect.inpainters.edgeconnect.continue_edges",
        lambda _photo, _edge, hole: hole * np.resize(np.float32(levels), hole.shape),
    )
    network = build_network("edge_generator", width=4, blocks=1)
    torch.nn.init.constant_(network.net.decoder[-1].bias, -3)
    model = EdgeConnect(Weights({"edge_generator": network}), device="cpu")
    maps = {kind: model.complete_edges(photo, mask, kind) for kind in ("learned", "continued", "both")}
    shares = {kind: (lines[mask] == 1).mean() for kind, lines in maps.items()}
    assert shares["learned"] == 0 and shares["continued"] == 0.75 and shares["both"] == 0.25
    np.testing.assert_array_equal(maps["both"][maps["both"] < 1], maps["learned"][maps["both"] < 1])


def test_learned_lines_are_one_pixel_thick(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.full((96, 96, 3), 60, np.uint8)
    photo[48:] = 200
    mask = _hole(photo.shape, 30, 30, 40, 40)
    bar = np.zeros(mask.shape, np.float32)
    bar[45:52] = 0.9  # 7 px thick
    model = EdgeConnect(
        Weights({"edge_generator": build_network("edge_generator", width=4, blocks=1)}), "cpu"
    )
    monkeypatch.setattr(EdgeConnect, "_learned", lambda self, part, hole, known, *start: bar[: len(hole)])
    lines = model.complete_edges(photo, mask, "learned") > 0.5
    assert np.all(lines[:, 36:64].sum(0) == 1)


def test_continued_lines_need_no_edge_generator(photo: np.ndarray) -> None:
    mask = _hole(photo.shape)
    network = build_network("inpaint_generator", width=4, blocks=1)
    model = EdgeConnect(Weights({"inpaint_generator": network}), device="cpu")
    assert model.inpaint(photo, mask, lines="continued").shape == photo.shape
    with pytest.raises(InputError, match="edge generator"):
        model.inpaint(photo, mask)


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("width", [5, 40])
def test_what_is_flat_around_a_hole_stays_flat_to_the_level(
    model: EdgeConnect, value: int, width: int
) -> None:
    """Scanned pages, drawn bubbles, skies burnt out: no grey bars, also in thin strokes."""
    flat = np.full((128, 160, 3), value, np.uint8)
    mask = np.zeros(flat.shape[:2], bool)
    mask[20:100, 60 : 60 + width] = True
    np.testing.assert_array_equal(model.inpaint(np.where(mask[..., None], np.uint8(90), flat), mask), flat)


@pytest.mark.parametrize("texture", [0, 1])
def test_a_photo_of_a_narrow_range_is_filled_as_one_of_the_full_range(
    model: EdgeConnect, texture: int
) -> None:
    """12 bits in a file of 16: the hole is no brighter than what is around it."""
    photo = data.astronaut()[100:228, 180:340]
    narrow = 1000 + photo.astype(np.uint16) * 8
    mask = _hole(photo.shape)
    wide, filled = (model.inpaint(p, mask, texture=texture)[mask].astype(float) for p in (photo, narrow))
    assert filled.min() >= 900 and filled.max() <= 3140
    assert np.abs((filled - 1000) / 8 - wide).mean() < (12 if texture else 6)  # other patches may be chosen


def test_lines_of_large_windows_are_those_of_the_whole_but_for_the_tiles_borders(
    model: EdgeConnect, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = np.tile(photo, (2, 2, 1))
    mask = np.zeros(large.shape[:2], bool)
    mask[60:130, 90:150] = True
    whole = model.complete_edges(large, mask, "continued")
    monkeypatch.setattr(edgeconnect, "TILE_PX", 80)
    monkeypatch.setattr(edgeconnect, "TILE_MARGIN_PX", 40)
    tiled = model.complete_edges(large, mask, "continued")
    filled = model.inpaint(large, mask, texture=0.0)
    assert whole[~mask].any() and (whole != tiled)[~mask].mean() < 0.002
    assert (whole != tiled)[mask].mean() < 0.02
    np.testing.assert_array_equal(filled[~mask], large[~mask])
    assert (filled[mask] != large[mask]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("sides", [(200, 220), (201, 221), (200, 221)])
def test_half_the_size_and_back_is_in_its_place(sides: tuple[int, int]) -> None:
    """A ramp stays a ramp: of odd sides too, nothing is moved or stretched."""
    height, width = sides
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ramp = np.stack([y, x, y + x], 2) / 500
    canvas, hole = edgeconnect._Canvas(ramp).halved(np.zeros(sides, bool))
    assert not hole.any() and canvas.pixels.shape == (-(-height // 2), -(-width // 2), 3)
    inner = edgeconnect.Box(50, 60, 151, 163)
    back = edgeconnect._doubled(canvas.pixels, inner, cv2.INTER_LINEAR)
    np.testing.assert_allclose(back, ramp[inner.slices], atol=1e-5)


@pytest.mark.slow
def test_memory_follows_the_photo_s_bytes_and_not_floats_of_it(
    model: EdgeConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some 30 bytes a pixel of steps one and two with a hole over half of the photo; 100 as floats."""

    def flat(name: str, *arrays: np.ndarray) -> np.ndarray:
        return np.full((*arrays[0].shape[:2], 1 if name == "edge_generator" else 3), 0.4, np.float32)

    monkeypatch.setattr(model, "_run", flat)
    side = 1800
    photo = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    photo = photo.repeat(8, 0).repeat(8, 1)
    mask = np.zeros((side, side), bool)
    mask[270:-270, 270:-270] = True
    tracemalloc.start()
    try:
        model.inpaint(photo, mask, texture=0.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * side**2
