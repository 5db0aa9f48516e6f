"""Jobs one after another or many at once, here or on a cluster: progress, notes, and what was left out."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from edgeconnect.engines.choice import HERE, Engine
from edgeconnect.engines.local import in_this_process
from edgeconnect.errors import InputError, printable
from edgeconnect.io.atomic import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgeconnect.engines.base import Outcome
    from edgeconnect.io.jobs import Job, Jobs

Work = Callable[["Job"], list[str]]
"""Does a job; returns what should be said about it."""


@dataclass(frozen=True)
class Telling:
    """How much is said: nothing but mistakes (quiet), each kind of note once, or everything (verbose)."""

    is_quiet: bool = False
    is_verbose: bool = False


class Make(Protocol):
    """Makes a `Work`, which loads its model with the first photo, or before it (`at_once`)."""

    def __call__(self, *, at_once: bool = False) -> Work: ...


def work_through(
    jobs: Jobs,
    make: Make,
    out: str | Path,
    telling: Telling = Telling(),
    engine: Engine = HERE,
    *,
    skip_done: bool = False,
) -> int:
    """Do each job with what `make` makes (and other processes get, pickled); the exit code.

    Several have a progress bar on a terminal, and a photo of them that cannot be used is said and left out:
    InputError at the end. One photo's InputError goes through. A kind of note is printed once, with how many
    more there were at the end. skip_done: those whose files are all there, written whole or not at all, are
    left out.
    """
    from tqdm import tqdm

    notes, left = _Notes(telling), _Left(jobs, skip_done)
    if len(jobs) == 1 and engine.is_here:
        return _do_one(left, make(), out, telling, notes)
    done, failures = 0, Counter[str]()
    hidden = True if telling.is_quiet else None  # None: where there is no terminal
    with tqdm(total=len(jobs), unit="photo", dynamic_ncols=True, disable=hidden) as bar:
        for outcome in _outcomes(left, make, engine):
            done += 1
            bar.update(left.skipped + done - bar.n)
            if outcome.error is None:
                notes.add(outcome.value)
            else:
                failures[_kind(outcome.error)] += 1
                tqdm.write(printable(f"{outcome.error}; left out"), file=sys.stderr)
    notes.add(left.notes())
    notes.end()
    if not telling.is_quiet:
        print(printable(out))
    if failures:
        raise InputError(f"{failures.total()} of {done} photos were left out, as said above{_sum(failures)}")
    return 0


def _do_one(left: _Left, work: Work, out: str | Path, telling: Telling, notes: _Notes) -> int:
    for job in left:
        seconds = time.monotonic()
        with _elapsed(job.photo.name, telling):
            said = work(job)
        notes.add(said)
        if telling.is_verbose:
            print(f"{time.monotonic() - seconds:.1f} s", file=sys.stderr)
        out = job.out
    notes.add(left.notes())
    if not telling.is_quiet:
        print(printable(out))
    return 0


def _outcomes(jobs: _Left, make: Make, engine: Engine) -> Iterator[Outcome]:
    if engine.is_here:
        return in_this_process(make(), jobs)
    return engine.outcomes(partial(_set_up, make), jobs, _sweep, partial(print, file=sys.stderr))


def _set_up(make: Make) -> Work:
    """A worker process's work, with what the command line sets in its own process."""
    import cv2

    from edgeconnect.cli import prepare_process

    prepare_process()
    cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    return make(at_once=True)


def _sweep(job: Job) -> None:
    """Clear away what a worker left that died while it wrote."""
    for path in job.results:
        sweep(path)


class _Left:
    """The jobs that are left to do, and how many of those before were done already."""

    def __init__(self, jobs: Jobs, skip_done: bool) -> None:
        self._jobs, self._skip_done, self.skipped = jobs, skip_done, 0

    def __iter__(self) -> Iterator[Job]:
        for job in self._jobs:
            if self._skip_done and job.is_done:
                self.skipped += 1
            else:
                yield job

    def notes(self) -> list[str]:
        """What is said about it."""
        return [f"{self.skipped} of {len(self._jobs)} photos had their results already"][: self.skipped]


def _kind(sentence: str) -> str:
    """What a sentence says, without the file that it is about and without numbers."""
    return re.sub(r"\d+(\.\d+)?", "#", sentence.partition(": ")[2] or sentence)


def _sum(failures: Counter[str]) -> str:
    """How many of each kind, the most frequent first, where there are several."""
    if len(failures) == 1:
        return ""
    kinds = [f"{count} x {kind[:80]}" for kind, count in failures.most_common(3)]
    return f" ({'; '.join(kinds)}{'; ...' if len(failures) > 3 else ''})"


@contextmanager
def _elapsed(name: str, telling: Telling) -> Iterator[None]:
    """Show on a terminal for how long something that cannot say how far it is has been at work."""
    from tqdm import tqdm

    over = threading.Event()
    hidden = True if telling.is_quiet else None  # None: where there is no terminal
    with tqdm(desc=name, bar_format="{desc}: {elapsed}", leave=False, disable=hidden, delay=1) as bar:

        def tick() -> None:
            while not over.wait(0.5):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        if not bar.disable:
            clock.start()
        try:
            yield
        finally:
            over.set()
            if not bar.disable:
                clock.join()


class _Notes:
    """Notes "file: what" on stderr: of each kind the first, and how many more there were."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._counts = Counter[str]()

    def add(self, notes: Sequence[str]) -> None:
        """Print those that are new."""
        from tqdm import tqdm

        for note in notes:
            kind = _kind(note)
            self._counts[kind] += 1
            if not self._telling.is_quiet and (self._telling.is_verbose or self._counts[kind] == 1):
                tqdm.write(printable(note), file=sys.stderr)

    def end(self) -> None:
        """Print how often the others came."""
        if self._telling.is_quiet or self._telling.is_verbose:
            return
        for kind, count in self._counts.items():
            if count > 1:
                print(printable(f"... and {count - 1} more: {kind}"), file=sys.stderr)
