"""The command line: reads arguments, calls the package, prints; every mistake of a user ends in one sentence."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edgeconnect.errors import InputError


def main(arguments: list[str] | None = None) -> None:
    """Run `edgeconnect ...` and exit: 0 done, 1 unusable input, 2 wrong arguments, 128 + n stopped by signal n."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code = options.run_command(options)
    except InputError as error:
        sys.exit(f"edgeconnect: {error}")
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeconnect", description="Structure-guided image inpainting.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a stage on your own photos")
    train.add_argument("stage", choices=("edge", "inpaint", "joint"))
    train.add_argument("--config", type=Path, metavar="FILE.yaml", help="options as `name: value` lines")
    train.add_argument("--resume", action="store_true", help="go on with the run in --run, bit for bit")
    add_config_options(train)
    train.set_defaults(run_command=_train)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of TrainConfig; its type is checked by the config itself."""
    from edgeconnect.config import TrainConfig

    for name, field in TrainConfig.model_fields.items():
        if name == "stage":
            continue
        flag = "--" + name.replace("_", "-")
        default = "" if field.is_required() else f" [{_shown(field.default)}]"
        text = f"{field.description}{default}".replace("%", "%%")
        kind: dict[str, Any] = {"metavar": name.upper()}
        if field.annotation is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        elif name == "init_from":
            kind = {"nargs": "+", "metavar": "DIR"}
        parser.add_argument(flag, dest=name, default=argparse.SUPPRESS, help=text, **kind)


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _train(options: argparse.Namespace) -> int:
    from edgeconnect import runs
    from edgeconnect.config import TrainConfig, make_config, to_yaml

    given = {name: value for name, value in vars(options).items() if name in TrainConfig.model_fields}
    if options.resume and "run" in given:
        config = runs.resumed_config(Path(given["run"]), given)
    else:
        config = make_config(given, options.config)
    print(to_yaml(config), flush=True)

    from tqdm import tqdm

    from edgeconnect.training import train

    with tqdm(total=config.steps, unit="step", dynamic_ncols=True) as bar:

        def on_step(report: dict[str, Any]) -> None:
            bar.update(report["step"] - bar.n)
            bar.set_postfix_str(f"{report['images_per_s']} images/s", refresh=False)

        outcome = train(config, resume=options.resume, say=tqdm.write, on_step=on_step)
    if outcome.step < config.steps:
        print(f"stopped after step {outcome.step} and saved; go on with --resume")
    print(f"weights: {runs.Paths(config.run).weights}")
    return 128 + outcome.signal if outcome.signal else 0
