"""Serve the page to draw holes and edges on, and the HTTP API, on this machine."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

from edgeconnect.cli.options import add_model_options, at_least
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--port", type=at_least(0, 65535), default=7860, help="[%(default)s]")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at [%(default)s: this machine]"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="answer to this host name too"
    )
    parser.add_argument(
        "--inpainter",
        action="append",
        default=[],
        metavar="NAME",
        help="offer this one too, e.g. lama:FILE or module:callable, from sources you trust (telea, ns and "
        "biharmonic always are)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_model_options(parser, several=True)


def run(options: argparse.Namespace) -> int:
    """Load the default weights, then answer until interrupted; the exit code."""
    try:
        from edgeconnect.web import models, server
    except ModuleNotFoundError as error:
        raise InputError(f"serve needs {error.name}: pip install 'edgeconnect[web]'") from None

    served = models.Models(
        models.by_name(options.weights),
        device=options.device,
        precision=options.precision,
        inpainters=options.inpainter,
    )
    served.get()  # what is wrong with the weights is said now, not to the first visitor
    server.serve(
        served,
        options.host,
        options.port,
        names=options.allow_host,
        on_ready=lambda url: _ready(url, options.open),
    )
    return 0


def _ready(url: str, opens: bool) -> None:
    print(f"{url} (Ctrl+C ends)", flush=True)
    if opens:
        webbrowser.open(url)
