"""What is wrong with a folder of photos: `python -m data.check --help`.

Installed: `edgeconnect data check`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["data", "check", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
