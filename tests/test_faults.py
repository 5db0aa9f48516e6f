"""A short run of `tests/tools/faults.py`, which says what breaks the runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tools import faults

LINUX_ALONE = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.mark.slow
@pytest.mark.xdist_group("processes")
@LINUX_ALONE
def test_broken_runs_reach_the_unbroken_run_s_weights(tmp_path: Path) -> None:
    kinds = faults.KINDS.keys() - {"killed at any moment"}  # which takes many runs to say anything
    times = dict.fromkeys(kinds, 1) | {"killed while saving": 3}
    outcomes = faults.run(tmp_path, times, seed=1)
    assert {kind: len(outcome) for kind, outcome in outcomes.items()} == times
    assert {kind: outcome for kind, outcome in outcomes.items() if any(outcome)} == {}
