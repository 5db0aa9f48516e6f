"""Total variation in the hole: a picture without speckles (Johnson et al., ECCV 2016, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeconnect.composite import composite

if TYPE_CHECKING:
    from torch import Tensor

    from edgeconnect.training.batch import Batch
    from edgeconnect.training.stages import Prediction


def total_variation(batch: Batch, prediction: Prediction) -> Tensor:
    """Mean absolute difference of neighbours of which one lies in the hole, rows and columns added: a scalar.

    Of I_comp where the stage paints, else of C_comp.
    """
    if prediction.I_pred is not None:
        result = composite(batch.photo, prediction.I_pred.float(), batch.mask)
    else:
        assert prediction.C_comp is not None
        result = prediction.C_comp.float()
    mask = batch.mask
    down = (result[..., 1:, :] - result[..., :-1, :]).abs() * mask[..., 1:, :].maximum(mask[..., :-1, :])
    right = (result[..., 1:] - result[..., :-1]).abs() * mask[..., 1:].maximum(mask[..., :-1])
    return (down.sum() + right.sum()) / (mask.sum() * result.shape[1]).clamp(min=1)
