"""The house's habits that a reader can rely on: who may import whom, how long things are, who prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPES = ("data", "masks", "eval")

# module -> what it imports of the package; errors may be imported by all
ARROWS = {
    # files and arrays
    "atomic": "",
    "signatures": "",
    "encoders": "",
    "decoders": "signatures",
    "images": "atomic decoders encoders signatures",
    "paths": "images",
    "brush": "",
    "mask_repair": "",
    "masks": "brush mask_repair",
    "edges": "",
    "holes": "brush images masks paths",
    "batch": "",
    "dataset": "batch edges holes images paths",
    # the method
    "networks": "",
    "generators": "batch networks",
    "vgg": "",
    "losses": "",
    "descent": "",
    "stages": "batch losses vgg",
    # files of weights
    "provenance": "",
    "downloads": "",
    "checkpoint": "atomic generators networks",
    "released": "checkpoint networks",
    "weights": "checkpoint downloads generators released",
    # training
    "config": "",
    "runs": "atomic config",
    "runtime": "",
    "memory": "",
    "distributed": "",
    "initial": "checkpoint config networks runs weights",
    "trainer": "batch checkpoint config descent distributed runtime stages vgg",
    "validation": "batch metrics stages",
    "stopping": "",
    "training": "batch checkpoint config dataset distributed images initial memory runs runtime stopping "
    "trainer validation vgg weights",
    # one photo
    "ingan": "ingan.fill",
    "ingan.patches": "",
    "ingan.patch_fill": "generators ingan.patches",
    "ingan.refine": "descent ingan.networks patch_similarity",
    "ingan.fill": "inpaint ingan.patch_fill ingan.patches ingan.refine memory regions runtime",
    "ingan.config": "config",
    "ingan.transforms": "",
    "ingan.networks": "networks",
    "ingan.stage": "ingan.networks ingan.transforms losses",
    "ingan.trainer": "descent ingan.config ingan.networks ingan.stage ingan.transforms runtime",
    "ingan.store": "atomic encoders images ingan.networks",
    "ingan.redraw": "ingan.patches",
    "ingan.retarget": "ingan.networks ingan.redraw ingan.store ingan.transforms memory runs runtime",
    "ingan.animation": "atomic encoders images",
    "ingan.training": "checkpoint images ingan.config ingan.retarget ingan.store ingan.trainer "
    "ingan.transforms memory runs runtime stopping",
    # use
    "regions": "",
    "inpaint": "checkpoint edges generators masks memory regions runtime weights",
    "files": "decoders edges encoders images inpaint masks",
    "demo": "images inpaint masks",
    # scores
    "metrics": "",
    "perceptual": "downloads vgg",
    "ablation": "metrics",
    "fid": "downloads",
    "patch_similarity": "",
    "baselines": "images ingan.fill inpaint provenance runtime weights",
}
COMMANDS = ("arguments", "cli", "cli_fill", "cli_jobs", "cli_masks", "cli_single", "cli_train")
OPEN = (*COMMANDS, "web", "__main__", "__init__")
"""Modules that may import anything: the command line, the page and the package's own front door."""


SHELL = (*COMMANDS, "web")
"""Where arguments are read and results printed."""


def modules(folder: str) -> dict[str, Path]:
    """Every module below a folder of the checkout by its dotted name, without the folder's own."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT / folder).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


PACKAGE = modules("edgeconnect")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, whether at run time or for types alone."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(path: Path) -> set[str]:
    """The package's modules among what a file imports."""
    inside = {name.removeprefix("edgeconnect.") for name in imported(path) if name.startswith("edgeconnect.")}
    return inside & PACKAGE.keys()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def called(node: ast.AST) -> set[str]:
    """Last names of everything that is called inside a node."""
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    return {
        f.attr if isinstance(f, ast.Attribute) else f.id
        for f in calls
        if hasattr(f, "attr") or hasattr(f, "id")
    }


@pytest.mark.parametrize("name", [name for name in PACKAGE if name.split(".")[0] not in (*OPEN, "errors")])
def test_a_module_imports_what_the_arrows_say(name: str) -> None:
    assert name in ARROWS, f"say in ARROWS what {name} may import"
    assert own_imports(PACKAGE[name]) - {"errors"} == set(ARROWS[name].split())


def test_the_arrows_name_modules_that_exist_and_make_no_circle() -> None:
    graph = {name: set(allowed.split()) for name, allowed in ARROWS.items()}
    assert set(graph) | set().union(*graph.values()) <= PACKAGE.keys()
    assert list(TopologicalSorter(graph).static_order())


def test_the_error_of_all_imports_nothing() -> None:
    assert not own_imports(PACKAGE["errors"])


def test_the_second_stage_never_imports_the_first_and_nobody_imports_the_shell() -> None:
    for name, path in PACKAGE.items():
        if name not in ("__main__", *COMMANDS):
            assert "cli" not in own_imports(path), name
        if name.split(".")[0] not in SHELL:
            assert not any(module.startswith("web") for module in own_imports(path)), name


def test_the_package_imports_no_recipe_and_a_recipe_no_other() -> None:
    for name, path in PACKAGE.items():
        assert not {module.split(".")[0] for module in imported(path)} & set(RECIPES), name
    for folder in RECIPES:
        others = set(RECIPES) - {folder}
        for name, path in modules(folder).items():
            assert not {module.split(".")[0] for module in imported(path)} & others, f"{folder}.{name}"


def test_pillow_is_known_where_files_become_arrays_and_nowhere_else() -> None:
    users = {name for name, path in PACKAGE.items() if any(m.split(".")[0] == "PIL" for m in imported(path))}
    assert users == {"decoders", "encoders"}


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in PACKAGE.items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_functions_are_short() -> None:
    lengths = {}
    for folder in ("edgeconnect", *RECIPES):
        for name, path in modules(folder).items():
            for f in functions(path):
                lengths[f"{folder}.{name}.{f.name}:{f.lineno}"] = (f.end_lineno or 0) - f.lineno + 1
    assert {name: length for name, length in lengths.items() if length > 50} == {}
    assert sorted(lengths.values())[len(lengths) // 2] <= 10


def test_only_the_shell_prints_exits_and_reads_arguments() -> None:
    for name, path in PACKAGE.items():
        if name.split(".")[0] not in SHELL:
            assert not called(parsed(path)) & {"print", "exit", "input"}, name
            assert not imported(path) & {"argparse"}, name


def test_importing_the_package_or_asking_for_help_does_not_import_torch() -> None:
    program = (
        "import sys, edgeconnect, edgeconnect.cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("test_*.py")), ids=lambda path: path.stem)
def test_every_test_claims_something(path: Path) -> None:
    claims = {f.name: any(isinstance(n, ast.Assert) for n in ast.walk(f)) for f in functions(path)}
    for f in functions(path):
        names = called(f)
        is_claim = claims[f.name] or any(
            claims.get(n) or "assert" in n or n in ("raises", "warns") for n in names
        )
        assert is_claim or not f.name.startswith("test_"), f.name
