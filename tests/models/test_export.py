from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
import pytest
import torch
from skimage import data
from small import run_verb, sentence_of
from torch.export import ExportedProgram
from torch.nn import Module

from edgeconnect.models import export
from edgeconnect.models.checkpoint import Weights, build_network, save_weights
from edgeconnect.models.export import inputs, save_onnx
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator

SIZES = [(1, 64, 96), (2, 100, 32), (1, 132, 188)]


def networks() -> dict[str, EdgeGenerator | InpaintGenerator]:
    torch.manual_seed(0)
    kinds = {
        "edge_generator": EdgeGenerator(4, 1, edge_start="continued"),
        "inpaint_generator": InpaintGenerator(4, 1, hole_start="smooth", upsampling="resize"),
    }
    for network in kinds.values():
        torch.nn.init.normal_(network.net.decoder[-1].weight, std=0.2)
    return {name: network.eval() for name, network in kinds.items()}


def batch(network: Module, count: int, height: int, width: int) -> dict[str, torch.Tensor]:
    """What a generator takes: parts of a photo with a hole within and one at the corner, and random lines."""
    photo = torch.tensor(data.astronaut()[:height, :width] / 255, dtype=torch.float32).permute(2, 0, 1)
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    mask[..., -7:, -9:] = 1
    lines = (torch.rand(count, 1, height, width) > 0.95).float()
    known = {"photo": photo.expand(count, -1, -1, -1), "gray": photo[:1].expand(count, -1, -1, -1)}
    tensors = {**known, "mask": mask, "edge": lines, "start": lines.flip(2)}
    return {name: tensors[name].contiguous() for name, _ in inputs(network)}


def run_onnx(path: Path, given: dict[str, torch.Tensor]) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {name: tensor.numpy() for name, tensor in given.items()})[0]


PROGRAMS: dict[type[Module], ExportedProgram] = {}
"""What `converted` was made of: each takes seconds to trace."""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `edgeconnect convert` made of a weights file with both networks."""
    folder = tmp_path_factory.mktemp("converted")
    save_weights(folder / "weights.safetensors", Weights(networks(), sigma=1.5))

    traced = export.export

    def kept(network: EdgeGenerator | InpaintGenerator) -> ExportedProgram:
        return PROGRAMS.setdefault(type(network), traced(network))

    with patch.object(export, "export", kept):
        run_verb("convert", folder / "weights.safetensors", "--onnx", folder / "new" / "onnx")
    return folder / "new" / "onnx"


@pytest.mark.slow
@pytest.mark.parametrize("name", networks())
def test_an_exported_generator_computes_the_same_at_any_multiple_of_four(name: str, converted: Path) -> None:
    network = networks()[name]
    graph = PROGRAMS[type(network)].module()
    for size in SIZES:
        given = batch(network, *size).values()
        with torch.no_grad():
            torch.testing.assert_close(graph(*given), network(*given), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_convert_writes_both_generators_into_a_folder(converted: Path) -> None:
    assert sorted(path.name for path in converted.iterdir()) == [f"{name}.onnx" for name in networks()]


@pytest.mark.slow
@pytest.mark.parametrize("name", networks())
def test_onnx_runtime_computes_the_same_at_any_multiple_of_four(name: str, converted: Path) -> None:
    network, path = networks()[name], converted / f"{name}.onnx"
    for size in SIZES:
        given = batch(network, *size)
        with torch.no_grad():
            expected = network(**given).numpy()
        np.testing.assert_allclose(run_onnx(path, given), expected, atol=1e-4, rtol=0)
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert (metadata["sigma"], json.loads(metadata["config"])) == ("1.5", network.config)


@pytest.mark.slow
def test_a_file_for_one_generator_computes_as_the_plainest_does(tmp_path: Path) -> None:
    network = build_network("edge_generator", width=4, blocks=1)
    [path] = save_onnx(tmp_path / "net.onnx", Weights({"edge_generator": network}))
    given = batch(network, *SIZES[0])
    with torch.no_grad():
        np.testing.assert_allclose(run_onnx(path, given), network(**given).numpy(), atol=1e-4, rtol=0)


def test_one_onnx_file_for_two_generators_is_refused(weights_file: Path, tmp_path: Path) -> None:
    assert "expected a folder" in sentence_of("convert", weights_file, "--onnx", tmp_path / "both.onnx")


def test_convert_says_what_is_missing_for_onnx(weights_file: Path, tmp_path: Path, monkeypatch) -> None:
    assert "expected --out FILE.safetensors or --onnx DIR" in sentence_of("convert", weights_file)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert "edgeconnect[onnx]" in sentence_of("convert", weights_file, "--onnx", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_weights_without_a_generator_are_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "discriminator.safetensors"
    save_weights(path, Weights({"edge_discriminator": build_network("edge_discriminator", width=4)}))
    assert "expected weights with a generator" in sentence_of("convert", path, "--onnx", tmp_path / "new")
