"""Write the completed edge map of a photo, ready to edit in a paint program."""

from __future__ import annotations

import argparse
from functools import cache

from edgeconnect.cli.options import (
    add_lines_option,
    add_mask_options,
    add_model_options,
    add_output_options,
    add_photo_argument,
    checked_masking,
    load_model,
    telling,
)

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
    """Plan all jobs, complete one edge map after another, the model loaded for the first; the exit code."""
    from edgeconnect.cli import filling
    from edgeconnect.cli.pipes import piped
    from edgeconnect.io.jobs import plan

    with piped(options):
        masking = checked_masking(options)
        jobs = plan(options.photo, options.out, mask=options.mask)
        load = cache(lambda: load_model(options))
        return filling.work_through(
            jobs,
            lambda job: filling.complete(load, job, masking, options.lines),
            options.out,
            telling(options),
            skip_done=options.skip_done,
        )
