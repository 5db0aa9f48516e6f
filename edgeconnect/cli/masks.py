"""Draw a folder of masks, or check one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeconnect.cli import masks_check, masks_draw

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the uses, each with its options."""
    uses = parser.add_subparsers(required=True, metavar="USE")
    for name, text, module in (
        ("draw", "fill a folder with drawn masks, sorted by hole ratio", masks_draw),
        ("check", "what is in a folder of masks, and what is wrong with it", masks_check),
    ):
        use = uses.add_parser(name, help=text, description=module.__doc__)
        use.set_defaults(run_use=module.run)
        module.add_arguments(use)


def run(options: argparse.Namespace) -> int:
    """Do what the use says; the exit code."""
    code: int = options.run_use(options)
    return code
