"""What a reader may rely on: arrows between the rooms run down only, and asking for help costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from edgeconnect.cli import VERBS

ROOT = Path(__file__).parents[1]
ROOMS = (
    "errors", "types", "memory", "composite", "device", "provenance", "io", "engines", "masks", "edges",
    "models", "metrics", "training", "patches", "ingan", "inpainters", "evaluation", "web", "cli", "__main__",
)  # fmt: skip
"""Each imports from itself and from those before it: there is no circle of rooms, and nobody imports the last
ones."""


def imported(path: Path) -> set[str]:
    """Dotted names of all modules of the package that a file imports, at run time or for types alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "edgeconnect":
            names |= {f"edgeconnect.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.startswith("edgeconnect.")}


def room(dotted: str) -> str:
    return dotted.split(".")[1]


@pytest.mark.parametrize("path", sorted((ROOT / "edgeconnect").rglob("*.py")), ids=str)
def test_arrows_run_down_only(path: Path) -> None:
    own = path.relative_to(ROOT / "edgeconnect").with_suffix("").parts[0]
    if own == "__init__":  # the front door, which imports what is asked for when it is asked for
        return
    below = ROOMS[: ROOMS.index(own) + 1]
    assert {room(name) for name in imported(path)} - {"EdgeConnect", "__version__"} <= set(below)


def test_settings_of_the_whole_process_are_made_by_the_command_line_alone() -> None:
    setting = "import keep_memory"
    users = {path for path in (ROOT / "edgeconnect").rglob("*.py") if setting in path.read_text("utf-8")}
    assert {path.parent.name for path in users} == {"cli"}


def test_help_does_not_import_torch() -> None:
    program = (
        "import sys\nfrom edgeconnect.cli import main\n"
        f"for words in [[], *([verb] for verb in {list(VERBS)})]:\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as ended: assert ended.code == 0 and 'torch' not in sys.modules, words\n"
        "    else: raise AssertionError(words)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
