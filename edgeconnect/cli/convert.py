"""Turn released .pth files, or the weights of runs, into one weights file, or generators into ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError, printable

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("source", type=Path, nargs="+", metavar="DIR|FILE")
    parser.add_argument("--note", help="kept in the file: data, licence, ...")
    parser.add_argument("--edge-threshold", type=float, metavar="P", help="make edges nearly binary around P")
    parser.add_argument(
        "--residual-scale", type=float, metavar="S", help="of what G2 adds to its smooth start: S of it"
    )
    parser.add_argument("--half", action="store_true", help="store 16-bit floats: half the size")
    parser.add_argument("--out", type=Path, metavar="FILE.safetensors")
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="DIR|FILE.onnx",
        help="write the generators for ONNX runtimes: a file each in DIR, or the only one as FILE.onnx; any "
        "height and width that are multiples of 4 (needs pip install 'edgeconnect[onnx]')",
    )


def run(options: argparse.Namespace) -> int:
    """Merge, change where asked to, write; the exit code."""
    from edgeconnect.models import weights

    if options.out is None and options.onnx is None:
        raise InputError("expected --out FILE.safetensors or --onnx DIR, got neither")
    merged = weights.gather(options.source)
    if options.edge_threshold is not None:
        weights.sharpen_edges(merged, options.edge_threshold)
    if options.residual_scale is not None:
        weights.scale_residual(merged, options.residual_scale)
    if options.note:
        merged.provenance["note"] = options.note
    if options.out is not None:
        weights.save(options.out, merged, half=options.half)
        print(printable(f"{options.out}: {', '.join(merged.networks)}"))
    if options.onnx is not None:
        from edgeconnect.models.export import save_onnx

        for path in save_onnx(options.onnx, merged):
            print(printable(str(path)))
    return 0
