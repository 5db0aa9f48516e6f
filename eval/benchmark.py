"""Photos x holes x inpainters, timed, scored and shown: `python -m eval.benchmark --help`.

Installed: `edgeconnect benchmark`.
"""

from __future__ import annotations

import sys

from edgeconnect import cli


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; its exit code."""
    return cli.run(["benchmark", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
