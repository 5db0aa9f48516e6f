"""A run's folder: config.yaml, log.jsonl, samples/, checkpoints/, weights.safetensors."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.schema import read_yaml
from edgeconnect.training.config import make_config, to_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edgeconnect.training.config import Config, RunConfig, TrainConfig

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
        path = self.run / "samples" / f"step_{step:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def checkpoint(self, step: int) -> Path:
        return self.run / "checkpoints" / f"step_{step:08d}.pt"

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted((self.run / "checkpoints").glob("step_*.pt"))

    @property
    def has_saved(self) -> bool:
        """Whether the run came to its first checkpoint; one that was killed before starts again."""
        return bool(self.checkpoints()) or self.weights.exists()

    def latest_checkpoint(self) -> Path:
        """The checkpoint to go on from; raises InputError where there is none."""
        found = self.checkpoints()
        if not found:
            raise InputError(f"{self.run}: expected a run with checkpoints/step_*.pt to resume, found none")
        return found[-1]

    def forget_old_checkpoints(self, keep: int) -> None:
        for path in self.checkpoints()[:-keep]:
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
    """`resumed_config` of any kind of run: how a config is made, its fields that may differ, what to do."""
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
    if Paths(run).config.exists() or Paths(run).log.exists():
        raise InputError(f"{run}: holds a run already; go on with --resume or choose another --run folder")


def save_config(config: RunConfig) -> None:
    """Write config.yaml into the run's folder, which is made where there is none."""
    write_atomically(Paths(config.run).config, to_yaml(config).encode())


class Log:
    """log.jsonl, one JSON object a line, each with its "step"; TensorBoard's events too where asked for."""

    def __init__(self, config: RunConfig, step: int) -> None:
        """Go on after `step`: later lines, of steps that were lost with a killed process, are dropped."""
        self.board = _tensorboard(config.run, step) if config.tensorboard else None
        self.path = Paths(config.run).log
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        write_atomically(self.path, "".join(kept).encode())

    def write(self, values: dict[str, Any]) -> None:
        """Append one line, numbers only, with its step."""
        with self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(name, value, values["step"])


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        board = importlib.import_module("torch.utils.tensorboard")
        return board.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
    except ImportError:
        raise InputError("--tensorboard needs the package: pip install 'edgeconnect[tensorboard]'") from None
