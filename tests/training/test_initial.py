from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import made_up_batch, tiny_config

from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import Weights, build_network, save_state, save_weights
from edgeconnect.models.layers import effective_weights
from edgeconnect.models.weights import sharpen_edges
from edgeconnect.training.initial import initialise
from edgeconnect.training.run_folder import Paths
from edgeconnect.training.trainer import build_networks


def saved(path: Path, *names: str, width: int = 8) -> dict[str, torch.nn.Module]:
    networks = {name: build_network(name, width=width, blocks=1) for name in names}
    save_weights(path, Weights(networks))
    return networks


def assert_same(network: torch.nn.Module, expected: torch.nn.Module) -> None:
    weights = effective_weights(network)
    for name, tensor in effective_weights(expected).items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=1e-5)


def test_without_sources_nothing_is_copied(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    networks, same = build_networks(config), build_networks(config)
    assert initialise(config, networks) == {}
    assert_same(networks["edge_generator"], same["edge_generator"])


def test_each_network_comes_from_the_last_source_that_holds_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    both = saved(first, "edge_generator", "inpaint_generator")
    later = saved(second, "edge_generator")
    config = tiny_config(tmp_path, "joint", init_from=(str(first), str(second)))
    networks = build_networks(config)
    assert initialise(config, networks) == {"edge_generator": second, "inpaint_generator": first}
    assert_same(networks["edge_generator"], later["edge_generator"])
    assert_same(networks["inpaint_generator"], both["inpaint_generator"])


def test_a_runs_discriminator_comes_from_its_last_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "before"
    saved(run / "weights.safetensors", "edge_generator", "inpaint_generator")
    trained = build_network("inpaint_discriminator", width=8)
    save_state(Paths(run).checkpoint(5), {"step": 5, "networks": {}})
    save_state(
        Paths(run).checkpoint(9), {"step": 9, "networks": {"inpaint_discriminator": trained.state_dict()}}
    )
    config = tiny_config(tmp_path, "joint", init_from=(str(run),))
    networks = build_networks(config)
    assert set(initialise(config, networks)) == set(networks)
    assert_same(networks["inpaint_discriminator"], trained)


@pytest.mark.parametrize(
    ("stage", "options", "missing"),
    [
        ("joint", {}, "edge generator and a inpaint generator"),
        ("inpaint", {"edges": "predicted"}, "edge generator"),
    ],
)
def test_a_stage_that_builds_on_others_asks_for_their_generators(
    tmp_path: Path, stage, options, missing
) -> None:
    config = tiny_config(tmp_path, stage, **options)
    with pytest.raises(InputError, match=f"stage {stage} starts from a trained {missing}: .* --init-from"):
        initialise(config, build_networks(config))


def test_weights_of_another_size_or_of_no_network_of_the_run_are_refused(tmp_path: Path) -> None:
    large, other = tmp_path / "large.safetensors", tmp_path / "other.safetensors"
    saved(large, "edge_generator", width=4)
    saved(other, "inpaint_generator")
    config = tiny_config(tmp_path, init_from=(str(large),))
    with pytest.raises(InputError, match=r"edge generator has {'width': 4, .*this run asks for {'width': 8"):
        initialise(config, build_networks(config))
    config = tiny_config(tmp_path, init_from=(str(other),))
    with pytest.raises(InputError, match=r"other\.safetensors: expected weights of edge_generator"):
        initialise(config, build_networks(config))


def test_an_edge_generator_gets_a_channel_for_continued_lines_that_changes_nothing_yet(
    tmp_path: Path,
) -> None:
    source = tmp_path / "plain.safetensors"
    plain = saved(source, "edge_generator")["edge_generator"].eval()
    config = tiny_config(tmp_path, init_from=(str(source),), edge_start="continued")
    networks, told = build_networks(config), []
    initialise(config, networks, told.append)
    batch = made_up_batch()
    inputs = batch.gray, batch.edge, batch.mask
    widened = networks["edge_generator"].eval()
    torch.testing.assert_close(
        widened(*inputs, torch.rand_like(batch.mask)), plain(*inputs), atol=1e-5, rtol=0
    )
    assert len(told) == 1 and "continued" in told[0] and "zero" in told[0]
    other = tiny_config(tmp_path, init_from=(str(source),), edge_start="continued", width=16)
    with pytest.raises(InputError, match="asks for"):
        initialise(other, build_networks(other))


def test_a_sharpened_edge_generator_is_made_soft_again(tmp_path: Path) -> None:
    source = tmp_path / "sharp.safetensors"
    networks = {"edge_generator": build_network("edge_generator", width=8, blocks=1)}
    before = effective_weights(networks["edge_generator"])
    loaded = Weights(networks)
    sharpen_edges(loaded, 0.6)
    save_weights(source, loaded)
    config, told = tiny_config(tmp_path, init_from=(str(source),)), []
    started = build_networks(config)
    initialise(config, started, told.append)
    after = effective_weights(started["edge_generator"])
    torch.testing.assert_close(
        after["net.decoder.6.weight"], before["net.decoder.6.weight"], atol=1e-6, rtol=1e-4
    )
    assert len(told) == 1 and "soft" in told[0]


def test_a_frozen_edge_generator_stays_sharp_as_in_use(tmp_path: Path) -> None:
    source = tmp_path / "sharp.safetensors"
    loaded = Weights({"edge_generator": build_network("edge_generator", width=8, blocks=1)})
    sharpen_edges(loaded, 0.6)
    save_weights(source, loaded)
    config, told = tiny_config(tmp_path, "inpaint", init_from=(str(source),), edges="predicted"), []
    networks = build_networks(config)
    initialise(config, networks, told.append)
    sharp = effective_weights(loaded.networks["edge_generator"])["net.decoder.6.weight"]
    found = effective_weights(networks["edge_generator"])["net.decoder.6.weight"]
    torch.testing.assert_close(found, sharp)
    assert not told


def test_transposed_convolutions_become_resizing_ones_on_the_way(tmp_path: Path) -> None:
    source = tmp_path / "transposed.safetensors"
    saved(source, "inpaint_generator")
    config, told = tiny_config(tmp_path, "inpaint", init_from=(str(source),), upsampling="resize"), []
    networks = build_networks(config)
    initialise(config, networks, told.append)
    assert networks["inpaint_generator"].config["upsampling"] == "resize"
    assert len(told) == 1 and "resize" in told[0]
