"""Write the completed edge map of a photo, ready to edit in a paint program."""

from __future__ import annotations

import argparse
from functools import cache, partial
from typing import TYPE_CHECKING

from edgeconnect.cli.options import (
    add_lines_option,
    add_mask_options,
    add_model_options,
    add_output_options,
    add_photo_argument,
    checked_masking,
    engine,
    load_model,
    telling,
)

if TYPE_CHECKING:
    from edgeconnect.cli.batch import Work
    from edgeconnect.cli.filling import MaskOptions

EXAMPLES = """examples:
  edgeconnect edges photo.jpg --mask mask.png --out edges.png
  edgeconnect inpaint photo.jpg --mask mask.png --edges edges.png --out filled.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    add_photo_argument(parser)
    add_mask_options(parser)
    add_output_options(parser)
    add_lines_option(parser)
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Plan all jobs, complete their edge maps; the exit code."""
    from edgeconnect.cli import batch
    from edgeconnect.cli.pipes import piped
    from edgeconnect.io.jobs import plan

    who = engine(options)
    with piped(options):
        jobs = plan(options.photo, options.out, mask=options.mask)
        make = partial(_make, options, checked_masking(options))
        return batch.work_through(jobs, make, options.out, telling(options), who, skip_done=options.skip_done)


def _make(options: argparse.Namespace, masking: MaskOptions, *, at_once: bool = False) -> Work:
    """What is done with each photo."""
    from edgeconnect.cli import filling

    load = cache(lambda: load_model(options))
    if at_once:
        load()
    return lambda job: filling.complete(load, job, masking, options.lines)
