"""Lists of millions of photos that cost their bytes once, however many worker processes read them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import torch

from edgeconnect.errors import InputError
from edgeconnect.io import images

if TYPE_CHECKING:
    from torch import Tensor

_LOOKED_AT = 4  # photos whose depth is looked at
_NEWLINE, _RETURN = b"\n\r"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class PathList(Sequence[Path]):
    """Paths relative to a root, as one buffer of bytes and two arrays of positions in it.

    A list of Path objects costs some 500 bytes each, and every worker process would hold its own. These are
    tensors: torch hands them to workers through shared memory, and forks share them anyway.
    """

    are_files = True
    """Whether each photo is a file of its own."""

    def __init__(self, root: Path, names: Tensor, starts: Tensor, ends: Tensor) -> None:
        """names: (bytes,) uint8; the path at i is names[starts[i]:ends[i]], both (count,) int64."""
        self.root, self._names, self._starts, self._ends = root, names, starts, ends

    @classmethod
    def from_paths(cls, root: Path, paths: Iterable[Path]) -> PathList:
        """The paths in their order; those below `root` are kept relative to it."""
        buffer, ends = bytearray(), [0]
        prefix = os.fsencode(root) + os.sep.encode()
        for path in paths:
            buffer += os.fsencode(path).removeprefix(prefix)
            ends.append(len(buffer))
        limits = torch.tensor(ends)
        return cls(root, torch.tensor(np.frombuffer(bytes(buffer), np.uint8).copy()), limits[:-1], limits[1:])

    @classmethod
    def from_folder(cls, folder: Path) -> PathList:
        """The photos below a folder, sorted, recognised by content (`images.list_images`)."""
        return cls.from_paths(folder, images.list_images(folder))

    @classmethod
    def from_file(cls, list_file: Path) -> PathList:
        """One path a line, relative to the list's folder or absolute; they are looked for when read.

        list_file: a text file; empty lines are left out.
        """
        buffer = np.full(list_file.stat().st_size + 1, _NEWLINE, np.uint8)
        with list_file.open("rb") as file:
            file.readinto(buffer[:-1].data)
        ends = np.flatnonzero(buffer == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        starts[0] += len(_BYTE_ORDER_MARK) * (buffer[:3].tobytes() == _BYTE_ORDER_MARK)
        ends -= buffer[ends - 1] == _RETURN
        filled = ends > starts
        tensors = (torch.from_numpy(array) for array in (buffer, starts[filled], ends[filled]))
        return cls(list_file.parent, *tensors)

    def name(self, index: int) -> Path:
        """The path at `index` as it was listed: relative to `root`, or absolute."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} paths")
        name = self._names[int(self._starts[index]) : int(self._ends[index])]
        return Path(os.fsdecode(name.numpy().tobytes()))

    def chosen(self, which: Tensor) -> PathList:
        """The paths at indices, or where a mask is true.

        which: (K,) indices or (N,) bool.
        """
        return PathList(self.root, self._names, self._starts[which], self._ends[which])

    def select(self, indices: Sequence[int]) -> PathList:
        """The paths at some indices, in their order."""
        return self.chosen(torch.as_tensor(indices, dtype=torch.int64))

    def without(self, indices: Iterable[int]) -> PathList:
        """All paths but those at some indices."""
        kept = torch.ones(len(self), dtype=torch.bool)
        kept[list(indices)] = False
        return self.chosen(kept)

    @contextmanager
    def file(self, index: int) -> Iterator[Path]:
        """One of the photos as a file, for as long as it is needed.

        index: from the front, or negative from the end; IndexError for any other.
        """
        yield self[index]

    def digest(self) -> str:
        """A hash of the names and their order, in hexadecimal."""
        found = hashlib.sha256()
        for tensor in (self._names, self._starts, self._ends):
            found.update(tensor.numpy().tobytes())
        return found.hexdigest()

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> PathList: ...
    def __getitem__(self, index: int | slice) -> Path | PathList:
        if isinstance(index, slice):
            return self.select(range(len(self))[index])
        return self.root / self.name(index)

    def __iter__(self) -> Iterator[Path]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"PathList({len(self)} paths in {self.root})"


def photo_paths(source: Path) -> PathList:
    """The photos that `source` names: a folder, searched with all below it, a list file, or tars (see
    `io.shards`): one, a range, an address, a folder without photos, a list of them.

    InputError where there is no such folder or file, where it names no photo, or where it is a photo itself.
    """
    from edgeconnect.io.shards import ShardList, shards_in, shards_of

    if shards := shards_of(source):
        return ShardList.from_shards(shards)
    if not source.exists():
        raise InputError(f"{source}: expected a folder of photos or a file that lists them, got nothing")
    if not source.is_dir() and images.is_image(source):
        raise InputError(f"{source}: expected a folder of photos or a file that lists them, got a picture")
    paths = PathList.from_folder(source) if source.is_dir() else PathList.from_file(source)
    if shards := shards_in(source, paths):
        return ShardList.from_shards(shards)
    if not len(paths):
        kind = "folder without any picture" if source.is_dir() else "list without any path"
        raise InputError(f"{source}: expected photos, got a {kind}")
    return paths


def depth_notes(paths: PathList) -> list[str]:
    """A sentence where some of the photos have more than 8 bits, by a look at a few of them.

    paths: at least one.
    """
    deep = []
    for index in np.unique(np.linspace(0, len(paths) - 1, _LOOKED_AT).astype(int)).tolist():
        try:
            with paths.file(index) as path:
                deep += [paths[index]] * (images.read_colours(path).dtype != np.uint8)
        except InputError:
            continue  # said where its turn comes
    return [f"{deep[0]} has 16 bits a channel: training sees the upper 8 of such photos"] if deep else []


def find_broken(paths: PathList, workers: int = 1) -> list[tuple[int, str]]:
    """Decode every photo once, in `workers` threads: (index, sentence) of each that cannot be read.

    paths: read in any order. workers: 1 or more.
    """

    def check(index: int) -> str | None:
        try:
            with paths.file(index) as path:
                images.read_rgb(path)
        except InputError as error:
            return str(error)
        return None

    with ThreadPool(max(1, workers)) as pool:
        found = enumerate(pool.imap(check, range(len(paths)), chunksize=64))
        return [(index, sentence) for index, sentence in found if sentence is not None]
