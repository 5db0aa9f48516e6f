"""Training through faults: each run is broken, taken up again, and compared with an unbroken one bit for bit.

    python tests/tools/faults.py --times 30 --seed 0

Kinds: a kill at a random moment, a kill within the writing of a checkpoint, a signal to end, a disk that is
full, a photo that is gone for a while, a data worker that is killed, a newest checkpoint that is damaged.
Prints of each kind how many runs reached the unbroken run's weights, and what was wrong with others. The exit
code is 1 where there are any.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
import torch._dynamo
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[1]))
from small import tiny_options

from edgeconnect import cli
from edgeconnect.training import loop
from edgeconnect.training.config import make_config, to_yaml
from edgeconnect.training.run_folder import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

    from numpy.random import Generator

STEPS, SAVE_EVERY, KEEP = 16, 2, 3
WAIT_S = 300
SAVE_POINTS = ("half written", "not yet synced", "not yet renamed", "just renamed", "without its weights")


class Fault(AssertionError):
    """What a run did otherwise than it should."""


@dataclass
class Run:
    """One run in a folder with photos; every start of it is a process that may be killed."""

    folder: Path
    name: str
    workers: int = 0
    outputs: list[str] = field(default_factory=list)

    @property
    def paths(self) -> Paths:
        return Paths(self.folder / self.name)

    def start(self, sabotage: Callable[[int], None] | None = None, number: int = 0) -> BaseProcess:
        """Begin, or go on; `sabotage` is called with a number in the process before it trains."""
        options = {**OPTIONS, "workers": self.workers, "run": str(self.folder / self.name)}
        file = self.folder / f"{self.name}.yaml"
        config = make_config(tiny_options(self.folder, **options))
        file.write_text(to_yaml(config), encoding="utf-8")
        arguments = ["train", "edge", "--config", str(file)]
        arguments += ["--resume"] if self.paths.config.exists() else []
        return forked(arguments, self._log, sabotage, number)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.txt"

    def end(self, process: BaseProcess, *codes: int) -> str:
        """Wait for a process, which ends with one of some codes; what it printed."""
        process.join(WAIT_S)
        hung = process.exitcode is None
        if hung:
            process.kill()
            process.join()
        said = self._log.read_text(encoding="utf-8", errors="replace")
        if hung or process.exitcode not in codes or "Traceback" in said:
            raise Fault(f"expected the exit code {codes}, got {'none' if hung else process.exitcode}: {said}")
        return said

    def wait_for(self, condition: Callable[[], object], process: BaseProcess) -> None:
        """Until something is so, or the process has ended."""
        ends = time.monotonic() + WAIT_S
        while not condition() and process.is_alive():
            if time.monotonic() > ends:
                raise Fault("waited in vain")
            time.sleep(0.005)

    def finish(self) -> str:
        """Go on until the last step; what it printed."""
        return self.end(self.start(), 0)


OPTIONS: dict[str, Any] = {
    "steps": STEPS,
    "save_every": SAVE_EVERY,
    "keep": KEEP,
    "validate_every": 12,
    "lr_drop_at": 1,
}


def forked(
    arguments: list[str], log: Path, sabotage: Callable[[int], None] | None = None, number: int = 0
) -> BaseProcess:
    """`edgeconnect ARGUMENTS` in a process that has imported everything already; it prints into `log`."""
    log.write_bytes(b"")
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_train, args=(arguments, log, sabotage, number))
    with _imported_once():
        process.start()
    return process


def _train(arguments: list[str], log: Path, sabotage: Callable[[int], None] | None, number: int) -> None:
    """The process of a run."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    if sabotage:
        sabotage(number)
    sys.exit(cli.run(arguments))


def killed_at_any_moment(run: Run, rng: Generator, seconds: float) -> None:
    """Up to three times in one run."""
    for _ in range(int(rng.integers(1, 4))):
        process = run.start()
        process.join(float(rng.uniform(0.05, seconds)))
        process.kill()
        run.end(process, -signal.SIGKILL, 0)


def killed_while_saving(run: Run, rng: Generator, seconds: float) -> None:
    """At some point of some checkpoint."""
    number = int(rng.integers(STEPS // SAVE_EVERY - 1)) * len(SAVE_POINTS) + int(
        rng.integers(len(SAVE_POINTS))
    )
    run.end(run.start(kill_while_saving, number), -signal.SIGKILL)


def kill_while_saving(number: int) -> None:
    """The process kills itself at a point of writing a checkpoint; number: of save and point."""
    saves_before, point = divmod(number, len(SAVE_POINTS))
    save_state = loop.save_state
    saves = 0

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def save_half(state: object, path: Path) -> None:
        whole = io.BytesIO()
        torch_save(state, whole)
        with path.open("wb") as file:
            file.write(whole.getvalue()[: whole.tell() // 2])
        kill()

    def replace_and_kill(path: Path, target: Path) -> None:
        os.replace(path, target)  # noqa: PTH105
        kill()

    def save(path: Path, state: dict[str, Any]) -> None:
        nonlocal saves
        saves += 1
        if saves <= saves_before:
            save_state(path, state)
            return
        what = SAVE_POINTS[point]
        if what == "half written":
            torch.save = save_half
        elif what == "not yet synced":
            os.fsync = kill
        elif what == "not yet renamed":
            Path.replace = kill  # type: ignore[assignment,method-assign]
        elif what == "just renamed":
            Path.replace = replace_and_kill  # type: ignore[assignment,method-assign]
        save_state(path, state)
        kill()

    torch_save = torch.save
    loop.save_state = save  # type: ignore[attr-defined]


def told_to_end(run: Run, rng: Generator, seconds: float) -> None:
    """By SIGTERM or SIGINT at a random moment: it saves first, and says how to go on."""
    number = signal.SIGTERM if rng.integers(2) else signal.SIGINT
    process = run.start()
    run.wait_for(run.paths.log.exists, process)
    process.join(float(rng.uniform(0, seconds / 2)))
    if process.is_alive() and process.pid:
        os.kill(process.pid, number)
    run.end(process, 128 + number, 0)


def full_disk(run: Run, rng: Generator, seconds: float) -> None:
    """From some save on no file can grow beyond some bytes."""
    said = run.end(run.start(limit_files, int(rng.integers(STEPS // SAVE_EVERY - 1))), 1)
    if said.count("edgeconnect: ") != 1 or "expected a place to write to" not in said:
        raise Fault(f"expected one sentence on the place to write to, got: {said}")


def limit_files(number: int) -> None:
    """From save `number` on no file may grow larger than what the process prints."""
    import resource  # which Windows lacks

    save_state = loop.save_state
    saves = 0

    def save(path: Path, state: dict[str, Any]) -> None:
        nonlocal saves
        if saves == number:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        saves += 1
        save_state(path, state)

    loop.save_state = save  # type: ignore[attr-defined]


def photo_gone(run: Run, rng: Generator, seconds: float) -> None:
    """A photo is away for a while: its name is said, and what was trained is kept."""
    photos = sorted((run.folder / "photos").iterdir())
    photo = photos[int(rng.integers(len(photos)))]
    process = run.start()
    run.wait_for(lambda: run.paths.log.exists() and run.paths.log.stat().st_size, process)
    away = photo.rename(photo.with_suffix(".away"))
    try:
        process.join(WAIT_S)
    finally:
        away.rename(photo)
    said = run.end(process, 1)
    if photo.name not in said:
        raise Fault(f"expected a sentence that names {photo.name}, got: {said}")


def worker_killed(run: Run, rng: Generator, seconds: float) -> None:
    """One of the processes that prepare photos."""
    process = run.start()
    assert process.pid
    run.wait_for(lambda: run.paths.log.exists() and run.paths.log.stat().st_size, process)
    workers = _workers(process.pid)
    if workers:
        os.kill(workers[int(rng.integers(len(workers)))], signal.SIGKILL)
    run.end(process, 1, 0)


def _workers(number: int) -> list[int]:
    """Processes that load data for a process: below it, and busy with photos."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, new = [], below.get(number, [])
    while new:
        found += new
        new = [child for parent in new for child in below.get(parent, [])]
    return [child for child in found if not below.get(child) and _is_forked(child)]


def _is_forked(number: int) -> bool:
    """Whether a process is a forkserver's child: the others are the server and the tracker of resources."""
    try:
        command = Path(f"/proc/{number}/cmdline").read_bytes()
        parent = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1]
        return b"forkserver" in command and b"forkserver" in Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return False


def damaged_checkpoint(run: Run, rng: Generator, seconds: float) -> None:
    """The newest one is cut short, emptied, zeroed or wrong in places: the one before is taken, and said."""
    process = run.start()
    wanted = int(rng.integers(2, STEPS // SAVE_EVERY))
    run.wait_for(lambda: len(run.paths.checkpoints()) >= min(wanted, 3), process)
    process.kill()
    run.end(process, -signal.SIGKILL, 0)
    newest = run.paths.latest_checkpoint()
    content = bytearray(newest.read_bytes())
    how = int(rng.integers(4))
    place = int(rng.integers(len(content)))
    if how == 0:
        del content[place:]
    elif how == 1:
        content.clear()
    elif how == 2:
        content[:] = bytes(len(content))
    else:
        # in the middle of the largest tensors; the zip's own names and padding hold nothing of the state
        place = len(content) // 3
        content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
    newest.write_bytes(content)
    said = run.finish()
    if "the one before is taken" not in said:
        raise Fault(f"expected to be told that the one before is taken, got: {said}")


KINDS: dict[str, tuple[Callable[[Run, Generator, float], None], int]] = {
    "killed at any moment": (killed_at_any_moment, 0),
    "killed while saving": (killed_while_saving, 0),
    "told to end": (told_to_end, 0),
    "full disk": (full_disk, 0),
    "photo gone": (photo_gone, 0),
    "worker killed": (worker_killed, 1),
    "damaged checkpoint": (damaged_checkpoint, 0),
}
"""Each kind: what breaks the run, and how many data workers it has."""


def different(
    first: Run, second: Run, steps: int = STEPS, save_every: int = SAVE_EVERY, keep: int = KEEP
) -> list[str]:
    """In what two runs that have ended after some steps differ."""
    weights = [_contents(run.paths.weights) for run in (first, second)]
    found = [] if _equal(*weights) else ["weights"]
    states = [torch.load(run.paths.checkpoint(steps), weights_only=True) for run in (first, second)]
    found += [] if _equal(*states) else ["checkpoint"]
    names = [_names(run) for run in (first, second)]
    found += [f"files {names[0] ^ names[1]}"] if names[0] != names[1] else []
    for run in (first, second):
        # saved are every `save_every`th step and wherever the run was told to end
        saved = sorted({*range(save_every, steps + 1, save_every), *_steps(run)})
        found += [f"checkpoints {_steps(run)}"] if _steps(run) != saved[-keep:] else []
    logs = [[json.loads(line) for line in run.paths.log.read_text().splitlines()] for run in (first, second)]
    for lines in logs:
        for line in lines:
            for name in ("seconds", "images_per_s"):
                line.pop(name, None)
    return found + (["log"] if logs[0] != logs[1] else [])


def _names(run: Run) -> set[str]:
    """All that lies in a run's folder, but for its checkpoints."""
    return {str(path.relative_to(run.paths.run)) for path in run.paths.run.rglob("*")} - {
        f"checkpoints/{path.name}" for path in run.paths.checkpoints()
    }


def _steps(run: Run) -> list[int]:
    """Those whose checkpoints are there."""
    return [int(path.stem.partition("_")[2]) for path in run.paths.checkpoints()]


def _contents(weights: Path) -> dict[str, Any]:
    """Tensors and what is said of them; their order in the file is by chance."""
    with safe_open(weights, framework="pt") as file:
        return {"about": file.metadata(), **{name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118 (not a dict)


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else bool(first == second)


@contextmanager
def _imported_once() -> Iterator[None]:
    """The process that is started first, and forked for each run, imports this module."""
    paths = filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(paths)):
        multiprocessing.get_context("forkserver").set_forkserver_preload(["faults"])
        yield


def run(
    folder: Path,
    times: dict[str, int],
    seed: int = 0,
    show: Callable[[str, list[str]], None] = lambda kind, faults: None,
) -> dict[str, list[str]]:
    """Break runs of each kind some times; of each kind a fault, empty where there is none, a run.

    show: gets a kind and its faults when its runs are over.
    """
    unbroken = Run(folder, "unbroken")
    unbroken.finish()
    seconds = time.monotonic()
    again = Run(folder, "again")
    again.finish()
    seconds = time.monotonic() - seconds
    if found := different(unbroken, again):
        raise Fault(f"two unbroken runs differ: {found}")
    outcomes: dict[str, list[str]] = {}
    for kind, count in times.items():
        break_run, workers = KINDS[kind]
        outcomes[kind] = []
        for number in range(count):
            rng = np.random.default_rng((seed, number, *kind.encode()))
            broken = Run(folder, f"{kind} {number}".replace(" ", "_"), workers)
            try:
                break_run(broken, rng, seconds)
                broken.finish()
                fault = ", ".join(different(unbroken, broken))
            except Fault as error:
                fault = str(error)
            outcomes[kind].append(fault)
        show(kind, outcomes[kind])
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=30, help="runs of each kind [30]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="these alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(
            Path(folder), dict.fromkeys(options.kind or KINDS, options.times), options.seed, show=show
        )
    return int(any(map(any, outcomes.values())))


def show(kind: str, faults: list[str]) -> None:
    """Print how the runs of a kind ended."""
    same = sum(not fault for fault in faults)
    print(f"{kind:22} {same} of {len(faults)} runs reached the unbroken run's weights bit for bit")
    for number, fault in enumerate(faults):
        if fault:
            print(f"  run {number}: {fault}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
