"""The recipe that compares the ways to fill many photos. Nothing is timed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeconnect.io.images import read_rgb
from eval import engines


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_both_local_ways_fill_all_photos_once_and_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert engines.main(["--photos", "6", "--size", "32", "--ways", "one", "jobs"]) == 0
    heads, one, jobs = (line.split() for line in capsys.readouterr().out.splitlines())
    counts = heads.index("filled") - len(heads)
    assert one[counts:] == jobs[counts:] == ["6", "0", "0"]


def test_no_two_photos_are_alike(tmp_path: Path) -> None:
    table = engines.write_photos(tmp_path, 8, 32)
    assert len(table.read_text().splitlines()) == 9
    assert len({read_rgb(path).tobytes() for path in (tmp_path / "photos").iterdir()}) == 8
