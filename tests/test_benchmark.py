"""The benchmark: fixed pairs, resuming that recomputes nothing, a report whose numbers are the files'."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from edgeconnect.images import read_raw, read_rgb, write_png
from edgeconnect.masks import boxes
from edgeconnect.metrics import score_pair
from eval import benchmark
from eval.benchmark import Scores

SIZE = 64


@pytest.fixture
def folders(tmp_path, rng):
    """Four photos of odd sizes; masks in three tenths of hole ratio."""
    for i in range(4):
        write_png(tmp_path / "photos" / f"p{i}.png", rng.integers(0, 256, (66 + i, 80, 3), np.uint8))
    for i, side in enumerate((10, 12, 28, 30, 40)):
        write_png(tmp_path / "masks" / f"m{i}.png", boxes(SIZE, SIZE, [(5, 6, side, side)]))
    return tmp_path


def run(folders, *more, inpainters="telea,ns"):
    given = ["--photos", folders / "photos", "--masks", folders / "masks", "--out", folders / "out"]
    given += ["--inpainters", inpainters, "--size", SIZE, *more]
    benchmark.main([str(x) for x in given])
    return [json.loads(line) for line in (folders / "out" / "scores.jsonl").read_text().splitlines()]


def sentence(folders, *more, **options):
    with pytest.raises(SystemExit) as stopped:
        run(folders, *more, **options)
    assert isinstance(stopped.value.code, str)
    return stopped.value.code


def test_scores_are_those_of_the_files_that_are_kept(folders):
    out = folders / "out"
    rows = run(folders)
    assert len(rows) == 8
    for row in rows:
        truth, mask = (out / "inputs" / role / f"{row['name']}.png" for role in ("photos", "masks"))
        result = read_rgb(out / "results" / row["inpainter"] / f"{row['name']}.png")
        hole = read_raw(mask) > 0
        assert row["hole/psnr_db"] == score_pair(read_rgb(truth), result, hole, "hole")["psnr_db"]
        assert row["hole_ratio"] == hole.mean()
        assert row["seconds"] > 0
        np.testing.assert_array_equal(result[~hole], read_rgb(truth)[~hole])


def test_all_tenths_of_hole_ratio_are_drawn_equally_often(folders):
    rows = run(folders, "--masks-per-photo", 3, inpainters="ns")
    tenths = [int(row["hole_ratio"] * 10) for row in rows]
    assert [tenths.count(tenth) for tenth in (0, 1, 2, 3)] == [3, 3, 3, 3]


def test_the_pairs_are_those_of_the_seed(folders):
    pairs = [(row["photo"], row["mask"]) for row in run(folders)]
    (folders / "out").rename(folders / "first")
    assert [(row["photo"], row["mask"]) for row in run(folders)] == pairs
    (folders / "out").rename(folders / "second")
    assert [(row["photo"], row["mask"]) for row in run(folders, "--seed", 1)] != pairs


def test_a_killed_run_goes_on_without_computing_anything_again(folders, monkeypatch):
    complete = run(folders)
    file = folders / "out" / "scores.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:5]) + lines[5][:40])
    filled = []
    original = benchmark.fill
    monkeypatch.setattr(benchmark, "fill", lambda *given: filled.append(1) or original(*given))
    again = run(folders)
    assert len(filled) == 3
    assert again[:5] == complete[:5]
    assert [row["hole/ssim"] for row in again] == [row["hole/ssim"] for row in complete]


def test_another_inpainter_can_be_added_later(folders):
    first = run(folders, inpainters="telea")
    assert run(folders, inpainters="telea,edgeconnect.baselines:navier_stokes")[:4] == first
    assert (folders / "out" / "results" / "edgeconnect.baselines_navier_stokes").is_dir()
    table = (folders / "out" / "results.md").read_text()
    assert "| telea | 4 |" in table
    assert "navier_stokes | 4 |" in table


def test_another_tools_results_are_scored_by_name(folders):
    run(folders)
    theirs = folders / "out" / "results" / "telea"
    rows = run(folders, inpainters=f"telea,folder:theirs={theirs}")
    mine, others = ([r["lama/ssim"] for r in rows if r["inpainter"] == name] for name in ("telea", "theirs"))
    assert mine == others


def test_the_report_shows_files_that_exist_and_needs_no_network(folders):
    run(folders)
    page = (folders / "out" / "report.html").read_text()
    pictures = re.findall(r'src="([^"]+)"', page)
    assert len(pictures) == 4 * 4
    assert all((folders / "out" / path).is_file() for path in pictures)
    assert "http" not in page
    assert page.count("<svg") == 6


def test_results_of_something_else_under_the_same_name_are_never_mixed(folders):
    run(folders)
    theirs = folders / "theirs"
    for path in (folders / "out" / "results" / "ns").iterdir():
        write_png(theirs / path.name, read_rgb(path))
    run(folders, inpainters=f"folder:theirs={theirs}")
    write_png(theirs / path.name, read_rgb(path) // 2)
    assert "results of another theirs" in sentence(folders, inpainters=f"folder:theirs={theirs}")
    assert "another seed" in sentence(folders, "--seed", 1)
    write_png(folders / "photos" / "new.png", np.zeros((70, 70, 3), np.uint8))
    assert "another photos_sha256" in sentence(folders)


def test_wrong_inputs_are_one_sentence(folders):
    assert "different names" in sentence(folders, inpainters="ns,ns")
    assert "expected an inpainter" in sentence(folders, inpainters="magic")
    (folders / "empty").mkdir()
    assert "expected pictures, got none" in sentence(folders, "--photos", folders / "empty")
    assert "expected a result named 0000-p0" in sentence(folders, inpainters=f"folder:x={folders / 'photos'}")
    write_png(folders / "masks" / "m9.png", np.zeros((SIZE, SIZE), bool))
    assert "m9.png: expected a mask with a hole" in sentence(folders, "--out", folders / "other")


def test_an_infinite_psnr_survives_being_kept(tmp_path):
    scores = Scores(tmp_path / "scores.jsonl")
    scores.add({"inpainter": "a", "name": "x", "hole/psnr_db": float("inf")})
    assert Scores(tmp_path / "scores.jsonl").rows == scores.rows
