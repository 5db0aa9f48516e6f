"""A run's folder: config.yaml, log.jsonl, samples/, checkpoints/, weights.safetensors."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.schema import read_yaml
from edgeconnect.models.checkpoint import load_state
from edgeconnect.training.config import make_config, to_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from edgeconnect.training.config import Config, TrainConfig
    from edgeconnect.training.run_config import RunConfig

_PART = re.compile(r"\..*\.\d+-\d+\.part(\.\w+)?")  # what write_atomically leaves when it is killed
# what may differ when a run goes on; anything else would make it another run
_MAY_CHANGE = frozenset(
    (
        "steps",
        "run",
        "workers",
        "device",
        "threads",
        "compile",
        "max_minutes",
        "tensorboard",
        "save_every",
        "keep",
        "log_every",
        "validate_every",
    )
)


@dataclass(frozen=True)
class Paths:
    """Where a run keeps what."""

    run: Path

    @property
    def config(self) -> Path:
        return self.run / "config.yaml"

    @property
    def log(self) -> Path:
        return self.run / "log.jsonl"

    @property
    def weights(self) -> Path:
        return self.run / "weights.safetensors"

    def sample(self, step: int) -> Path:
        """A sample grid of a step."""
        path = self.run / "samples" / f"step_{step:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def checkpoint(self, step: int) -> Path:
        """The checkpoint of a step."""
        return self.run / "checkpoints" / f"step_{step:08d}.pt"

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted((self.run / "checkpoints").glob("step_*.pt"))

    @property
    def has_saved(self) -> bool:
        """Whether the run came to its first checkpoint; one that was killed before starts again."""
        return bool(self.checkpoints()) or self.weights.exists()

    def latest_checkpoint(self) -> Path:
        """The checkpoint of the highest step; raises InputError where there is none."""
        found = self.checkpoints()
        if not found:
            raise InputError(f"{self.run}: expected a run with checkpoints/step_*.pt to resume, found none")
        return found[-1]

    def latest_state(self, print_line: Callable[[str], None]) -> tuple[Path, dict[str, Any]]:
        """The checkpoint to go on from, with its contents: the last that is whole, and others are said.

        Raises InputError where there is none.
        print_line: is given a sentence on each that is damaged.
        """
        self.latest_checkpoint()
        first, *later = self.checkpoints()
        for path in reversed(later):
            try:
                return path, load_state(path)
            except InputError as error:
                print_line(f"{error}; the one before is taken")
        return first, load_state(first)

    def forget_old_checkpoints(self, keep: int, step: int) -> None:
        """Leave the last `keep` of those up to `step`: later ones are damaged, or they would not be later."""
        for path in [path for path in self.checkpoints() if path <= self.checkpoint(step)][:-keep]:
            path.unlink()


def resumed_config(run: Path, given: dict[str, Any]) -> TrainConfig:
    """The saved config of a run with the `given` changes; InputError for one that would alter the run."""
    return changed_config(run, given, make_config, _MAY_CHANGE, "start another one with --init-from")


def changed_config(
    run: Path,
    given: dict[str, Any],
    make: Callable[[dict[str, Any]], Config],
    may_change: Collection[str],
    advice: str,
) -> Config:
    """`resumed_config` of any kind of run: how a config is made, its fields that may differ, what to do.

    run: the folder. given: the changes by field. make: checks a config's fields. may_change: those that may
    differ. advice: what to do instead, for the sentence. Raises InputError where another field would differ.
    """
    file = Paths(run).config
    if not file.exists():
        raise InputError(f"{run}: expected a run to resume, found no config.yaml")
    saved = make(read_yaml(file))
    changed = make({**saved.model_dump(mode="json"), **given})
    altered = [
        n
        for n in type(saved).model_fields
        if n not in may_change and getattr(saved, n) != getattr(changed, n)
    ]
    if altered:
        names = ", ".join(f"{n} ({getattr(saved, n)} before, {getattr(changed, n)} now)" for n in altered)
        raise InputError(f"{run}: a resumed run keeps its settings, but {names}; {advice}")
    return changed


def refuse_another(run: Path) -> None:
    """Raises InputError where the folder holds a run already: a new one would write over it."""
    if Paths(run).config.exists() or Paths(run).has_saved:
        raise InputError(f"{run}: holds a run already; go on with --resume or choose another --run folder")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep the folder to this process, and sweep what killed ones left half-written.

    Raises InputError where another process has it. A folder that stays empty goes again.
    run: the folder, made where it is not there.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        folder = os.open(run, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{run}: expected a place to write to, got: {error.strerror}") from None
    try:
        _lock(folder, run)
        for path in run.rglob(".*.part*"):
            if _PART.fullmatch(path.name):
                path.unlink(missing_ok=True)
        yield
    finally:
        os.close(folder)
        with suppress(OSError):  # it is not empty
            run.rmdir()


def _lock(folder: int, run: Path) -> None:
    """Until the folder is closed, by the system too, however the process ends."""
    try:
        import fcntl

        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{run}: another process trains in this folder; choose another --run") from None
    except (ImportError, OSError):  # no such locks on this system or network drive
        return


def check_photos(run: Path, state: dict[str, Any], digest: str) -> None:
    """Raises InputError where a checkpoint's photos were others: the order of all would change."""
    if state.get("photos", digest) != digest:
        raise InputError(
            f"{run}: expected the photos that it began with, got more, fewer or renamed ones, which would "
            "change the order of all; put them back, or start another one with --init-from"
        )


def save_config(config: RunConfig) -> None:
    """Write config.yaml into the run's folder, which is made where there is none."""
    write_atomically(Paths(config.run).config, to_yaml(config).encode())


class Log:
    """log.jsonl, one JSON object a line, each with its "step"; TensorBoard's events too where asked for."""

    def __init__(self, config: RunConfig, step: int) -> None:
        """Go on after `step`: later lines, of steps lost with a killed process, and torn ones go.

        config: says the folder and whether TensorBoard gets the numbers too.
        """
        self.board = _tensorboard(config.run, step) if config.tensorboard else None
        self.path = Paths(config.run).log
        lines = self.path.read_bytes().splitlines() if self.path.exists() and step else []
        kept = [line for line in lines if _step(line) <= step]
        write_atomically(self.path, b"".join(line + b"\n" for line in kept))

    def write(self, values: dict[str, Any]) -> None:
        """Append one line, numbers only, with its step.

        values: by name, "step" among them.
        """
        with self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(name, value, values["step"])


def _step(line: bytes) -> float:
    """The step of a line; infinite for one that is no line."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return math.inf


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        board = importlib.import_module("torch.utils.tensorboard")
        return board.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
    except ImportError:
        raise InputError("--tensorboard needs the package: pip install 'edgeconnect[tensorboard]'") from None
