"""The speed recipe: how ratios are made, and that both sides of one compute the same. Nothing is timed."""

from __future__ import annotations

import json
import multiprocessing
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import write_vgg19

from edgeconnect.errors import InputError
from edgeconnect.models import layers
from eval import methods, speed
from eval.methods import Method, Turn, inference, scoring, training, write_pairs
from eval.single_methods import comparisons, iterating, patch_filling, searching
from eval.speed import Row


def test_a_ratio_is_the_median_of_the_runs_own_ratios() -> None:
    # the third run was disturbed: both sides took ten times as long
    row = Row.of("work", [1.0, 2.0, 10.0], [3.0, 4.0, 30.0], "")
    assert (row.seconds, row.reference_seconds, row.ratio) == (2.0, 4.0, 3.0)


def test_canny_is_compared_pixel_by_pixel_and_kept_as_json(tmp_path: Path, capsys) -> None:
    speed.main(["canny", "--runs", "1", "--json", str(tmp_path / "speed.jsonl")])
    settings, *rows = map(json.loads, (tmp_path / "speed.jsonl").read_text().splitlines())
    assert settings["kind"] == "settings" and "torch" in settings["versions"]
    assert [row["what"] for row in rows] == ["canny, whole photo", "canny, known pixels"]
    assert all(row["note"] == "0 pixels differ in 4 photos" for row in rows)
    assert "canny, known pixels" in capsys.readouterr().out


@pytest.mark.slow
def test_plain_code_paints_the_same_picture() -> None:
    ours = inference("float32", 32, 8)()
    with Method(inference, "plain", 32, 8, threads=1, warm_up=0) as plain:
        turn = plain.turn()
    np.testing.assert_allclose(ours, turn.result, atol=1e-4)
    assert ours.shape == (3, 32, 32) and turn.peak_bytes > 50e6


def test_plain_code_scores_the_same_numbers(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3, 64)
    ours, plain = (scoring(kind, tmp_path)() for kind in ("eval.score", "plain"))
    assert ours.shape == (3, 3) and np.ptp(ours, axis=0).min() > 0
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-6)


def test_the_plain_search_finds_patches_hardly_nearer() -> None:
    ours, plain = (searching(kind, 96)() for kind in ("shipped", "plain"))
    assert plain <= ours < 1.05 * plain
    assert comparisons(96) == 70**2 * (90**2 - 70**2)


def test_the_single_image_works_can_be_timed() -> None:
    assert set(iterating("small", "plain", 96)()) >= {"d_adv", "adv"}
    assert patch_filling("shipped", 80)() is None


class Here:
    """A method in this process, each of whose turns takes a second."""

    def __init__(self, prepare: Any, *arguments: Any, threads: int) -> None:
        self._work = prepare(*arguments)

    def turn(self) -> Turn:
        return Turn(1.0, 0, self._work())

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_scores_and_features_are_compared_with_the_references_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"Method": Here, "PAIRS": 3, "FID_PAIRS": 2, "SIDE_PX": 64}.items():
        monkeypatch.setattr(speed, name, value)

    def notes(section: str) -> list[str]:
        speed.main([section, "--runs", "1", "--json", str(tmp_path / "speed.jsonl")])
        _, *rows = map(json.loads, (tmp_path / "speed.jsonl").read_text().splitlines())
        assert all(row["ratio"] == 1 for row in rows)
        return [row["note"] for row in rows]

    assert float(re.findall(r"3 pairs of files; numbers at most (\S+) apart", *notes("score"))[0]) < 1e-6
    exact, rounded = (re.findall(r"FID (\S+) of (\S+), N = 2", note)[0] for note in notes("fid"))
    assert float(exact[1]) > 1 and abs(float(exact[0])) < 1e-4
    assert 0 < abs(float(rounded[0])) < 0.2  # approximate, and not float32 under another name


def test_a_gpu_is_waited_for_before_either_time_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def clock() -> float:
        done.append("time")
        return 0.0

    monkeypatch.setattr(methods.time, "perf_counter", clock)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("wait"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 12)
    turn = methods._turn(lambda: done.append("work"))
    assert done == ["wait", "time", "work", "wait", "time"] and turn.peak_bytes == 12


def test_a_device_moves_the_sections_that_can_be_moved_and_the_others_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert speed.sections("all", "cpu") == list(speed.SECTIONS) and speed.sections("fid", "cpu") == ["fid"]
    monkeypatch.setattr(speed, "choose_device", torch.device)
    assert speed.sections("all", "cuda") == ["train", "infer", "rounding", "large"]
    with pytest.raises(InputError, match=r"--device cuda: expected one of train, infer, .* got score"):
        speed.sections("score", "cuda")


def test_plain_code_and_ours_compute_on_the_device_they_are_told(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in (layers.InstanceNorm, layers.OutputConv, layers.ReflectConv):
        monkeypatch.setattr(part, "forward", part.forward)  # "plain" replaces them
    ours, plain = (inference(kind, 32, 8, str(device))() for kind in ("float32", "plain"))
    np.testing.assert_allclose(ours, plain, atol=1e-4 if device.type == "cpu" else 1e-2)
    losses = training("plain", str(write_vgg19(tmp_path / "vgg19.pth")), 32, 2, 8, str(device))()
    assert all(torch.as_tensor(value).isfinite() for value in losses.values())


def test_a_device_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(SystemExit) as stopped:
        speed.main(["infer", "--device", "cuda:77", "--runs", "1"])
    assert str(stopped.value.code).startswith("device 'cuda:77': expected one that PyTorch can use here")


def test_what_goes_wrong_in_a_method_is_raised_here() -> None:
    here, there = multiprocessing.Pipe()
    method = Method.__new__(Method)  # whose process would import PyTorch for seconds
    method._here = here
    with here, there:
        methods._serve(there, inference, ("float32", 32, "no width"), 1)
        with pytest.raises(TypeError):
            method._receive()


@pytest.mark.slow
def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        speed.main(["large", "--weights", str(tmp_path / "none.safetensors"), "--runs", "1"])
    assert "no such weights" in str(stopped.value.code)
