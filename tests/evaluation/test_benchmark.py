"""The benchmark: fixed pairs, resuming that recomputes nothing, a report whose numbers are the files'."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from small import run_verb, sentence_of, write_vgg19
from torchvision import models

from edgeconnect.evaluation import benchmark
from edgeconnect.evaluation.benchmark import Scores
from edgeconnect.evaluation.pairing import examples, plan
from edgeconnect.inpainters.base import Method
from edgeconnect.io.images import list_images, read_raw, read_rgb, write_png
from edgeconnect.masks.shapes import boxes, touches_border
from edgeconnect.metrics.fid import InceptionFeatures, Statistics, frechet_distance
from edgeconnect.metrics.patches import hole_band_wasserstein, hole_coherence
from edgeconnect.metrics.perceptual import Lpips, VggDistance
from edgeconnect.metrics.pixel import score_pair

SIZE = 64


@pytest.fixture
def folders(tmp_path, rng):
    """Four photos of odd sizes; masks in three tenths of hole ratio."""
    for i in range(4):
        write_png(tmp_path / "photos" / f"p{i}.png", rng.integers(0, 256, (66 + i, 80, 3), np.uint8))
    for i, side in enumerate((10, 12, 28, 30, 40)):
        write_png(tmp_path / "masks" / f"m{i}.png", boxes(SIZE, SIZE, [(5, 6, side, side)]))
    return tmp_path


def words(folders, *more, inpainters="telea,ns"):
    given = ["--photos", folders / "photos", "--masks", folders / "masks", "--out", folders / "out"]
    return ["benchmark", *given, "--inpainters", inpainters, "--size", SIZE, *more]


def run(folders, *more, **options):
    run_verb(*words(folders, *more, **options))
    return [json.loads(line) for line in (folders / "out" / "scores.jsonl").read_text().splitlines()]


def sentence(folders, *more, **options):
    return sentence_of(*words(folders, *more, **options))


def test_a_card_s_peak_of_memory_is_a_column_where_there_is_one(folders, monkeypatch):
    run(folders)
    assert "GPU MB" not in (folders / "out" / "results.md").read_text()
    peaks = {0: 0, 1: 0}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda number: peaks.update({number: 0}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda number: peaks[number])

    def using(photo, mask):
        peaks[1] += (300 if mask.mean() > 0.1 else 100) << 20
        return photo

    monkeypatch.setattr(benchmark, "find", lambda spec, device: Method("card", "card", lambda: using))
    rows = run(folders, inpainters="card")
    found = [row["device_memory_mb"] for row in rows if row["inpainter"] == "card"]
    assert sorted(set(found)) == [100, 300]
    lines = (folders / "out" / "results.csv").read_text().splitlines()
    assert dict(zip(lines[0].split(","), lines[1].split(","), strict=True))["device_memory_mb"] == "300.0"
    assert "GPU MB" in (folders / "out" / "results.md").read_text()


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
    assert run(folders, inpainters="telea,edgeconnect.inpainters.classical:navier_stokes")[:4] == first
    assert (folders / "out" / "results" / "edgeconnect.inpainters.classical_navier_stokes").is_dir()
    table = (folders / "out" / "results.md").read_text()
    assert re.search(r"\| telea +\| 4 ", table)
    assert re.search(r"navier_stokes +\| 4 ", table)


def test_another_tools_results_are_scored_by_name(folders):
    run(folders)
    theirs = folders / "out" / "results" / "telea"
    rows = run(folders, inpainters=f"telea,folder:theirs={theirs}")
    mine, others = ([r["lama/ssim"] for r in rows if r["inpainter"] == name] for name in ("telea", "theirs"))
    assert mine == others


def test_the_report_is_one_file_with_its_pictures_in_it(folders):
    run(folders)
    page = (folders / "out" / "report.html").read_text()
    pictures = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="(\w+) of ([\w-]+)"', page)
    assert len(pictures) == 4 * 4
    assert not re.search(r'(src|href)="(?!data:)', page) and "http" not in page
    assert page.count("<svg") == 6 and page.count("<circle") >= 2 * 6  # a mean each, also of one group alone
    assert re.search(r"<td><b>[\d.]+\*</b><small> \[", page)
    content, _, name = next(picture for picture in pictures if picture[1] == "hole")
    shown = np.asarray(Image.open(BytesIO(b64decode(content))))
    hole = read_rgb(folders / "out" / "inputs" / "holes" / f"{name}.png")
    assert shown.shape == hole.shape
    assert shown[(hole == 255).all(2)].mean() > 220 and shown.mean() == pytest.approx(hole.mean(), abs=8)


@pytest.mark.slow
def test_the_report_sorts_and_flips_in_a_browser(folders, browser):
    run(folders)
    page = browser.new_page()
    page.goto((folders / "out" / "report.html").as_uri())

    def column(number):
        return page.locator(f"tbody td:nth-child({number})").all_inner_texts()

    assert column(1) == ["telea", "ns"]
    for expected in (["ns", "telea"], ["telea", "ns"]):
        page.locator("th button").first.click()
        assert column(1) == expected
    page.locator("th button").nth(2).click()
    scores = [float(re.match(r"[\d.]+", cell)[0]) for cell in column(3)]
    assert scores == sorted(scores) and len(scores) == 2
    page.locator(".case button").first.click()
    captions = []
    for _ in range(5):
        captions.append(page.locator("dialog p").inner_text().split()[0])
        page.keyboard.press("ArrowRight")
    assert captions == ["hole", "telea", "ns", "truth", "hole"]
    page.close()


def test_the_tables_for_spreadsheets_and_papers_hold_the_means(folders):
    rows = run(folders)
    table = list(csv.DictReader((folders / "out" / "results.csv").read_text().splitlines()))
    assert [line["inpainter"] for line in table] == ["telea", "ns"]
    expected = np.mean([row["hole/psnr_db"] for row in rows if row["inpainter"] == "telea"])
    assert float(table[0]["hole/psnr_db mean"]) == pytest.approx(expected)
    assert float(table[0]["hole/psnr_db low"]) <= expected <= float(table[0]["hole/psnr_db high"])
    assert table[0]["fid"] == "" and float(table[0]["seconds"]) > 0
    latex = (folders / "out" / "results.tex").read_text()
    assert latex.startswith(r"\begin{tabular}{lr") and latex.endswith("\\end{tabular}\n")
    assert r"\textbf{" in latex and "*" not in latex
    assert latex.count(" & ") == 3 * (latex.splitlines()[2].count(" & "))


def test_one_picture_has_no_interval(folders):
    for path in [*list_images(folders / "photos")[1:], *list_images(folders / "masks")[1:]]:
        path.unlink()
    run(folders)
    text = (folders / "out" / "results.md").read_text()
    assert re.search(r"\| telea +\| 1 ", text) and "[" not in text.split("Means")[0]
    table = list(csv.DictReader((folders / "out" / "results.csv").read_text().splitlines()))
    assert table[0]["lama/ssim mean"] and not table[0]["lama/ssim low"]


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


def test_results_md_has_a_table_by_hole_ratio_of_what_tells_most(folders):
    run(folders, "--masks-per-photo", 3, "--features", write_vgg19(folders / "vgg.pth"))
    text = (folders / "out" / "results.md").read_text()
    rows = [json.loads(line) for line in (folders / "out" / "scores.jsonl").read_text().splitlines()]
    assert re.findall(r"## (.*), by hole ratio", text) == [
        "PSNR in the hole, dB",
        "SSIM in the hole",
        "VGG L1 in the hole",
    ]
    ssim = text.split("## SSIM in the hole")[1].split("##")[0].strip().splitlines()[2:]
    assert [cell.strip() for cell in ssim[0].split("|")[2:-1]] == [
        f"{10 * i}-{10 * i + 10} % (N = 3)" for i in range(4)
    ]
    telea = next(line for line in ssim if "| telea" in line).split("|")[2]
    scores = [r["hole/ssim"] for r in rows if r["inpainter"] == "telea" and r["hole_ratio"] <= 0.1]
    assert float(telea.replace("*", "").split()[0]) == pytest.approx(np.mean(scores), rel=1e-3)


def test_distances_of_networks_can_be_added_to_results_that_are_there(folders):
    first = run(folders)
    vgg, trunk = write_vgg19(folders / "vgg.pth"), folders / "trunk.pth"
    torch.save(models.squeezenet1_1(weights=None).state_dict(), trunk)
    asked = ("--features", vgg, "--lpips", "squeeze", "--lpips-trunk", trunk, "--device", "cpu")
    rows = run(folders, *asked)
    of_vgg, of_unit, of_lpips = sorted(set(rows[0]) - set(first[0]))
    assert [key.rpartition("/")[0] for key in (of_vgg, of_unit, of_lpips)] == [
        "hole/vgg_l1",
        "hole/vgg_unit",
        "lama/lpips_squeeze",
    ]
    assert [row["seconds"] for row in rows] == [row["seconds"] for row in first]  # nothing was filled again
    for row in rows[:2]:
        files = [folders / "out" / x / f"{row['name']}.png" for x in ("inputs/photos", "results/telea")]
        truth, result = (torch.tensor(read_rgb(x)).permute(2, 0, 1)[None] / 255 for x in files)
        mask = torch.tensor(read_raw(folders / "out" / "inputs" / "masks" / f"{row['name']}.png") > 0)
        assert row[of_vgg] == pytest.approx(VggDistance(vgg)(truth, result, mask[None, None]).item())
        assert row[of_lpips] == pytest.approx(Lpips("squeeze", trunk)(truth, result).item())
    assert "| LPIPS squeeze " in (folders / "out" / "results.md").read_text()


def test_patch_measures_can_be_added(folders):
    for path in sorted((folders / "masks").iterdir())[1:]:
        path.unlink()
    first, rows = run(folders), run(folders, "--patches")
    assert set(rows[0]) - set(first[0]) == {"patches/coherence", "patches/band_wasserstein"}
    files = [folders / "out" / x / f"{rows[0]['name']}.png" for x in ("results/telea", "inputs/masks")]
    result, mask = read_rgb(files[0]), read_raw(files[1]) > 0
    assert rows[0]["patches/coherence"] == pytest.approx(hole_coherence(result, mask))
    assert rows[0]["patches/band_wasserstein"] == pytest.approx(hole_band_wasserstein(result, mask))
    assert "| patch coherence " in (folders / "out" / "results.md").read_text()


@pytest.mark.slow
def test_fid_is_that_of_the_folders(folders, made_up_inception):
    for path in list_images(folders / "photos")[2:]:
        path.unlink()
    file = made_up_inception[0]
    run(folders, "--fid", "--inception", file, "--device", "cpu", inpainters="ns")
    features = InceptionFeatures(file)
    truth, result = (
        Statistics.of(features(read_rgb(path) for path in sorted((folders / "out" / name).iterdir())))
        for name in ("inputs/photos", "results/ns")
    )
    head, _, line = (folders / "out" / "results.md").read_text().splitlines()[:3]
    place = [cell.strip() for cell in head.split("|")].index("FID")
    shown = float(line.split("|")[place].replace("*", ""))
    assert shown == pytest.approx(frechet_distance(truth, result), rel=1e-3)


def test_without_a_folder_of_masks_strokes_are_drawn_by_the_seed(folders):
    def drawn(seed):
        chosen = plan(folders / "photos", None, seed, 3, SIZE, "white")
        return [x.mask for x in examples(list_images(folders / "photos"), None, chosen)]

    masks = drawn(0)
    assert np.histogram([x.mean() for x in masks], np.arange(7) / 10)[0].tolist() == [2] * 6
    assert [touches_border(x) for x in masks] == [True] * 6 + [False] * 6
    assert all((a == b).all() for a, b in zip(masks, drawn(0), strict=True))
    assert not any((a == b).all() for a, b in zip(masks, drawn(1), strict=True))
    args = ["--photos", folders / "photos", "--out", folders / "o", "--inpainters", "ns", "--size", SIZE]
    run_verb("benchmark", *args)
    kept = sorted((folders / "o" / "inputs" / "masks").iterdir())
    assert len(kept) == 4 and ((read_raw(kept[0]) > 0) == masks[0]).all()


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


def test_measures_are_added_by_name(folders):
    for path in sorted((folders / "masks").iterdir())[1:]:
        path.unlink()
    rows = run(folders, "--measures", "patch_coherence", inpainters="telea")
    assert all(row["patches/coherence"] >= 0 and "patches/band_wasserstein" not in row for row in rows)
    assert "expected measures among patch_coherence" in sentence(folders, "--measures", "charm")
