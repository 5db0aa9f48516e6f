"""The interface of each room is described: what is called from another room names all that it takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "edgeconnect"
CALLERS_ONLY = ("cli", "web")  # nobody imports them
CALLED_THROUGH_THE_CLASS = ("__init__", "__call__", "forward")  # its docstring may describe these

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _module(file: Path) -> str:
    return ".".join(("edgeconnect", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


TREES = {_module(file): ast.parse(file.read_text(encoding="utf-8")) for file in sorted(ROOT.rglob("*.py"))}


def _room(module: str) -> str:
    """The folder of a module; "" for those in the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (ROOT / parts[-1]).is_dir() else ""


def _called_from_other_rooms() -> set[tuple[str, str]]:
    """(module, name) of all that a module of another room imports or reads from the module."""
    found = set()
    for module, tree in TREES.items():
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (full := f"{node.module}.{alias.name}") in TREES:
                        modules[alias.asname or alias.name] = full
                    else:
                        found.add((module, node.module, alias.name))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.add((module, modules.get(node.value.id, ""), node.attr))
    return {
        (callee, name)
        for caller, callee, name in found
        if callee in TREES and _room(callee) != _room(caller) and _room(callee) not in CALLERS_ONLY
    }


def _interface() -> list[tuple[str, Function, str]]:
    """Each function and method of the rooms' interfaces: its full name, itself, and what describes it."""
    found = []
    for module, name in sorted(_called_from_other_rooms()):
        for node in TREES[module].body:
            if getattr(node, "name", "_") != name or name.startswith("_"):
                continue
            if isinstance(node, Function):
                found.append((f"{module}.{name}", node, ast.get_docstring(node) or ""))
            elif isinstance(node, ast.ClassDef):
                for method in node.body:
                    if not isinstance(method, Function):
                        continue
                    text = ast.get_docstring(method) or ""
                    if method.name in CALLED_THROUGH_THE_CLASS:
                        text += "\n" + (ast.get_docstring(node) or "")
                    elif method.name.startswith("_"):
                        continue
                    found.append((f"{module}.{name}.{method.name}", method, text))
    return found


INTERFACE = _interface()


def parameters(function: Function) -> list[str]:
    every = function.args
    named = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    names = [each.arg for each in named if each is not None]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def is_named(parameter: str, text: str) -> bool:
    """Whether a docstring names a parameter; one letter, which may be an article, in quotes or in a list."""
    if len(parameter) == 1:
        return bool(re.search(rf"`{parameter}`|\b{parameter}\b[,:]", text))
    return bool(re.search(rf"\b{parameter}\b", text))


def test_an_article_is_no_parameter() -> None:
    assert not is_named("a", "The mean of a picture, b: another.")
    assert is_named("b", "The mean of a picture, b: another.") and is_named("a", "a, b: pictures.")
    assert is_named("size_px", "`size_px` on a side") and not is_named("size", "`size_px` on a side")


def test_the_interface_is_found() -> None:
    names = {name for name, _, _ in INTERFACE}
    assert len(names) > 200
    assert {
        "edgeconnect.edges.canny.canny",
        "edgeconnect.inpainters.edgeconnect.EdgeConnect.inpaint",
    } <= names


@pytest.mark.parametrize(("name", "function", "text"), INTERFACE, ids=[name for name, _, _ in INTERFACE])
def test_what_other_rooms_call_names_its_parameters(name: str, function: Function, text: str) -> None:
    missing = [parameter for parameter in parameters(function) if not is_named(parameter, text)]
    assert not missing, f"{name}: its docstring does not name {', '.join(missing)}"
