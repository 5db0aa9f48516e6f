"""The recipe of the continuation's log odds: a regression that finds what it should, on photos with lines."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from edgeconnect.edges import continuation
from edgeconnect.io.images import write_png
from eval.fit_lines import Truth, cases, fit, logistic_regression, main

PHOTOS = (data.astronaut, data.coffee, data.rocket, data.chelsea)
NAMES = ("JOIN_LOG_ODDS", "CHOSEN_LOG_ODDS", "EXTENSION_LOG_ODDS")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for make in PHOTOS:
        write_png(tmp_path / f"{make.__name__}.png", make())
    return tmp_path


def test_the_regression_finds_the_log_odds_that_made_the_answers(rng: np.random.Generator) -> None:
    features = np.c_[np.ones(20_000), rng.normal(size=(20_000, 2))]
    true = np.array([-0.5, 1.2, -0.7])
    right = rng.random(20_000) < 1 / (1 + np.exp(-features @ true))
    found = logistic_regression(features, right.astype(float), np.ones(20_000))
    np.testing.assert_allclose(found, true, atol=0.06)


def test_a_curve_is_right_where_a_true_line_runs_along_it() -> None:
    gray = np.where(np.arange(64)[:, None] < 32, 0.2, 0.8) * np.ones(64) + np.random.default_rng(0).normal(
        0, 1e-4, (64, 64)
    )
    x, on = np.arange(10.0, 54), np.full(44, 31.5)
    along, beside, across = np.c_[x, on], np.c_[x, on + 6], np.c_[np.full(44, 32.0), x]
    hits = Truth.of(gray).hits(np.stack([along, beside, across]))
    assert hits[0].all() and not hits[1].any() and not hits[2].any()


def test_photos_say_that_bends_and_other_colours_make_joins_unlikely(photos: Path) -> None:
    found = fit(list(cases(sorted(photos.glob("*.png")), [], seed=1)), seed=1)
    assert {name: len(values) for name, values in found.items()} == {
        name: len(getattr(continuation, name)) for name in NAMES
    }
    join = dict(zip(continuation.JOIN_FEATURES, found["JOIN_LOG_ODDS"], strict=True))
    assert join["log miss"] < 0 and join["log colour difference"] < 0
    # what is shipped was fitted on 600 other photos
    assert np.corrcoef(found["JOIN_LOG_ODDS"], continuation.JOIN_LOG_ODDS)[0, 1] > 0.5


def test_the_recipe_prints_rows_for_the_module_and_names_an_empty_folder(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(photos), "--count", "1"]) == 0
    rows = dict(line.split(" = ") for line in capsys.readouterr().out.splitlines())
    assert tuple(rows) == NAMES
    assert all(len(ast.literal_eval(row)) == len(getattr(continuation, name)) for name, row in rows.items())
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 1
    assert "empty: expected pictures, found none" in capsys.readouterr().err
