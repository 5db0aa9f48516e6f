"""Weights are found where the docstring says, in that order, and a missing file is one helpful sentence."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from edgeconnect.errors import InputError
from edgeconnect.models.downloads import Download, load_tensors

NET = Download("a made-up net", "https://example.org/some/net-0123abcd.pth", "--net", "MADE_UP_NET")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Torch hub's cache, empty, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("MADE_UP_NET", raising=False)

    def no_network(*_, **__):
        raise URLError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_a_given_file_comes_before_the_environment_and_that_before_the_cache(tmp_path, cache, monkeypatch):
    cache.mkdir(parents=True)
    given, named, cached = tmp_path / "given.pth", tmp_path / "named.pth", cache / "net-0123abcd.pth"
    for path in (given, named, cached):
        path.touch()
    assert NET.find() == cached
    monkeypatch.setenv("MADE_UP_NET", str(named))
    assert NET.find() == named
    assert NET.find(given) == given


def test_a_named_file_that_is_missing_is_never_replaced_by_another(tmp_path, cache, monkeypatch):
    cache.mkdir(parents=True)
    (cache / "net-0123abcd.pth").touch()
    with pytest.raises(InputError, match=r"--net: no file with a made-up net at .*absent\.pth"):
        NET.find(tmp_path / "absent.pth")
    monkeypatch.setenv("MADE_UP_NET", str(tmp_path / "absent.pth"))
    with pytest.raises(InputError, match="MADE_UP_NET: no file"):
        NET.find()


def test_offline_the_sentence_says_url_file_place_flag_and_variable(cache):
    with pytest.raises(InputError) as caught:
        NET.find()
    for part in (NET.url, "net-0123abcd.pth", str(cache), "--net", "MADE_UP_NET", "no network here"):
        assert part in str(caught.value)


def test_a_download_goes_to_the_cache_and_must_match_its_names_hash(cache, monkeypatch):
    asked = {}

    def download(url, target, hash_prefix, progress):
        asked[url] = hash_prefix
        Path(target).touch()

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert NET.find() == NET.find() == cache / "net-0123abcd.pth"
    assert asked == {NET.url: "0123abcd"}


def test_weights_files_are_dictionaries_of_tensors(tmp_path):
    from safetensors.torch import save_file

    weights = {"w": torch.arange(3.0)}
    torch.save(weights, tmp_path / "w.pth")
    save_file(weights, tmp_path / "w.safetensors")
    torch.save(weights["w"], tmp_path / "bare.pth")
    for name in ("w.pth", "w.safetensors"):
        assert load_tensors(tmp_path / name)["w"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="holds Tensor, not a dictionary"):
        load_tensors(tmp_path / "bare.pth")
