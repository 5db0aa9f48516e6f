"""Lists of photos: what a folder holds and what a list file says is the witness."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeconnect.errors import InputError
from edgeconnect.io.images import write_png
from edgeconnect.io.paths import PathList, depth_notes, find_broken, photo_paths


def save_photo(path: Path, height: int = 12, width: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(height * width).integers(0, 255, (height, width, 3), np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def test_a_folder_gives_all_photos_below_it_by_content_and_nothing_else(tmp_path: Path) -> None:
    expected = [save_photo(tmp_path / name) for name in ("a.png", "b/c/photo", "b/d.jpg", "é ü.txt")]
    (tmp_path / "notes.png").write_text("no picture")
    assert list(photo_paths(tmp_path)) == sorted(expected)


def test_a_list_file_gives_its_lines_relative_to_its_folder(tmp_path: Path) -> None:
    text = "\ufeffone.png\r\n\n  two spaces.png\nsub/é.png\n/absolute/three.jpg"
    (tmp_path / "train.txt").write_bytes(text.encode())
    paths = photo_paths(tmp_path / "train.txt")
    names = ["one.png", "  two spaces.png", "sub/é.png", "/absolute/three.jpg"]
    assert [str(paths.name(i)) for i in range(len(paths))] == names
    assert list(paths) == [tmp_path / name for name in names]
    assert paths[-1] == Path("/absolute/three.jpg")


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n", "\ufeff\n"])
def test_an_empty_list_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.txt").write_bytes(text.encode())
    with pytest.raises(InputError, match=r"train.txt: .* list without any path"):
        photo_paths(tmp_path / "train.txt")


def test_a_source_that_is_no_list_of_photos_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: .*without any picture"):
        photo_paths(tmp_path / "empty")
    with pytest.raises(InputError, match=r"nowhere: .*got nothing"):
        photo_paths(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"one.png: .*got a picture"):
        photo_paths(save_photo(tmp_path / "one.png"))


def test_a_list_is_a_sequence_of_paths(tmp_path: Path) -> None:
    paths = PathList.from_paths(tmp_path, [tmp_path / f"{i}.png" for i in range(5)])
    assert paths[1:4:2][1] == tmp_path / "3.png"
    assert list(paths.without([0, 4])) == [tmp_path / f"{i}.png" for i in (1, 2, 3)]
    assert list(paths.select([2, 0])) == [tmp_path / "2.png", tmp_path / "0.png"]
    assert list(pickle.loads(pickle.dumps(paths))) == list(paths)
    assert "5 paths" in repr(paths)
    with pytest.raises(IndexError):
        paths[5]


def test_a_hundred_thousand_paths_cost_little_more_than_their_letters(tmp_path: Path) -> None:
    names = [f"train/class_{i % 1000:04d}/photo_{i:08d}.jpg" for i in range(100_000)]
    (tmp_path / "train.txt").write_text("\n".join(names))
    tracemalloc.start()
    paths = photo_paths(tmp_path / "train.txt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert paths[99_999] == tmp_path / names[-1]
    # 2 million at this rate stay under 250 MB
    assert peak / len(names) < 125


@pytest.mark.parametrize("workers", [0, 3])
def test_broken_photos_are_found_with_their_names(tmp_path: Path, workers: int) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save_photo(tmp_path / name)
    data = (tmp_path / "c.png").read_bytes()
    (tmp_path / "c.png").write_bytes(data[: len(data) // 2])
    paths = photo_paths(tmp_path)
    (tmp_path / "a.png").unlink()
    found = find_broken(paths, workers)
    assert [index for index, _ in found] == [0, 2]
    assert "a.png" in found[0][1]
    assert "c.png" in found[1][1]


def test_photos_of_sixteen_bits_are_said(tmp_path: Path) -> None:
    for number in range(5):
        write_png(tmp_path / f"{number}.png", np.zeros((8, 8), np.uint16 if number == 4 else np.uint8))
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert depth_notes(photo_paths(tmp_path))[0].startswith(f"{tmp_path}/4.png has 16 bits")
    (tmp_path / "4.png").unlink()
    assert depth_notes(photo_paths(tmp_path)) == []
