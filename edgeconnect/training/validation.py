"""Scores and a picture of the averaged generators on fixed photos and masks, during training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from edgeconnect.composite import composite
from edgeconnect.edges.maps import draw_edges
from edgeconnect.metrics import pixel
from edgeconnect.training.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from edgeconnect.training.stages import Prediction


CAPTION_PX = 16


def validate(
    predict: Callable[[Batch], Prediction], items: Sequence[Batch], batch_size: int, grid_rows: int = 8
) -> tuple[dict[str, float], NDArray[np.uint8]]:
    """Mean scores over `items` and a captioned sample grid of the first of them, (H,W,3) uint8.

    Scores by name, protocol `hole`: hole_psnr_db, hole_ssim, hole_l1 where the stage paints; edge_precision,
    edge_recall and edge_f1 in the hole (threshold 0.5) where it draws edges.
    """
    scores: list[dict[str, float]] = []
    rows: list[NDArray[np.uint8]] = []
    for start in range(0, len(items), batch_size):
        batch = Batch.stack(items[start : start + batch_size])
        prediction = predict(batch)
        for i in range(len(batch)):
            scores.append(_scores(batch, prediction, i))
            if len(rows) < grid_rows:
                rows.append(sample_row(batch, prediction, i))
    return _means(scores), np.concatenate([caption(prediction, rows[0].shape[1]), *rows])


def caption(prediction: Prediction, width: int) -> NDArray[np.uint8]:
    """The names of a sample row's pictures as a line of text, (CAPTION_PX,width,3) uint8."""
    names = [
        "photo",
        "hole",
        *(["edges"] if prediction.C_comp is not None else []),
        *(["result"] if prediction.I_pred is not None else []),
    ]
    line = Image.new("RGB", (width, CAPTION_PX), "white")
    draw = ImageDraw.Draw(line)
    for number, name in enumerate(names):
        draw.text((number * width // len(names) + 3, 1), name, "black", ImageFont.load_default(11))
    return np.asarray(line)


def sample_row(batch: Batch, prediction: Prediction, i: int) -> NDArray[np.uint8]:
    """Item i of a batch as one row of pictures: photo, hole, edges (known black, completed blue), result."""
    photo, mask = batch.photo[i], batch.mask[i]
    cells = [photo, composite(photo, torch.ones_like(photo), mask)]
    if prediction.C_comp is not None:
        drawn = draw_edges(prediction.C_comp[i, 0].float().cpu().numpy(), mask[0].numpy() > 0.5)
        cells.append(torch.from_numpy(drawn).permute(2, 0, 1) / 255)
    if prediction.I_pred is not None:
        cells.append(composite(photo, prediction.I_pred[i].float().cpu(), mask))
    return (torch.cat(cells, dim=2).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def _means(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each score over the items that have it: none without a hole, no PSNR where all is right."""
    names = dict.fromkeys(name for item in scores for name in item)
    finite = {name: [s[name] for s in scores if math.isfinite(s.get(name, math.nan))] for name in names}
    return {name: float(np.mean(values)) for name, values in finite.items() if values}


def _scores(batch: Batch, prediction: Prediction, i: int) -> dict[str, float]:
    hole = batch.mask[i, 0].numpy() > 0.5
    if not hole.any():
        return {}
    found: dict[str, float] = {}
    if prediction.C_pred is not None:
        predicted, truth = prediction.C_pred[i, 0].float().cpu().numpy(), batch.edge[i, 0].numpy()
        score = pixel.edge_precision_recall(predicted, truth, hole)
        found |= {"edge_precision": score.precision, "edge_recall": score.recall, "edge_f1": score.f1}
    if prediction.I_pred is not None:
        truth = _array(batch.photo[i])
        result = _array(composite(batch.photo[i], prediction.I_pred[i].float().cpu(), batch.mask[i]))
        found["hole_psnr_db"] = pixel.psnr(truth, result, hole)
        found["hole_ssim"] = pixel.ssim(truth, result, mask=hole)
        found["hole_l1"] = pixel.l1(truth, result, hole)
    return found


def _array(photo: Tensor) -> NDArray[np.float32]:
    return photo.permute(1, 2, 0).numpy()
