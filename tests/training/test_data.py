"""Training items: the photo itself, scikit-image's Canny and the position arithmetic are the witnesses."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from skimage import color, data, feature
from small import write_photos

from edgeconnect.edges.canny import canny
from edgeconnect.edges.continuation import continue_edges
from edgeconnect.errors import InputError
from edgeconnect.io.paths import PathList, photo_paths
from edgeconnect.masks.sampler import MaskMix
from edgeconnect.training.batch import Batch, luminance
from edgeconnect.training.data import Positions, TrainingPhotos, training_loader, validation_items

FIELDS = ("photo", "gray", "edge", "mask")
SQUARE = MaskMix.parse(["square"])


def save_png(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos of other shapes and colours, the short side 48 pixels or more."""
    photos = tmp_path / "photos"
    for number, (height, width) in enumerate([(48, 48), (48, 70), (80, 48), (96, 64), (64, 100)]):
        save_png(photos / f"{number}.png", data.astronaut()[number * 40 :][:height, 180 : 180 + width])
    return photos


def same(one: Batch, two: Batch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in FIELDS)


def first(loader: object, count: int) -> list[Batch]:
    return list(islice(loader, count))  # type: ignore[call-overload]


def test_an_item_is_a_crop_of_its_photo_with_its_gray_its_lines_and_a_hole(folder: Path) -> None:
    dataset = TrainingPhotos(photo_paths(folder), 48, masks=SQUARE, flip=False)
    rgb = np.asarray(data.astronaut()[40:88, 180:250])
    item = dataset[7, 1]
    pixels = (item.photo.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(rgb, (48, 48, 3))[0, :, 0]
    assert [np.array_equal(window, pixels) for window in windows].count(True) == 1
    gray = color.rgb2gray(pixels)
    np.testing.assert_allclose(item.gray[0], gray, rtol=1e-6)
    np.testing.assert_array_equal(item.edge[0], feature.canny(gray, 2).astype(np.float32))
    assert item.edge.any()
    assert item.mask.mean() == 0.25
    for name in FIELDS:
        tensor = getattr(item, name)
        assert tensor.dtype == torch.float32
        assert tensor.shape == (3 if name == "photo" else 1, 48, 48)
    torch.testing.assert_close(item.gray, luminance(item.photo[None])[0])


def test_an_item_follows_from_seed_and_position_alone(folder: Path) -> None:
    paths = photo_paths(folder)
    one = TrainingPhotos(paths, 32, masks=SQUARE, seed=5)
    one[99, 2]
    assert same(one[3, 1], TrainingPhotos(paths, 32, masks=SQUARE, seed=5)[3, 1])
    assert not same(one[3, 1], one[4, 1])
    assert not same(one[3, 1], TrainingPhotos(paths, 32, masks=SQUARE, seed=6)[3, 1])


def test_half_of_the_items_are_mirrored_and_none_without_flip(folder: Path) -> None:
    paths = photo_paths(folder)
    plain = TrainingPhotos(paths, 48, masks=SQUARE, flip=False)[0, 0].photo
    mirrored = [TrainingPhotos(paths, 48, masks=SQUARE)[p, 0].photo for p in range(60)]
    counts = Counter("as is" if torch.equal(p, plain) else "mirrored" for p in mirrored)
    assert all(torch.equal(p, plain) or torch.equal(p, plain.flip(2)) for p in mirrored)
    assert min(counts["as is"], counts["mirrored"]) > 18


def test_the_short_side_is_drawn_from_its_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_png(tmp_path / "wide.png", np.asarray(data.astronaut()[:100, :200]))
    from edgeconnect.io import images

    seen, resize = set(), images.resize
    monkeypatch.setattr(images, "resize", lambda p, h, w: (seen.add((h, w)), resize(p, h, w))[1])
    dataset = TrainingPhotos(photo_paths(tmp_path), 32, masks=SQUARE, short_side=(32, 34))
    for position in range(30):
        assert dataset[position, 0].photo.shape == (3, 32, 32)
    assert seen == {(32, 64), (33, 66), (34, 68)}


def test_a_range_below_the_crop_s_size_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="from 32"):
        TrainingPhotos(photo_paths(folder), 32, masks=SQUARE, short_side=(31, 40))


def test_another_detector_s_maps_are_cut_and_mirrored_with_their_photos(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
    save_png(tmp_path / "photos/sub/a.png", pixels)
    save_png(tmp_path / "edges/a.png", np.repeat(pixels[..., :1], 3, axis=2))
    paths = photo_paths(tmp_path / "photos")
    dataset = TrainingPhotos(paths, 40, masks=SQUARE, edges_folder=tmp_path / "edges")
    for position in range(6):
        item = dataset[position, 0]
        torch.testing.assert_close(item.edge[0], item.photo[0])
    item = validation_items(paths, 40, SQUARE, edges_folder=tmp_path / "edges")[0]
    torch.testing.assert_close(item.edge[0], item.photo[0])


def test_maps_at_the_same_place_below_their_folder_go_before_those_of_the_same_stem(tmp_path: Path) -> None:
    save_png(tmp_path / "photos/sub/a.png", np.zeros((16, 16, 3), np.uint8))
    save_png(tmp_path / "edges/sub/a.png", np.full((16, 16, 3), 255, np.uint8))
    save_png(tmp_path / "edges/a.png", np.zeros((16, 16, 3), np.uint8))
    dataset = TrainingPhotos(
        photo_paths(tmp_path / "photos"), 16, masks=SQUARE, edges_folder=tmp_path / "edges"
    )
    assert dataset[0, 0].edge.all()


def test_a_missing_map_and_one_of_another_size_are_errors_that_name_it(tmp_path: Path) -> None:
    save_png(tmp_path / "photos/a.png", np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "edges").mkdir()
    dataset = TrainingPhotos(
        photo_paths(tmp_path / "photos"), 16, masks=SQUARE, edges_folder=tmp_path / "edges"
    )
    with pytest.raises(InputError, match=r"a\.png: expected its edge map"):
        dataset[0, 0]
    save_png(tmp_path / "edges/a.png", np.zeros((8, 16, 3), np.uint8))
    with pytest.raises(InputError, match=r"edges/a\.png: .*16x8"):
        dataset[0, 0]


def test_every_epoch_takes_every_photo_once_in_another_order() -> None:
    batches = islice(Positions(3, 7, seed=1), 14)
    places = [place for batch in batches for place in batch]
    assert [position for position, _ in places] == list(range(42))
    epochs = [[index for _, index in places[start : start + 7]] for start in range(0, 42, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 3


def test_starting_later_or_on_several_processes_gives_the_same_places() -> None:
    whole = list(islice(Positions(4, 10, seed=2), 9))
    assert list(islice(Positions(4, 10, seed=2, start_step=5), 4)) == whole[5:]
    ranks = [list(islice(Positions(2, 10, seed=2, rank=rank, world=2), 9)) for rank in (0, 1)]
    assert [one + two for one, two in zip(*ranks, strict=True)] == whole


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing_and_a_later_start_continues_exactly(folder: Path, workers: int) -> None:
    dataset = TrainingPhotos(photo_paths(folder), 32, masks=MaskMix.parse(["strokes"], (0.1, 0.4)))
    expected = first(training_loader(dataset, 2, 0), 5)
    assert expected[0].photo.shape == (2, 3, 32, 32)
    assert all(map(same, first(training_loader(dataset, 2, workers), 5), expected))
    assert all(map(same, first(training_loader(dataset, 2, workers, start_step=3), 2), expected[3:]))


def test_the_loader_leaves_torch_s_own_random_numbers_alone(folder: Path) -> None:
    dataset = TrainingPhotos(photo_paths(folder), 32, masks=SQUARE)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first(training_loader(dataset, 2, 0), 2)
    assert torch.equal(torch.rand(3), expected)


def test_the_dataset_can_be_pickled_for_spawned_workers(folder: Path) -> None:
    dataset = TrainingPhotos(photo_paths(folder), 32, masks=MaskMix.parse(["strokes", "centre", "boxes"]))
    assert same(pickle.loads(pickle.dumps(dataset))[8, 3], dataset[8, 3])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_stops_with_one_sentence_that_names_it(folder: Path, workers: int) -> None:
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:2000])
    loader = training_loader(TrainingPhotos(photo_paths(folder), 32, masks=SQUARE), 2, workers)
    try:
        first(loader, 4)
        sentence = "no error"
    except InputError as error:  # pytest.raises would keep the frames, and so the worker, alive
        sentence = str(error)
    assert "3.png: expected a whole picture" in sentence
    assert "Traceback" not in sentence
    assert "\n" not in sentence


def test_skipping_broken_photos_counts_and_lists_them_and_takes_no_other_in_their_place(folder: Path) -> None:
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:2000])
    dataset = TrainingPhotos(photo_paths(folder), 32, masks=SQUARE, skip_broken=True)
    assert len(dataset.skipped) == 1
    assert "3.png" in dataset.skipped[0]
    assert [path.name for path in dataset.paths] == ["0.png", "1.png", "2.png", "4.png"]
    indices = [index for batch in islice(Positions(2, len(dataset)), 4) for _, index in batch]
    assert Counter(indices) == dict.fromkeys(range(4), 2)


def test_a_folder_of_broken_photos_alone_is_an_error(tmp_path: Path) -> None:
    path = save_png(tmp_path / "a.png", np.asarray(data.astronaut()[:64, :64]))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"none of 1 photos .*a\.png"):
        TrainingPhotos(photo_paths(tmp_path), 32, masks=SQUARE, skip_broken=True)


def test_validation_items_are_fixed_centre_crops(folder: Path) -> None:
    paths = photo_paths(folder)
    items = validation_items(paths, 48, SQUARE, seed=1, count=3)
    assert len(items) == 3
    assert all(map(same, items, validation_items(paths, 48, SQUARE, seed=1, count=3)))
    assert len(validation_items(paths, 48, SQUARE, count=99)) == 5
    wide = validation_items(PathList.from_paths(folder, [folder / "1.png"]), 48, SQUARE)[0]
    expected = torch.from_numpy(data.astronaut()[40:88, 191:239].copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(wide.photo, expected)


def test_memory_is_page_locked_for_the_device_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    write_photos(tmp_path / "photos")
    dataset = TrainingPhotos(photo_paths(tmp_path / "photos"), 16, masks=SQUARE)
    assert not training_loader(dataset, 2, 0, device="cpu").pin_memory
    assert training_loader(dataset, 2, 0, device="cuda:1").pin_memory


def test_items_that_start_from_continued_lines_hold_what_is_known_in_use(folder: Path) -> None:
    plain = TrainingPhotos(photo_paths(folder), 48, masks=SQUARE)[3, 1]
    item = TrainingPhotos(photo_paths(folder), 48, masks=SQUARE, edge_start="continued")[3, 1]
    assert plain.start is None and item.start is not None
    mask = item.mask[0].numpy() > 0.5
    edge, known = item.edge[0].numpy(), canny(item.gray[0].numpy(), 2, ~mask)
    np.testing.assert_array_equal(edge[~mask], known[~mask])
    np.testing.assert_array_equal(edge[mask], plain.edge[0].numpy()[mask])
    pixels = (item.photo.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(item.start[0].numpy(), continue_edges(pixels, edge, mask))
    batch = Batch.stack([item, item])
    assert batch.start is not None and batch.start.shape == (2, 1, 48, 48)


@pytest.mark.parametrize(
    "text",
    [
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that its workers are "
        "out of shared memory.\nPlease try to raise your shared memory limit.",
        "DataLoader timed out after 600 seconds",
        "DataLoader worker (pid(s) 7) exited unexpectedly",
    ],
)
def test_workers_without_shared_memory_are_a_sentence(tmp_path, monkeypatch, text) -> None:
    def broken(self: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", broken)
    dataset = TrainingPhotos(photo_paths(write_photos(tmp_path)), 32, masks=SQUARE)
    with pytest.raises(InputError, match=r"the 2 workers brought no batch: .*--workers 0") as error:
        next(iter(training_loader(dataset, 2, 2)))
    assert "\n" not in str(error.value)


def test_shared_memory_too_small_for_the_workers_is_said_at_once(tmp_path, monkeypatch) -> None:
    dataset = TrainingPhotos(photo_paths(write_photos(tmp_path)), 32, masks=SQUARE)
    needed = 2 * 2 * 2 * 32**2 * 7 * 4
    for free, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr("os.statvfs", lambda path, free=free: SimpleNamespace(f_bavail=free, f_frsize=1))
        assert training_loader(dataset, 2, 0).num_workers == 0
        if fits:
            assert training_loader(dataset, 2, 2).num_workers == 2
            continue
        with pytest.raises(InputError, match=r"/dev/shm; enlarge it .* fewer --workers"):
            training_loader(dataset, 2, 2)
