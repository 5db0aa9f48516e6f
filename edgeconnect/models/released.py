"""Reads the checkpoints that EdgeConnect's authors released (EdgeModel_gen.pth, ...), by keys and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import Weights, build_network, load_pickle
from edgeconnect.models.layers import set_effective_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

_OLD_ENTRIES = ("generator", "discriminator")
# released module name -> ours; the discriminators list their first convolution twice (conv1 and features)
_RENAMES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"encoder\.(\d+)", lambda m: f"net.encoder.{int(m[1]) - 1}"),
    (r"middle\.(\d+)\.conv_block\.1", lambda m: f"net.middle.{m[1]}.body.0"),
    (r"middle\.(\d+)\.conv_block\.5", lambda m: f"net.middle.{m[1]}.body.3"),
    (r"decoder\.7", lambda m: "net.decoder.6"),
    (r"decoder\.(\d+)", lambda m: f"net.decoder.{m[1]}"),
    (r"conv(\d)\.0", lambda m: f"convs.{int(m[1]) - 1}"),
)


def read_released(folder: Path) -> Weights:
    """The networks of all released .pth files in `folder`, with spectral norms folded in.

    Raises InputError where a file is no released checkpoint or no generator is found.
    """
    paths = sorted(folder.glob("*.pth"))
    if not paths:
        raise InputError(
            f"{folder}: expected a folder with EdgeModel_gen.pth and InpaintingModel_gen.pth, found no .pth"
        )
    networks: dict[str, nn.Module] = {}
    for path in paths:
        name, network = _read_network(path)
        if name in networks:
            raise InputError(f"{path}: a second {name.replace('_', ' ')} in the same folder; expected one")
        networks[name] = network
    missing = {"edge_generator", "inpaint_generator"} - set(networks)
    if missing:
        raise InputError(f"{folder}: expected both generators, missing the {' and '.join(sorted(missing))}")
    return Weights(networks, provenance={"converted_from": [path.name for path in paths]})


def _read_network(path: Path) -> tuple[str, nn.Module]:
    content = load_pickle(path)
    entry = next((e for e in _OLD_ENTRIES if isinstance(content, dict) and e in content), None)
    if entry is None:
        raise InputError(
            f"{path}: expected a released checkpoint with a generator or a discriminator, got another file"
        )
    try:
        tensors = {key.removeprefix("module."): tensor for key, tensor in content[entry].items()}
        weights = _plain(tensors)
        name, config = _recognise(weights)
        if broken := [key for key, tensor in weights.items() if not tensor.isfinite().all()]:
            raise ValueError(f"expected finite weights, got infinity or NaN in {broken[0]}")
        network = build_network(name, spectral=False, **config)
        set_effective_weights(network, weights)
    except (AttributeError, IndexError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: its {entry} has other layers than EdgeConnect's: {error}") from None
    return name, network.eval()


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold the old hook form of spectral norm, weight_orig / (u W v), and use our names."""
    plain = {}
    for key, tensor in tensors.items():
        module, parameter = key.rsplit(".", 1)
        if module.startswith("features.") or parameter in ("weight_u", "weight_v"):
            continue
        if parameter == "weight_orig":
            tensor, parameter = _fold(module, tensors), "weight"
        plain[f"{_rename(module)}.{parameter}"] = tensor
    return plain


def _fold(module: str, tensors: dict[str, Tensor]) -> Tensor:
    weight, u, v = (tensors[f"{module}.weight_{part}"] for part in ("orig", "u", "v"))
    is_transposed = module.startswith("decoder.") and module != "decoder.7"
    matrix = (weight.transpose(0, 1) if is_transposed else weight).flatten(1)
    return weight / (u @ (matrix @ v))


def _rename(module: str) -> str:
    for pattern, ours in _RENAMES:
        match = re.fullmatch(pattern, module)
        if match:
            return ours(match)
    return module


def _recognise(weights: dict[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """The network's name and config, from its first layer's shape and its number of blocks."""
    if "convs.0.weight" in weights:
        width, channels = weights["convs.0.weight"].shape[:2]
        return {2: "edge_discriminator", 3: "inpaint_discriminator"}[channels], {"width": width}
    width, channels = weights["net.encoder.0.weight"].shape[:2]
    blocks = len({key.split(".")[2] for key in weights if key.startswith("net.middle.")})
    config = {"width": width, "blocks": blocks}
    return {3: "edge_generator", 4: "inpaint_generator"}[channels], config
