from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from small import made_up_batch

from edgeconnect.errors import InputError
from edgeconnect.ingan.networks import Generator
from edgeconnect.ingan.store import save_generator
from edgeconnect.io.atomic import write_atomically
from edgeconnect.models.checkpoint import (
    Weights,
    build_network,
    load_pickle,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from edgeconnect.models.layers import effective_weights, set_effective_weights


@pytest.fixture
def weights() -> Weights:
    """All four networks, small, with the spectral norms' vectors exact."""
    torch.manual_seed(0)
    networks = {
        "edge_generator": build_network("edge_generator", width=4, blocks=1),
        "inpaint_generator": build_network("inpaint_generator", width=4, blocks=2, hole_start="smooth"),
        "edge_discriminator": build_network("edge_discriminator", width=4),
        "inpaint_discriminator": build_network("inpaint_discriminator", width=6),
    }
    for network in networks.values():
        # a trained network's power iteration has converged
        set_effective_weights(network, effective_weights(network))
        network.eval()
    return Weights(networks, sigma=1.5, provenance={"steps": 7, "photos": "made up"})


def outputs(weights: Weights) -> list[torch.Tensor]:
    batch, n = made_up_batch(), weights.networks
    with torch.no_grad():
        return [
            n["edge_generator"](batch.gray, batch.edge, batch.mask),
            n["inpaint_generator"](batch.photo, batch.edge, batch.mask),
            *n["edge_discriminator"](torch.cat((batch.gray, batch.edge), 1)),
            *n["inpaint_discriminator"](batch.photo),
        ]


def test_saved_networks_compute_the_same_after_loading(weights: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", weights)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert list(loaded.networks) == list(weights.networks)
    assert loaded.sigma == 1.5
    assert loaded.provenance == {"steps": 7, "photos": "made up"}
    for got, expected in zip(outputs(loaded), outputs(weights), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert not any(network.training for network in loaded.networks.values())


def test_a_loaded_file_saves_to_the_same_tensors(weights: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path / "first.safetensors", weights)
    save_weights(tmp_path / "second.safetensors", load_weights(tmp_path / "first.safetensors"))
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(second[name], values, atol=1e-6, err_msg=name)


def test_a_half_precision_file_is_half_as_large_and_rounds_to_float16(
    weights: Weights, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_weights(whole, weights)
    save_weights(half, weights, half=True)
    expected = load_file(whole)
    for name, values in load_file(half).items():
        assert values.dtype == np.float16
        np.testing.assert_array_equal(values, expected[name].astype(np.float16))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    loaded = load_weights(half)
    assert {p.dtype for n in loaded.networks.values() for p in n.parameters()} == {torch.float32}


def test_a_weights_file_says_what_it_holds(weights: Weights, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", weights)
    with safe_open(tmp_path / "w.safetensors", framework="np") as file:
        metadata = file.metadata()
    networks = json.loads(metadata["networks"])
    assert networks["inpaint_generator"] == {
        "width": 4,
        "blocks": 2,
        "hole_start": "smooth",
        "upsampling": "transposed",
    }
    assert networks["inpaint_discriminator"] == {"width": 6}
    assert metadata["sigma"] == "1.5"
    assert metadata["format"] == "edgeconnect-1"


def tampered(path: Path, target: Path, *, drop: str = "", **changes: str) -> Path:
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() | changes
    save_file({name: a for name, a in load_file(path).items() if name != drop}, target, metadata)
    return target


def test_tensors_that_do_not_fit_the_config_are_refused_by_name(weights: Weights, tmp_path: Path) -> None:
    path, other = tmp_path / "w.safetensors", tmp_path / "other.safetensors"
    save_weights(path, weights)
    with pytest.raises(InputError, match=r"inpaint_generator do not fit its config: .* net\.middle\.1"):
        load_weights(tampered(path, other, drop="inpaint_generator.net.middle.1.body.0.weight"))
    with pytest.raises(InputError, match="edge_generator do not fit"):
        load_weights(tampered(path, other, networks='{"edge_generator": {"width": 8, "blocks": 1}}'))
    with pytest.raises(InputError, match=r"other\.safetensors: networks\.other_network: Extra inputs"):
        load_weights(tampered(path, other, networks='{"other_network": {}}'))
    with pytest.raises(InputError, match="format edgeconnect-1, got edgeconnect-9"):
        load_weights(tampered(path, other, format="edgeconnect-9"))


def edge(**changes: object) -> str:
    return json.dumps({"edge_generator": {"width": 4, "blocks": 1, "edge_start": "none"} | changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"networks": "no JSON"}, "networks: expected a JSON object"),
        ({"networks": "[]"}, "networks: expected a JSON object, got list"),
        ({"networks": "[" * 100_000}, "networks: expected a JSON object"),
        ({"networks": '{"edge_generator": {"width": 4, "blocks": 1, "width": 5}}'}, "'width' twice"),
        (
            {"networks": '{"edge_generator": {"blocks": 1}}'},
            r"networks\.edge_generator\.width: expected a value, got none",
        ),
        ({"networks": edge(depth=3)}, "depth: Extra inputs"),
        ({"networks": edge(width=10**9)}, "less than or equal to 1024"),
        ({"networks": edge(width=1024, blocks=64)}, "do not fit"),
        (
            {"networks": edge(width="4")},
            "width: Input should be a valid int",
        ),
        (
            {"networks": edge(edge_start="x")},
            "edge_start: Input should be",
        ),
        ({"networks": edge(blocks=-1)}, "blocks"),
        (
            {"networks": '{"edge_generator": {"width": ' + "9" * 5000 + "}}"},
            "networks: expected a JSON object",
        ),
        ({"sigma": "wide"}, "sigma: Input should be a valid number"),
        ({"sigma": "nan"}, "sigma"),
        ({"sigma": "1e9"}, "sigma: .* less than or equal to 100"),
        ({"provenance": '{"edge_threshold": 2}'}, r"provenance\.edge_threshold"),
        ({"provenance": "3"}, "provenance: expected a JSON object"),
    ],
)
def test_metadata_that_cannot_be_right_is_a_sentence(
    weights: Weights, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    path, other = tmp_path / "w.safetensors", tmp_path / "other.safetensors"
    save_weights(path, Weights({"edge_generator": weights.networks["edge_generator"]}))
    with pytest.raises(InputError, match=rf"other\.safetensors: .*({reason})") as error:
        load_weights(tampered(path, other, **changes))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["networks", "sigma"])
def test_metadata_that_lacks_what_is_needed_is_a_sentence(
    weights: Weights, tmp_path: Path, name: str
) -> None:
    save_weights(tmp_path / "w.safetensors", weights)
    with safe_open(tmp_path / "w.safetensors", framework="np") as file:
        metadata = {key: value for key, value in file.metadata().items() if key != name}
    save_file(load_file(tmp_path / "w.safetensors"), tmp_path / "other.safetensors", metadata)
    with pytest.raises(InputError, match=rf"other\.safetensors: {name}"):
        load_weights(tmp_path / "other.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(weights: Weights, tmp_path: Path, value: float) -> None:
    key = "edge_generator.net.encoder.0.weight"
    save_weights(tmp_path / "w.safetensors", weights)
    arrays = load_file(tmp_path / "w.safetensors")
    arrays[key][0, 0, 0, 0] = value
    with safe_open(tmp_path / "w.safetensors", framework="np") as file:
        save_file(arrays, tmp_path / "w.safetensors", file.metadata())
    with pytest.raises(
        InputError, match=rf"w\.safetensors: expected finite weights, got .* in {re.escape(key)}"
    ):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "content", [b"\x80\x02e.", b"\x80\x02\x99.", b"\x80\x02}q\x00(", b"PK\x03\x04" + bytes(60)]
)
def test_a_pickle_of_odd_opcodes_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth: expected a PyTorch file of tensors, got") as error:
        load_pickle(tmp_path / "a.pth")
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)


def test_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.safetensors: no such weights file"):
        load_weights(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(InputError, match=r"text\.safetensors: expected a safetensors file"):
        load_weights(tmp_path / "text.safetensors")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="format edgeconnect-1, got none named"):
        load_weights(tmp_path / "foreign.safetensors")
    torch.save({"generator": {}}, tmp_path / "EdgeModel_gen.pth")
    with pytest.raises(InputError, match="edgeconnect convert"):
        load_weights(tmp_path / "EdgeModel_gen.pth")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def broken(temporary: Path) -> None:
        temporary.write_text("half of the new")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        write_atomically(path, broken)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_training_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state = {"step": 3, "networks": {"a": {"w": torch.rand(3)}}, "optimizers": [1.5, None, "text"]}
    save_state(tmp_path / "deep" / "state.pt", state)
    loaded = load_state(tmp_path / "deep" / "state.pt")
    assert torch.equal(loaded["networks"]["a"]["w"], state["networks"]["a"]["w"])
    assert loaded["step"] == 3 and loaded["optimizers"] == [1.5, None, "text"]


def test_other_pytorch_files_are_no_training_state(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: expected a training checkpoint"):
        load_state(tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"none\.pt: no such file"):
        load_state(tmp_path / "none.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "other.pt").read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.pt: expected a PyTorch file"):
        load_state(tmp_path / "cut.pt")


def test_weights_are_loaded_without_pytorchs_compiler(tmp_path: Path, weights_file: Path) -> None:
    save_generator(tmp_path / "one.safetensors", Generator(width=4, downscales=1, blocks=1), {})
    code = (
        "import sys; from pathlib import Path\n"
        "from edgeconnect.models.checkpoint import load_weights\n"
        "from edgeconnect.ingan.store import load_generator\n"
        "load_weights(Path(sys.argv[1])), load_generator(Path(sys.argv[2]))\n"
        "assert 'torch._dynamo' not in sys.modules, 'it takes longer to import than a photo to fill'"
    )
    subprocess.run([sys.executable, "-c", code, weights_file, tmp_path / "one.safetensors"], check=True)


class Malicious:
    """A pickle that makes a file when it is read carelessly."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("legacy", [True, False])
def test_code_in_a_pytorch_file_is_refused_and_never_run(tmp_path: Path, legacy: bool) -> None:
    path, trace = tmp_path / "malicious.pth", tmp_path / "was_here"
    if legacy:
        path.write_bytes(pickle.dumps(Malicious(trace), protocol=2))
    else:
        torch.save({"generator": Malicious(trace)}, path)
    with pytest.raises(InputError, match=r"malicious\.pth: expected a PyTorch file of tensors"):
        load_pickle(path)
    assert not trace.exists()
