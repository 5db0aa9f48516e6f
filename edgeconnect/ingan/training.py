"""The loop of a single-image training: steps, early previews, log, checkpoints; resumes bit for bit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from edgeconnect.device import choose_device
from edgeconnect.ingan.retarget import generate
from edgeconnect.ingan.store import load_photos, read_photos, save_generator, save_photos, to_tensor
from edgeconnect.ingan.trainer import SingleTrainer
from edgeconnect.ingan.transforms import Transformation
from edgeconnect.io.images import write_png
from edgeconnect.models.checkpoint import fitting, save_state
from edgeconnect.training import run_folder
from edgeconnect.training.config import to_yaml
from edgeconnect.training.stopping import Outcome, run_steps, stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgeconnect.ingan.config import SingleConfig

    Picture = NDArray[np.uint8]

Report = dict[str, Any]

_FIRST_PREVIEW = 10
_PREVIEWS = (((1, 1), 0), ((0.6, 0.6), 0), ((1, 1.5), 0), ((1, 1), 0.15))
_GAP_PX = 4


def train(
    config: SingleConfig,
    *,
    resume: bool = False,
    print_line: Callable[[str], None] = lambda text: None,
    progress: Callable[[Report], None] = lambda report: None,
) -> Outcome:
    """Run (or resume) the training that `config` describes, to its last step or until it is stopped.

    SIGTERM, SIGINT and `max_minutes` finish the current step, save and return. `print_line` gets sentences
    for the terminal, `progress` a report after every step. Raises InputError and NonFiniteLossError.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    with run_folder.locked(config.run):
        run = _Run(config, resume, print_line)
        print_line(to_yaml(config))
        with stop_signals() as stopping:
            return run.loop(stopping, progress)


class _Run:
    """A run: its photos, its trainer, its folder."""

    def __init__(self, config: SingleConfig, resume: bool, print_line: Callable[[str], None]) -> None:
        self.config, self.paths = config, run_folder.Paths(config.run)
        self.photos = (
            load_photos(config.run, len(config.photos)) if resume else _new_photos(config, print_line)
        )
        tensors = [to_tensor(photo) for photo in self.photos]
        self.trainer = SingleTrainer(config, tensors, choose_device(config.device))
        if resume and self.paths.has_saved:
            checkpoint, state = self.paths.latest_state(print_line)
            with fitting(checkpoint):
                self.trainer.load_state(state)
            print_line(f"resumed from step {self.trainer.step}")
        elif not resume:
            save_photos(config.run, self.photos)
        self.log = run_folder.Log(config, self.trainer.step)
        run_folder.save_config(config)

    def loop(self, stopping: list[int], progress: Callable[[Report], None]) -> Outcome:
        config = self.config
        ends = None if config.max_minutes is None else time.monotonic() + 60 * config.max_minutes

        def step() -> Report:
            report = self.step()
            progress(report)
            return report

        done = self.trainer.step
        if done:
            self.write_weights()  # the process may have been killed between its checkpoint and these
        return run_steps(step, self.after_step, done=done, steps=config.steps, ends=ends, stopping=stopping)

    def step(self) -> Report:
        before = time.monotonic()
        terms = self.trainer.train_step()
        lr = self.trainer.optimizers["generator"].param_groups[0]["lr"]
        seconds = round(time.monotonic() - before, 4)
        return {"step": self.trainer.step, "lr": lr, "seconds": seconds, **terms}

    def after_step(self, report: Report, is_last: bool) -> None:
        """Log, show and save where this step calls for it."""
        config, step = self.config, self.trainer.step
        if step % config.log_every == 0 or is_last:
            self.log.write(report)
        if is_preview(step, config.preview_every) or is_last:
            write_png(self.paths.sample(step), self.preview())
        if step % config.save_every == 0 or is_last:
            self.save()

    def save(self) -> None:
        save_state(self.paths.checkpoint(self.trainer.step), self.trainer.state())
        self.write_weights()

    def write_weights(self) -> None:
        """The generator as of the present step's checkpoint, and older checkpoints gone."""
        trainer, config = self.trainer, self.config
        made = {"steps": trainer.step, "sizes": config.sizes, "photos": len(self.photos), "seed": config.seed}
        save_generator(self.paths.weights, trainer.stage.G, made)
        self.paths.forget_old_checkpoints(config.keep, trainer.step)

    def preview(self) -> Picture:
        """The first photo beside what becomes of it at its own and other sizes, and as a trapezoid."""
        photo, trainer = self.photos[0], self.trainer
        shown = [photo]
        for (scale_y, scale_x), shift in _PREVIEWS:
            size = max(round(photo.shape[0] * scale_y), 8), max(round(photo.shape[1] * scale_x), 8)
            T = Transformation(size, (shift, -shift))
            shown.append(generate(trainer.stage.G, photo, T, trainer.device, trainer.dtype))
        return side_by_side(shown)


def _new_photos(config: SingleConfig, print_line: Callable[[str], None]) -> list[Picture]:
    """The photos of a run that starts; refuses a folder that holds a run already."""
    run_folder.refuse_another(config.run)
    photos, notes = read_photos(config.photos, config.short_side)
    for note in notes:
        print_line(note)
    return photos


def is_preview(step: int, every: int) -> bool:
    """Whether a step is shown: the 10th, 20th, 40th, ... and then each `every`-th."""
    times, rest = divmod(step, _FIRST_PREVIEW)
    return step % every == 0 or (step < every and rest == 0 and times & (times - 1) == 0)


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Pictures (H,W,3) uint8 of any sizes in a row on white."""
    height = max(len(picture) for picture in pictures)
    padded = [
        cv2.copyMakeBorder(p, 0, height - len(p), 0, _GAP_PX, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for p in pictures
    ]
    return np.concatenate(padded, axis=1)
