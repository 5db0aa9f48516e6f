"""Photos in tars are the photos that were packed, wherever the tars lie."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from small import run_verb, sentence_of, write_photos

from edgeconnect.errors import InputError
from edgeconnect.io import images, shards
from edgeconnect.io.paths import PathList, depth_notes, find_broken, photo_paths
from edgeconnect.io.shards import read_index, write_shard
from edgeconnect.masks.sampler import MaskMix
from edgeconnect.training.data import TrainingPhotos


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """photos/ of five and the same in three tars of shards/."""
    photos = sorted(write_photos(tmp_path / "photos").iterdir())
    for number, start in enumerate(range(0, 5, 2)):
        contents = ((f"below/{path.name}", path.read_bytes()) for path in photos[start : start + 2])
        write_shard(tmp_path / f"shards/{number:03d}.tar", contents)
    return tmp_path


def read_all(paths: PathList) -> list[np.ndarray]:
    found = []
    for index in range(len(paths)):
        with paths.file(index) as path:
            found.append(images.read_rgb(path))
    return found


def test_tars_hold_what_was_packed_however_they_are_named(packed: Path) -> None:
    expected = read_all(photo_paths(packed / "photos"))
    (packed / "list.txt").write_text("shards/000.tar\nshards/001.tar\nshards/002.tar\n")
    for source in ("shards", "shards/{000..002}.tar", "list.txt"):
        paths = photo_paths(packed / source)
        for one, same in zip(expected, read_all(paths), strict=True):
            np.testing.assert_array_equal(one, same)
        assert paths.name(3) == Path("001/below/photo_3.png")
    one = photo_paths(packed / "shards/001.tar")
    np.testing.assert_array_equal(read_all(pickle.loads(pickle.dumps(one)))[1], expected[3])


def test_training_sees_the_same_items_in_the_same_order(packed: Path) -> None:
    loose, tars = (
        TrainingPhotos(photo_paths(packed / name), 32, masks=MaskMix.parse(("square",)), seed=3)
        for name in ("photos", "shards")
    )
    for position in range(5):
        one, same = loose[position, position], tars[position, position]
        assert torch.equal(one.photo, same.photo) and torch.equal(one.edge, same.edge)


def test_tars_in_a_store_are_read_by_their_address(packed: Path) -> None:
    store = fsspec.filesystem("memory")
    for path in (packed / "shards").iterdir():
        store.pipe_file(f"/bucket/{path.name}", path.read_bytes())
    paths = photo_paths(Path("memory://bucket/{000..002}.tar"))
    for one, same in zip(read_all(photo_paths(packed / "photos")), read_all(paths), strict=True):
        np.testing.assert_array_equal(one, same)


def test_an_index_is_the_tars_headers_as_the_tarfile_module_reads_them(packed: Path) -> None:
    path = packed / "shards/000.tar"
    kept = read_index(str(path))
    path.with_name("000.tar.index.npz").write_bytes(b"damaged")
    read = read_index(str(path))
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    for index in (kept, read):
        assert index.offsets.tolist() == [member.offset_data for member in members]
        assert index.sizes.tolist() == [member.size for member in members]
        assert bytes(index.names).decode() == "".join(member.name for member in members)


def test_a_tar_of_another_tool_is_read_but_for_what_is_no_photo(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 2)
    (photos / "photo_0.json").write_text("{}")
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(photos, "things")
    assert [photo_paths(tmp_path / "all.tar").name(index).name for index in (0, 1)] == sorted(
        path.name for path in photos.glob("*.png")
    )


def test_an_index_of_a_tar_that_was_written_anew_is_not_believed(packed: Path) -> None:
    path = packed / "shards/000.tar"
    old = path.with_name("000.tar.index.npz").read_bytes()
    photo = packed / "photos/photo_4.png"
    write_shard(path, [(f"{number}.png", photo.read_bytes()) for number in range(30)])
    path.with_name("000.tar.index.npz").write_bytes(old)
    assert len(photo_paths(path)) == 30


def test_parts_of_tars_keep_their_photos(packed: Path) -> None:
    paths = photo_paths(packed / "shards")
    np.testing.assert_array_equal(read_all(paths.without([0, 1]))[1], read_all(paths)[3])
    assert paths.select([4, 0]).name(0).name == "photo_4.png"
    assert paths.digest() != paths.select([1, 0, 2, 3, 4]).digest()
    assert find_broken(paths) == [] and depth_notes(paths) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.tar", "none.tar: expected a tar of photos, got no such file"),
        ("broken.tar", "broken.tar: expected a tar of photos, uncompressed, got"),
        ("empty.tar", "empty.tar: expected photos, got tars without any"),
        ("nowhere://x.tar", "nowhere://x.tar: expected a tar of photos"),
    ],
)
def test_what_cannot_be_read_is_named(packed: Path, name: str, sentence: str) -> None:
    (packed / "broken.tar").write_bytes(b"no tar" * 1000)
    write_shard(packed / "empty.tar", [])
    with pytest.raises(InputError, match=sentence):
        photo_paths(Path(name) if "//" in name else packed / name)


def test_a_store_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(shards.fsspec.core, "url_to_fs", missing)
    with pytest.raises(InputError, match=r"s3://bucket/a.tar: .* pip install 'edgeconnect\[s3\]'"):
        photo_paths(Path("s3://bucket/a.tar"))


def test_a_broken_photo_in_a_tar_is_named_with_it(packed: Path) -> None:
    write_shard(packed / "one.tar", [("a.png", b"no picture")])
    ((_, sentence),) = find_broken(photo_paths(packed / "one.tar"))
    assert sentence.startswith(f"{packed}/one.tar/a.png: expected a")


def test_prepared_photos_can_be_packed(packed: Path) -> None:
    run_verb("data", "prepare", "--photos", packed / "photos", "--out", packed / "out", "--split", "val=1",
             "--shards", 3, "--format", "png")  # fmt: skip
    names = sorted(path.relative_to(packed / "out").as_posix() for path in (packed / "out").rglob("*.*"))
    tars = ["train/000000.tar", "train/000001.tar", "val/000000.tar"]
    assert names == sorted(tars + [f"{tar}.index.npz" for tar in tars])
    assert [len(photo_paths(packed / "out" / part)) for part in ("train", "val")] == [4, 1]
    run_verb("data", "check", "--photos", packed / "out/train", "--min-side", 8)
    sentence = sentence_of("data", "check", "--photos", packed / "out/train", "--good", packed / "good.txt")
    assert "--good: expected photos that are files of their own" in sentence
