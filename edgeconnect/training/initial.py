"""What a new run starts from: trained networks of other runs or of weights files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.models import weights
from edgeconnect.models.checkpoint import build_network, fitting
from edgeconnect.models.layers import effective_weights, resize_kernel, set_effective_weights
from edgeconnect.training.run_folder import Paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from edgeconnect.training.config import TrainConfig

FIRST = "net.encoder.0.weight"
UPSAMPLED = ("net.decoder.0.weight", "net.decoder.3.weight")


def initialise(
    config: TrainConfig, networks: Mapping[str, nn.Module], say: Callable[[str], None] = lambda text: None
) -> dict[str, Path]:
    """Copy trained weights from `config.init_from` into a run's networks: what came from where.

    What had to be changed on the way (a sharpened output, an input channel that is new) is told to `say`.

    Generators are a run's averaged ones, discriminators those of its last checkpoint. Later sources win.
    Raises InputError where a source holds nothing that fits, sizes differ, or the stage needs what none has.
    """
    came_from: dict[str, Path] = {}
    for source in map(Path, config.init_from):
        came_from |= dict.fromkeys(_copy(source, config, networks, say), source)
    missing = [name for name in _trained_before(config) if name not in came_from]
    if missing:
        names = " and a ".join(name.replace("_", " ") for name in missing)
        raise InputError(f"stage {config.stage} starts from a trained {names}: give it with --init-from")
    return came_from


def _trained_before(config: TrainConfig) -> tuple[str, ...]:
    """Generators that a stage takes up where an earlier one left them (paper, section 3.3)."""
    if config.stage == "joint":
        return "edge_generator", "inpaint_generator"
    return ("edge_generator",) if config.stage == "inpaint" and config.edges != "true" else ()


def _copy(
    source: Path, config: TrainConfig, networks: Mapping[str, nn.Module], say: Callable[[str], None]
) -> list[str]:
    """Copy what `source` holds of `networks`; the names of these."""
    loaded = weights.load(source)
    if config.stage != "inpaint" and "edge_generator" in networks and weights.soften_edges(loaded):
        say(f"{source}: its edge generator's sharpened output made soft again, to be trained")
    trained = {**loaded.networks, **_discriminators(source, networks, say)}
    shared = [name for name in networks if name in trained]
    if not shared:
        raise InputError(f"{source}: expected weights of {', '.join(networks)}, got {', '.join(trained)}")
    for name in shared:
        found, asked = (cast("dict[str, Any]", n[name].config) for n in (trained, networks))
        what, tensors = name.replace("_", " "), effective_weights(trained[name])
        if found.get("edge_start") == "none" and {**found, "edge_start": "continued"} == asked:
            tensors[FIRST] = F.pad(tensors[FIRST], (0, 0, 0, 0, 0, 1))
            say(f"{source}: its {what} gets a channel for continued lines, whose weights begin at zero")
        elif found.get("upsampling") == "transposed" and {**found, "upsampling": "resize"} == asked:
            for layer in UPSAMPLED:
                tensors[layer] = resize_kernel(tensors[layer])
            say(f"{source}: its {what}'s transposed convolutions become the nearest ones that resize")
        elif found != asked:
            raise InputError(f"{source}: its {what} has {found}, but this run asks for {asked}")
        set_effective_weights(networks[name], tensors)
    return shared


def _discriminators(
    source: Path, networks: Mapping[str, nn.Module], say: Callable[[str], None]
) -> dict[str, nn.Module]:
    """A run's own discriminators, which only its checkpoints hold; none for a weights file."""
    if not source.is_dir() or not Paths(source).checkpoints():
        return {}
    found = {}
    checkpoint, state = Paths(source).latest_state(say)
    with fitting(checkpoint):
        states = state["networks"]
        for name in networks:
            if name in states and name.endswith("discriminator"):
                width = len(states[name]["convs.0.parametrizations.weight.original"])
                found[name] = build_network(name, width=width)
                found[name].load_state_dict(states[name])
    return found
