"""Fréchet Inception distance between folders or kept statistics: `python -m eval.fid --help`.

Installed: `edgeconnect fid`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["fid", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
