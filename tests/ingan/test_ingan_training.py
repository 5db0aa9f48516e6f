from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small import write_photos

from edgeconnect.errors import InputError, NonFiniteLossError
from edgeconnect.ingan.config import MAY_CHANGE, PRESETS, SingleConfig, make_single_config
from edgeconnect.ingan.store import load_generator, to_photo, to_tensor
from edgeconnect.ingan.trainer import SingleTrainer
from edgeconnect.ingan.training import is_preview, train
from edgeconnect.io.images import read_rgb, write_png
from edgeconnect.models.checkpoint import load_state
from edgeconnect.training import losses, run_folder

CPU = torch.device("cpu")


def tiny(folder: Path, **options: Any) -> SingleConfig:
    """A run that takes a second, on a made-up photo in `folder`."""
    photos = folder / "photos"
    if not photos.exists():
        write_photos(photos, count=2)
    sizes = {"crop": 24, "width": 4, "downscales": 1, "blocks": 1, "disc_width": 4}
    sizes |= {"short_side": None, "residual": False}
    steps = {"steps": 6, "save_every": 3, "log_every": 1, "sizes_until": 2, "inverse_from": 2}
    machine = {"device": "cpu", "precision": "float32", "threads": 1}
    given = {"photos": [str(photos / "photo_0.png")], "run": str(folder / "run")}
    return make_single_config({**given, **sizes, **steps, **machine, **options})


def trainer_of(config: SingleConfig) -> SingleTrainer:
    return SingleTrainer(config, [to_tensor(read_rgb(path)) for path in config.photos], CPU)


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [tensor for item in inner for tensor in tensors(item)]


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_paper_s_numbers_are_the_paper_preset(tmp_path: Path) -> None:
    config = make_single_config({"photos": ["a.png"], "run": "r", "preset": "paper"})
    assert (config.steps, config.crop, config.sizes, config.lr) == (75_000, 256, (0.15, 2.25), 5e-5)
    assert (config.betas, config.w_reconstruction, config.width) == ((0.5, 0.999), 0.1, 64)
    assert (config.downscales, config.blocks, config.scale_factor) == (3, 6, 1.4)
    assert (config.sizes_until, config.inverse_from) == (10_000, 10_000)
    assert (config.scales_until, config.decay_from) == (25_000, 20_000)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_changed_field_by_field(preset: str) -> None:
    given = {"photos": ["a.png"], "run": "r", "preset": preset}
    plain, changed = make_single_config(given), make_single_config({**given, "width": "7"})
    assert changed == plain.model_copy(update={"width": 7})
    assert all(getattr(plain, name) == value for name, value in PRESETS[preset].items())
    assert plain.decay_from < plain.steps and plain.sizes_until < plain.steps


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"preset": "huge"}, "preset: expected paper, medium, small, got 'huge'"),
        ({"sizes": "1.2,2"}, r"sizes: expected a range around 1, got 1.2,2"),
        ({"sizes": "0,2"}, "expected a range around 1"),
        ({"crop": 8}, "crop: Input should be greater than or equal to 16, got 8"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"photos": []}, "photos: Tuple should have at least 1 item"),
    ],
)
def test_wrong_options_are_said_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_single_config({"photos": ["a.png"], "run": "r", **change})


def test_all_faults_of_fields_that_go_together_come_at_once() -> None:
    with pytest.raises(InputError, match=r"sizes: expected a range.*; betas: expected two numbers"):
        make_single_config({"photos": ["a.png"], "run": "r", "sizes": "2,3", "betas": "0.5,1"})


def test_runs_of_version_0_1_go_on_though_two_fields_were_renamed(tmp_path: Path) -> None:
    config = tiny(tmp_path, max_shift=0.2, scale_min_px=14)
    config.run.mkdir()
    run_folder.save_config(config)
    file = config.run / "config.yaml"
    old = file.read_text().replace("max_shift", "most_shift").replace("scale_min_px", "scale_least_px")
    assert "most_shift: 0.2" in old and "scale_least_px: 14" in old
    file.write_text(old)
    assert run_folder.changed_config(config.run, {}, make_single_config, MAY_CHANGE, "") == config
    with pytest.raises(InputError, match="most_shift: Extra inputs are not permitted"):
        make_single_config({"photos": ["a.png"], "run": "r", "most_shift": 0.1, "max_shift": 0.2})


def test_fields_that_may_change_exist() -> None:
    assert set(SingleConfig.model_fields) >= MAY_CHANGE


def test_a_step_moves_both_networks(tmp_path: Path) -> None:
    trainer = trainer_of(tiny(tmp_path))
    before = [[p.detach().clone() for p in n.parameters()] for n in trainer.networks.values()]
    terms = trainer.train_step()
    assert set(terms) == {"adv", "reconstruction", "d_adv"}
    for old, network in zip(before, trainer.networks.values(), strict=True):
        assert not any(map(torch.equal, old, network.parameters()))


def test_the_reconstruction_gets_its_own_step_later(tmp_path: Path) -> None:
    trainer = trainer_of(tiny(tmp_path, inverse_from=2))
    assert ["inverse" in trainer.train_step() for _ in range(4)] == [False, False, True, True]
    counts = {
        name: {int(s["step"]) for s in optimizer.state.values()}
        for name, optimizer in trainer.optimizers.items()
    }
    assert counts == {"generator": {6}, "discriminator": {4}}


def test_without_its_weight_there_is_no_reconstruction(tmp_path: Path) -> None:
    trainer = trainer_of(tiny(tmp_path, w_reconstruction=0, inverse_from=0))
    assert set(trainer.train_step()) == {"adv", "d_adv"}


def test_the_learning_rate_falls_linearly_to_zero(tmp_path: Path) -> None:
    trainer = trainer_of(tiny(tmp_path, steps=6, decay_from=2, lr=1e-3, d_lr_ratio=3))
    rates = []
    for _ in range(6):
        trainer.train_step()
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers.values()])
    generators, discriminators = zip(*rates, strict=True)
    assert generators == pytest.approx([1e-3, 1e-3, 1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
    assert discriminators == pytest.approx([3 * rate for rate in generators])


def test_the_scales_are_as_many_as_fit_the_crop_or_as_asked(tmp_path: Path) -> None:
    assert len(trainer_of(tiny(tmp_path)).stage.D.nets) == 2  # 24, 17 px
    assert len(trainer_of(tiny(tmp_path, scales=1)).stage.D.nets) == 1
    assert len(trainer_of(tiny(tmp_path, crop=400)).stage.D.nets) == 4  # a photo of 40: 40, 29, 20, 15


def test_noise_is_one_grey_level_wide_and_zero_without(tmp_path: Path) -> None:
    x = torch.zeros(1, 3, 100, 100)
    noise = trainer_of(tiny(tmp_path))._noisy(x) * 127.5
    assert -0.5 <= noise.min() < -0.49 and 0.49 < noise.max() <= 0.5
    assert noise.std().item() == pytest.approx(1 / np.sqrt(12), rel=0.02)
    assert torch.equal(trainer_of(tiny(tmp_path, noise_levels=0))._noisy(x), x)


def test_random_choices_follow_from_seed_and_step_alone(tmp_path: Path) -> None:
    first, second = trainer_of(tiny(tmp_path)), trainer_of(tiny(tmp_path))
    second.step = first.step = 5
    for _ in range(3):
        second.draw()
    one, same = first.draw(), second.draw()
    assert torch.equal(one.x, same.x) and (one.T, one.noise_seed) == (same.T, same.noise_seed)
    second.step = 6
    assert second.draw().noise_seed != one.noise_seed
    assert (
        trainer_of(tiny(tmp_path, seed=1)).draw().noise_seed != trainer_of(tiny(tmp_path)).draw().noise_seed
    )


def test_every_photo_and_every_place_is_trained_on(tmp_path: Path) -> None:
    photos = [str(tmp_path / "photos" / f"photo_{n}.png") for n in range(2)]
    trainer = trainer_of(tiny(tmp_path, photos=photos))
    crops = set()
    for trainer.step in range(200):
        crops.add(trainer.draw().x.data_ptr())
    ranges = [(p.data_ptr(), p.data_ptr() + p.numel() * 4) for p in trainer.photos]
    counts = [sum(low <= crop < high for crop in crops) for low, high in ranges]
    assert min(counts) > 40
    assert sum(counts) == len(crops)


@pytest.mark.parametrize("size", [(16, 16), (17, 60), (60, 16)])
def test_photos_smaller_than_the_crop_and_the_receptive_field_work(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    config = tiny(tmp_path, downscales=3, blocks=2, crop=64, inverse_from=0)
    trainer = SingleTrainer(config, [torch.rand(1, 3, *size) * 2 - 1], CPU)
    for trainer.step in (0, 30):
        assert all(np.isfinite(value) for value in trainer.train_step().values())


def test_a_photo_without_room_for_patches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at least 16x16 px, so that patches of 9x9 px .* got 40x15"):
        SingleTrainer(tiny(tmp_path), [torch.zeros(1, 3, 15, 40)], CPU)


def test_one_colour_is_learned_without_a_fault(tmp_path: Path) -> None:
    trainer = SingleTrainer(tiny(tmp_path, steps=100), [torch.zeros(1, 3, 30, 30)], CPU)
    terms = [trainer.train_step() for _ in range(20)]
    assert all(np.isfinite(list(step.values())).all() for step in terms)


@pytest.mark.slow
def test_the_reconstruction_is_learned(tmp_path: Path) -> None:
    options = {"width": 8, "w_reconstruction": 100, "inverse_from": 0, "sizes_until": 10_000, "trapezoids": 0}
    trainer = trainer_of(tiny(tmp_path, steps=1000, lr=1e-3, crop=32, **options))
    errors = [trainer.train_step()["reconstruction"] for _ in range(40)]
    assert np.mean(errors[-10:]) < 0.6 * np.mean(errors[:5])


@pytest.mark.parametrize("term", ["adv", "d_adv"])
def test_a_loss_that_is_no_number_stops_and_is_named(tmp_path: Path, monkeypatch, term: str) -> None:
    trainer = trainer_of(tiny(tmp_path))
    trainer.train_step()
    function = {"adv": "adversarial_g", "d_adv": "adversarial_d"}[term]
    monkeypatch.setattr(losses, function, lambda *_: torch.tensor(float("nan")))
    with pytest.raises(NonFiniteLossError, match=f"loss term '{term}' is nan at step 2"):
        trainer.train_step()


def test_a_state_of_other_networks_is_refused(tmp_path: Path) -> None:
    state = trainer_of(tiny(tmp_path)).state()
    with pytest.raises(InputError, match="does not fit this run's networks"):
        trainer_of(tiny(tmp_path, width=8)).load_state(state)


def test_a_run_leaves_what_its_folder_promises(tmp_path: Path) -> None:
    config = tiny(tmp_path, preview_every=4)
    said: list[str] = []
    outcome = train(config, print_line=said.append)
    assert (outcome.step, outcome.signal) == (6, None)
    assert [line["step"] for line in lines(config.run)] == [1, 2, 3, 4, 5, 6]
    assert [p.name for p in run_folder.Paths(config.run).checkpoints()] == [
        "step_00000003.pt",
        "step_00000006.pt",
    ]
    assert sorted(p.name for p in (config.run / "samples").iterdir()) == [
        "step_00000004.png",
        "step_00000006.png",
    ]
    np.testing.assert_array_equal(read_rgb(config.run / "photos/0.png"), read_rgb(config.photos[0]))
    generator, made = load_generator(run_folder.Paths(config.run).weights)
    assert generator.config == {"width": 4, "downscales": 1, "blocks": 1, "residual": False}
    assert made["steps"] == 6
    with pytest.raises(InputError, match="holds a run already"):
        train(config)


@pytest.mark.parametrize("stop_at", [1, 4])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, stop_at: int) -> None:
    whole = tiny(tmp_path, run=str(tmp_path / "whole"), preview_every=2)
    train(whole)
    parts = tiny(tmp_path, run=str(tmp_path / "parts"), preview_every=100)

    def stop(report: dict[str, Any]) -> None:
        if report["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = train(parts, progress=stop)
    assert (outcome.step, outcome.signal) == (stop_at, signal.SIGTERM)
    assert train(parts, resume=True).step == 6
    states = [load_state(run_folder.Paths(c.run).latest_checkpoint()) for c in (whole, parts)]
    assert len(tensors(states[0])) > 50
    assert all(map(torch.equal, tensors(states[0]), tensors(states[1])))
    logs = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in lines(c.run)] for c in (whole, parts)
    ]
    assert logs[0] == logs[1]
    weights = run_folder.Paths(parts.run).weights
    wanted = load_file(weights)
    weights.unlink()  # as if it had been killed between its last checkpoint and its weights
    train(parts, resume=True)
    assert wanted.keys() == load_file(weights).keys()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in load_file(weights).items())


def test_a_run_stops_after_its_minutes(tmp_path: Path) -> None:
    outcome = train(tiny(tmp_path, max_minutes=1e-6, steps=1000))
    assert (outcome.step, outcome.signal) == (1, None)
    assert run_folder.Paths(tmp_path / "run").latest_checkpoint().name == "step_00000001.pt"


def test_a_large_photo_is_shrunk_and_said_and_a_small_one_is_not(tmp_path: Path) -> None:
    said: list[str] = []
    train(tiny(tmp_path, short_side=20, steps=1, crop=16), print_line=said.append)
    assert read_rgb(tmp_path / "run/photos/0.png").shape == (20, 28, 3)
    assert any("shrunk from 56x40 to 28x20 px" in text for text in said)
    config = tiny(tmp_path, short_side=200, steps=1, run=str(tmp_path / "other"))
    train(config)
    assert read_rgb(config.run / "photos/0.png").shape == (40, 56, 3)


def test_grey_photos_and_sixteen_bits_train(tmp_path: Path) -> None:
    Image.fromarray((np.indices((30, 30)).sum(0) * 4).astype(np.uint8)).save(tmp_path / "grey.png")
    write_png(tmp_path / "deep.png", (np.indices((30, 30)).sum(0) * 1000).astype(np.uint16))
    photos = [str(tmp_path / "grey.png"), str(tmp_path / "deep.png")]
    assert train(tiny(tmp_path, photos=photos, steps=3)).step == 3


def test_a_missing_photo_leaves_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        train(tiny(tmp_path, photos=[str(tmp_path / "none.png")]))
    assert not (tmp_path / "run").exists()


def test_early_previews_come_at_doubling_steps() -> None:
    assert [s for s in range(1, 700) if is_preview(s, 250)] == [10, 20, 40, 80, 160, 250, 500]


def test_a_photo_survives_the_way_to_a_tensor_and_back(photo: np.ndarray) -> None:
    tensor = to_tensor(photo)
    assert tensor.shape == (1, 3, 96, 128) and -1 <= tensor.min() < tensor.max() <= 1
    np.testing.assert_array_equal(to_photo(tensor), photo)
