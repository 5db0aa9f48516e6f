from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeconnect.ingan.networks import Discriminator, Generator, PhotoNorm, scale_sizes, scale_weights
from edgeconnect.ingan.transforms import Transformation
from edgeconnect.models.layers import convolutions


def random_pictures(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


def small_generator(**options: int) -> Generator:
    torch.manual_seed(0)
    return Generator(**{"width": 4, "downscales": 2, "blocks": 1, **options})


def small_discriminator(scales: int = 3) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(scales, width=4)


@pytest.mark.parametrize("downscales", [0, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (17, 40), (64, 31)])
def test_any_size_becomes_any_size(downscales: int, size: tuple[int, int]) -> None:
    generator = small_generator(downscales=downscales)
    for source in (random_pictures(1, 4, 5), random_pictures(2, 33, 18)):
        for shifts in ((0.0, 0.0), (0.2, -0.1)):
            y = generator(source, Transformation(size, shifts))
            assert y.shape == (len(source), 3, *size)
            assert y.abs().max() <= 1


def test_a_residual_generator_starts_as_the_transformation_alone() -> None:
    x, T = random_pictures(1, 20, 30), Transformation((33, 24), (0.1, -0.2))
    torch.testing.assert_close(small_generator(residual=True)(x, T), T(x))
    assert (small_generator()(x, T) - T(x)).abs().mean() > 0.1


def test_the_published_generator_has_the_published_layers() -> None:
    convs = convolutions(Generator())
    shapes = [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convs.values()]
    block = [(512, 128, 1), (128, 128, 3), (128, 512, 1)]
    downs, ups = [(64, 128, 3), (128, 256, 3), (256, 512, 3)], [(512, 256, 3), (256, 128, 3), (128, 64, 3)]
    assert shapes == [(3, 64, 7), *downs, *block * 6, *ups, (64, 3, 7)]


def test_the_published_discriminator_has_the_published_layers() -> None:
    convs = convolutions(Discriminator(1)).values()
    shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convs]
    assert shapes == [(3, 64, 3, 1), (64, 128, 3, 2), (128, 128, 3, 1), (128, 1, 1, 1)]


@pytest.mark.parametrize("network", [small_generator(), small_discriminator(1)])
def test_every_layer_but_the_last_is_spectrally_normalised(network: nn.Module) -> None:
    *others, last = convolutions(network).values()
    network.train()
    for _ in range(30):  # the power iteration settles
        _ = [conv.weight for conv in others]
    for conv in others:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not hasattr(last, "parametrizations")


def test_the_generator_is_local() -> None:
    """A distant change changes nothing: sizes and shapes are free because no layer sees the whole."""
    generator, same = small_generator(downscales=1).eval(), Transformation((64, 64))
    picture = random_pictures(1, 64, 64)
    changed = picture.clone()
    changed[..., :4, :4] = 0
    with torch.no_grad():
        difference = (generator(picture, same) - generator(changed, same)).abs().amax(1)[0]
    assert difference[:8, :8].max() > 0
    assert difference[40:, :].max() == 0 and difference[:, 40:].max() == 0


def test_without_poolings_shifted_pictures_become_shifted_results() -> None:
    generator = small_generator(downscales=0, blocks=1).eval()
    picture = random_pictures(1, 48, 48)
    with torch.no_grad():
        whole = generator(picture, Transformation((48, 48)))
        part = generator(picture[..., 5:45, 3:43], Transformation((40, 40)))
    torch.testing.assert_close(part[..., 10:30, 10:30], whole[..., 15:35, 13:33], atol=1e-5, rtol=1e-4)


def test_an_output_of_the_finest_scale_sees_nine_by_nine_pixels() -> None:
    discriminator = small_discriminator(1).eval()
    picture = random_pictures(1, 30, 40).requires_grad_()
    logits = discriminator(picture, [1.0])
    assert logits.shape == (1, 1, 11, 16)
    logits[0, 0, 4, 7].backward()
    assert picture.grad is not None
    rows, columns = torch.nonzero(picture.grad.abs().sum((0, 1)), as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 16, 14, 22)


def test_scales_shrink_by_the_factor_as_long_as_they_fit() -> None:
    sides = [256, 183, 131, 93, 67, 48, 34, 24, 17]
    assert scale_sizes(256, 256, None) == [(s, s) for s in sides]
    assert scale_sizes(256, 256, 2) == [(256, 256), (183, 183)]
    assert scale_sizes(18, 100, None) == [(18, 100)]
    assert scale_sizes(19, 100, None) == [(19, 100), (14, 71)]


def test_weights_start_coarse_and_end_even() -> None:
    assert scale_weights(3, 0.0) == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert scale_weights(3, 1.0) == pytest.approx([1 / 3] * 3)
    assert scale_weights(2, 0.5) == pytest.approx([5 / 12, 7 / 12])
    assert scale_weights(1, 0.3) == [1.0]


def test_the_logits_are_the_weighted_mean_of_the_scales() -> None:
    discriminator, picture = small_discriminator(2).eval(), random_pictures(1, 30, 30)
    fine, coarse = discriminator.maps(picture)
    assert coarse.shape == (1, 1, 7, 7)  # of 21 px
    for weights, expected in (([1.0, 0.0], fine), ([3.0, 0.0], fine)):
        torch.testing.assert_close(discriminator(picture, weights), expected)
    only_coarse = discriminator(picture, [0.0, 1.0])
    assert only_coarse.shape == fine.shape
    assert only_coarse.mean().item() == pytest.approx(coarse.mean().item(), abs=0.02)
    torch.testing.assert_close(discriminator(picture, [0.25, 0.75]), 0.25 * fine + 0.75 * only_coarse)


def test_a_picture_too_small_for_coarse_scales_is_seen_at_the_others() -> None:
    discriminator, picture = small_discriminator(3).eval(), random_pictures(1, 16, 16)
    assert len(discriminator.maps(picture)) == 1
    torch.testing.assert_close(discriminator(picture, [0.2, 0.3, 0.5]), discriminator.maps(picture)[0])


def test_what_is_in_a_hole_changes_no_logit_that_counts() -> None:
    discriminator, weights = small_discriminator(3).eval(), [0.2, 0.3, 0.5]
    picture, other = random_pictures(1, 60, 70), random_pictures(1, 60, 70, seed=1)
    hole = torch.zeros(1, 1, 60, 70)
    hole[..., 20:33, 41:50] = 1
    with torch.no_grad():
        logits, share = discriminator.known(picture, hole, weights)
        again, _ = discriminator.known(torch.where(hole > 0, other, picture), hole, weights)
        plain, plain_again = (
            discriminator(p, weights) for p in (picture, torch.where(hole > 0, other, picture))
        )
    assert torch.equal(logits, again)
    assert not torch.equal(plain, plain_again)
    # and no more is left out than must be: at the finest scale, patches with a part in the hole
    seen = discriminator.known_patches(hole)[0][0, 0]
    for row, column in np.ndindex(*seen.shape):
        touches = hole[..., 2 * row : 2 * row + 9, 2 * column : 2 * column + 9].any()
        assert seen[row, column] == ~touches
    assert share.min() < 0.99 and share.max().item() == pytest.approx(1)
    torch.testing.assert_close(logits[share > 0.999], plain[share > 0.999])


@pytest.mark.parametrize(("norm", "is_blind"), [("batch", True), ("photo", False), ("none", False)])
def test_batch_norm_alone_hides_contrast_and_hue_from_the_discriminator(norm: str, is_blind: bool) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(2, width=4, norm=norm).train()
    picture = random_pictures(1, 40, 40)
    other = picture * 0.5 + torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    with torch.no_grad():
        first, second = discriminator.real(picture, [0.5, 0.5]), discriminator(other, [0.5, 0.5])
    spread = first.std().item()
    assert ((first - second).abs().mean().item() < 0.2 * spread) == is_blind


def test_the_photo_s_statistics_are_learned_from_real_pictures_alone() -> None:
    norm, real = PhotoNorm(3).train(), random_pictures(2, 20, 20)
    norm.learns = True
    expected = nn.BatchNorm2d(3)(real)
    torch.testing.assert_close(norm(real), expected)
    norm.learns = False
    fake = random_pictures(1, 20, 20, seed=1) * 3 + 1
    before = norm.mean.clone(), norm.variance.clone()
    scale = norm.variance.add(1e-5).rsqrt().view(1, 3, 1, 1)
    torch.testing.assert_close(norm(fake), (fake - norm.mean.view(1, 3, 1, 1)) * scale)
    assert torch.equal(norm.mean, before[0]) and torch.equal(norm.variance, before[1])
    norm.learns = True
    norm(fake)
    # the second picture counts for half, as many as have been seen
    torch.testing.assert_close(norm.mean, (before[0] + fake.mean((0, 2, 3))) / 2)
    discriminator = Discriminator(1, width=4, norm="photo")
    logits = discriminator.real(real, [1.0])
    counts = {name: int(c) for name, c in discriminator.state_dict().items() if name.endswith("count")}
    assert logits.shape == (2, 1, 6, 6) and set(counts.values()) == {1} and len(counts) == 3
    discriminator(fake, [1.0])
    assert all(int(c) == 1 for name, c in discriminator.state_dict().items() if name.endswith("count"))


def test_without_a_hole_everything_counts_and_with_nothing_else_nothing() -> None:
    discriminator, weights, picture = small_discriminator(2).eval(), [0.5, 0.5], random_pictures(1, 30, 30)
    logits, share = discriminator.known(picture, torch.zeros(1, 1, 30, 30), weights)
    torch.testing.assert_close(logits, discriminator(picture, weights))
    torch.testing.assert_close(share, torch.ones_like(share))
    logits, share = discriminator.known(picture, torch.ones(1, 1, 30, 30), weights)
    assert share.max() == 0 and logits.isfinite().all()


def test_bfloat16_stays_near_float32_and_keeps_its_type_between_layers() -> None:
    generator, discriminator = small_generator().eval(), small_discriminator(2).eval()
    picture, T = random_pictures(1, 40, 40), Transformation((50, 30), (0.1, 0.0))
    kinds = set()
    for module in (*generator.modules(), *discriminator.modules()):
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda m, given, result: kinds.add((m.in_channels > 3, given[0].dtype))
            )
    with torch.no_grad():
        exact = generator(picture, T), discriminator(picture, [0.5, 0.5])
        kinds.clear()
        with torch.autocast("cpu", torch.bfloat16):
            near = generator(picture, T), discriminator(picture, [0.5, 0.5])
    for a, b in zip(exact, near, strict=True):
        assert (a - b).abs().max() < 0.05
    assert kinds == {(False, torch.float32), (True, torch.bfloat16)}
