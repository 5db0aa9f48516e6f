"""Train a stage on your own photos: an option for every field of the config, a progress bar."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError
from edgeconnect.training.config import TrainConfig
from edgeconnect.training.presets import NAMES, PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pydantic import BaseModel

    from edgeconnect.ingan.config import SingleConfig
    from edgeconnect.training.stopping import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of TrainConfig."""
    parser.add_argument("stage", choices=("edge", "inpaint", "joint"))
    parser.add_argument(
        "--preset",
        choices=NAMES,
        help="tiny: to see it work, minutes on a CPU, no VGG; small: hours on a CPU (data/recipes); paper: "
        "the defaults, days on a GPU. Other options override it [paper]",
    )
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="options as `name: value` lines")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run, bit for bit")
    add_config_options(parser, TrainConfig, leave_out=("stage",))


def add_config_options(
    parser: argparse.ArgumentParser, config: type[BaseModel], leave_out: Collection[str]
) -> None:
    """One option for each field of a config but some, first those that must be given; it checks them all."""
    for name, field in sorted(config.model_fields.items(), key=lambda item: not item[1].is_required()):
        if name in leave_out:
            continue
        kind: dict[str, Any] = {"metavar": name.upper()}
        if field.annotation is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        elif name == "init_from":
            kind = {"nargs": "+", "metavar": "DIR"}
        default = "" if field.is_required() else f" [{_shown(field.default)}]"
        text = f"{field.description}{default}".replace("%", "%%")
        # torchrun on Python 3.11 stops at --run: it could be short for its own --run-path
        also = ["--run-dir"] if name == "run" else []
        flags = [f"--{name.replace('_', '-')}", *also]
        parser.add_argument(*flags, default=argparse.SUPPRESS, help=text, **kind)


def _shown_report(weights: Mapping[str, float], report: Mapping[str, Any]) -> str:
    """The generators' loss, the discriminator's where there is one, and the speed, beside the bar."""
    terms = {name: weight * report[name] for name, weight in weights.items() if name in report}
    loss = sum(value for name, value in terms.items() if name != "d_adv")
    adversary = f", D {terms['d_adv']:.3g}" if "d_adv" in terms else ""
    return f"loss {loss:.3g}{adversary}, {report['images_per_s']} images/s"


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def run(options: argparse.Namespace) -> int:
    """Train to the last step, or until stopped; the exit code."""
    from edgeconnect.training import distributed, loop, run_folder

    config, resume = _train_config(options)
    return drive(
        partial(loop.train, config, resume=resume),
        config,
        partial(_shown_report, config.loss_weights),
        f"weights: {run_folder.Paths(config.run).weights}",
        silent=not distributed.is_main(),
    )


def drive(
    train: Callable[..., Outcome],
    config: TrainConfig | SingleConfig,
    shown: Callable[[dict[str, Any]], str],
    last_line: str,
    *,
    silent: bool = False,
) -> int:
    """Run `train(print_line=, progress=)` under a progress bar, which shows each report; the exit code."""
    from tqdm import tqdm

    # the delay: no bar before the first step, since until then a mistake may end the run
    with tqdm(total=config.steps, unit="step", dynamic_ncols=True, disable=silent, delay=1e-3) as bar:

        def print_line(text: str) -> None:
            bar.write(text)

        def progress(report: dict[str, Any]) -> None:
            if not bar.n:  # a resumed run's speed does not count the steps before
                bar.initial = bar.n = bar.last_print_n = report["step"] - 1
            bar.update(report["step"] - bar.n)
            bar.set_postfix_str(shown(report), refresh=False)

        outcome = train(print_line=print_line, progress=progress)
        if outcome.step < config.steps:
            print_line(f"stopped after step {outcome.step} and saved; go on with --resume")
        print_line(last_line)
    return 128 + outcome.signal if outcome.signal else 0


def _train_config(options: argparse.Namespace) -> tuple[TrainConfig, bool]:
    """The config, and whether its run goes on: as asked for, or where `torchrun` may have begun it before."""
    from edgeconnect.io import schema
    from edgeconnect.training import config, distributed, run_folder

    given = {name: value for name, value in vars(options).items() if name in config.TrainConfig.model_fields}
    everything = (schema.read_yaml(options.config) if options.config else {}) | given
    run = everything.get("run")
    has_begun = (
        distributed.may_restart() and run is not None and run_folder.Paths(Path(str(run))).config.exists()
    )
    if not options.resume and not has_begun:
        preset = PRESETS[options.preset or "paper"][options.stage]
        return config.make_config(given, options.config, preset), False
    if options.preset and not has_begun:
        raise InputError("--preset: a resumed run keeps its settings; leave it out")
    if run is None:
        raise InputError("--resume needs --run, the folder of the run to go on with")
    return run_folder.resumed_config(Path(str(run)), everything), True
