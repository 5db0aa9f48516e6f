from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import made_up_batch

from edgeconnect.errors import InputError
from edgeconnect.models import vgg, weights
from edgeconnect.models.checkpoint import Weights, build_network, save_weights


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped weights with two made-up files."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for name in ("default", "large"):
        (folder / f"{name}.safetensors").touch()
    monkeypatch.setattr(weights, "SHIPPED", folder)
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    return folder


def saved(path: Path, *names: str, sigma: float = 2.0, **provenance: object) -> Path:
    networks = {name: build_network(name, width=4, blocks=1) for name in names}
    save_weights(path, Weights(networks, sigma, dict(provenance)))
    return path


def test_weights_are_a_file_a_run_or_a_shipped_name(shipped: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "mine.safetensors", tmp_path / "run"
    run.mkdir()
    for path in (file, run / "weights.safetensors"):
        path.touch()
    assert weights.find_weights(file) == file
    assert weights.find_weights(run) == run / "weights.safetensors"
    assert weights.find_weights("large") == shipped / "large.safetensors"
    assert weights.shipped_names() == ["default", "large"]


def test_without_a_name_the_environment_decides_and_then_the_default(shipped: Path, monkeypatch) -> None:
    assert weights.find_weights() == shipped / "default.safetensors"
    monkeypatch.setenv(weights.VARIABLE, "large")
    assert weights.find_weights() == shipped / "large.safetensors"
    assert weights.find_weights("default") == shipped / "default.safetensors"


def test_what_is_not_there_is_named_with_what_is(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"huge: no such weights; .* \(default, large\)"):
        weights.find_weights("huge")
    with pytest.raises(InputError, match=r"empty/weights\.safetensors: no such weights"):
        (tmp_path / "empty").mkdir()
        weights.find_weights(tmp_path / "empty")


def test_gathered_weights_hold_the_networks_of_all_sources(tmp_path: Path) -> None:
    first = saved(tmp_path / "g1.safetensors", "edge_generator", steps=3)
    second = saved(tmp_path / "g2.safetensors", "inpaint_generator", photos="some")
    merged = weights.gather([first, second])
    assert list(merged.networks) == ["edge_generator", "inpaint_generator"]
    assert merged.provenance == {"steps": 3, "photos": "some"}
    weights.save(tmp_path / "both.safetensors", merged)
    loaded, batch = weights.load(tmp_path / "both.safetensors"), made_up_batch()
    inputs = (batch.gray, batch.edge, batch.mask)
    expected = weights.load(first).networks["edge_generator"](*inputs)
    torch.testing.assert_close(loaded.networks["edge_generator"](*inputs), expected)


def test_sources_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.safetensors", "edge_generator")
    again = saved(tmp_path / "b.safetensors", "edge_generator")
    other = saved(tmp_path / "c.safetensors", "inpaint_generator", sigma=1.0)
    with pytest.raises(InputError, match=r"b\.safetensors: a second edge generator"):
        weights.gather([first, again])
    with pytest.raises(
        InputError, match=r"c\.safetensors: edges of another detector or sigma \(canny, 1\.0\)"
    ):
        weights.gather([first, other])
    with pytest.raises(InputError, match="got none"):
        weights.gather([])


def test_weights_are_saved_under_a_name_that_can_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        weights.save(tmp_path / "weights.pth", Weights({}))


def test_vgg_comes_from_the_file_that_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EDGECONNECT_VGG19", str(tmp_path / "vgg.pth"))
    (tmp_path / "vgg.pth").touch()
    assert vgg.find_vgg19() == tmp_path / "vgg.pth"


def test_a_network_that_a_run_merely_used_gives_way_to_the_one_trained(tmp_path: Path) -> None:
    trained = saved(tmp_path / "a.safetensors", "edge_generator", edge_generator={"steps": 5})
    networks = {
        "edge_generator": build_network("edge_generator", width=4, blocks=1),
        "inpaint_generator": build_network("inpaint_generator", width=4, blocks=1),
    }
    user = tmp_path / "b.safetensors"
    weights.save(user, Weights(networks, provenance={"inpaint_generator": {"steps": 7}}))
    expected = weights.load(trained).networks["edge_generator"].state_dict()
    for sources in ([trained, user], [user, trained]):
        merged = weights.gather(sources)
        got = merged.networks["edge_generator"].state_dict()
        assert all(torch.equal(got[name], value) for name, value in expected.items())
        assert merged.provenance == {"edge_generator": {"steps": 5}, "inpaint_generator": {"steps": 7}}
