"""What is in a folder of masks, and what is wrong with it: `python -m masks.check --help`.

Installed: `edgeconnect masks check`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["masks", "check", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
