from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from small import made_up_batch
from torch.nn import functional as F

from edgeconnect.composite import composite
from edgeconnect.edges.continuation import continue_edges
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.models.smooth_fill import smooth_fill


def other_hole(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The same known values with others in the hole."""
    return composite(values, torch.rand_like(values) * 5 - 2, mask)


def solved(photo: np.ndarray, hole: np.ndarray, tension: float) -> np.ndarray:
    """The least sum of squared Laplacians and `tension` times squared differences, the rim given: (H,W)."""
    height, width = photo.shape
    across = np.kron(np.eye(height), np.diff(np.eye(width), axis=0))
    down = np.kron(np.diff(np.eye(height), axis=0), np.eye(width))
    differences = np.concatenate((across, down))
    rows = np.concatenate((differences.T @ differences, tension**0.5 * differences))
    result, inside = photo.ravel().copy(), hole.ravel()
    result[inside] = np.linalg.lstsq(rows[:, inside], -rows[:, ~inside] @ result[~inside], rcond=None)[0]
    return result.reshape(photo.shape)


def smooth_photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 16
    return 0.5 + 0.25 * np.sin(y + 0.5) * np.cos(0.7 * x) + 0.2 * np.sin(0.3 * x * y / 8)


def holes() -> dict[str, np.ndarray]:
    square, border, scattered = (np.zeros((24, 32), bool) for _ in range(3))
    square[6:18, 10:22] = True
    border[:10, 20:] = True
    scattered[np.random.default_rng(0).random((24, 32)) < 0.4] = True
    return {"square": square, "border": border, "scattered": scattered}


def test_the_edge_generator_paints_holes_white_and_without_edges() -> None:
    batch, generator = made_up_batch(), EdgeGenerator(4, 1).eval()
    inputs = torch.cat(
        (batch.gray * (1 - batch.mask) + batch.mask, batch.edge * (1 - batch.mask), batch.mask), 1
    )
    expected = torch.sigmoid(generator.net(inputs))
    torch.testing.assert_close(generator(batch.gray, batch.edge, batch.mask), expected)


def test_the_inpainting_generator_paints_holes_white_and_takes_the_edges_as_given() -> None:
    batch, generator = made_up_batch(), InpaintGenerator(4, 1).eval()
    masked = batch.photo * (1 - batch.mask) + batch.mask
    expected = (torch.tanh(generator.net(torch.cat((masked, batch.edge), 1))) + 1) / 2
    torch.testing.assert_close(generator(batch.photo, batch.edge, batch.mask), expected)


def test_the_edge_generator_does_not_see_what_lies_in_the_hole() -> None:
    batch, generator = made_up_batch(), EdgeGenerator(4, 1).eval()
    gray, edge = other_hole(batch.gray, batch.mask), other_hole(batch.edge, batch.mask)
    expected = generator(batch.gray, batch.edge, batch.mask)
    assert torch.equal(generator(gray, edge, batch.mask), expected)


@pytest.mark.parametrize("hole_start", ["white", "smooth"])
def test_the_inpainting_generator_does_not_see_what_lies_in_the_hole(hole_start) -> None:
    batch, generator = made_up_batch(), InpaintGenerator(4, 1, hole_start=hole_start).eval()
    torch.nn.init.normal_(generator.net.decoder[-1].weight)
    expected = generator(batch.photo, batch.edge, batch.mask)
    assert torch.equal(generator(other_hole(batch.photo, batch.mask), batch.edge, batch.mask), expected)


@pytest.mark.parametrize("hole_start", ["white", "smooth"])
def test_edges_drawn_in_the_hole_change_the_picture(hole_start) -> None:
    batch, generator = made_up_batch(), InpaintGenerator(4, 1, hole_start=hole_start).eval()
    torch.nn.init.normal_(generator.net.decoder[-1].weight)
    drawn = composite(batch.edge, 1 - batch.edge, batch.mask)
    difference = generator(batch.photo, batch.edge, batch.mask) - generator(batch.photo, drawn, batch.mask)
    assert (difference.abs() * batch.mask).max() > 1e-3


def test_outputs_are_probabilities_and_colours() -> None:
    batch = made_up_batch()
    for start in ("white", "smooth"):
        generator = InpaintGenerator(4, 1, hole_start=start)
        torch.nn.init.normal_(generator.net.decoder[-1].weight, std=5)
        picture = generator(batch.photo, batch.edge, batch.mask)
        assert picture.shape == batch.photo.shape
        assert picture.min() >= 0 and picture.max() <= 1
    edges = EdgeGenerator(4, 1)(batch.gray, batch.edge, batch.mask)
    assert edges.shape == batch.edge.shape
    assert edges.min() >= 0 and edges.max() <= 1


def test_an_untrained_smooth_generator_returns_the_smooth_fill() -> None:
    batch, generator = made_up_batch(), InpaintGenerator(4, 1, hole_start="smooth")
    start = smooth_fill(batch.photo, batch.mask).clamp(0, 1)
    # tanh(atanh(1.96 p - 0.98)) leaves 0.01 of distance to black and white
    expected = 0.98 * start + 0.01
    torch.testing.assert_close(generator(batch.photo, batch.edge, batch.mask), expected, atol=1e-5, rtol=0)


def test_a_given_start_replaces_the_smooth_fill_in_the_hole_alone() -> None:
    batch, generator = made_up_batch(), InpaintGenerator(4, 1, hole_start="smooth")
    start = torch.rand_like(batch.photo)
    expected = 0.98 * composite(batch.photo, start, batch.mask) + 0.01
    got = generator(batch.photo, batch.edge, batch.mask, start)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["square", "border", "scattered"])
def test_the_smooth_fill_is_nearly_the_spline_under_tension(name: str) -> None:
    photo, hole = smooth_photo(24, 32), holes()[name]
    tensors = (torch.tensor(a, dtype=torch.float32)[None, None] for a in (photo, hole))
    filled = smooth_fill(*tensors)[0, 0].numpy()
    wrong = np.abs(filled - solved(photo, hole, 0.3))
    spread = np.ptp(photo)
    assert wrong.max() < 0.05 * spread
    assert wrong[hole].mean() < 0.03 * spread


@pytest.mark.parametrize("tension", [0.1, 0.3, 2.0])
def test_many_steps_reach_the_spline_itself(tension: float) -> None:
    photo, hole = smooth_photo(24, 24), np.zeros((24, 24), bool)
    hole[6:18, 8:20] = True
    tensors = (torch.tensor(a, dtype=torch.float64)[None, None] for a in (photo, hole))
    filled = smooth_fill(*tensors, tension=tension, steps=300)[0, 0].numpy()
    np.testing.assert_allclose(filled, solved(photo, hole, tension), atol=1e-9)


def test_the_smooth_fill_continues_gradients_where_a_harmonic_one_would_be_flat() -> None:
    ramp = (torch.arange(32.0) / 31).expand(1, 1, 32, 32)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 24:] = 1
    filled = smooth_fill(ramp * (1 - mask), mask)
    assert filled[0, 0, 16, 25] > ramp[0, 0, 16, 23] + 0.5 / 31


def test_the_smooth_fill_leaves_known_pixels_as_they_are() -> None:
    batch = made_up_batch(3)
    filled = smooth_fill(batch.photo, batch.mask)
    assert torch.equal(filled * (1 - batch.mask), batch.photo * (1 - batch.mask))
    assert torch.equal(smooth_fill(batch.photo, torch.zeros_like(batch.mask)), batch.photo)


def test_the_smooth_fill_of_a_batch_equals_its_items_and_of_a_mirrored_photo_the_mirrored_fill() -> None:
    batch = made_up_batch(2, size=32)
    mask = torch.cat((batch.mask[:1], batch.mask[1:].roll(5, -1)))
    filled = smooth_fill(batch.photo, mask)
    singles = torch.cat([smooth_fill(p[None], m[None]) for p, m in zip(batch.photo, mask, strict=True)])
    torch.testing.assert_close(filled, singles)
    torch.testing.assert_close(smooth_fill(batch.photo.flip(-1), mask.flip(-1)).flip(-1), filled)


@pytest.mark.parametrize(("height", "width"), list(product((1, 2, 3, 17), repeat=2)))
def test_the_smooth_fill_takes_any_size_even_without_a_known_pixel(height: int, width: int) -> None:
    filled = smooth_fill(torch.rand(1, 3, height, width), torch.ones(1, 1, height, width))
    assert filled.shape == (1, 3, height, width)
    assert filled.isfinite().all()


def test_a_constant_photo_is_filled_with_its_constant() -> None:
    photo, mask = torch.full((1, 3, 40, 40), 0.3), F.pad(torch.ones(1, 1, 20, 20), (10, 10, 10, 10))
    torch.testing.assert_close(smooth_fill(photo * (1 - mask), mask), photo)


def test_a_sharpened_edge_generator_draws_the_same_lines_without_shades() -> None:
    torch.manual_seed(0)
    generator = EdgeGenerator(8, 1, spectral=False).eval()
    inputs = [torch.rand(1, 1, 32, 32) for _ in range(3)]
    with torch.no_grad():
        soft = generator(*inputs)
        generator.sharpen(0.4)
        steep = generator(*inputs)
    odds = (soft / (1 - soft)) / (0.4 / 0.6)
    torch.testing.assert_close(steep, odds**8 / (1 + odds**8), atol=1e-4, rtol=1e-3)
    assert torch.equal(steep > 0.5, soft > 0.4)


def test_a_scaled_residual_is_that_share_of_what_the_generator_adds_to_its_start() -> None:
    torch.manual_seed(0)
    generator = InpaintGenerator(8, 1, hole_start="smooth").eval()
    torch.nn.init.normal_(generator.net.decoder[-1].weight, std=0.01)
    photo, edge, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1

    def added() -> torch.Tensor:
        start = torch.atanh(1.96 * smooth_fill(photo, mask).clamp(0, 1) - 0.98)
        return torch.atanh((2 * generator(photo, edge, mask) - 1).clamp(-0.9999, 0.9999)) - start

    with torch.no_grad():
        whole = added()
        generator.scale_residual(0.7)
        torch.testing.assert_close(added(), 0.7 * whole, atol=0.01, rtol=0.01)
        assert whole[mask.expand_as(whole) == 1].abs().mean() > 0.05
    with pytest.raises(ValueError, match="starts from white"):
        InpaintGenerator(8, 1).scale_residual(0.7)


def test_an_edge_generator_that_starts_from_continued_lines_makes_them_itself() -> None:
    batch, generator = made_up_batch(), EdgeGenerator(4, 1, edge_start="continued").eval()
    planes = batch.gray[:, 0].numpy(), batch.edge[:, 0].numpy(), batch.mask[:, 0].numpy() > 0.5
    start = torch.from_numpy(np.stack([continue_edges(*sample) for sample in zip(*planes, strict=True)]))[
        :, None
    ]
    inputs = torch.cat(
        (batch.gray * (1 - batch.mask) + batch.mask, batch.edge * (1 - batch.mask), batch.mask, start), 1
    )
    expected = torch.sigmoid(generator.net(inputs))
    torch.testing.assert_close(generator(batch.gray, batch.edge, batch.mask), expected)
    torch.testing.assert_close(generator(batch.gray, batch.edge, batch.mask, start), expected)
    gray, edge = other_hole(batch.gray, batch.mask), other_hole(batch.edge, batch.mask)
    assert torch.equal(generator(gray, edge, batch.mask), generator(batch.gray, batch.edge, batch.mask))


def test_a_generator_without_a_start_ignores_one() -> None:
    batch, generator = made_up_batch(), EdgeGenerator(4, 1).eval()
    inputs = batch.gray, batch.edge, batch.mask
    assert torch.equal(generator(*inputs), generator(*inputs, torch.rand_like(batch.mask)))


def test_softening_undoes_sharpening() -> None:
    batch, generator = made_up_batch(), EdgeGenerator(4, 1).eval()
    before = generator(batch.gray, batch.edge, batch.mask)
    generator.sharpen(0.6)
    generator.soften(0.6)
    torch.testing.assert_close(generator(batch.gray, batch.edge, batch.mask), before)
