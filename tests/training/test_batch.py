from __future__ import annotations

import numpy as np
import torch
from skimage.color import rgb2gray
from small import made_up_batch

from edgeconnect.composite import composite
from edgeconnect.training.batch import Batch, luminance


def test_luminance_is_scikit_images_rgb2gray() -> None:
    photo = torch.rand(2, 3, 9, 7)
    expected = [rgb2gray(p.permute(1, 2, 0).numpy()) for p in photo]
    np.testing.assert_allclose(luminance(photo)[:, 0].numpy(), expected, atol=1e-6)


def test_a_composite_is_the_known_picture_outside_and_the_filled_one_inside() -> None:
    known, filled = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    mask = (torch.rand(2, 1, 8, 8) > 0.5).float()
    assert torch.equal(composite(known, filled, mask), torch.where(mask.bool(), filled, known))
    assert torch.equal(composite(known, filled, torch.zeros_like(mask)), known)
    assert torch.equal(composite(known, filled, torch.ones_like(mask)), filled)


def test_a_composite_of_a_composite_is_that_composite() -> None:
    known, filled = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8)
    mask = (torch.rand(1, 1, 8, 8) > 0.5).float()
    once = composite(known, filled, mask)
    assert torch.equal(composite(once, filled, mask), once)
    assert torch.equal(composite(known, once, mask), once)
    assert torch.equal(composite(filled, known, 1 - mask), once)


def test_stacked_items_make_the_batch_they_came_from() -> None:
    batch = made_up_batch(3)
    items = [Batch(batch.photo[i], batch.gray[i], batch.edge[i], batch.mask[i]) for i in range(3)]
    stacked = Batch.stack(items)
    assert len(stacked) == 3
    for name in ("photo", "gray", "edge", "mask"):
        assert torch.equal(getattr(stacked, name), getattr(batch, name))


def test_channels_last_changes_the_layout_alone() -> None:
    batch = made_up_batch(2)
    moved = batch.to("cpu", channels_last=True)
    assert torch.equal(moved.photo, batch.photo)
    assert moved.photo.is_contiguous(memory_format=torch.channels_last)
