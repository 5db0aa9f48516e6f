"""What `single fill --budget` plans, what that takes, and the costs to plan with: `python -m eval.budgets`.

One hole in the middle of one photo, each size with each budget. Seconds are of the processor: what other
programs take meanwhile does not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from skimage import data

from edgeconnect.inpainters.budget import Pace, seconds_of, work_of
from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.inpainters.texture import windows_of
from edgeconnect.memory import keep_memory
from edgeconnect.patches.fill import Effort

SIDES_PX = (256, 512, 1024, 2048, 4000)
HOLES_PX = (40, 80, 160, 400, 800)
LARGEST_SHARE = 0.8  # of a photo's side


@dataclass(frozen=True)
class Row:
    """A fill: the sides of photo and hole; seconds of the budget, planned, and taken."""

    side_px: int
    hole_px: int
    budget: float
    planned: float
    taken: float
    work: tuple[float, ...]
    notes: str


def rows(sides: Sequence[int], holes: Sequence[int], budgets: Sequence[float]) -> Iterator[Row]:
    """Each photo with each hole and each budget, the largest first; what is planned alike is done once."""
    for side in sides:
        photo = np.tile(data.astronaut(), (-(-side // 512), -(-side // 512), 1))[:side, :side]
        for hole in (hole for hole in holes if hole <= LARGEST_SHARE * side):
            mask = np.zeros((side, side), bool)
            edge = (side - hole) // 2
            mask[edge : edge + hole, edge : edge + hole] = True
            [pair] = windows_of(mask)
            done: dict[Effort, tuple[float, str]] = {}
            for budget in sorted(budgets, reverse=True):
                planned = Pace([pair], budget).planned
                if planned not in done:
                    filler, before = SingleImage(budget_seconds=budget, device="cpu"), time.process_time()
                    filler(photo, mask)
                    done[planned] = time.process_time() - before, "; ".join(filler.notes)
                taken, notes = done[planned]
                work = work_of(*pair, planned)
                yield Row(side, hole, budget, seconds_of(*pair, planned), taken, work, notes)


def fitted(found: Sequence[Row]) -> list[float]:
    """The costs of `work_of` that explain what was taken, none below 0, with the least relative errors."""
    once = list({(row.side_px, row.hole_px, row.work): row for row in found}.values())
    weights = 1 / np.array([row.taken for row in once])
    costs, _ = nnls(np.array([row.work for row in once]) * weights[:, None], np.ones(len(once)))
    return [float(cost) for cost in costs]


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line a fill, and the costs."""
    parser = argparse.ArgumentParser("python -m eval.budgets", description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES_PX, metavar="PX")
    parser.add_argument("--holes", type=int, nargs="+", default=HOLES_PX, metavar="PX")
    parser.add_argument("--seconds", type=float, nargs="+", default=(1.0, 3.0, 6.0, 12.0), metavar="S")
    options = parser.parse_args(argv)
    keep_memory()
    torch.set_num_threads(1)
    warm = np.zeros((64, 64), bool)
    warm[20:40, 20:40] = True
    SingleImage(device="cpu")(data.astronaut()[:64, :64], warm)  # libraries' first calls
    print(f"{'photo':>6} {'hole':>5} {'budget':>7} {'planned':>8} {'taken':>6} {'of budget':>9}")
    found = []
    for row in rows(options.sides, options.holes, options.seconds):
        found.append(row)
        sizes, times = (
            f"{row.side_px:6} {row.hole_px:5} {row.budget:7g}",
            f"{row.planned:8.2f} {row.taken:6.2f}",
        )
        print(f"{sizes} {times} {row.taken / row.budget:9.2f}  {row.notes}", flush=True)
    print(f"taken / budget at most {max(row.taken / row.budget for row in found):.2f}")
    print(f"taken / planned at most {max(row.taken / row.planned for row in found):.2f}")
    print("COSTS =", tuple(float(f"{cost:.2g}") for cost in fitted(found)))


if __name__ == "__main__":
    main()
