"""The ablations: conditions are what they say, numbers those of the pictures, gains as known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small import run_verb, write_photos, write_vgg19

from edgeconnect import EdgeConnect
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.evaluation import ablate
from edgeconnect.evaluation.conditions import COMPLETED, NONE, TRUE, audit, read_map
from edgeconnect.evaluation.gains import Gain
from edgeconnect.evaluation.measures import HOLE
from edgeconnect.evaluation.pairing import Case, Example, examples, plan
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.registry import find
from edgeconnect.io.images import list_images, read_rgb, resize, write_png
from edgeconnect.masks.shapes import centre
from edgeconnect.metrics.pixel import edge_precision_recall, l1, psnr, ssim

SIDE_PX = 64


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos", 4, (SIDE_PX, 80))


@pytest.fixture
def found(photos: Path) -> list[Example]:
    """What every ablation of these photos fills."""
    return list(examples(list_images(photos), None, plan(photos, None, 0, 1, SIDE_PX, "white")))


def run(ablation: str, photos: Path, weights: Path, *more: Any) -> dict[str, list[dict[str, Any]]]:
    kept = photos.parent / f"{ablation}.jsonl"
    given = ["--photos", photos, "--weights", weights, "--size", SIDE_PX, "--device", "cpu", "--json", kept]
    run_verb("ablate", ablation, *given, *more)
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    return {
        kind: [x for x in lines if x["kind"] == kind] for kind in ("summary", "edges", "group", "picture")
    }


def scores(report: dict[str, Any], label: str, key: str = "hole/psnr_db") -> list[float]:
    return [row[key] for row in report["picture"] if row["edges"] == label]


def test_without_edges_is_the_benchmarks_own_inpainter(
    photos: Path, found: list[Example], weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run("edges", photos, weights_file)
    inpainter: Any = find(f"edgeconnect-without-edges:{weights_file}", "cpu").load()
    results = [fill(inpainter, x.photo, x.mask) for x in found]
    expected = [psnr(x.photo, result, x.mask) for x, result in zip(found, results, strict=True)]
    assert scores(report, NONE) == pytest.approx(expected)
    expected = [ssim(x.photo, r, mask=x.mask) for x, r in zip(found, results, strict=True)]
    assert scores(report, NONE, "hole/ssim") == pytest.approx(expected)
    by_label = {part["edges"]: part for part in report["edges"]}
    assert list(by_label) == [COMPLETED, NONE, "none at all", TRUE]
    gains = np.subtract(scores(report, TRUE), scores(report, COMPLETED))
    assert by_label[TRUE]["gain"]["hole/psnr_db"]["mean"] == pytest.approx(gains.mean())
    assert by_label[NONE]["mean"]["lines"] == 0 < by_label[TRUE]["mean"]["lines"]
    summary = report["summary"][0]
    assert (summary["n"], summary["masks_sha256"], summary["seed"]) == (4, "drawn", 0)
    assert "torch" in summary["versions"] and len(summary["weights_sha256"]) == 64
    assert "| none at all" in capsys.readouterr().out


def test_the_change_is_from_the_first_condition(
    photos: Path, found: list[Example], weights_file: Path, model: EdgeConnect
) -> None:
    report = run("edges", photos, weights_file)
    model = EdgeConnect.load(weights_file, device="cpu")
    x = found[0]
    pair = [
        model.inpaint(x.photo, x.mask, texture=0),
        model.inpaint(x.photo, x.mask, canny(to_gray(x.photo), 2.0), texture=0),
    ]
    assert scores(report, COMPLETED, "change") == [0] * 4
    assert scores(report, TRUE, "change")[0] == pytest.approx(l1(*pair, x.mask))


def test_a_sweep_of_sigma_begins_with_the_models_own_and_has_fewer_lines_at_larger_ones(
    photos: Path, weights_file: Path
) -> None:
    report = run(
        "sigma", photos, weights_file, "--sigmas", 1, 4, "--features", write_vgg19(photos.parent / "v")
    )
    labels = [part["edges"] for part in report["edges"]]
    assert labels == [f"{kind}, sigma {s}" for kind in (COMPLETED, TRUE) for s in (2, 1, 4)]
    lines = [part["mean"]["lines"] for part in report["edges"][3:]]
    assert lines[1] > lines[0] > lines[2]
    assert any(key.startswith("hole/vgg_l1/") for key in report["edges"][0]["mean"])
    plain = run("edges", photos, weights_file)
    assert scores(report, "completed, sigma 2") == scores(plain, COMPLETED)
    assert scores(report, "true, sigma 2") == scores(plain, TRUE)
    assert scores(report, "true, sigma 1") != scores(plain, TRUE)


def test_a_detector_that_draws_cannys_lines_changes_nothing_and_an_empty_one_does(
    photos: Path, weights_file: Path
) -> None:
    maps = photos.parent / "maps"
    for path in list_images(photos):  # their middle squares have the files' own resolution
        photo = read_rgb(path)
        lines = np.zeros(photo.shape[:2], bool)
        lines[:, 8:72] = canny(to_gray(photo[:, 8:72]))
        write_png(maps / path.name, lines)
    report = run("detector", photos, weights_file, "--maps", maps)
    assert [part["mean"]["change"] for part in report["edges"][:2]] == [0, 0]
    assert report["edges"][2]["mean"]["change"] > 0
    for path in list_images(maps):
        write_png(path, np.zeros((SIDE_PX, 80), bool))
    report = run("detector", photos, weights_file, "--maps", maps)
    assert scores(report, "maps of maps") == scores(report, "none at all")


def test_a_thin_line_of_a_large_map_stays_as_strong(
    photos: Path, found: list[Example], tmp_path: Path
) -> None:
    photo = np.kron(read_rgb(found[0].path), np.ones((2, 2, 1), np.uint8))
    write_png(tmp_path / "large.png", photo)
    lines = np.zeros(photo.shape[:2], bool)
    lines[40] = True
    write_png(tmp_path / "map.png", lines)
    example = Example(found[0].case, tmp_path / "large.png", found[0].photo, found[0].mask)
    smaller = read_map(tmp_path / "map.png", example, "white")
    expected = np.zeros((SIDE_PX, SIDE_PX))
    expected[20] = 1
    np.testing.assert_allclose(smaller, expected, atol=0.01)


def test_precision_and_recall_are_those_of_the_completed_edges(
    photos: Path, found: list[Example], weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run("precision", photos, weights_file, "--tolerance-px", 2)
    model = EdgeConnect.load(weights_file, device="cpu")
    for x, row in zip(found, report["picture"], strict=True):
        drawn, true = model.complete_edges(x.photo, x.mask), canny(to_gray(x.photo))
        exact = edge_precision_recall(drawn, true, x.mask)
        near = edge_precision_recall(drawn, true, x.mask, tolerance_px=2)
        assert (row["precision"], row["recall"]) == pytest.approx(tuple(exact))
        assert (row["precision within 2 px"], row["recall within 2 px"]) == pytest.approx(tuple(near))
    assert [group["label"] for group in report["group"]] == ["all", "0-10 %", "10-20 %", "20-30 %", "30-40 %"]
    assert "| 30-40 %" in capsys.readouterr().out


class Painter:
    """Stands for a model whose result depends on its edges in a known way: `error` of (given, true) lines is
    how far every pixel of the hole is from the truth, of 255.
    """

    sigma = 2.0

    def detect_edges(self, gray, known=None):
        return canny(gray, self.sigma, known)

    def __init__(self, error: Any, completed: Any) -> None:
        self._error, self._completed = error, completed

    def complete_edges(self, photo: np.ndarray, mask: np.ndarray, lines: str = "both") -> np.ndarray:
        return self._completed(canny(to_gray(photo)))

    def inpaint(
        self, photo: np.ndarray, mask: np.ndarray, edges: np.ndarray, known: Any = None, *, texture: float
    ) -> np.ndarray:
        error = self._error(edges[mask], canny(to_gray(photo))[mask])
        result = photo.astype(int)
        result[mask] += np.where(result[mask] > 127, -1, 1) * int(error)
        return result.astype(np.uint8)


def disagreement(given: np.ndarray, true: np.ndarray) -> float:
    return 10 + 100 * float((given != true).mean())


def half(lines: np.ndarray) -> np.ndarray:
    return lines & (np.arange(lines.shape[1]) % 2 == 0)


PAINTERS = {
    "used": (Painter(disagreement, half), True, True, True),
    "only true edges help": (Painter(disagreement, lambda lines: ~lines), True, True, False),
    "ignored": (Painter(lambda given, true: 30, half), False, False, False),
    "any lines spoil": (Painter(lambda given, true: 10 + 60 * float(given.any()), half), False, False, False),
}
"""A painter, and whether true edges surely gain over none, over another photo's, and completed over none."""


@pytest.mark.parametrize("name", PAINTERS)
def test_the_audits_gains_tell_painters_apart_whose_use_of_edges_is_known(
    rng: np.random.Generator, name: str
) -> None:
    painter: Any = PAINTERS[name][0]
    mask = centre(SIDE_PX, SIDE_PX)
    blocks = [rng.integers(0, 256, (5, 5, 3), np.uint8) for _ in range(4)]
    photos = [resize(np.kron(x, np.ones((16, 16, 1), np.uint8)), SIDE_PX, SIDE_PX) for x in blocks]
    found = [
        Example(Case(str(i), f"{i}.png", "", mask.mean(), False), Path(f"{i}.png"), photo, mask)
        for i, photo in enumerate(photos)
    ]
    rows = ablate.compare(painter, found, audit(SimpleNamespace(seed=0), painter, found), HOLE)
    gain = {part["edges"]: Gain(**part["gain"][HOLE[0].key]) for part in ablate.summarise(rows, HOLE)}
    over_strange = ablate.over_strange(rows, HOLE)[HOLE[0].key]
    assert (gain[TRUE].is_sure, over_strange.is_sure, gain[COMPLETED].is_sure) == PAINTERS[name][1:]


def test_the_audit_ends_in_what_true_edges_gain_over_strange_ones(
    photos: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run("audit", photos, weights_file, "--count", 3)
    assert len(report["picture"]) == 3 * 5
    assert "true edges over another photo's: PSNR" in capsys.readouterr().out
    assert set(report["summary"][0]["true_over_strange"]) == {measure.key for measure in HOLE}
