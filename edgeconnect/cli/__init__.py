"""The command line: reads arguments, calls the package, prints; a user's mistake ends in one sentence."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.cli.arguments import at_least
from edgeconnect.cli.mask_options import add_mask_options, checked_masking, pixels
from edgeconnect.cli.single import add_single
from edgeconnect.cli.train import add_train
from edgeconnect.errors import InputError, NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.inpainters.edgeconnect import EdgeConnect
    from edgeconnect.io.jobs import Job

_OWN_EDGES = {"edges": None, "edges_from": None, "edges_polarity": "guess"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `edgeconnect ...` and exit: 0 done, 1 unusable input, 2 wrong arguments, 128 + n by signal n."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given[0] if given else "").parse_args(given)
    try:
        code = options.run_command(options)
    except (InputError, NonFiniteLossError) as error:
        print(f"edgeconnect: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser(command: str) -> argparse.ArgumentParser:
    """The whole parser; the many options of `train` only for that command, so that --help is instant."""
    parser = argparse.ArgumentParser(prog="edgeconnect", description="Structure-guided image inpainting.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_inpaint(commands)
    _add_edges(commands)
    add_train(commands, with_config=command == "train")
    add_single(commands, with_config=command == "single")
    _add_convert(commands)
    _add_serve(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="fill four sample photos and print where the picture is")
    demo.add_argument("--out", type=Path, default=Path("edgeconnect-demo.png"), help="[%(default)s]")
    _add_model_options(demo)
    demo.set_defaults(run_command=_demo)


def _add_inpaint(commands: Any) -> None:
    inpaint = commands.add_parser("inpaint", help="fill the holes of a photo or of a folder of photos")
    inpaint.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(inpaint)
    inpaint.add_argument(
        "--feather", type=pixels, default=0, metavar="PX", help="blend known pixels this near [0]"
    )
    structure = inpaint.add_mutually_exclusive_group()
    structure.add_argument(
        "--edges", type=Path, metavar="FILE|DIR", help="edge maps, used as given in the hole"
    )
    structure.add_argument(
        "--edges-from", type=Path, metavar="FILE|DIR", help="other photos, whose edges fill the hole"
    )
    inpaint.add_argument(
        "--edges-polarity", default="guess", choices=("guess", "white", "black"), help="the strokes [guess]"
    )
    inpaint.add_argument("--save-edges", metavar="PATH|DIR", help="also write the edge map(s) used")
    inpaint.add_argument(
        "--out", required=True, metavar="PATH|DIR", help="PNG unless named otherwise; a folder ends in /"
    )
    _add_model_options(inpaint)
    inpaint.set_defaults(run_command=_inpaint)


def _add_edges(commands: Any) -> None:
    edges = commands.add_parser(
        "edges", help="write the completed edge map, ready to edit in a paint program"
    )
    edges.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(edges)
    edges.add_argument("--out", required=True, metavar="PATH|DIR")
    _add_model_options(edges)
    edges.set_defaults(run_command=_edges, feather=0.0, save_edges=None, **_OWN_EDGES)


def _add_convert(commands: Any) -> None:
    convert = commands.add_parser(
        "convert", help="released .pth files, or runs' weights, into one weights file"
    )
    convert.add_argument("source", type=Path, nargs="+", metavar="DIR|FILE")
    convert.add_argument("--note", help="kept in the file: data, licence, ...")
    convert.add_argument(
        "--edge-threshold", type=float, metavar="P", help="make edges nearly binary around P"
    )
    convert.add_argument(
        "--residual-scale", type=float, metavar="S", help="of what G2 adds to its smooth start: S of it"
    )
    convert.add_argument("--half", action="store_true", help="store 16-bit floats: half the size")
    convert.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    convert.set_defaults(run_command=_convert)


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser("serve", help="the page to draw holes and edges on, and the HTTP API")
    serve.add_argument("--port", type=at_least(0, 65535), default=7860, help="[%(default)s]")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at [%(default)s: this machine]")
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="answer to this host name too"
    )
    _add_model_options(serve, several=True)
    serve.set_defaults(run_command=_serve)


def _add_model_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    number: dict[str, Any] = {"nargs": "+", "default": []} if several else {}
    parser.add_argument(
        "--weights", metavar="NAME|PATH", help="a shipped name, a weights file or a run [default]", **number
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... [auto]")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bf16"),
        help="auto: bf16 where hardware has it",
    )


def _load(options: argparse.Namespace) -> EdgeConnect:
    from edgeconnect.inpainters.edgeconnect import EdgeConnect

    return EdgeConnect.load(options.weights, device=options.device, precision=options.precision)


def _demo(options: argparse.Namespace) -> int:
    from edgeconnect.cli import demo
    from edgeconnect.io import encoders, images

    encoders.output_format(options.out)  # before the work
    shown = demo.picture(_load(options))
    for note in images.write_photo(options.out, shown, images.Photo(shown)):
        print(note, file=sys.stderr)
    print("each row: the photo with its hole, edges (completed ones blue), result, photo")
    print(options.out.resolve())
    return 0


def _inpaint(options: argparse.Namespace) -> int:
    from edgeconnect.cli import filling

    return _with_model(options, filling.run)


def _edges(options: argparse.Namespace) -> int:
    from edgeconnect.cli import filling

    return _with_model(options, filling.complete)


def _with_model(
    options: argparse.Namespace, work: Callable[[EdgeConnect, Job, MaskOptions], list[str]]
) -> int:
    from edgeconnect.cli.filling import work_through
    from edgeconnect.io.jobs import plan

    masking = checked_masking(options)
    paths = {name: getattr(options, name) for name in ("mask", "edges", "edges_from", "save_edges")}
    jobs = plan(options.photo, options.out, **paths)
    model = _load(options)
    return work_through(jobs, lambda job: work(model, job, masking), options.out)


def _convert(options: argparse.Namespace) -> int:
    from edgeconnect.models import weights

    merged = weights.gather(options.source)
    if options.edge_threshold is not None:
        weights.sharpen_edges(merged, options.edge_threshold)
    if options.residual_scale is not None:
        weights.scale_residual(merged, options.residual_scale)
    if options.note:
        merged.provenance["note"] = options.note
    weights.save(options.out, merged, half=options.half)
    print(f"{options.out}: {', '.join(merged.networks)}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    try:
        from edgeconnect.web import models, server
    except ModuleNotFoundError as error:
        raise InputError(f"serve needs {error.name}: pip install 'edgeconnect[web]'") from None

    served = models.Models(
        models.by_name(options.weights), device=options.device, precision=options.precision
    )
    served.get()  # what is wrong with the weights is said now, not to the first visitor
    server.serve(
        served,
        options.host,
        options.port,
        names=options.allow_host,
        say=lambda url: print(f"{url} (Ctrl+C ends)", flush=True),
    )
    return 0
