"""Lists of photos to fill, each with its mask and the name of its result: CSV or JSON lines, read as they are
needed.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SUFFIXES = (".csv", ".jsonl")
_INPUTS = ("photo", "mask", "edges", "edges_from")
_RESULTS = ("out", "save_edges")


def is_manifest(path: Path) -> bool:
    """Whether a file's name says that it lists photos.

    path: ends in .csv or .jsonl.
    """
    return path.suffix.lower() in _SUFFIXES and path.is_file()


class Manifest:
    """The entries of a file, each a dict of paths by name; it is read anew whenever they are asked for.

    CSV has its columns' names in its first line, JSON lines are objects; names are photo, mask, edges,
    edges_from (relative to the file's folder) and out, save_edges (relative to the folder of results). A
    photo without `out` keeps its place and stem, as PNG. InputError names a line that cannot be read.
    """

    def __init__(self, file: Path, out: Path) -> None:
        self.file, self.out = file, out

    def __iter__(self) -> Iterator[dict[str, Path]]:
        for number, values in self._lines():
            where = f"{self.file}: line {number}"
            if unknown := sorted(values.keys() - {*_INPUTS, *_RESULTS}):
                known = ", ".join((*_INPUTS, *_RESULTS))
                raise InputError(f"{where}: expected the names {known}, got {', '.join(map(repr, unknown))}")
            if wrong := [name for name, value in values.items() if not _is_path(value)]:
                raise InputError(f"{where}: expected a path as {wrong[0]}, got {values[wrong[0]]!r:.50}")
            given = {name: Path(value) for name, value in values.items() if value}
            if "photo" not in given:
                raise InputError(f"{where}: expected a photo, got none")
            if not given["photo"].name:
                raise InputError(f"{where}: expected a photo, got the folder {str(given['photo'])!r}")
            entry = {name: self.file.parent / given[name] for name in _INPUTS if name in given}
            entry["out"] = self.out / given.get("out", _place(given["photo"]))
            if "save_edges" in given:
                entry["save_edges"] = self.out / given["save_edges"]
            yield entry

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each line's number and values."""
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                yield from _csv(file) if self.file.suffix.lower() == ".csv" else _json_lines(file)
        except (UnicodeDecodeError, csv.Error, _Wrong) as error:
            raise InputError(f"{self.file}: {error}") from None


def _is_path(value: object) -> bool:
    """Whether a value can name a file, or is left out."""
    return value is None or (isinstance(value, str) and "\0" not in value)


class _Wrong(ValueError):
    """What is wrong with a line."""


def _csv(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(file, strict=True)
    names = next(reader, [])
    if "photo" not in names:
        raise _Wrong(f"expected a first line that names the columns, as photo,mask,out; got {names!r:.100}")
    for values in reader:
        if len(values) > len(names):
            raise _Wrong(f"line {reader.line_num}: expected {len(names)} values, got {len(values)}")
        if values:
            yield reader.line_num, dict(zip(names, values, strict=False))


def _json_lines(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Wrong(f"line {number}: expected a JSON object, got: {error}") from None
        if not isinstance(values, dict):
            raise _Wrong(f"line {number}: expected a JSON object, got {line.strip()!r:.50}")
        yield number, values


def _place(photo: Path) -> Path:
    """Where a photo's result lies in the folder of results."""
    is_below = not photo.is_absolute() and ".." not in photo.parts
    return (photo if is_below else Path(photo.name)).with_suffix(".png")
