"""Tar files of photos, on a drive or in a store such as S3: a large file instead of thousands of small ones.

Beside NAME.tar may lie NAME.tar.index.npz, which says where each photo lies in it; without it all headers of
the tar are read. Any place that fsspec knows can be read: a path, s3://bucket/..., gs://bucket/...
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import torch

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.paths import PathList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".jp2")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_ADDRESS = re.compile(r"^([a-z0-9]+):/+")  # of which a Path keeps one slash
_INDEX = ".index.npz"
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


@dataclass(frozen=True)
class Index:
    """Where the photos of a tar lie: names (bytes) as one buffer, where each ends; first byte and size."""

    names: NDArray[np.uint8]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


class ShardList(PathList):
    """Photos in tars, called TAR/NAME: `PathList` with a place in a tar for each, which is 24 bytes more."""

    are_files = False

    def __init__(
        self, shards: Sequence[str], names: Tensor, starts: Tensor, ends: Tensor, places: Tensor
    ) -> None:
        """places: (count,3) int64 of tar, first byte and size; others as in `PathList`."""
        super().__init__(Path(os.path.dirname(shards[0])), names, starts, ends)  # noqa: PTH120 (an address)
        self._shards, self._places = tuple(shards), places

    @classmethod
    def from_shards(cls, shards: Sequence[str]) -> ShardList:
        """All photos of some tars, in their order there; InputError where one cannot be read."""
        indices = [read_index(shard) for shard in shards]
        if not any(len(index.sizes) for index in indices):
            raise InputError(f"{shards[0]}: expected photos, got tars without any")
        bases = np.cumsum([0, *(len(index.names) for index in indices)])
        ends = np.concatenate([index.ends + base for index, base in zip(indices, bases, strict=False)])
        starts = np.concatenate([[0], ends[:-1]])  # the names stand one behind the other
        places = np.concatenate(
            [
                np.stack([np.full_like(index.offsets, number), index.offsets, index.sizes], axis=1)
                for number, index in enumerate(indices)
            ]
        )
        names = torch.from_numpy(np.concatenate([index.names for index in indices]))
        return cls(shards, names, *(torch.from_numpy(array) for array in (starts, ends, places)))

    def name(self, index: int) -> Path:
        """The tar's name without its suffix, and that in it: as if it had been unpacked beside itself."""
        return Path(PurePosixPath(self._shards[self._place(index)[0]]).stem) / super().name(index)

    def chosen(self, which: Tensor) -> ShardList:
        """The photos at indices, or where a mask is true."""
        return ShardList(
            self._shards, self._names, self._starts[which], self._ends[which], self._places[which]
        )

    def digest(self) -> str:
        """A hash of the names, their order and their places, in hexadecimal."""
        found = hashlib.sha256(super().digest().encode())
        found.update(self._places.numpy().tobytes())
        return found.hexdigest()

    @contextmanager
    def file(self, index: int) -> Iterator[Path]:
        """One of the photos as a file, for as long as it is needed; InputError names it as TAR/NAME."""
        shard, offset, size = self._place(index)
        address, name = self._shards[shard], super().name(index)
        with tempfile.TemporaryDirectory(prefix="edgeconnect-") as folder:
            path = Path(folder, f"photo{name.suffix}")
            path.write_bytes(_bytes(address, offset, offset + size))
            try:
                yield path
            except InputError as error:
                raise InputError(str(error).replace(str(path), f"{address}/{name}")) from None

    def _place(self, index: int) -> tuple[int, int, int]:
        shard, offset, size = self._places[index].tolist()
        return shard, offset, size


def shards_of(source: Path) -> list[str]:
    """The tars that a name ending in .tar stands for, a range such as shard-{000..009}.tar in order; none
    where it ends otherwise.
    """
    if source.suffix != ".tar":
        return []
    address = _ADDRESS.sub(r"\1://", source.as_posix())
    if not (numbers := _RANGE.search(address)):
        return [address]
    first, last = numbers.groups()
    return [
        f"{address[: numbers.start()]}{number:0{len(first)}}{address[numbers.end() :]}"
        for number in range(int(first), int(last) + 1)
    ]


def shards_in(source: Path, found: PathList) -> list[str]:
    """The tars in a folder in which no photo was found, sorted, or those that a list names."""
    if source.is_dir():
        return [] if len(found) else sorted(map(str, source.glob("*.tar")))
    if not len(found) or found.name(0).suffix != ".tar":
        return []
    names = [found.name(index).as_posix() for index in range(len(found))]
    return [
        _ADDRESS.sub(r"\1://", name) if _ADDRESS.match(name) else str(found.root / name) for name in names
    ]


def read_index(shard: str) -> Index:
    """The photos of a tar, by its index or else by its headers; InputError where neither can be read."""
    with _reading(shard):
        system, path = fsspec.core.url_to_fs(shard)
        size = system.size(path)
        if system.exists(path + _INDEX):
            try:
                with np.load(io.BytesIO(system.cat_file(path + _INDEX))) as kept:
                    if int(kept["tar_size"]) == size:
                        return Index(kept["names"], kept["ends"], kept["offsets"], kept["sizes"])
            except Exception:  # NumPy may raise anything of a damaged one, which the headers replace
                pass
        with system.open(path, "rb") as file:
            return _headers(file)


def write_shard(path: Path, photos: Iterable[tuple[str, bytes]]) -> None:
    """Write photos, by their names, as a tar with its index beside it.

    path: the tar. photos: name and file content of each.
    """

    def write(temporary: Path) -> None:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, content in photos:
                about = tarfile.TarInfo(name)
                about.size = len(content)
                tar.addfile(about, io.BytesIO(content))

    write_atomically(path, write)
    with path.open("rb") as file:
        index = _headers(file)
    kept = {**vars(index), "tar_size": np.asarray(path.stat().st_size)}
    write_atomically(path.with_name(path.name + _INDEX), lambda temporary: np.savez(temporary, **kept))


def _headers(file: Any) -> Index:
    names, ends, places = bytearray(), [], []
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            if member.isfile() and PurePosixPath(member.name).suffix.lower() in _SUFFIXES:
                names += os.fsencode(member.name)
                ends.append(len(names))
                places.append((member.offset_data, member.size))
            tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
    offsets, sizes = np.asarray(places, np.int64).reshape(-1, 2).T
    return Index(np.frombuffer(bytes(names), np.uint8).copy(), np.asarray(ends, np.int64), offsets, sizes)


def _bytes(shard: str, start: int, end: int) -> bytes:
    with _reading(shard):
        system, path = fsspec.core.url_to_fs(shard)
        found: bytes = system.cat_file(path, start=start, end=end)
    if len(found) != end - start:
        raise InputError(f"{shard}: expected {end} bytes or more, got fewer: it was changed or cut short")
    return found


@contextmanager
def _reading(shard: str) -> Iterator[None]:
    try:
        yield
    except ImportError:
        scheme = shard.partition("://")[0]
        extra = _EXTRAS.get(scheme)
        how = f"pip install 'edgeconnect[{extra}]'" if extra else "see fsspec's list of file systems"
        raise InputError(f"{shard}: {scheme}:// needs a package: {how}") from None
    except FileNotFoundError:
        raise InputError(f"{shard}: expected a tar of photos, got no such file") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(f"{shard}: expected a tar of photos, uncompressed, got: {error}") from None
    except OSError as error:
        raise InputError(f"{shard}: expected a readable tar, got: {error.strerror or error}") from None
