"""A short run of `tests/tools/fuzz.py`, which says what each case claims."""

from __future__ import annotations

import pytest
from tools import fuzz


@pytest.mark.parametrize("number", range(len(fuzz.KINDS)), ids=[kind[0] for kind in fuzz.KINDS])
def test_damaged_files_of_each_kind_are_read_or_refused_in_a_sentence(number: int, tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(fuzz.picture("PNG"))
    outcomes = [fuzz.run_case(tmp_path, 1, number + round_ * len(fuzz.KINDS)) for round_ in range(20)]
    assert [fault for _, fault in outcomes if fault] == []
    assert {outcome.rpartition(" ")[2] for outcome, _ in outcomes} <= {"read", "refused"}


@pytest.mark.slow
def test_hundreds_of_damaged_files_are_read_or_refused_in_a_sentence() -> None:
    outcomes, faults = fuzz.run(600, seed=2)
    assert faults == [] and sum(outcomes.values()) == 600
