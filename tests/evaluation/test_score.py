"""The scoring command: scikit-image's numbers over the same files, and a sentence for every wrong input."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.io import imread, imsave
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from small import nearly, pickled_processes, run_verb, sentence_of
from torchvision import models

from edgeconnect.evaluation.tables import ratio_label, write_json_lines
from edgeconnect.provenance import content_hash, file_hash

NAMES = ("a", "b", "sub/c")


@pytest.fixture
def folders(tmp_path, rng):
    """truth, result and masks with three pictures each; result differs from truth in the holes alone."""
    for i, name in enumerate(NAMES):
        truth = cv2.resize(
            rng.integers(0, 256, (8, 9, 3), np.uint8), (72, 64 + i), interpolation=cv2.INTER_CUBIC
        )
        mask = np.zeros(truth.shape[:2], np.uint8)
        mask[10:30, 0 : 20 * (i + 1)] = 255
        result = np.where(mask[..., None] > 0, cv2.blur(truth, (5, 5)), truth)
        for role, picture in (("truth", truth), ("result", result), ("masks", mask)):
            path = tmp_path / role / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            imsave(path, picture, check_contrast=False)
    return tmp_path


def words(folders, *more, protocol="edgeconnect", masks=True):
    out = folders / "scores.jsonl"
    given = [
        "--truth",
        folders / "truth",
        "--result",
        folders / "result",
        "--protocol",
        protocol,
        "--json",
        out,
    ]
    given += ["--masks", folders / "masks"] if masks else []
    return out, ["score", *given, *more]


def run(folders, *more, **options):
    out, given = words(folders, *more, **options)
    run_verb(*given)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {kind: [x for x in lines if x["kind"] == kind] for kind in ("summary", "group", "picture")}


def sentence(folders, *more, **options):
    return sentence_of(*words(folders, *more, **options)[1])


def test_black_holes_are_not_scored_as_white_ones_unless_that_is_told(folders):
    for name in NAMES:
        path = folders / "masks" / f"{name}.png"
        imsave(path, 255 - imread(path), check_contrast=False)
    assert "masks: expected masks whose white is the hole" in (said := sentence(folders, protocol="hole"))
    assert "black is the hole" in said and "tell --polarity" in said
    black = run(folders, "--polarity", "black", protocol="hole")["picture"]
    assert np.isfinite([row["psnr_db"] for row in black]).all()
    assert run(folders, "--polarity", "white", protocol="hole")["summary"]


def test_a_result_that_is_perfect_in_the_hole_alone_is_asked_about(folders):
    for name in NAMES:  # halves: nothing about the masks themselves says which part is the hole
        paths = [folders / role / f"{name}.png" for role in ("truth", "result", "masks")]
        truth = imread(paths[0])
        white = np.zeros(truth.shape[:2], np.uint8)
        white[:, 30:] = 255
        imsave(paths[1], np.where(white[..., None] > 0, truth, 255 - truth), check_contrast=False)
        imsave(paths[2], white, check_contrast=False)
    said = sentence(folders, protocol="hole")
    assert "3 of 3 cannot be scored: a: the result equals the truth in the hole" in said
    assert run(folders, "--polarity", "black", protocol="hole")["summary"][0]["notes"] == []


@pytest.mark.parametrize("protocol", ["edgeconnect", "hole"])
def test_sixteen_bit_files_are_scored_at_their_depth(folders, rng, protocol):
    for name in NAMES:  # a hundred levels of 65536: to 8 bits, truth and result are the same
        paths = [folders / role / f"{name}.png" for role in ("truth", "result", "masks")]
        hole = imread(paths[2]) > 0
        truth = rng.integers(1000, 1100, hole.shape, np.uint16)
        cv2.imwrite(str(paths[0]), truth)
        cv2.imwrite(str(paths[1]), np.where(hole, truth + 50, truth).astype(np.uint16))
    report = run(folders, protocol=protocol)
    share = 1 if protocol == "hole" else report["picture"][0]["hole_ratio"]
    expected = -10 * np.log10(share * (50 / 65535) ** 2)
    assert report["picture"][0]["psnr_db"] == pytest.approx(expected, abs=1e-6)
    assert "3 of 3 pairs have 16 bits" in report["summary"][0]["notes"][0]


def test_scores_are_scikit_images_over_the_same_files(folders, capsys):
    report = run(folders)
    for name, row in zip(NAMES, report["picture"], strict=True):
        a, b = (rgb2gray(imread(folders / role / f"{name}.png")) for role in ("truth", "result"))
        assert row["name"] == name
        assert row["psnr_db"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-9)
        assert row["ssim"] == pytest.approx(structural_similarity(a, b, data_range=1, win_size=51), abs=1e-9)
    summary = report["summary"][0]
    assert summary["mean"]["ssim"] == pytest.approx(np.mean([row["ssim"] for row in report["picture"]]))
    low, high = summary["interval_95"]["ssim"]
    assert low <= summary["mean"]["ssim"] <= high
    assert (summary["protocol"], summary["n"], summary["notes"]) == ("edgeconnect", 3, [])
    assert "| all" in capsys.readouterr().out


def test_a_table_by_hole_ratio_covers_every_picture_once(folders):
    report = run(folders, protocol="hole")
    assert [(group["label"], group["n"]) for group in report["group"]] == [
        ("0-10 %", 1),
        ("10-20 %", 1),
        ("20-30 %", 1),
    ]
    assert all(row["touches_border"] for row in report["picture"])
    assert ratio_label(0.2) == "10-20 %"
    assert ratio_label(0.2 + 1e-6) == "20-30 %"
    assert ratio_label(0) == "0-10 %"


def test_the_hashes_change_with_the_files(folders):
    before = run(folders)["summary"][0]["inputs"]
    files = [folders / "truth" / f"{name}.png" for name in NAMES]
    assert before["truth"]["sha256"] == content_hash(reversed(files), folders / "truth")
    imsave(folders / "result" / "a.png", imread(folders / "result" / "a.png") // 2, check_contrast=False)
    after = run(folders)["summary"][0]["inputs"]
    assert before["truth"] == after["truth"]
    assert before["result"] != after["result"]


def test_results_that_changed_known_pixels_are_noted(folders):
    imsave(folders / "result" / "a.png", imread(folders / "truth" / "a.png") // 2, check_contrast=False)
    assert run(folders)["summary"][0]["notes"] == [
        "1 of 3 results differ from the truth outside their holes: no composites?"
    ]


def test_equal_pictures_are_noted_and_leave_the_file_valid_json(folders):
    imsave(folders / "result" / "b.png", imread(folders / "truth" / "b.png"), check_contrast=False)
    report = run(folders)
    assert report["picture"][1]["psnr_db"] is None
    assert report["summary"][0]["mean"]["psnr_db"] is None
    assert "1 of 3 results equal the truth" in report["summary"][0]["notes"][0]


def test_edge_maps_are_scored_in_the_hole(folders):
    from edgeconnect.edges.canny import canny

    (folders / "edges" / "sub").mkdir(parents=True)
    for name in NAMES:
        lines = canny(rgb2gray(imread(folders / "truth" / f"{name}.png")))
        imsave(folders / "edges" / f"{name}.png", lines.astype(np.uint8) * 255, check_contrast=False)
    report = run(folders, "--edges", folders / "edges", protocol="hole")
    assert [row["edge_f1"] for row in report["picture"]] == [1, 1, 1]
    assert "need --masks" in sentence(folders, "--edges", folders / "edges", masks=False)


def test_lpips_is_added_from_a_local_trunk(folders):
    torch.save(models.squeezenet1_1(weights=None).state_dict(), folders / "trunk.pth")
    report = run(folders, "--lpips", "squeeze", "--lpips-trunk", folders / "trunk.pth", "--device", "cpu")
    assert all(row["lpips_squeeze"] > 0 for row in report["picture"])
    assert report["summary"][0]["weights"] == {"trunk.pth": file_hash(folders / "trunk.pth")}
    assert "no file with LPIPS" in sentence(
        folders, "--lpips", "alex", "--lpips-trunk", folders / "absent.pth"
    )


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(folders, monkeypatch):
    torch.save(models.squeezenet1_1(weights=None).state_dict(), folders / "trunk.pth")
    more = ("--lpips", "squeeze", "--lpips-trunk", folders / "trunk.pth", "--device", "cpu")
    one, two = run(folders, *more), run(folders, *more, "--jobs", 2)
    assert all(two[kind] == nearly(one[kind]) for kind in ("picture", "group", "summary"))
    pickled_processes(monkeypatch)
    (folders / "result" / "b.png").write_bytes((folders / "result" / "b.png").read_bytes()[:200])
    told = sentence(folders, "--device", "cpu", "--jobs", 2)
    assert told.startswith("1 of 3 cannot be scored: ") and "b.png: expected a whole picture" in told


def test_missing_and_extra_files_are_listed(folders):
    (folders / "result" / "a.png").rename(folders / "result" / "z.png")
    told = sentence(folders)
    assert f"{folders / 'truth'} lacks 1 (z)" in told
    assert f"{folders / 'result'} lacks 1 (a)" in told
    (folders / "result" / "z.png").rename(folders / "result" / "a.png")
    (folders / "masks" / "b.png").unlink()
    assert "1 photos without a mask" in sentence(folders)


def test_every_pair_that_cannot_be_scored_is_listed(folders):
    imsave(folders / "result" / "a.png", np.zeros((64, 71, 3), np.uint8), check_contrast=False)
    broken = (folders / "result" / "b.png").read_bytes()
    (folders / "result" / "b.png").write_bytes(broken[: len(broken) // 2])
    imsave(folders / "masks" / "sub" / "c.png", np.full((9, 9), 255, np.uint8), check_contrast=False)
    told = sentence(folders)
    assert told.startswith("3 of 3 cannot be scored: ")
    assert "the result is 71x64 with 3 channels but the truth is 72x64" in told
    assert "b.png: expected a whole picture" in told
    assert "sub/c: the mask is 9x9 but the picture is 72x66" in told


def test_empty_folders_and_doubled_names_are_refused(folders):
    (folders / "empty").mkdir()
    assert "expected pictures, got none" in sentence(folders, "--result", folders / "empty")
    assert "expected a folder" in sentence(folders, "--truth", folders / "absent")
    assert "needs masks" in sentence(folders, protocol="hole", masks=False)
    imsave(folders / "truth" / "a.jpg", imread(folders / "truth" / "a.png"))
    assert "expected one file a name, got a.jpg and a.png" in sentence(folders)


def test_json_lines_have_no_infinity(tmp_path):
    write_json_lines(tmp_path / "x.jsonl", [{"a": (1.0, float("inf"))}, {"b": {"c": float("nan")}}])
    assert [json.loads(x) for x in (tmp_path / "x.jsonl").read_text().splitlines()] == [
        {"a": [1.0, None]},
        {"b": {"c": None}},
    ]
