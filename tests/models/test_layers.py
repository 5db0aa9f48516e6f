from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgeconnect.device import deterministic_kernels
from edgeconnect.models.discriminator import PatchDiscriminator
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.models.layers import (
    Generator,
    InstanceNorm,
    OutputConv,
    ResizeConv,
    convolutions,
    effective_weights,
    initialise,
    normalise_spectrum,
    normalised_shapes,
    reflect,
    resize_kernel,
    set_effective_weights,
)


def largest_singular_value(weight: torch.Tensor, is_transposed: bool) -> float:
    matrix = weight.detach().numpy()
    matrix = matrix.transpose(1, 0, 2, 3) if is_transposed else matrix
    return float(np.linalg.svd(matrix.reshape(len(matrix), -1), compute_uv=False)[0])


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: EdgeGenerator(), 10_761_089),
        (lambda: InpaintGenerator(), 10_774_595),
        (lambda: PatchDiscriminator(2), 2_762_752),
        (lambda: PatchDiscriminator(3), 2_763_776),
    ],
)
def test_each_network_has_the_papers_number_of_parameters(network, count: int) -> None:
    assert sum(p.numel() for p in network().parameters()) == count


def test_the_shapes_of_normalised_weights_are_known_without_them() -> None:
    def network() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 3, 2), nn.Conv2d(3, 1, 1)
        )

    made = network()
    normalise_spectrum(made, keep=made[-1])
    with torch.device("meta"):
        plain = network()
    expected = {key: tuple(tensor.shape) for key, tensor in made.state_dict().items()}
    assert normalised_shapes(plain, keep=plain[-1]) == expected


def test_instance_norm_is_torchs_own() -> None:
    x = torch.randn(2, 5, 7, 9) * 3 + 1
    torch.testing.assert_close(InstanceNorm()(x), F.instance_norm(x), atol=1e-5, rtol=1e-5)


def test_a_residual_block_adds_to_its_input_what_its_equation_says() -> None:
    block = Generator(3, 1, width=2, blocks=1).middle[0]
    first, second = convolutions(block).values()
    x = torch.randn(1, 8, 10, 12)
    y = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), first.weight, first.bias, dilation=2)
    y = F.pad(F.relu(F.instance_norm(y)), (1, 1, 1, 1), mode="reflect")
    y = F.instance_norm(F.conv2d(y, second.weight, second.bias))
    torch.testing.assert_close(block(x), x + y, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_output_convolution_computes_the_same_with_and_without_gradients(channels: int) -> None:
    torch.manual_seed(0)
    convolution, x = OutputConv(8, channels, 7), torch.randn(2, 8, 20, 12)
    with_gradients = convolution(x)
    with torch.no_grad():
        without = convolution(x)
    assert with_gradients.requires_grad and not without.requires_grad
    torch.testing.assert_close(without, with_gradients, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(12, 12), (13, 17), (12, 43), (30, 34), (64, 48)])
def test_a_generator_takes_any_size_from_twelve_pixels_up(size: tuple[int, int]) -> None:
    output = Generator(4, 3, width=4, blocks=1)(torch.rand(1, 4, *size))
    assert output.shape == (1, 3, *size)
    assert output.isfinite().all()


def test_a_batch_through_a_generator_equals_its_items_one_by_one() -> None:
    network, x = Generator(3, 1, width=4, blocks=1), torch.rand(3, 3, 20, 24)
    singles = torch.cat([network(item[None]) for item in x])
    torch.testing.assert_close(network(x), singles, atol=1e-5, rtol=1e-4)


def test_each_logit_of_a_discriminator_sees_seventy_by_seventy_pixels() -> None:
    photo = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = PatchDiscriminator(3, width=4)(photo)[-1]
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    rows, columns = photo.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_a_discriminators_features_are_its_five_convolutions_outputs() -> None:
    discriminator, photo = PatchDiscriminator(3, width=4).eval(), torch.rand(1, 3, 64, 64)
    features = discriminator(photo)
    assert [tuple(f.shape[1:]) for f in features] == [
        (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 7, 7), (1, 6, 6),
    ]  # fmt: skip
    first = F.conv2d(photo, discriminator.convs[0].weight, stride=2, padding=1)
    torch.testing.assert_close(features[0], torch.where(first > 0, first, 0.2 * first))


def test_initial_weights_are_normal_with_deviation_two_hundredths() -> None:
    network = nn.Sequential(nn.Conv2d(64, 64, 7), nn.ConvTranspose2d(64, 64, 4))
    initialise(network)
    for conv in convolutions(network).values():
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert abs(conv.weight.mean().item()) < 2e-4
        assert conv.bias is not None and not conv.bias.any()


@pytest.mark.parametrize("make", [lambda: EdgeGenerator(8, 2), lambda: PatchDiscriminator(2, width=8)])
def test_spectral_norms_of_trained_convolutions_are_one(make) -> None:
    network = make().train()
    convs = convolutions(network)
    plain = [name for name, conv in convs.items() if not hasattr(conv, "parametrizations")]
    assert plain == (["net.decoder.6"] if isinstance(network, EdgeGenerator) else [])
    for name, conv in convs.items():
        if name not in plain:
            for _ in range(100):  # each use in training mode is one step of the power iteration
                weight = conv.weight
            norm = largest_singular_value(weight, isinstance(conv, nn.ConvTranspose2d))
            assert norm == pytest.approx(1, abs=0.02), name


def test_effective_weights_have_spectral_norm_one_but_for_the_last_convolution() -> None:
    network = EdgeGenerator(8, 1)
    weights = effective_weights(network)
    for name, conv in convolutions(network).items():
        norm = largest_singular_value(weights[f"{name}.weight"], isinstance(conv, nn.ConvTranspose2d))
        assert (norm == pytest.approx(1, abs=1e-5)) == (name != "net.decoder.6"), name


def test_the_inpainting_generator_has_no_spectral_norm() -> None:
    assert not any(
        hasattr(conv, "parametrizations") for conv in convolutions(InpaintGenerator(4, 1)).values()
    )


def test_effective_weights_come_back_as_they_were_set() -> None:
    source, target = EdgeGenerator(4, 1), EdgeGenerator(4, 1)
    weights = effective_weights(source)
    set_effective_weights(target, weights)
    again = effective_weights(target)
    assert weights.keys() == again.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight, atol=1e-6, rtol=1e-5)


def test_a_plain_twin_with_the_same_effective_weights_computes_the_same() -> None:
    torch.manual_seed(0)
    spectral, plain = EdgeGenerator(4, 1).eval(), EdgeGenerator(4, 1, spectral=False).eval()
    weights = effective_weights(spectral)
    set_effective_weights(spectral, weights)
    set_effective_weights(plain, weights)
    gray, edge, mask = torch.rand(3, 1, 1, 24, 24)
    torch.testing.assert_close(spectral(gray, edge, mask), plain(gray, edge, mask), atol=1e-5, rtol=1e-4)


def test_reading_effective_weights_leaves_the_network_as_it_is() -> None:
    network = EdgeGenerator(4, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    effective_weights(network)["net.decoder.6.weight"].zero_()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_weights_of_another_size_or_name_are_refused() -> None:
    network = EdgeGenerator(4, 1)
    with pytest.raises(ValueError, match=r"net\.decoder\.0\.weight"):
        set_effective_weights(network, effective_weights(EdgeGenerator(8, 1)))
    with pytest.raises(ValueError, match=r"net\.middle\.1"):
        set_effective_weights(network, effective_weights(EdgeGenerator(4, 2)))


def test_a_resizing_convolution_treats_all_pixels_alike() -> None:
    out = ResizeConv(3, 2)(torch.ones(1, 3, 5, 6))
    assert out.shape == (1, 2, 10, 12)
    torch.testing.assert_close(out, out[..., :1, :1].expand_as(out), atol=1e-6, rtol=0)


def test_the_kernel_nearest_to_a_transposed_one_is_exact_where_there_is_one() -> None:
    kernel = torch.randn(4, 3, 3, 3)
    taps = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    transposed = torch.einsum("hy,oiyx,wx->iohw", taps, kernel, taps)
    torch.testing.assert_close(resize_kernel(transposed), kernel, atol=1e-5, rtol=0)
    x, conv = torch.randn(1, 3, 6, 7), ResizeConv(3, 4)
    conv.load_state_dict({"weight": kernel, "bias": torch.zeros(4)})
    expected = F.conv_transpose2d(x, transposed, stride=2, padding=1)
    inner = (..., slice(2, -2), slice(2, -2))  # a transposed convolution has zeros around the picture
    torch.testing.assert_close(conv(x)[inner], expected[inner], atol=1e-4, rtol=0)


def test_reflection_by_joined_pieces_is_pytorchs_and_so_is_its_gradient() -> None:
    maps = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    found = []
    for is_deterministic in (False, True):
        with deterministic_kernels() if is_deterministic else nullcontext():
            padded = reflect(maps, 3)
            (gradient,) = torch.autograd.grad((padded * torch.arange(13 * 15).view(13, 15)).sum(), maps)
        found.append((padded, gradient))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
