from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.metrics.patches import bidirectional_similarity
from edgeconnect.patches import redraw as redraw_module
from edgeconnect.patches.redraw import redraw


def resized(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(picture.permute(2, 0, 1)[None], size, mode="bilinear")[0].permute(1, 2, 0)


def stripes(width: int, period: int) -> torch.Tensor:
    """(64,width,3): vertical stripes."""
    wave = (torch.arange(width) * 2 * np.pi / period).sin() / 2 + 0.5
    return wave[None, :, None].expand(64, width, 3).contiguous()


def period(picture: torch.Tensor) -> float:
    """Of the strongest wave along the middle row."""
    row = picture[picture.shape[0] // 2, :, 0].numpy()
    strength = np.abs(np.fft.rfft(row - row.mean()))
    return len(row) / strength.argmax()


@pytest.mark.parametrize("most", [redraw_module.MAX_COMPARISONS, 10**5])
def test_stretched_stripes_have_their_period_again(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Also where the finer scales are too large to be searched and take the coarser ones' matches."""
    monkeypatch.setattr(redraw_module, "MAX_COMPARISONS", most)
    photo = stripes(96, 12)
    stretched = resized(photo, (64, 192))
    assert period(stretched) == 24
    shares: list[float] = []
    assert period(redraw(stretched, photo, shares.append)) == pytest.approx(12, rel=0.1)
    assert len(shares) > 20 and shares[0] > 0 and shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_a_photo_redrawn_with_its_own_patches_stays_as_it_is() -> None:
    photo = torch.from_numpy(data.astronaut()[:96, 150:246].astype(np.float32) / 255)
    assert (redraw(photo, photo) - photo).abs().mean() < 0.01


@pytest.mark.slow
def test_what_is_redrawn_is_made_of_the_photos_patches() -> None:
    photo = torch.from_numpy(np.stack([data.brick()[:72, :72]] * 3, 2).astype(np.float32) / 255)
    stretched = resized(photo, (72, 120))
    result = redraw(stretched, photo)
    assert result.shape == stretched.shape
    before, after = (bidirectional_similarity(p.numpy(), photo.numpy()) for p in (stretched, result))
    assert after[0] < 0.5 * before[0]  # coherence
    assert after[1] < 1.1 * before[1]  # completeness


@pytest.mark.parametrize("size", [(7, 7), (8, 40), (120, 9)])
def test_small_pictures_are_redrawn_too(size: tuple[int, int]) -> None:
    photo = torch.rand(20, 24, 3, generator=torch.Generator().manual_seed(0))
    result = redraw(resized(photo, size), photo)
    assert result.shape == (*size, 3) and bool(torch.isfinite(result).all())


def test_a_picture_too_small_for_a_large_photo_is_refused() -> None:
    with pytest.raises(InputError, match="nearer to the photo's size, got 24x24 px from 3200x3000"):
        redraw(torch.zeros(24, 24, 3), torch.zeros(3000, 3200, 3))
