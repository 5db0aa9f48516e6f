from __future__ import annotations

from pathlib import Path

import pytest
from small import run_verb, sentence_of, tiny_options, write_photos

from edgeconnect.cli.train import _shown_report
from edgeconnect.io.schema import read_yaml
from edgeconnect.training.config import TrainConfig, make_config
from edgeconnect.training.loop import train
from edgeconnect.training.presets import PRESETS

RECIPES = Path(__file__).parents[2] / "data" / "recipes"


def config_of(stage: str, folder: Path, preset: str = "paper", file: Path | None = None) -> TrainConfig:
    given = {"stage": stage, "photos": folder, "run": folder / "run"}
    return make_config(given, file, PRESETS[preset][stage])


@pytest.mark.parametrize("stage", ["edge", "inpaint"])
def test_small_is_the_recipe_of_small_machines(stage: str, tmp_path: Path) -> None:
    assert config_of(stage, tmp_path, "small") == config_of(stage, tmp_path, file=RECIPES / f"{stage}.yaml")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", ["edge", "inpaint", "joint"])
def test_every_preset_is_a_config_and_tiny_needs_no_vgg(stage: str, preset: str, tmp_path: Path) -> None:
    config = config_of(stage, tmp_path, preset)
    assert config.needs_features == (stage != "edge" and preset != "tiny")
    if preset == "paper":
        assert config == make_config({"stage": stage, "photos": tmp_path, "run": tmp_path / "run"})


@pytest.mark.slow
def test_options_override_a_preset_and_the_run_keeps_what_was_used(tmp_path: Path, capsys) -> None:
    photos, run = write_photos(tmp_path / "photos"), tmp_path / "run"
    small = ("--steps", 2, "--size", 32, "--short-side", "32,40", "--width", 4, "--val-count", 2)
    run_verb("train", "inpaint", "--preset", "tiny", "--photos", photos, "--run", run, *small, "--workers", 0)
    saved = read_yaml(run / "config.yaml")
    assert (saved["blocks"], saved["width"], saved["w_perceptual"]) == (4, 4, 0)
    assert "hole_start: smooth" in capsys.readouterr().out
    sentence = sentence_of("train", "inpaint", "--preset", "small", "--run", run, "--resume")
    assert "a resumed run keeps its settings" in sentence


def test_nothing_is_printed_of_a_config_whose_photos_are_not_there(tmp_path: Path) -> None:
    lines: list[str] = []
    options = tiny_options(tmp_path) | {"photos": str(tmp_path / "none")}
    with pytest.raises(Exception, match="none"):
        train(make_config(options), print_line=lines.append)
    assert not any("stage:" in line for line in lines)


def test_more_steps_say_what_becomes_of_the_learning_rate(tmp_path: Path) -> None:
    first = tiny_options(tmp_path, steps=4, lr=1e-3)  # its rate fell tenfold after step 3.2
    train(make_config(first))
    lines: list[str] = []
    train(make_config(first | {"steps": 10}), resume=True, print_line=lines.append)
    note = next(line for line in lines if "instead of" in line)
    assert "10 steps instead of 4: the learning rate was 0.001 and is 0.001 now" in note
    assert "a tenth of that from step 8 on" in note
    lines.clear()
    train(make_config(first | {"steps": 11}), resume=True, print_line=lines.append)
    note = next(line for line in lines if "instead of" in line)
    assert "the learning rate was 0.0001 and is 0.0001 now;" in note


def test_the_bar_shows_the_weighted_loss_the_discriminators_and_the_speed() -> None:
    report = {"step": 3, "lr": 1e-4, "images_per_s": 12.5, "l1": 0.5, "adv": 2.0, "d_adv": 0.7}
    weights = {"l1": 2.0, "adv": 0.1, "style": 250.0, "d_adv": 1.0}
    assert _shown_report(weights, report) == "loss 1.2, D 0.7, 12.5 images/s"
    assert _shown_report({"l1": 1.0}, {"l1": 0.25, "images_per_s": 3}) == "loss 0.25, 3 images/s"
