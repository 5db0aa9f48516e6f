"""The recipe that asks whether edits of the edges are used: its arithmetic and its inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeconnect import images
from edgeconnect.vgg import VGG19_CHANNELS
from eval import edit_claim


def test_gains_are_differences_whose_sign_says_better() -> None:
    rows: list[dict[str, float]] = [
        {"hole_psnr_db_completed": 20.0, "hole_psnr_db_true": 23.0, "perceptual_completed": 0.5, "perceptual_true": 0.3},
        {"hole_psnr_db_completed": 30.0, "hole_psnr_db_true": 29.0, "perceptual_completed": 0.4, "perceptual_true": 0.4},
    ]  # fmt: skip
    summary = edit_claim.summarise(rows)
    assert (summary["hole_psnr_db"]["gain"], summary["hole_psnr_db"]["photos_better"]) == (1.0, 1)
    assert summary["perceptual"]["gain"] == pytest.approx(0.1) and summary["perceptual"]["photos_better"] == 1


def test_the_recipe_compares_both_edges_on_each_photo(
    tmp_path: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = (VGG19_CHANNELS["1"], 3, 3, 3)
    torch.save(
        {"features.0.weight": torch.randn(shape), "features.0.bias": torch.zeros(shape[0])},
        tmp_path / "vgg.pth",
    )
    for number in range(3):
        images.write_png(tmp_path / "photos" / f"{number}.png", np.roll(photo, 9 * number, 1))
        mask = np.zeros((64, 64), bool)
        mask[10 : 30 + number, 10:30] = True
        images.write_png(tmp_path / "masks" / f"{number}.png", mask)
    arguments = ["--photos", tmp_path / "photos", "--masks", tmp_path / "masks", "--features", tmp_path / "vgg.pth",
                 "--weights", weights_file, "--size", "64", "--json", tmp_path / "claim.jsonl", "--count"]  # fmt: skip
    edit_claim.main([*map(str, arguments), "3"])
    summary, *rows = map(json.loads, (tmp_path / "claim.jsonl").read_text().splitlines())
    assert summary["n"] == len(rows) == 3 and "N = 3" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="at least 4 pictures, got 3"):
        edit_claim.main([*map(str, arguments), "4"])
