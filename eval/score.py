"""Score results against the truth: `python -m eval.score --help`.

Installed: `edgeconnect score`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["score", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
