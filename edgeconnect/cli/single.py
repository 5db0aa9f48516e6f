"""One photo is enough: fill its holes from its own patches, train on it, show it at any size and shape."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.cli.single_fill import add_fill
from edgeconnect.cli.train import add_config_options, drive
from edgeconnect.errors import InputError, printable
from edgeconnect.ingan.config import SingleConfig
from edgeconnect.io.atomic import real_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeconnect.ingan.retarget import Retargeter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the uses of one photo, each with its options."""
    uses = parser.add_subparsers(required=True, metavar="USE")
    add_fill(uses)
    _add_train(uses)
    _add_retarget(uses)


def run(options: argparse.Namespace) -> int:
    """Do what the use says; the exit code."""
    code: int = options.run_use(options)
    return code


def _add_train(uses: Any) -> None:
    train = uses.add_parser("train", help="train InGAN on one photo, or on a few textures")
    train.add_argument("photos", nargs="*", default=argparse.SUPPRESS, metavar="PHOTO")
    train.add_argument("--config", type=Path, metavar="FILE.yaml", help="options as `name: value` lines")
    train.add_argument("--resume", action="store_true", help="go on with the run in --run, bit for bit")
    train.add_argument(
        "--no-reconstruction",
        action="store_const",
        const=0.0,
        dest="w_reconstruction",
        default=argparse.SUPPRESS,
        help="ablation: without the encoder-encoder term (--scales 1: with one scale)",
    )
    add_config_options(train, SingleConfig, leave_out=("photos",))
    train.set_defaults(run_use=_train)


def _add_retarget(uses: Any) -> None:
    retarget = uses.add_parser("retarget", help="a photo at any size and shape, or through sizes")
    retarget.add_argument(
        "run", type=Path, metavar="PHOTO|RUN", help="a photo, or the folder of a `single train`"
    )
    target = retarget.add_mutually_exclusive_group()
    target.add_argument("--size", type=_size, metavar="HxW", help="height and width in px")
    target.add_argument("--scale", type=_scale, metavar="SY,SX", help="of the height and width, or S of both")
    target.add_argument("--outline", type=Path, metavar="MASK", help="white = show; transparent elsewhere")
    retarget.add_argument(
        "--trapezoid",
        type=_inwards,
        metavar="L,R",
        help="the top corners this much inwards, in shares of the width (negative: --trapezoid=-L,-R)",
    )
    retarget.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="an animation to that shape and back (GIF, MP4)",
    )
    retarget.add_argument(
        "--raw", action="store_true", help="as the generator draws it, not redrawn with the photo's patches"
    )
    retarget.add_argument("--photo", type=int, default=0, metavar="N", help="which of several photos [0]")
    retarget.add_argument("--out", type=Path, required=True, metavar="FILE|DIR", help="PNG unless named else")
    retarget.add_argument("--device", default="auto", help="auto, cpu, cuda, ... [auto]")
    retarget.add_argument(
        "--precision", default="auto", choices=("auto", "float32", "bf16"), help="[%(default)s]"
    )
    retarget.set_defaults(run_use=_retarget)


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected HxW in whole px, as in 200x300, got {text!r}") from None
    return height, width


def _scale(text: str) -> tuple[float, float]:
    scales = _floats(text)
    if len(scales) not in (1, 2) or not all(0 < scale < 100 for scale in scales):
        raise argparse.ArgumentTypeError(f"expected SY,SX or one number for both, above 0, got {text!r}")
    return scales[0], scales[-1]


def _inwards(text: str) -> tuple[float, float]:
    inwards = _floats(text)
    if len(inwards) != 2 or not all(abs(share) < 10 for share in inwards):
        raise argparse.ArgumentTypeError(f"expected L,R in shares of the width, as in 0.2,0.2, got {text!r}")
    return inwards[0], inwards[1]


def _floats(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _train(options: argparse.Namespace) -> int:
    from edgeconnect.ingan import training
    from edgeconnect.training import run_folder

    config = _train_config(options)
    return drive(
        partial(training.train, config, resume=options.resume),
        config,
        lambda report: f"previews in {config.run / 'samples'}",
        f"generator: {run_folder.Paths(config.run).weights}; use it with `edgeconnect single retarget`",
    )


def _train_config(options: argparse.Namespace) -> SingleConfig:
    from edgeconnect.ingan.config import MAY_CHANGE, make_single_config
    from edgeconnect.io.schema import read_yaml
    from edgeconnect.training import run_folder

    given = {name: value for name, value in vars(options).items() if name in SingleConfig.model_fields}
    if not options.resume:
        return make_single_config(given, options.config)
    given = (read_yaml(options.config) if options.config else {}) | given
    if "run" not in given:
        raise InputError("--resume needs --run, the folder of the run to go on with")
    return run_folder.changed_config(
        Path(given["run"]), given, make_single_config, MAY_CHANGE, "start another one in another --run folder"
    )


def _retarget(options: argparse.Namespace) -> int:
    from edgeconnect.ingan.animation import check_animation
    from edgeconnect.ingan.retarget import Retargeter
    from edgeconnect.io import encoders

    if options.frames is None:
        encoders.output_format(options.out)
    else:
        check_animation(options.out)
    if real_path(options.out) in {real_path(path) for path in (options.run, options.outline) if path}:
        raise InputError(f"{options.out}: the result would replace an input; choose another --out")
    if not options.run.exists():
        raise InputError(f"{options.run}: expected a photo or the folder of a `single train`, got nothing")
    if not (options.size or options.scale or options.outline or options.trapezoid):
        raise InputError(
            "expected a target: give --size HxW, --scale SY,SX, --trapezoid L,R or --outline MASK"
        )
    if not options.run.is_file():
        model = Retargeter.load(options.run, device=options.device, precision=options.precision)
    elif options.frames is not None or options.raw:
        raise InputError(f"{options.run}: --frames and --raw need the folder of a `single train`, got a file")
    else:
        model = _untrained(options)
    if options.outline:
        _write_outline(options, model)
    else:
        _write_sized(options, model)
    print(printable(options.out))
    return 0


def _untrained(options: argparse.Namespace) -> Retargeter:
    from edgeconnect.ingan.retarget import MIN_PX, Retargeter
    from edgeconnect.io import images

    photo = images.read_rgb(options.run)
    height, width = photo.shape[:2]
    if min(height, width) < MIN_PX:
        raise InputError(f"{options.run}: expected {MIN_PX} px or more on each side, got {width}x{height}")
    return Retargeter.untrained(photo, device=options.device)


def _write_sized(options: argparse.Namespace, model: Retargeter) -> None:
    from edgeconnect.ingan.animation import write_animation
    from edgeconnect.ingan.retarget import as_alpha
    from edgeconnect.io import images

    size = options.size or model.size(options.scale or (1.0, 1.0), options.photo)
    left, right = options.trapezoid or (0.0, 0.0)
    shifts = (left, -right)
    if options.frames is not None:
        from tqdm import tqdm

        frames = model.through_sizes(size, options.frames, shifts, options.photo)
        # disable=None: hidden where there is no terminal
        pictures = list(tqdm(frames, total=options.frames, unit="frame", leave=False, disable=None))
        write_animation(options.out, pictures)
        _print_note(model.note(size, options.photo))
        return
    with _bar(options.run.name) as show:
        rgb = model.retarget(size, shifts, options.photo, raw=options.raw, progress=show)
    _print_note(model.note(size, options.photo))
    alpha = as_alpha(size, shifts) if options.trapezoid else None
    for note in images.write_photo(options.out, rgb, images.Photo(rgb, alpha)):
        _print_note(note)


def _write_outline(options: argparse.Namespace, model: Retargeter) -> None:
    from edgeconnect.io import images
    from edgeconnect.masks import repair

    if options.trapezoid or options.frames:
        raise InputError("--outline goes with neither --trapezoid nor --frames")
    outline, notes = repair.read_mask(options.outline, polarity="white")
    for note in notes:
        _print_note(f"{options.outline}: {note}")
    with _bar(options.run.name) as show:
        rgba = model.in_outline(outline, options.photo, raw=options.raw, progress=show)
    rgb = rgba[..., :3]
    for note in images.write_photo(options.out, rgb, images.Photo(rgb, rgba[..., 3])):
        _print_note(note)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, gone in the end; yields what it is told the share with that is done."""
    from tqdm import tqdm

    shown = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(
        total=1.0,
        desc=printable(name),
        bar_format=shown,
        miniters=0,
        leave=False,
        dynamic_ncols=True,
        disable=None,  # hidden where there is no terminal
    ) as bar:

        def show(share: float) -> None:
            bar.update(share - bar.n)

        yield show


def _print_note(note: str | None) -> None:
    if note:
        print(printable(note), file=sys.stderr)
