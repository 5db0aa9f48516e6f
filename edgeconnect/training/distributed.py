"""One process or many: what `torchrun` sets up, and DistributedDataParallel around a stage's two steps."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Ranks:
    """This process's number among `world` equal ones; `local` counts within one machine."""

    rank: int = 0
    local: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0


def is_main() -> bool:
    """Whether this process is alone or the first of those that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device_type: str) -> Iterator[Ranks]:
    """Join the process group that `torchrun` started (NCCL on GPUs, else gloo); alone, do nothing."""
    if "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    ranks = Ranks(*(int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")))
    distributed.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


class Step(nn.Module):
    """A function of networks as a module, so that DistributedDataParallel sees its inputs and outputs."""

    def __init__(self, function: Callable[..., Any], networks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.function = function
        self.networks = nn.ModuleDict(networks)

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def parallel(
    function: Callable[..., Any], networks: dict[str, nn.Module], ranks: Ranks
) -> Callable[..., Any]:
    """`function` with the gradients of `networks` averaged over all processes in its backward pass.

    Buffers (the power iterations of spectral norm) follow the first process's.
    """
    if ranks.world == 1:
        return function
    return DistributedDataParallel(Step(function, networks))


def anywhere(flag: bool, ranks: Ranks, device: torch.device) -> bool:
    """Whether `flag` holds in any process; every process must ask at the same step."""
    if ranks.world == 1:
        return flag
    votes = torch.tensor(float(flag), device=device)
    distributed.all_reduce(votes)
    return bool(votes > 0)


def wait(ranks: Ranks) -> None:
    """Let all processes reach this point before any goes on."""
    if ranks.world > 1:
        distributed.barrier()
