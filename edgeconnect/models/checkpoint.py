"""Networks to files and back: weights to use (safetensors) and training states to resume (.pt)."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.models.discriminator import PatchDiscriminator
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.models.layers import effective_weights, set_effective_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

FORMAT = "edgeconnect-1"
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


def load_weights(path: Path) -> Weights:
    """Rebuild the networks of a weights file from its own metadata, float32 on the CPU, in eval mode.

    Raises InputError where the file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise InputError(f"{path}: no such weights file") from None
    except (SafetensorError, OSError) as error:
        hint = (
            "; turn released .pth files into one with `edgeconnect convert`"
            if path.suffix in (".pth", ".pt")
            else ""
        )
        raise InputError(
            f"{path}: expected a safetensors file of EdgeConnect weights, got {error}{hint}"
        ) from None
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected weights of format {FORMAT}, got {metadata.get('format', 'none named')}"
        )
    configs: dict[str, dict[str, Any]] = json.loads(metadata["networks"])
    networks = {name: _rebuild(path, name, config, tensors) for name, config in configs.items()}
    provenance = json.loads(metadata.get("provenance", "{}"))
    return Weights(networks, float(metadata["sigma"]), provenance, metadata.get("detector", "canny"))


def _rebuild(path: Path, name: str, config: dict[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    if name not in NETWORKS:
        raise InputError(f"{path}: expected networks {', '.join(NETWORKS)}, got {name!r}")
    network = build_network(name, spectral=False, **config)
    own = {
        key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")
    }
    try:
        set_effective_weights(network, own)
    except ValueError as error:
        raise InputError(f"{path}: the tensors of {name} do not fit its config {config}: {error}") from None
    return network.eval()


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state (tensors, numbers, text in dicts and lists) atomically."""
    write_atomically(path, lambda temporary: torch.save(state, temporary))


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state onto the CPU, never running code from the file; InputError for anything else."""
    state = load_pickle(path)
    if not isinstance(state, dict) or "step" not in state:
        raise InputError(f"{path}: expected a training checkpoint, got another PyTorch file")
    return cast("dict[str, Any]", state)


def load_pickle(path: Path) -> Any:
    """torch.load on the CPU, tensors and plain values alone; raises InputError where that is not possible."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        # PyTorch's own words on what it refused would advise to run the file's code
        reason = str(error).strip() or type(error).__name__
        if isinstance(error, pickle.UnpicklingError):
            reason = "another file, or a damaged one"
        raise InputError(
            f"{path}: expected a PyTorch file of tensors, got {reason.splitlines()[0]}"
        ) from None
