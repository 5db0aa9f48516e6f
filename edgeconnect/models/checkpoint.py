"""Networks to files and back: weights to use (safetensors) and training states to resume (.pt)."""

from __future__ import annotations

import json
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.schema import checked, parse_json
from edgeconnect.models.discriminator import PatchDiscriminator
from edgeconnect.models.generators import EdgeGenerator, EdgeStart, HoleStart, InpaintGenerator
from edgeconnect.models.layers import (
    Upsampling,
    effective_shapes,
    effective_weights,
    set_effective_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

FORMAT = "edgeconnect-1"
_FLOATS = ("F64", "F32", "F16", "BF16")
NETWORKS = ("edge_generator", "inpaint_generator", "edge_discriminator", "inpaint_discriminator")


@dataclass
class Weights:
    """The contents of a weights file.

    networks: by name (see NETWORKS). sigma (px), detector: what drew the edges they were trained on (see
    `edges.detectors`). provenance: how each was made.
    """

    networks: dict[str, nn.Module]
    sigma: float = 2.0
    provenance: dict[str, Any] = field(default_factory=dict)
    detector: str = "canny"


def build_network(name: str, *, spectral: bool = True, **config: Any) -> nn.Module:
    """A fresh network by its name and its `config` (width, blocks, edge_start or hole_start).

    `spectral=False` gives an edge generator without spectral norm, for weights that are already normalised.
    """
    if name == "edge_generator":
        return EdgeGenerator(**config, spectral=spectral)
    if name == "inpaint_generator":
        return InpaintGenerator(**config)
    return PatchDiscriminator({"edge_discriminator": 2, "inpaint_discriminator": 3}[name], **config)


def save_weights(path: Path, weights: Weights, *, half: bool = False) -> None:
    """Write networks as they compute (spectral norms folded in) to one safetensors file, atomically.

    Metadata: format, each network's config, sigma, detector and provenance. `half` stores float16.
    path: the file. weights: at least one network.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {
        f"{name}.{key}": tensor.to("cpu", dtype).contiguous()
        for name, network in weights.networks.items()
        for key, tensor in effective_weights(network).items()
    }
    metadata = {
        "format": FORMAT,
        "networks": json.dumps({name: network.config for name, network in weights.networks.items()}),
        "sigma": str(weights.sigma),
        "detector": weights.detector,
        "provenance": json.dumps(weights.provenance),
    }
    write_atomically(path, save(tensors, metadata))


class _Network(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    width: int = Field(ge=1, le=1024)


class _Generator(_Network):
    blocks: int = Field(ge=1, le=64)


class _EdgeGenerator(_Generator):
    edge_start: EdgeStart = "none"


class _InpaintGenerator(_Generator):
    hole_start: HoleStart = "white"
    upsampling: Upsampling = "transposed"


class _Networks(BaseModel):
    """The config of each network that is there."""

    model_config = ConfigDict(extra="forbid")

    edge_generator: _EdgeGenerator | None = None
    inpaint_generator: _InpaintGenerator | None = None
    edge_discriminator: _Network | None = None
    inpaint_discriminator: _Network | None = None


class _Provenance(BaseModel):
    """Anything; checked is what is computed with."""

    model_config = ConfigDict(extra="allow")

    edge_threshold: float | None = Field(None, gt=0, lt=1)


class _Metadata(BaseModel):
    """What a weights file says about itself."""

    model_config = ConfigDict(allow_inf_nan=False)

    networks: _Networks
    sigma: float = Field(ge=0, le=100)
    detector: str = Field("canny", max_length=100)
    provenance: _Provenance | None = None


def load_weights(path: Path) -> Weights:
    """Rebuild the networks of a weights file from its own metadata, float32 on the CPU, in eval mode.

    Raises InputError where the file is missing, damaged or of another kind.
    """
    with opened(path, "EdgeConnect weights", FORMAT) as file:
        said = file.metadata()
        texts = {name: parse_json(said.get(name, default), f"{path}: {name}")
                 for name, default in (("networks", ""), ("provenance", "{}"))}  # fmt: skip
        about = checked(_Metadata, {**said, **texts}, str(path))
        configs = about.networks.model_dump(exclude_none=True)
        networks = {name: _rebuild(path, name, config, file) for name, config in configs.items()}
    return Weights(networks, about.sigma, texts["provenance"], about.detector)


@contextmanager
def opened(path: Path, what: str, format: str) -> Iterator[Any]:
    """A safetensors file of a `format`, before its tensors are read; InputError for any other.

    path: the file. what: what was expected, for the sentence. format: the one in the file's metadata.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such weights file")
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("format", "none named")
            if found != format:
                raise InputError(f"{path}: expected {what} of format {format}, got {found[:50]}")
            yield file
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        hint = "; turn released .pth files into one with `edgeconnect convert`"
        hint = hint if path.suffix in (".pth", ".pt") else ""
        raise InputError(f"{path}: expected a safetensors file of {what}, got {error}{hint}") from None


def read_tensors(
    path: Path, file: Any, name: str, expected: Mapping[str, tuple[tuple[int, ...], bool]]
) -> dict[str, Tensor]:
    """The tensors of an `opened` file that begin with `name`: float32 or int64, and finite.

    expected: shape of each, and whether it holds fractions; nothing is read before that is checked.
    path: for the sentence. file: what `opened` gives. name: the network's.
    """
    slices = {key.removeprefix(name): file.get_slice(key) for key in file.keys() if key.startswith(name)}  # noqa: SIM118 (not a dict)
    found = {key: (tuple(part.get_shape()), part.get_dtype() in _FLOATS) for key, part in slices.items()}
    if wrong := sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)):
        raise InputError(
            f"{path}: the tensors of {name.removesuffix('.') or 'its network'} do not fit its config: names, "
            f"shapes or types differ at {', '.join(wrong[:3])} ({len(wrong)} in all)"
        )
    tensors = {
        key: file.get_tensor(name + key).to(torch.float32 if is_float else torch.int64)
        for key, (_, is_float) in found.items()
    }
    if broken := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise InputError(f"{path}: expected finite weights, got infinity or NaN in {name}{broken[0]}")
    return tensors


def _rebuild(path: Path, name: str, config: dict[str, Any], file: Any) -> nn.Module:
    with torch.device("meta"):  # no memory for a config that the file does not fit, no numbers drawn
        network = build_network(name, spectral=False, **config)
    shapes = effective_shapes(network)
    tensors = read_tensors(path, file, f"{name}.", {key: (shape, True) for key, shape in shapes.items()})
    if name.endswith("_discriminator"):  # which always has spectral norm
        network = build_network(name, **config)
        set_effective_weights(network, tensors)
    else:
        network.load_state_dict(tensors, assign=True)
    return network.eval()


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state (tensors, numbers, text in dicts and lists) atomically.

    path: the file. state: only these types, nested as deep as wanted.
    """
    try:
        write_atomically(path, lambda temporary: torch.save(state, temporary))
    except RuntimeError as error:  # what PyTorch makes of the system's errors
        raise InputError(f"{path}: expected a place to write to, got: {reason(error)}") from None


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state onto the CPU, never running code from the file; InputError for anything else.

    path: as `save_state` wrote it.
    """
    _check_sums(path)
    state = load_pickle(path)
    if not isinstance(state, dict) or "step" not in state:
        raise InputError(f"{path}: expected a training checkpoint, got another PyTorch file")
    return cast("dict[str, Any]", state)


def _check_sums(path: Path) -> None:
    """Raise InputError where the checksums of a PyTorch file, a zip, do not fit: PyTorch does not look."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError):
        return  # of another kind, which load_pickle names
    if broken is not None:
        raise InputError(f"{path}: expected a whole training checkpoint, got a damaged one ({broken})")


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Where a checkpoint's parts are taken over: InputError that names it, where they are another run's.

    path: the checkpoint's.
    """
    try:
        yield
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{path}: expected a checkpoint of this run, got other contents: {text}") from None


def load_pickle(path: Path) -> Any:
    """torch.load on the CPU, tensors and plain values alone; raises InputError where that is not possible."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # the unpickler of a damaged or hostile file may raise anything
        raise InputError(f"{path}: expected a PyTorch file of tensors, got {reason(error)}") from None


def reason(error: Exception) -> str:
    """In words what PyTorch raised on reading a file.

    error: as it was raised.
    """
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError):
        return error.strerror or text
    if isinstance(error, RuntimeError) and "zip archive" in text:
        return "a damaged or incomplete zip archive"
    # PyTorch's own words on what it refused would advise to run the file's code
    return text[:200] if isinstance(error, RuntimeError) else "another file, or a damaged one"
