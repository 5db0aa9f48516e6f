"""The training loop: data in, steps, checkpoints, validation, log; one loop for any stage."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from edgeconnect.device import choose_device, describe, deterministic_kernels
from edgeconnect.errors import InputError
from edgeconnect.io.images import write_png
from edgeconnect.io.paths import depth_notes, find_broken, photo_paths
from edgeconnect.io.schema import read_yaml
from edgeconnect.masks.sampler import MaskMix
from edgeconnect.models.checkpoint import fitting, save_state, save_weights
from edgeconnect.models.vgg import find_vgg19, load_features
from edgeconnect.training import distributed, run_folder
from edgeconnect.training.config import make_config, to_yaml
from edgeconnect.training.data import TrainingPhotos, training_loader, validation_items
from edgeconnect.training.initial import initialise
from edgeconnect.training.stopping import Outcome, Signals, StopWaitingError, run_steps, stop_signals
from edgeconnect.training.trainer import Trainer, build_networks
from edgeconnect.training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeconnect.io.paths import PathList
    from edgeconnect.models.vgg import FeatureExtractor
    from edgeconnect.training.batch import Batch
    from edgeconnect.training.config import TrainConfig
    from edgeconnect.training.distributed import Ranks

Report = dict[str, Any]


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    print_line: Callable[[str], None] = lambda text: None,
    progress: Callable[[Report], None] = lambda report: None,
) -> Outcome:
    """Run (or resume) the training that `config` describes, to its last step or until it is stopped.

    SIGTERM, SIGINT and `max_minutes` finish the current step, save and return. `print_line` gets sentences
    for the terminal, `progress` a report after every step (step, images_per_s, loss terms), in the main
    process alone. Raises InputError for unusable input and NonFiniteLossError.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    with ExitStack() as stack:
        if config.deterministic:
            stack.enter_context(deterministic_kernels())
        device = choose_device(config.device)
        ranks = stack.enter_context(distributed.joined(device.type))
        device = _own_device(device, ranks)
        if ranks.is_main:
            stack.enter_context(run_folder.locked(config.run))
            if not resume:
                run_folder.refuse_another(config.run)
        distributed.wait(ranks)
        quiet = (lambda text: None) if not ranks.is_main else print_line
        trainer, state = _make_trainer(config, device, ranks, resume, quiet)
        run = _Run(config, trainer, state, ranks, quiet)
        quiet(to_yaml(config))
        with stop_signals() as stopping:
            return run.loop(stopping, progress)


class _Run:
    """One process's part of a run: its data, its trainer, its clock."""

    def __init__(
        self,
        config: TrainConfig,
        trainer: Trainer,
        state: dict[str, Any],
        ranks: Ranks,
        print_line: Callable[[str], None],
    ) -> None:
        self.config, self.trainer, self.ranks = config, trainer, ranks
        self.paths = run_folder.Paths(config.run)
        photos = _training_photos(config)
        self.digest = photos.paths.digest()
        run_folder.check_photos(config.run, state, self.digest)
        print_line(f"{len(photos)} photos in {config.photos}" + _listed(photos.skipped))
        processes = f" in each of {ranks.world} processes" if ranks.world > 1 else ""
        print_line(f"on {describe(trainer.device, trainer.dtype)}{processes}")
        for note in [*depth_notes(photos.paths), *photos.masks.notes()]:
            print_line(note)
        self.loader = training_loader(
            photos,
            distributed.share(config.batch_size, ranks, even=config.edges == "mixed"),
            config.workers,
            trainer.step,
            ranks.rank,
            ranks.world,
            device=trainer.device,
        )
        self.val_items = _validation_items(config, photos.paths) if ranks.is_main else []
        # last, so that a start that failed leaves nothing behind and can be tried again
        self.log = run_folder.Log(config, trainer.step) if ranks.is_main else None
        if ranks.is_main:
            run_folder.save_config(config)

    def loop(self, stopping: Signals, progress: Callable[[Report], None]) -> Outcome:
        config, trainer = self.config, self.trainer
        ends = None if config.max_minutes is None else time.monotonic() + 60 * config.max_minutes
        if trainer.step == 0:
            self.validate()
        elif self.log:
            self.write_weights()  # the process may have been killed between its checkpoint and these
        batches = iter(self.loader)

        def step() -> Report:
            before = time.monotonic()
            # nothing else waits for this process, and the state is that of the last step
            stopping.is_waiting = config.workers > 0 and self.ranks.world == 1
            try:
                batch = next(batches)
            except (Exception, StopWaitingError):  # a dead worker, a broken photo: what was trained is kept
                if self.log and trainer.step:
                    self.save()
                raise
            finally:
                stopping.is_waiting = False
            terms = trainer.train_step(batch)
            report = self.report(terms, time.monotonic() - before)
            if self.log:
                try:
                    progress(report)
                except BrokenPipeError:  # nobody reads the output any more
                    self.after_step(report, is_last=True)
                    raise
            return report

        try:
            return run_steps(
                step,
                self.after_step,
                done=trainer.step,
                steps=config.steps,
                ends=ends,
                stopping=stopping,
                anywhere=lambda flag: distributed.anywhere(flag, self.ranks, trainer.device),
            )
        except StopWaitingError:
            return Outcome(trainer.step, stopping[0])

    def after_step(self, report: Report, is_last: bool) -> None:
        """Log, validate and save where this step calls for it; main process alone."""
        config, step = self.config, self.trainer.step
        if not self.log:
            return
        if step % config.log_every == 0 or is_last:
            self.log.write(report)
        if step % config.validate_every == 0 or step == config.steps:
            self.validate()
        if step % config.save_every == 0 or is_last:
            self.save()

    def report(self, terms: dict[str, float], seconds: float) -> Report:
        photos = self.config.batch_size
        lr = self.trainer.optimizers["g"].param_groups[0]["lr"]
        speed = {"seconds": round(seconds, 4), "images_per_s": round(photos / seconds, 2)}
        return {"step": self.trainer.step, "lr": lr, **speed, **terms}

    def validate(self) -> None:
        if not self.log:
            return
        scores, grid = validate(self.trainer.averaged_prediction, self.val_items, self.config.batch_size)
        self.log.write(
            {"step": self.trainer.step, **{f"val_{name}": value for name, value in scores.items()}}
        )
        write_png(self.paths.sample(self.trainer.step), grid)

    def save(self) -> None:
        step = self.trainer.step
        save_state(self.paths.checkpoint(step), {**self.trainer.state(), "photos": self.digest})
        self.write_weights()

    def write_weights(self) -> None:
        """The weights as of the present step's checkpoint, and older checkpoints gone."""
        save_weights(self.paths.weights, self.trainer.weights())
        self.paths.forget_old_checkpoints(self.config.keep, self.trainer.step)


def _make_trainer(
    config: TrainConfig, device: torch.device, ranks: Ranks, resume: bool, print_line: Callable[[str], None]
) -> tuple[Trainer, dict[str, Any]]:
    """A trainer, and the checkpoint's contents that it goes on from, empty for a new run."""
    networks = build_networks(config)
    paths = run_folder.Paths(config.run)
    has_saved = resume and paths.has_saved
    if not has_saved:
        for name, source in initialise(config, networks, print_line).items():
            print_line(f"{name} from {source}")
    features = _features(config)
    if features:
        print_line(features.describe())
    trainer = Trainer(config, networks, features, device, ranks)
    state: dict[str, Any] = {}
    if has_saved:
        checkpoint, state = paths.latest_state(print_line)
        with fitting(checkpoint):
            trainer.load_state(state)
        if trainer.step > config.steps:
            raise InputError(f"{config.run}: expected more steps than its {trainer.step}, got {config.steps}")
        print_line(f"resumed from {checkpoint}")
        for note in _rate_notes(config, trainer.step):
            print_line(note)
    elif resume:
        print_line("nothing was saved yet: from the start")
    return trainer, {"photos": state["photos"]} if "photos" in state else {}


def _rate_notes(config: TrainConfig, step: int) -> list[str]:
    """What more or fewer steps than before do to the learning rate, whose drop is a share of them."""
    before = make_config(read_yaml(run_folder.Paths(config.run).config))
    if before.steps == config.steps:
        return []
    was, now, drop = before.rate_at(max(step - 1, 0)), config.rate_at(step), config.drop_step
    then = f", and a tenth of that from step {drop:.0f} on" if step < drop < config.steps else ""
    return [
        f"{config.steps} steps instead of {before.steps}: the learning rate was {was:g} and is {now:g} now"
        f"{then}; its drop is at a share of all steps (--lr-drop-at)"
    ]


def _own_device(device: torch.device, ranks: Ranks) -> torch.device:
    """The GPU of this process among those `torchrun` started; alone, the one asked for."""
    if device.type != "cuda":
        return device
    if ranks.world > 1 or device.index is None:
        device = torch.device("cuda", ranks.local)
    torch.cuda.set_device(device)
    return device


def _features(config: TrainConfig) -> FeatureExtractor | None:
    if not config.needs_features:
        return None
    path = find_vgg19() if config.features == "vgg19" else Path(config.features)
    return load_features(path, config.feature_norm)


def _mask_mix(config: TrainConfig) -> MaskMix:
    return MaskMix.parse(config.masks, config.hole_ratio, config.mask_polarity)


def _training_photos(config: TrainConfig) -> TrainingPhotos:
    return TrainingPhotos(
        photo_paths(config.photos),
        config.size,
        masks=_mask_mix(config),
        short_side=config.short_side,
        sigma=config.sigma,
        detector=config.detector,
        edges_folder=config.edges_folder,
        edge_start=config.edge_start,
        seed=config.seed,
        flip=config.flip,
        skip_broken=config.skip_broken,
        check_workers=max(config.workers, 1),
    )


def _validation_items(config: TrainConfig, photos: PathList) -> list[Batch]:
    """`photos`, of which the broken ones may be left out, are the default."""
    # edges of another detector lie beside the training photos; without them Canny's are the measure
    folder = None if config.val_photos else config.edges_folder
    paths = photo_paths(config.val_photos) if config.val_photos else photos
    if config.val_photos and config.skip_broken:
        paths = paths.without(index for index, _ in find_broken(paths, max(config.workers, 1)))
    return validation_items(
        paths,
        config.size,
        _mask_mix(config),
        0,
        config.val_count,
        sigma=config.sigma,
        detector=config.detector,
        edges_folder=folder,
        edge_start=config.edge_start,
    )


def _listed(skipped: list[str]) -> str:
    return (
        "" if not skipped else "".join([f"; {len(skipped)} skipped:", *(f"\n  {line}" for line in skipped)])
    )
