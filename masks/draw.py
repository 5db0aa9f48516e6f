"""Fill a folder with drawn masks, sorted by hole ratio: `python -m masks.draw --help`.

Installed: `edgeconnect masks draw`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["masks", "draw", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
