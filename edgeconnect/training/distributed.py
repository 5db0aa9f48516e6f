"""One process or many: what `torchrun` sets up, and DistributedDataParallel around a stage's two steps."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor
    from torch.distributed.distributed_c10d import Store


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
    """Join the process group that `torchrun` started (NCCL on GPUs, else gloo); alone, do nothing.

    InputError where another process is lost on the way.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    ranks = Ranks(*(int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")))
    store = fresh(next(rendezvous("env://"))[0], ranks)
    distributed.init_process_group(
        "nccl" if device_type == "cuda" else "gloo", store=store, rank=ranks.rank, world_size=ranks.world
    )
    try:
        yield ranks
        distributed.barrier()  # one that ends while others still talk takes their connections down
    except RuntimeError as error:  # gloo has no type of its own
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise InputError(
            f"process {ranks.rank} of {ranks.world}: expected an answer of the others, got none: one has "
            "ended, or the network is down (with --max-restarts, torchrun goes on from the last checkpoint)"
        ) from None
    finally:
        distributed.destroy_process_group()


def fresh(store: Store, ranks: Ranks) -> Store:
    """A part of the processes' common store that nobody used before; every process must ask.

    torchrun keeps its store when it starts processes again. The addresses of ended processes are still in
    it, and who read one would wait for an answer until the time is out. Each process has a new name, though,
    and the first process's name is the part's: it answers to all names it finds until all have got it.
    """
    name = uuid.uuid4().hex
    if not ranks.is_main:
        store.set(f"joining/{ranks.rank}", name)
        common = store.get(f"answer/{name}").decode()
        store.set(f"{common}/joined/{ranks.rank}", "")
        return PrefixStore(common, store)
    missing = set(range(1, ranks.world))
    while missing:
        for other in missing:
            store.set(f"answer/{store.get(f'joining/{other}').decode()}", name)
        time.sleep(0.01)
        missing = {other for other in missing if not store.check([f"{name}/joined/{other}"])}
    return PrefixStore(name, store)


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


def mean(values: Tensor, ranks: Ranks) -> Tensor:
    """The mean over all processes of a tensor of one shape; every process must ask at the same time."""
    if ranks.world > 1:
        distributed.all_reduce(values)
        values /= ranks.world
    return values


def share(batch_size: int, ranks: Ranks, *, even: bool = False) -> int:
    """How many of a step's photos a process has: as many as any other; InputError where that is no number.

    even: an even number is needed.
    """
    own, rest = divmod(batch_size, ranks.world)
    if rest or (even and own % 2):
        kind = "an even multiple" if even else "a multiple"
        raise InputError(f"batch_size: expected {kind} of the {ranks.world} processes, got {batch_size}")
    return own


def may_restart() -> bool:
    """Whether `torchrun` starts all processes again where one ends (--max-restarts)."""
    return os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"


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
