"""FID's features against pytorch-fid's network, its distance against the textbook formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_fid import inception
from torch import nn

from edgeconnect.errors import InputError
from edgeconnect.fid import InceptionFeatures, Statistics, frechet_distance


@pytest.fixture(scope="session")
def made_up_inception(tmp_path_factory):
    """A file as pytorch-fid's, with seeded weights that keep activations of usual size; and its network."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(nn.Module, "load_state_dict", lambda *_: None)
        network = inception.fid_inception_v3()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
    torch.save(network.state_dict(), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(path))
        return path, inception.InceptionV3().eval()


@pytest.fixture
def pictures(rng):
    return [rng.integers(0, 256, (size, 70, 3), np.uint8) for size in (60, 60, 90)]


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


def test_one_picture_has_no_covariance():
    with pytest.raises(InputError, match="at least two pictures a set, not 1"):
        Statistics.of(np.zeros((1, 8)))
