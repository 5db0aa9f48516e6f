"""What every training run is told, whichever networks it trains: steps, seed, device, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def split(value: Any) -> Any:
    """Let "a,b" on the command line stand for a list; every other value comes back as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    """Let "2e6" stand for a whole number: YAML reads it as text."""
    try:
        return int(float(value)) if float(value).is_integer() else value
    except (TypeError, ValueError):
        return value


Count = Annotated[int, BeforeValidator(_whole)]
Pair = Annotated[tuple[float, float], BeforeValidator(split)]


class RunConfig(BaseModel):
    """The fields that all kinds of training share; each has its own `steps`, `betas` and `d_lr_ratio`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: Path = Field(
        description="folder of this run: config.yaml, log.jsonl, samples/, checkpoints/, weights"
    )
    steps: Count = Field(gt=0, description="training steps")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the weights and of everything that is drawn")

    betas: Pair = Field(description="Adam's betas")
    d_lr_ratio: float = Field(gt=0, description="discriminators' learning rate over the generators'")

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, ...")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="bf16 autocast; auto: where hardware has it"
    )
    threads: int = Field(
        0, ge=0, le=4096, description="CPU threads of the training process (0: PyTorch's choice)"
    )

    save_every: Count = Field(1000, gt=0, description="steps between checkpoints")
    keep: int = Field(2, gt=0, description="checkpoints kept")
    log_every: int = Field(10, gt=0, description="steps between lines in log.jsonl")
    max_minutes: float | None = Field(None, gt=0, le=1e7, description="save and stop after this many minutes")
    tensorboard: bool = Field(False, description="also write TensorBoard event files (extra: tensorboard)")

    @model_validator(mode="after")
    def _fields_go_together(self) -> RunConfig:
        if faults := self._faults():
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> list[str]:
        """What is wrong with fields taken together, in sentences; a kind of training adds its own."""
        if all(0 <= beta < 1 for beta in self.betas):
            return []
        return [f"betas: expected two numbers from 0 to below 1, got {self.betas[0]:g},{self.betas[1]:g}"]
