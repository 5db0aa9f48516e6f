from __future__ import annotations

import numpy as np
import pytest
import torch
from small import made_up_batch

from edgeconnect.composite import composite
from edgeconnect.metrics import pixel
from edgeconnect.training.batch import Batch
from edgeconnect.training.stages import Prediction
from edgeconnect.training.validation import CAPTION_PX, sample_row, validate


def items(count: int) -> list[Batch]:
    batch = made_up_batch(count)
    return [Batch(batch.photo[i], batch.gray[i], batch.edge[i], batch.mask[i]) for i in range(count)]


def noisy(batch: Batch) -> Prediction:
    """Edges exchanged in the hole, photos 0.1 too bright."""
    C_pred = 1 - batch.edge
    return Prediction(C_pred, composite(batch.edge, C_pred, batch.mask), batch.photo + 0.1)


def test_scores_are_the_means_of_each_items_own() -> None:
    scores, _ = validate(noisy, items(5), batch_size=2)
    assert scores["hole_l1"] == pytest.approx(0.1, abs=1e-3)
    assert scores["hole_psnr_db"] == pytest.approx(20, abs=0.05)
    assert scores["edge_precision"] == scores["edge_recall"] == scores["edge_f1"] == 0
    assert 0 < scores["hole_ssim"] < 1


def test_scores_do_not_depend_on_the_batch_size() -> None:
    first, second = (validate(noisy, items(5), batch_size=size)[0] for size in (1, 5))
    assert first == pytest.approx(second)


def test_what_a_stage_does_not_make_is_not_scored() -> None:
    edges, _ = validate(lambda b: Prediction(C_pred=b.edge, C_comp=b.edge), items(2), 2)
    colours, _ = validate(lambda b: Prediction(C_comp=b.edge, I_pred=b.photo * 0.5), items(2), 2)
    assert edges == {"edge_precision": 1, "edge_recall": 1, "edge_f1": 1}
    assert colours.keys() == {"hole_psnr_db", "hole_ssim", "hole_l1"}


def test_items_without_a_hole_are_left_out_of_the_means() -> None:
    photos = items(3)
    whole = Batch(photos[0].photo, photos[0].gray, photos[0].edge, torch.zeros_like(photos[0].mask))
    with_whole, grid = validate(noisy, [whole, *photos[1:]], 3)
    without, _ = validate(noisy, photos[1:], 2)
    assert with_whole == pytest.approx(without)
    assert len(grid) == CAPTION_PX + 3 * 32
    assert validate(noisy, [whole], 1)[0] == {}


def test_scores_agree_with_the_metrics_on_the_composite() -> None:
    (item,) = items(1)
    scores, _ = validate(lambda b: Prediction(C_comp=b.edge, I_pred=b.photo.flip(-1)), [item], 1)
    result = torch.where(item.mask.bool(), item.photo.flip(-1), item.photo)
    truth, picture = (t.permute(1, 2, 0).numpy() for t in (item.photo, result))
    assert scores["hole_psnr_db"] == pytest.approx(pixel.psnr(truth, picture, item.mask[0].numpy() > 0))


def test_a_grid_has_a_row_for_each_item_up_to_its_limit_and_a_cell_for_each_picture() -> None:
    _, grid = validate(noisy, items(5), 2, grid_rows=3)
    assert grid.shape == (CAPTION_PX + 3 * 32, 4 * 32, 3)
    assert [(grid[:CAPTION_PX, 32 * i : 32 * i + 32] < 128).any() for i in range(4)] == [True] * 4
    assert grid.dtype == np.uint8
    _, grid = validate(lambda b: Prediction(C_pred=b.edge, C_comp=b.edge), items(2), 2)
    assert grid.shape == (CAPTION_PX + 2 * 32, 3 * 32, 3)


def test_a_row_shows_photo_hole_edges_and_composite() -> None:
    batch = made_up_batch(1)
    row = sample_row(batch, Prediction(C_comp=batch.edge, I_pred=torch.zeros_like(batch.photo)), 0)
    photo, hole, _, result = np.split(row, 4, axis=1)
    expected = (batch.photo[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    mask = batch.mask[0, 0].numpy() > 0
    np.testing.assert_array_equal(photo, expected)
    assert (hole[mask] == 255).all() and (result[mask] == 0).all()
    np.testing.assert_array_equal(hole[~mask], expected[~mask])
    np.testing.assert_array_equal(result[~mask], expected[~mask])
