"""Working through one photo or a folder of them, for every command that fills."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgeconnect.files import Job


def work_through(jobs: Sequence[Job], work: Callable[[Job], list[str]], out: str | Path) -> int:
    """Do `work`, which returns notes, for each job; the exit code.

    A folder has a progress bar, and a photo of it that cannot be used is said and left out: InputError at the
    end. One photo's InputError goes through.
    """
    from tqdm import tqdm

    if len(jobs) == 1:
        _say(work(jobs[0]))
        print(jobs[0].out)
        return 0
    failed = 0
    for job in tqdm(jobs, unit="photo", dynamic_ncols=True):
        try:
            _say(work(job))
        except InputError as error:
            failed += 1
            _say([f"{error}; left out"])
    print(out)
    if failed:
        raise InputError(f"{failed} of {len(jobs)} photos were left out, as said above")
    return 0


def _say(notes: Sequence[str]) -> None:
    from tqdm import tqdm

    for note in notes:
        tqdm.write(note, file=sys.stderr)
