"""Training on two hosts through the loss of a process: `torchrun` starts both again, by itself.

    python tests/tools/elastic.py --times 10

Two agents of torchrun meet on a port of this machine, each with one process, as two hosts would. In each run
one process of the two is killed at a random moment. Prints how many runs went on by themselves from the last
checkpoint and reached the weights, checkpoint and log of an unbroken run, bit for bit. The exit code is 1
where one did not.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import tiny_options
from tools import faults

from edgeconnect.training.run_folder import Paths

ROOT = Path(__file__).parents[2]
STEPS, SAVE_EVERY = 96, 4  # so many that a kill comes before the end
WAIT_S = 300
Start = Callable[[dict[str, Any]], subprocess.Popen[bytes]]


def torchrun(options: dict[str, Any], *flags: str, resume: bool = False) -> subprocess.Popen[bytes]:
    """`edgeconnect train` under `torchrun` with some flags; what it prints goes into a file."""
    names = {name: f"--{name.replace('_', '-')}" for name in options if name != "stage"} | {
        "run": "--run-dir"
    }
    given = [part for name, flag in names.items() for part in (flag, str(options[name]))]
    command = [sys.executable, "-m", "torch.distributed.run", *flags, "-m", "edgeconnect", "train"]
    command += [options["stage"], *given, *(["--resume"] if resume else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with said_in(options).open("ab") as said:
        return subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)


def said_in(options: dict[str, Any]) -> Path:
    """The file with what a run printed."""
    return Path(options["run"]).with_suffix(".txt")


@contextmanager
def hosts() -> Iterator[Start]:
    """Starts agents that meet on a port of this machine, each as if it were a host of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--nnodes", "1:2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-backend", "c10d"]
    flags += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "run", "--local-addr", "127.0.0.1"]
    started: list[subprocess.Popen[bytes]] = []

    def start(options: dict[str, Any]) -> subprocess.Popen[bytes]:
        # the first one keeps the meeting point, since the others are killed
        meeting = ["--rdzv-conf", f"last_call_timeout=3,is_host={int(not started)}"]
        started.append(torchrun(options, *flags, *meeting))
        return started[-1]

    try:
        yield start
    finally:
        for agent in started:
            for process in [*trainers(agent), agent.pid]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            agent.wait()


def trainers(agent: subprocess.Popen[bytes]) -> list[int]:
    """The processes that an agent has started."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
    return [int(number) for number in children.read_text().split()] if children.exists() else []


def wait_until(condition: Callable[[], bool], options: dict[str, Any], seconds: float = WAIT_S) -> None:
    """Until something is so; what the run printed, where that takes too long."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, said_in(options).read_text()
        time.sleep(0.02)


def has_saved(paths: Paths, wanted: int) -> bool:
    """Whether there are as many checkpoints."""
    return len(paths.checkpoints()) >= wanted


def train(folder: Path, name: str, kill: tuple[int, int, float] | None = None) -> faults.Run:
    """A run on two hosts until its last step.

    kill: which of the two processes is killed, after how many checkpoints, and how many seconds later.
    """
    changes = {"steps": STEPS, "save_every": SAVE_EVERY, "validate_every": STEPS, "keep": STEPS}
    options, run = tiny_options(folder, run=str(folder / name), **changes), faults.Run(folder, name)
    with hosts() as start:
        agents = start(options), start(options)
        if kill is not None:
            which, wanted, seconds = kill
            wait_until(partial(has_saved, run.paths, wanted), options)
            time.sleep(seconds)
            for process in trainers(agents[which]):
                os.kill(process, signal.SIGKILL)
        codes = [ended(agent) for agent in agents]
    said = said_in(options).read_text(encoding="utf-8", errors="replace")
    if codes != [0, 0]:
        raise faults.Fault(f"expected both hosts to end well, got the exit codes {codes}: {said}")
    if kill is not None and "resumed from" not in said:
        raise faults.Fault(f"expected the run to go on from a checkpoint, got: {said}")
    return run


def ended(agent: subprocess.Popen[bytes]) -> int | None:
    """The exit code; None where it takes too long."""
    with suppress(subprocess.TimeoutExpired):
        return agent.wait(WAIT_S)
    return None


def run(folder: Path, times: int, seed: int = 0) -> list[str]:
    """Kill a process in each of some runs; a fault, empty where there is none, for each of them."""
    unbroken, found = train(folder, "unbroken"), []
    for number in range(times):
        rng = np.random.default_rng((seed, number))
        kill = int(rng.integers(2)), int(rng.integers(1, 12)), float(rng.uniform(0, 0.1))
        try:
            broken = train(folder, f"broken_{number}", kill)
            found.append(", ".join(faults.different(unbroken, broken, STEPS, SAVE_EVERY, STEPS)))
        except faults.Fault as fault:
            found.append(str(fault))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="runs with a killed process [10]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), options.times, options.seed)
    faults.show("a process of two hosts killed", found)
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
