"""Check a folder of photos, or prepare it for training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeconnect.cli import data_check, data_prepare

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the uses, each with its options."""
    uses = parser.add_subparsers(required=True, metavar="USE")
    for name, text, module in (
        ("check", "what is wrong with a folder of photos", data_check),
        ("prepare", "scale, split and list photos for training", data_prepare),
    ):
        use = uses.add_parser(name, help=text, description=module.__doc__)
        use.set_defaults(run_use=module.run)
        module.add_arguments(use)


def run(options: argparse.Namespace) -> int:
    """Do what the use says; the exit code."""
    code: int = options.run_use(options)
    return code
