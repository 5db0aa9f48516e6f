"""Where other people's weights lie: a file given, an environment variable, torch hub's cache, a download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch

from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import reason


@dataclass(frozen=True)
class Download:
    """A weights file on the web: what it is, its address, and how a user names a copy of their own.

    The file's name ends in the first digits of its SHA-256 (`name-01234567.pth`): a download must match them.
    """

    what: str
    url: str
    flag: str
    variable: str

    @property
    def file_name(self) -> str:
        """The last part of the address, which is its name in torch hub's cache too."""
        return PurePosixPath(urlparse(self.url).path).name

    def find(self, given: Path | str | None = None) -> Path:
        """Where the file lies: `given`, else the environment's, else in torch hub's cache, downloaded.

        Errors: a named file that is not there; nothing named and no way to download it.
        """
        for source, named in ((self.flag, given), (self.variable, os.environ.get(self.variable))):
            if named:
                return _existing(Path(named), f"{source}: no file with {self.what}")
        cached = Path(torch.hub.get_dir()) / "checkpoints" / self.file_name
        if not cached.is_file():
            self._download(cached)
        return cached

    def _download(self, target: Path) -> None:
        digits = PurePosixPath(self.file_name).stem.rpartition("-")[2]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(target), hash_prefix=digits, progress=False)
        except (
            OSError,
            RuntimeError,
        ) as error:  # no network, a refused connection; another hash than the name's
            raise InputError(
                f"{self.what} could not be downloaded ({error}): get {self.url} and put {self.file_name} "
                f"into {target.parent}, or name your copy with {self.flag} or in {self.variable}"
            ) from error


def load_tensors(path: Path) -> dict[str, Any]:
    """A state dict from a .pth or .safetensors file, on the CPU. Errors: a file that is no such thing.

    path: its suffix says which of the two.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip, safetensors and the file system each raise their own
        raise InputError(f"{path} cannot be read as a weights file: {reason(error)}") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} holds {type(state).__name__}, not a dictionary of weights")
    return state


def _existing(path: Path, problem: str) -> Path:
    if not path.is_file():
        raise InputError(f"{problem} at {path}")
    return path
