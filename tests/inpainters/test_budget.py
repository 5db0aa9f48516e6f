"""What a time for a fill does: chosen by sizes, cut by the clock where the machine is slow, and said."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from edgeconnect.inpainters import budget
from edgeconnect.inpainters.budget import EFFORTS, LEAST, Pace, seconds_of, work_of
from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.masks.regions import Box
from edgeconnect.patches import fill as patches
from edgeconnect.patches.fill import FULL
from eval import budgets


def case(side: int, hole: int) -> tuple[Box, Box]:
    """A window of a side with a hole in its middle."""
    edge = (side - hole) // 2
    return Box(0, 0, side, side), Box(edge, edge, edge + hole, edge + hole)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, of a process that has its processor for itself."""
    now = [100.0]
    for name in ("monotonic", "process_time"):
        monkeypatch.setattr(budget.time, name, lambda: now[0])
    return now


@pytest.fixture
def larger(monkeypatch):
    """A photo that is matched at half its size, and a hole that is copied in nine tiles."""
    monkeypatch.setattr(patches, "TILE_PX", 160)
    photo = np.tile(data.coffee()[:240, :240], (3, 3, 1))
    mask = np.zeros(photo.shape[:2], bool)
    mask[100:500, 100:500] = True
    return photo, mask


def test_less_effort_is_less_work_at_every_size() -> None:
    for side, hole in ((256, 40), (1000, 400), (4000, 800), (6000, 4000)):
        costs = [seconds_of(*case(side, hole), effort) for effort in EFFORTS]
        assert costs == sorted(costs, reverse=True)


def test_a_hole_that_fills_most_of_its_window_is_not_taken_for_cheap() -> None:
    # patches are looked for at each pixel of the hole: 6.0 s against 2.1 s, measured
    wide, narrow = (seconds_of(*case(512, hole), FULL) for hole in (400, 160))
    assert wide > 2.5 * narrow
    assert Pace([case(512, 400)], 3).effort() != FULL == Pace([case(512, 160)], 3).effort()


def test_the_plan_fits_and_does_not_look_at_the_clock(clock) -> None:
    windows = [case(600, 200)] * 40
    for seconds in (12.0, 20.0, 60.0):
        pace = Pace(windows, seconds)
        chosen = pace.effort()
        assert sum(seconds_of(*pair, chosen) for pair in windows) <= seconds
    assert chosen == FULL and pace.notes == []
    clock[0] += 1000
    assert Pace(windows, 12).effort() == Pace(windows, 12).effort() != FULL


def test_what_was_left_out_is_said(clock) -> None:
    [note] = Pace([case(6000, 4000)], 12).notes
    assert note.startswith("less is done, so that it fits into 12 s: matching at 0.016 megapixels or fewer")
    assert note.endswith("no blending of seams")
    assert "shorter blending" in Pace([case(6000, 3000)], 25).notes[0]


def test_a_slow_machine_is_cut_by_the_clock_and_it_is_said(clock) -> None:
    pace = Pace([case(600, 200)] * 10, 30)
    assert pace.effort() == FULL and not pace.is_over()
    clock[0] += 15  # one of ten, which was planned with less than a second
    assert pace.effort() == LEAST and pace.is_over()
    [note] = pace.notes
    assert note.startswith(
        "the time was over for 9 of 10 groups of holes, which are coarser than on a faster"
    )


def test_a_busy_machine_does_what_an_idle_one_does(clock, monkeypatch) -> None:
    monkeypatch.setattr(budget.time, "process_time", lambda: 0.01 * clock[0])
    pace = Pace([case(600, 200)] * 10, 30)
    chosen = pace.effort()
    clock[0] += 300
    assert pace.effort() == chosen == FULL and not pace.is_over() and pace.notes == []


def test_a_fill_that_fits_is_the_one_without_a_budget() -> None:
    photo, mask = data.coffee()[:200, :300], np.zeros((200, 300), bool)
    mask[80:120, 100:150] = True
    filler = SingleImage(budget_seconds=600)
    np.testing.assert_array_equal(filler(photo, mask), SingleImage()(photo, mask))
    assert filler.notes == []


@pytest.mark.slow
def test_a_budget_changes_holes_alone_and_is_the_same_on_every_run(larger, clock) -> None:
    photo, mask = larger
    filler = SingleImage(budget_seconds=1)
    first = filler(photo, mask)
    assert "less is done" in filler.notes[0] and len(filler.notes) == 1
    np.testing.assert_array_equal(first[~mask], photo[~mask])
    np.testing.assert_array_equal(SingleImage(budget_seconds=1)(photo, mask), first)


@pytest.mark.slow
def test_tiles_of_a_large_hole_meet_without_a_seam(larger) -> None:
    photo, mask = larger
    filled = SingleImage()(photo, mask).astype(float)
    meeting = 100 + 133  # of two tiles
    steps = np.abs(np.diff(filled[100:500, meeting - 60 : meeting + 60], axis=1)).mean((0, 2))
    assert steps[59] < 1.5 * np.median(steps)


def test_the_costs_are_found_again_from_what_fills_take(monkeypatch) -> None:
    costs = (0.2, 1e-7, 2e-6, 3e-5, 4e-7, 5e-8)
    rows = []
    for side, hole in ((256, 40), (512, 160), (512, 400), (1024, 40), (1024, 800), (2048, 400), (4000, 800)):
        for effort in EFFORTS:
            work = work_of(*case(side, hole), effort)
            taken = float(np.dot(costs, work))
            rows.append(budgets.Row(side, hole, 1, 1, taken, work, ""))
    np.testing.assert_allclose(budgets.fitted(rows), costs, rtol=1e-6)


@pytest.mark.slow
def test_the_recipe_of_budgets_tells_what_was_planned_and_taken(capsys) -> None:
    budgets.main(["--sides", "64", "--holes", "20", "60", "--seconds", "3", "6"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["photo", "hole"] and lines[-1].startswith("COSTS = (")
    assert [line.split()[:3] for line in lines[:-3]] == [["64", "20", "6"], ["64", "20", "3"]]
    planned, taken = (float(number) for number in lines[0].split()[3:5])
    assert planned > 0 and taken > 0
