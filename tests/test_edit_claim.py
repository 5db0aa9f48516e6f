"""The recipe that asks whether edits of the edges are used: its arithmetic and its inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeconnect import images
from eval import edit_claim


def test_gains_are_differences_whose_sign_says_better() -> None:
    psnr_db, perceptual = [(20.0, 23.0), (30.0, 29.0)], [(0.5, 0.3), (0.4, 0.4)]
    rows = [
        {
            "hole_psnr_db_completed": p[0],
            "hole_psnr_db_true": p[1],
            "perceptual_completed": d[0],
            "perceptual_true": d[1],
        }
        for p, d in zip(psnr_db, perceptual, strict=True)
    ]
    summary = edit_claim.summarise(rows)
    assert (summary["hole_psnr_db"]["gain"], summary["hole_psnr_db"]["photos_better"]) == (1.0, 1)
    assert summary["perceptual"]["gain"] == pytest.approx(0.1) and summary["perceptual"]["photos_better"] == 1


def test_the_recipe_compares_both_edges_on_each_photo(
    tmp_path: Path, weights_file: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = {0: (64, 3, 3, 3), 2: (64, 64, 3, 3), 5: (128, 64, 3, 3)}  # torchvision's VGG-19 up to relu2_1
    vgg = {f"features.{i}.weight": torch.randn(shape) for i, shape in shapes.items()}
    vgg |= {f"features.{i}.bias": torch.zeros(shape[0]) for i, shape in shapes.items()}
    torch.save(vgg, tmp_path / "vgg.pth")
    for number in range(3):
        images.write_png(tmp_path / "photos" / f"{number}.png", np.roll(photo, 9 * number, 1))
        mask = np.zeros((64, 64), bool)
        mask[10 : 30 + number, 10:30] = True
        images.write_png(tmp_path / "masks" / f"{number}.png", mask)
    folders = {name: tmp_path / name for name in ("photos", "masks")}
    files = {"features": tmp_path / "vgg.pth", "weights": weights_file, "json": tmp_path / "claim.jsonl"}
    arguments = [part for name, path in (folders | files).items() for part in (f"--{name}", path)]
    arguments += ["--size", "64", "--count"]
    edit_claim.main([*map(str, arguments), "3"])
    summary, *rows = map(json.loads, (tmp_path / "claim.jsonl").read_text().splitlines())
    assert summary["n"] == len(rows) == 3 and "N = 3" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="at least 4 pictures, got 3"):
        edit_claim.main([*map(str, arguments), "4"])
