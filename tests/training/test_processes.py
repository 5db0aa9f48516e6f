"""Several processes train as one does, take up each other's checkpoints, and outlive each other."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small import tiny_config, tiny_options
from tools import elastic
from tools.elastic import Start, said_in, torchrun, trainers, wait_until

from edgeconnect.errors import InputError
from edgeconnect.training.config import TrainConfig
from edgeconnect.training.distributed import Ranks, share
from edgeconnect.training.loop import train
from edgeconnect.training.run_folder import Paths

LONG = pytest.mark.skipif(
    "EDGECONNECT_LONG_TESTS" not in os.environ,
    reason="several processes for minutes: set EDGECONNECT_LONG_TESTS=1",
)


def run_on(processes: int, options: dict[str, Any], *, resume: bool = False) -> None:
    process = torchrun(options, "--standalone", "--nproc-per-node", str(processes), resume=resume)
    assert process.wait(300) == 0, said_in(options).read_text()


def gradients(config: TrainConfig, step: int) -> torch.Tensor:
    """All gradients of a step, which Adam keeps as they are where its first beta is 0."""
    state = torch.load(Paths(config.run).checkpoint(step), weights_only=True)["optimizers"]
    moments = [m["exp_avg"].flatten() for name in ("g", "d") for m in state[name]["state"].values()]
    return torch.cat(moments)


def steps_logged(config: TrainConfig) -> list[dict[str, Any]]:
    """The log's lines of steps, not those of validations."""
    lines = [json.loads(line) for line in Paths(config.run).log.read_text().splitlines()]
    return [line for line in lines if "d_adv" in line]


def test_a_step_s_photos_are_shared_evenly_or_not_at_all() -> None:
    assert [share(8, Ranks(0, 0, world)) for world in (1, 2, 4)] == [8, 4, 2]
    with pytest.raises(InputError, match="expected a multiple of the 3 processes, got 8"):
        share(8, Ranks(0, 0, 3))
    with pytest.raises(InputError, match="expected an even multiple of the 4 processes, got 4"):
        share(4, Ranks(0, 0, 4), even=True)


@LONG
@pytest.mark.parametrize("stage", ["edge", "inpaint"])
def test_one_two_and_four_processes_take_the_same_steps_and_each_other_s_checkpoints(
    tmp_path: Path, stage: str
) -> None:
    # holes of very different sizes, over whose mean some terms are taken
    changes: dict[str, Any] = {"masks": "square,strokes", "batch_size": 4, "save_every": 1, "lr_drop_at": 1}
    changes |= {"w_cross_entropy": 1} if stage == "edge" else {}
    several = tiny_options(tmp_path, stage, run=str(tmp_path / "several"), **changes)
    run_on(2, several | {"steps": 1})
    run_on(4, several | {"steps": 2}, resume=True)
    config = tiny_config(tmp_path, **several | {"steps": 3})
    train(config, resume=True)
    alone = tiny_config(tmp_path, **several | {"steps": 3, "run": str(tmp_path / "alone")})
    train(alone)
    for step, tolerance in ((1, 1e-5), (2, 1e-3), (3, 1e-3)):
        mine, theirs = gradients(alone, step), gradients(config, step)
        assert (mine - theirs).norm() < tolerance * mine.norm()
    for mine, theirs in zip(steps_logged(alone), steps_logged(config), strict=True):
        # agreement is no mean over photos, so each process has its own
        for name in mine.keys() - {"seconds", "images_per_s", "agreement"}:
            assert theirs[name] == pytest.approx(mine[name], rel=1e-3, abs=1e-5), name


@pytest.fixture
def hosts() -> Iterator[Start]:
    """Two hosts on this machine."""
    with elastic.hosts() as start:
        yield start


@LONG
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_run_goes_on_by_itself_when_a_process_or_a_host_is_killed(tmp_path: Path, hosts: Start) -> None:
    steps = 160
    options = tiny_options(tmp_path, steps=steps, save_every=8, validate_every=steps, keep=steps)
    paths = Paths(Path(options["run"]))
    first, second = hosts(options), hosts(options)
    wait_until(lambda: len(paths.checkpoints()) >= 2, options)
    for process in trainers(second):
        os.kill(process, signal.SIGKILL)
    seen = len(paths.checkpoints())
    wait_until(lambda: len(paths.checkpoints()) >= seen + 2, options)
    for process in [second.pid, *trainers(second)]:
        os.kill(process, signal.SIGKILL)
    assert first.wait(300) == 0, said_in(options).read_text()
    said = said_in(options).read_text()
    assert said.count("resumed from") >= 2 and "process 0 of 2: expected an answer of the others" in said
    config = tiny_config(tmp_path, **options)
    assert [line["step"] for line in steps_logged(config)] == list(range(1, steps + 1))


@LONG
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_run_that_lost_a_process_reaches_the_unbroken_run_s_weights(tmp_path: Path) -> None:
    assert elastic.run(tmp_path, times=1) == [""]
