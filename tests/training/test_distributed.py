"""One process as a group of its own: the same code as with many, whose agreement test_training.py shows."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from edgeconnect.training import distributed
from edgeconnect.training.distributed import Ranks, anywhere, fresh, joined, parallel

MANY = Ranks(0, 0, 2)
"""What makes the functions take the way of many processes."""


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranks]:
    """What `torchrun` sets up, for one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ones = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    for name, value in (ones | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}).items():
        monkeypatch.setenv(name, value)
    with joined("cpu") as ranks:
        yield ranks


def test_without_torchrun_a_process_is_alone(monkeypatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    with joined("cpu") as ranks:
        assert ranks == Ranks(0, 0, 1)
        assert ranks.is_main and distributed.is_main()
        assert not torch.distributed.is_initialized()


def test_torchruns_numbers_are_taken_over(group: Ranks, monkeypatch) -> None:
    assert group == Ranks(0, 0, 1)
    assert torch.distributed.is_initialized()
    monkeypatch.setenv("RANK", "1")
    assert not distributed.is_main()
    assert not Ranks(1, 1, 2).is_main


def test_a_parallel_function_has_the_plain_ones_value_and_gradients(group: Ranks) -> None:
    network, x = nn.Linear(3, 2), torch.rand(4, 3)
    function = parallel(lambda x: network(x).square().sum(), {"network": network}, MANY)
    value = function(x)
    value.backward()
    expected = network(x).square().sum()
    gradients = torch.autograd.grad(expected, list(network.parameters()))
    torch.testing.assert_close(value, expected)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_alone_a_function_is_left_as_it_is() -> None:
    def function() -> None: ...

    assert parallel(function, {}, Ranks()) is function


def test_a_vote_is_carried_by_any_process(group: Ranks) -> None:
    cpu = torch.device("cpu")
    for ranks in (Ranks(), MANY):
        assert anywhere(True, ranks, cpu) is True
        assert anywhere(False, ranks, cpu) is False
    distributed.wait(MANY)


def test_processes_that_start_again_do_not_read_what_ended_ones_left_in_their_store() -> None:
    store = torch.distributed.HashStore()

    def join(rank: int) -> bytes:
        time.sleep(0.05 * rank)  # the first process finds the names of the start before
        own = fresh(store, Ranks(rank, rank, 3))
        own.set(f"address/{rank}", str(start))
        return b"".join(own.get(f"address/{other}") for other in range(3))

    for start in range(3):
        with ThreadPoolExecutor(3) as threads:
            assert list(threads.map(join, range(3))) == [str(start).encode() * 3] * 3
