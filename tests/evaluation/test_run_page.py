from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small import run_verb, sentence_of, tiny_config

from edgeconnect.evaluation.plots import curve_plot, running_mean
from edgeconnect.evaluation.run_page import read_curves, thinned
from edgeconnect.training.loop import train


def test_a_runs_page_has_its_curves_samples_and_settings_and_nothing_from_outside(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, validate_every=2)
    train(config)
    run_verb("plot", config.run)
    page = (config.run / "run.html").read_text()
    logged = {
        name for line in (config.run / "log.jsonl").read_text().splitlines() for name in json.loads(line)
    }
    titles = re.findall(r'aria-label="(\w+): [^"]+"', page)
    assert set(titles) == logged - {"step", "seconds"}
    assert titles[0].startswith("val_") and titles[-1] in ("lr", "images_per_s")
    assert page.count("data:image/png;base64,") == len(list((config.run / "samples").iterdir())) == 4
    assert "stage: edge" in page and "After step 6 of 6: stage edge" in page
    assert "<figcaption>step 6</figcaption>" in page
    assert not re.search(r'(src|href)="(?!data:)', page) and "http" not in page


def test_the_page_can_be_written_elsewhere_and_again(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "l1": 0.5}\n')
    run_verb("plot", tmp_path, "--out", tmp_path / "page.html")
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 2, "l1": 0.25}\n{"step": 3, "l')  # and a line that is being written
    run_verb("plot", tmp_path, "--out", tmp_path / "page.html")
    assert "l1: 0.25" in (tmp_path / "page.html").read_text()


def test_the_page_is_rewritten_until_it_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, page = tmp_path / "log.jsonl", tmp_path / "run.html"
    log.write_text('{"step": 1, "l1": 0.5}\n')
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        shown = page.read_text()
        assert 'http-equiv="refresh" content="7"' in shown and f"l1: {0.5 ** (len(waited) + 1)}" in shown
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt
        with log.open("a") as more:
            more.write(f'{{"step": {len(waited) + 1}, "l1": {0.5 ** (len(waited) + 1)}}}\n')

    monkeypatch.setattr("time.sleep", sleep)
    run_verb("plot", tmp_path, "--every", "7")
    assert waited == [7, 7, 7]
    assert "refresh" not in page.read_text()


def test_curves_hold_finite_numbers_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"step": 1, "a": 2, "b": NaN, "seconds": 3}\n[1]\n{"step": "x"}\n{"step": 4, "a": 5}\n'
        f'{{"step": {"9" * 400}, "a": 1}}\n{{"step": 5, "a": {"9" * 400}}}\n{{"step": 1e999, "a": 1}}\n'
    )
    assert read_curves(log) == {"a": [(1, 2), (4, 5)]}


def test_long_curves_keep_their_mean() -> None:
    curve = [(float(step), float(step % 7)) for step in range(30_000)]
    short = thinned(curve)
    assert len(short) == 300
    np.testing.assert_allclose(np.mean(short, axis=0), np.mean(curve, axis=0))


def test_noise_is_faint_behind_its_mean_and_few_points_are_dots() -> None:
    noisy = [(float(step), 0.5 * step + 9 * (-1) ** step) for step in range(101)]
    mean = running_mean(noisy)
    np.testing.assert_allclose([value for _, value in mean[5:-5]], np.arange(5, 96) / 2, atol=1)
    assert abs(mean[-1][1] - noisy[-1][0] / 2) < 3 and mean[-1][0] == 100
    assert curve_plot("lr", noisy, is_exact=True).count("<polyline") == 1
    plot = curve_plot("l1", noisy)
    assert plot.count("<polyline") == 2 and 'class="faint"' in plot and "<circle" not in plot
    few = curve_plot("val_l1", noisy[:4])
    assert few.count("<polyline") == 1 and few.count("<circle") == 4 and "faint" not in few


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    assert "expected a run's folder with log.jsonl" in sentence_of("plot", tmp_path)
    (tmp_path / "log.jsonl").touch()
    assert "expected lines with a step" in sentence_of("plot", tmp_path)
