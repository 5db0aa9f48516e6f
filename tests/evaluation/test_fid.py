"""FID's features against pytorch-fid's network, its distance against the textbook formula."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small import nearly, pickled_processes, run_verb, sentence_of

from edgeconnect.errors import InputError
from edgeconnect.evaluation import fid
from edgeconnect.io.images import read_rgb, write_png
from edgeconnect.metrics.fid import Collector, InceptionFeatures, Statistics, frechet_distance


@pytest.fixture
def pictures(rng):
    return [rng.integers(0, 256, (size, 70, 3), np.uint8) for size in (60, 60, 90)]


@pytest.mark.slow
def test_features_are_pytorch_fids_own_whatever_the_pictures_sizes(made_up_inception, pictures):
    path, theirs = made_up_inception
    features = InceptionFeatures(path)(pictures, batch_size=2)
    with torch.inference_mode():
        expected = [theirs(torch.tensor(x).permute(2, 0, 1)[None] / 255)[0].flatten() for x in pictures]
    np.testing.assert_allclose(features, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_no_picture_is_dropped_and_progress_is_told(made_up_inception, pictures):
    told = []
    features = InceptionFeatures(made_up_inception[0], precision="bf16")(iter(pictures), 2, told.append)
    assert features.shape == (3, 2048)
    assert told == [2, 1]


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth is not pytorch-fid's Inception"):
        InceptionFeatures(tmp_path / "other.pth")


def textbook(a, b):
    """Heusel et al.'s formula with numpy's moments; the root's trace from the product's eigenvalues."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(first @ second).real.clip(0)).sum()
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first) + np.trace(second) - 2 * root


@pytest.mark.parametrize(("few", "many"), [(200, 300), (10, 300), (10, 12)])
def test_the_distance_is_the_textbooks_also_for_singular_covariances(rng, few, many):
    mixing = rng.normal(size=(32, 32))
    a, b = rng.normal(size=(few, 32)) @ mixing, rng.normal(0.3, 1.2, (many, 32)) @ mixing
    assert frechet_distance(Statistics.of(a), Statistics.of(b)) == pytest.approx(textbook(a, b), rel=1e-6)


def test_a_set_has_distance_zero_to_itself_and_a_shift_its_squared_length(rng):
    a = rng.normal(size=(20, 64))
    shift = rng.normal(size=64)
    assert frechet_distance(Statistics.of(a), Statistics.of(a)) == pytest.approx(0, abs=1e-9)
    moved = Statistics.of(a + shift)
    assert frechet_distance(Statistics.of(a), moved) == pytest.approx(np.sum(shift**2), rel=1e-9)


def test_two_normal_numbers_have_the_distance_worked_out_by_hand():
    """N(1, 2²) and N(3, 5²): (1 - 3)² + (2 - 5)²."""
    one, other = (
        np.array([[mean - sigma / np.sqrt(2)], [mean + sigma / np.sqrt(2)]])
        for mean, sigma in ((1, 2), (3, 5))
    )
    assert frechet_distance(Statistics.of(one), Statistics.of(other)) == pytest.approx(13)


@pytest.mark.parametrize("count", [10, 100])
def test_statistics_survive_being_kept_as_a_covariance(rng, count):
    a, b = Statistics.of(rng.normal(size=(count, 32))), Statistics.of(rng.normal(1, 2, (50, 32)))
    kept = Statistics.of_covariance(a.mean, a.covariance, a.count)
    assert frechet_distance(kept, b) == pytest.approx(frechet_distance(a, b), rel=1e-7)
    np.testing.assert_allclose(kept.covariance, a.covariance, atol=1e-12)


@pytest.mark.parametrize("count", [20, 31, 32, 33, 100])
def test_blocks_give_the_moments_of_all_features_however_they_were_cut(rng, count):
    features = rng.normal(3, 2, (count, 8)) @ rng.normal(size=(8, 8))
    for size in (1, 7, 32):
        collector = Collector()
        for at in range(0, count, size):
            collector.add(features[at : at + size])
        found = collector.statistics()
        assert found.count == count
        np.testing.assert_allclose(found.mean, features.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(features, rowvar=False), rtol=1e-10, atol=1e-12)


def test_sets_of_unknown_size_cannot_be_merged():
    known = Statistics.of(np.eye(4))
    with pytest.raises(InputError, match="with their number of pictures"):
        known.merged(Statistics.of_covariance(np.zeros(4), np.eye(4)))


def test_one_picture_has_no_covariance():
    with pytest.raises(InputError, match="at least two pictures a set, not 1"):
        Statistics.of(np.zeros((1, 8)))


@pytest.fixture
def sets(tmp_path, rng):
    for name, count in (("truth", 3), ("result", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            write_png(tmp_path / name / f"{i}.png", rng.integers(0, 256, (40, 40, 3), np.uint8))
    return tmp_path


def run(sets, weights, *more):
    out = sets / "fid.json"
    given = [sets / "truth", sets / "result", "--inception", weights, "--device", "cpu", "--json", out, *more]
    run_verb("fid", *given)
    return json.loads(out.read_text())


@pytest.mark.slow
def test_the_command_prints_n_and_warns_of_few_pictures(sets, made_up_inception, capsys):
    report = run(sets, made_up_inception[0])
    features = InceptionFeatures(made_up_inception[0])
    truth, result = (
        Statistics.of(features(read_rgb(p) for p in sorted((sets / name).iterdir())))
        for name in ("truth", "result")
    )
    assert report["fid"] == pytest.approx(frechet_distance(truth, result), rel=1e-6)
    shown = capsys.readouterr()
    assert "N = 3 and 2" in shown.out
    assert "biased upwards" in shown.err


@pytest.mark.slow
def test_two_processes_give_the_number_of_one(sets, made_up_inception, rng, monkeypatch):
    pickled_processes(monkeypatch)
    for i in range(4):
        write_png(sets / "result" / f"more{i}.png", rng.integers(0, 256, (30, 50, 3), np.uint8))
    one, two = (run(sets, made_up_inception[0], "--batch-size", 2, *more) for more in ((), ("--jobs", 2)))
    assert two["fid"] == nearly(one["fid"]) and one["fid"] > 0
    assert two["n"] == one["n"] == [3, 6]


@pytest.fixture
def projected(monkeypatch, tmp_path):
    """32 features of a small projection in Inception's place, for claims about what they are features of."""
    projection = np.random.default_rng(0).normal(size=(40 * 40 * 3, 32))

    def features(pictures, batch_size, done=int):
        return np.stack([picture.ravel() / 255 @ projection for picture in pictures])

    monkeypatch.setattr(fid, "InceptionFeatures", lambda *_: features)
    monkeypatch.setattr(fid, "FEATURES", 32)
    (tmp_path / "inception.pth").write_bytes(b"which weights they are of")
    return tmp_path / "inception.pth"


def test_kept_statistics_are_reused_only_for_the_same_pictures(sets, projected, capsys):
    kept = sets / "kept.npz"
    before = run(sets, projected, "--keep", kept)
    first = kept.read_bytes()
    again = run(sets, projected, "--keep", kept)
    assert kept.read_bytes() == first
    assert again["fid"] == pytest.approx(before["fid"], rel=1e-6)
    write_png(sets / "truth" / "0.png", np.zeros((40, 40, 3), np.uint8))
    changed = run(sets, projected, "--keep", kept)
    assert "made anew" in capsys.readouterr().err
    assert changed["truth"]["pictures"] != before["truth"]["pictures"]
    assert changed["fid"] != pytest.approx(before["fid"], rel=1e-3)


def test_pytorch_fids_own_statistics_files_are_read(sets, projected):
    run(sets, projected, "--keep", sets / "kept.npz")
    with np.load(sets / "kept.npz") as kept:
        np.savez(sets / "theirs.npz", mu=kept["mu"], sigma=kept["sigma"])
        scale = np.trace(kept["sigma"])
    given = [sets / "theirs.npz", sets / "truth", "--inception", projected, "--device", "cpu"]
    run_verb("fid", *given, "--json", sets / "fid.json")
    report = json.loads((sets / "fid.json").read_text())
    assert report["fid"] == pytest.approx(0, abs=1e-6 * scale)
    assert report["n"] == [None, 3]


def test_sets_that_make_no_fid_are_one_sentence(sets, made_up_inception):
    def sentence(*given):
        return sentence_of("fid", *given)

    (sets / "result" / "1.png").unlink()
    weights = ("--inception", made_up_inception[0])
    assert "expected at least two pictures, got 1" in sentence(sets / "truth", sets / "result", *weights)
    assert "no file with FID's Inception" in sentence(
        sets / "truth", sets / "truth", "--inception", sets / "no.pth"
    )
    (sets / "broken.npz").write_bytes(b"PK not a zip")
    assert "expected FID statistics" in sentence(sets / "broken.npz", sets / "truth", *weights)
    np.savez(sets / "odd.npz", mu=np.zeros(3), sigma=np.eye(3))
    odd = bytearray((sets / "odd.npz").read_bytes())
    odd[8:10] = odd[odd.index(b"PK\x01\x02") + 10 : odd.index(b"PK\x01\x02") + 12] = b"\x63\0"
    (sets / "odd.npz").write_bytes(odd)  # a compression that there is not
    assert "expected FID statistics" in sentence(sets / "odd.npz", sets / "truth", *weights)
    (sets / "truth" / "1.png").write_bytes((sets / "truth" / "1.png").read_bytes()[:200])
    assert "expected a whole picture" in sentence(sets / "truth", sets / "truth", *weights)
