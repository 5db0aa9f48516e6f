from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from edgeconnect.errors import InputError
from edgeconnect.ingan.animation import on_canvas, write_animation
from edgeconnect.ingan.networks import Generator
from edgeconnect.ingan.retarget import Retargeter, as_alpha
from edgeconnect.ingan.store import FORMAT, load_generator, save_generator, save_photos
from edgeconnect.io.images import read_rgb, write_png


@pytest.fixture
def run(tmp_path: Path, photo: np.ndarray) -> Path:
    """A run of two photos, 48x64 and 26x30, with an untrained generator."""
    torch.manual_seed(0)
    small = np.ascontiguousarray(photo[::2, ::2])
    save_photos(tmp_path, [small, small[:26, :30]])
    generator = Generator(width=4, downscales=1, blocks=1)
    save_generator(tmp_path / "weights.safetensors", generator, {"photos": 2, "sizes": (0.5, 2.0)})
    return tmp_path


@pytest.fixture
def model(run: Path) -> Retargeter:
    return Retargeter.load(run, device="cpu", precision="float32")


def test_a_generator_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    generator = Generator(width=4, downscales=2, blocks=1)
    generator(torch.rand(1, 3, 20, 20), lambda features: features)  # moves the batch norms' statistics
    save_generator(tmp_path / "g.safetensors", generator, {"steps": 3})
    loaded, made = load_generator(tmp_path / "g.safetensors")
    assert made == {"steps": 3} and not loaded.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_files_that_hold_no_generator_are_refused(tmp_path: Path, weights_file: Path) -> None:
    with pytest.raises(InputError, match=f"expected a generator of format {FORMAT}, got edgeconnect-1"):
        load_generator(weights_file)
    with pytest.raises(InputError, match="no such file; `edgeconnect single train` writes it"):
        Retargeter.load(tmp_path / "nothing")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(InputError, match="expected a safetensors file of a generator"):
        load_generator(tmp_path / "text.safetensors")


@pytest.mark.parametrize(
    ("number", "size"), [(0, (8, 8)), (0, (17, 75)), (1, (8, 8)), (1, (17, 50)), (1, (38, 45))]
)
def test_a_photo_becomes_any_size(model: Retargeter, number: int, size: tuple[int, int]) -> None:
    result = model.retarget(size, photo=number)
    assert result.shape == (*size, 3) and result.dtype == np.uint8
    assert result.std() > 0


def test_scales_are_of_the_chosen_photo(model: Retargeter) -> None:
    assert model.size((0.5, 2.0)) == (24, 128)
    assert model.size((0.5, 2.0), photo=1) == (13, 60)


def test_the_same_call_gives_the_same_pixels(model: Retargeter) -> None:
    np.testing.assert_array_equal(model.retarget((20, 25)), model.retarget((20, 25)))


def test_a_trapezoid_is_opaque_inside_and_transparent_beside(model: Retargeter) -> None:
    alpha = as_alpha((100, 200), (0.25, -0.25))
    assert alpha[0].sum() / 255 == pytest.approx(100, abs=2) and alpha[-1].all()
    assert set(np.unique(alpha)) == {0, 255}
    assert model.retarget((25, 50), (0.25, -0.25)).shape == (25, 50, 3)


def test_an_outline_shows_the_photo_inside_alone(model: Retargeter) -> None:
    outline = np.zeros((70, 90), bool)
    cv2.circle(canvas := np.zeros((70, 90), np.uint8), (40, 30), 25, 1, -1)
    outline |= canvas > 0
    shaped = model.in_outline(outline)
    np.testing.assert_array_equal(shaped[..., 3] > 0, outline)
    assert not shaped[~outline].any()
    # the photo was retargeted to the circle's own 51x51 px
    whole = model.retarget((51, 51))
    np.testing.assert_array_equal(
        shaped[5:56, 15:66][outline[5:56, 15:66]][:, :3], whole[outline[5:56, 15:66]]
    )


def test_an_outline_needs_an_inside(model: Retargeter) -> None:
    with pytest.raises(InputError, match="the outline is empty"):
        model.in_outline(np.zeros((30, 30), bool))


def test_a_motion_goes_there_and_back_through_all_sizes(model: Retargeter) -> None:
    sizes = [picture.shape[:2] for picture in model.through_sizes((24, 96), 8)]
    assert sizes[0] == (48, 64) and sizes[4] == (24, 96)
    assert sizes[1:4] == sizes[:4:-1]
    heights = [height for height, _ in sizes[:5]]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) == 5


@pytest.mark.parametrize("size", [(7, 100), (100, 0), (100_000, 100_000)])
def test_sizes_that_cannot_be_are_refused(model: Retargeter, size: tuple[int, int]) -> None:
    with pytest.raises(
        InputError, match=f"at least 8x8 px and at most 67.1 megapixels, got {size[1]}x{size[0]}"
    ):
        model.retarget(size)


def test_a_photo_that_is_not_there_is_refused(model: Retargeter) -> None:
    with pytest.raises(InputError, match="photo 2: expected 0 to 1"):
        model.retarget((20, 20), photo=2)


def test_beyond_the_trained_sizes_is_said(model: Retargeter) -> None:
    assert model.note((48, 128)) is None
    assert model.note((15, 150)) == "scaled by 0.31,2.34, but trained from 0.5 to 2"


def random_pictures(rng: np.random.Generator, *sizes: tuple[int, int]) -> list[np.ndarray]:
    return [np.full((*size, 3), rng.integers(0, 200, 3), np.uint8) for size in sizes]


def test_a_gif_holds_every_picture_on_one_canvas(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = random_pictures(rng, (20, 30), (26, 24), (10, 40))
    write_animation(tmp_path / "a.gif", pictures)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.size, gif.n_frames, gif.info["duration"], gif.info["loop"]) == ((40, 26), 3, 80, 0)
        for number, picture in enumerate(pictures):
            gif.seek(number)
            frame = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(frame - on_canvas(picture, 26, 40)).max() <= 4


def test_an_mp4_holds_every_picture(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = random_pictures(rng, (32, 48), (40, 31), (24, 24))
    write_animation(tmp_path / "a.mp4", pictures)
    video = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    frames = [video.read()[1][..., ::-1].astype(int) for _ in pictures]
    assert not video.read()[0]
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.shape == (40, 48, 3)
        assert np.abs(frame - on_canvas(picture, 40, 48)).mean() < 6
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_folder_holds_every_picture_at_its_own_size(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = random_pictures(rng, (20, 30), (26, 24))
    write_animation(tmp_path / "frames", pictures)
    for path, picture in zip(sorted((tmp_path / "frames").iterdir()), pictures, strict=True):
        np.testing.assert_array_equal(read_rgb(path), picture)
    with pytest.raises(InputError, match=r"a name ending in .gif or .mp4, or a folder, got '.avi'"):
        write_animation(tmp_path / "a.avi", pictures)


def test_batches_of_sizes_do_not_change_the_generator(model: Retargeter) -> None:
    before = [tensor.clone() for tensor in model.generator.state_dict().values()]
    model.retarget((30, 30))
    assert all(map(torch.equal, before, model.generator.state_dict().values()))


def test_a_missing_photo_of_the_run_is_named(run: Path) -> None:
    (run / "photos/1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png: expected a readable file, got no such file"):
        Retargeter.load(run, device="cpu")
    write_png(run / "photos/1.png", np.zeros((20, 20, 3), np.uint8))
    assert len(Retargeter.load(run, device="cpu").photos) == 2
