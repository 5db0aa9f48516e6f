"""`-` for a photo or a result: standard input and output, as files for as long as a verb needs them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_PIPE = Path("-")


@contextmanager
def piped(options: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """The options with files in the place of `-`; what is written to them goes to standard output at the end.

    Raises InputError where standard input is a terminal or empty, or there are other photos beside it.
    """
    reads, writes = _PIPE in options.photo, str(options.out) == "-"
    if not reads and not writes:
        yield options
        return
    if reads and len(options.photo) > 1:
        raise InputError("-: expected no other photos beside the one from standard input")
    with tempfile.TemporaryDirectory(prefix="edgeconnect-") as folder:
        photo, out = Path(folder, "stdin"), Path(folder, "stdout.png")
        if reads:
            if sys.stdin.isatty():
                raise InputError("-: expected a photo on standard input, got a terminal")
            with photo.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            options.photo = [photo]
        if writes:
            options.out, options.quiet = str(out), options.quiet or not options.verbose
        try:
            yield options
        except InputError as error:
            plain = str(error).replace(str(photo), "standard input").replace(str(out), "standard output")
            raise InputError(plain) from None
        if writes and out.exists():
            sys.stdout.buffer.write(out.read_bytes())
            sys.stdout.buffer.flush()
