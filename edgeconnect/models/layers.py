"""The shapes shared by all four networks: an encoder-decoder generator and a 70x70 PatchGAN discriminator.

Nazeri et al., "EdgeConnect" (arXiv 1901.00212), section 3 and appendix A; the generator after Johnson et al.,
"Perceptual Losses for Real-Time Style Transfer" (ECCV 2016), the discriminator Isola et al. (CVPR 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Convolution = nn.Conv2d | nn.ConvTranspose2d
Upsampling = Literal["transposed", "resize"]
INIT_STD = 0.02
MULTIPLE = 4  # two stride-2 convolutions


class InstanceNorm(nn.Module):
    """Instance norm without affine or running statistics (group norm's kernel: faster in channels last).

    In its input's own type: autocast on a GPU would hand float32 on, twice the bytes for all that follows.
    The statistics are float32 within.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, x.shape[1])


def reflect(x: Tensor, px: int) -> Tensor:
    """The maps (N,C,H,W) with their border of `px` pixels reflected, the outermost ones not repeated.

    PyTorch's own padding has no deterministic gradient on GPUs; where that is asked for, pieces are joined.
    """
    if not px or not torch.are_deterministic_algorithms_enabled():
        return F.pad(x, (px,) * 4, mode="reflect")
    for axis in (2, 3):
        size = x.shape[axis]
        before, after = x.narrow(axis, 1, px).flip(axis), x.narrow(axis, size - px - 1, px).flip(axis)
        x = torch.cat((before, x, after), axis)
    return x


class ReflectConv(nn.Conv2d):
    """A convolution at stride 1 that keeps the size by reflecting the border, in its input's own type.

    Autocast on a CPU would pad in float32 and convert every map twice.
    in_channels, out_channels, kernel, dilation, bias: as for `torch.nn.Conv2d`. x: (N,C,H,W), larger than the
    padding.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, dilation: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, dilation=dilation, bias=bias)
        self.border_px = dilation * (kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = reflect(x, self.border_px)
        return F.conv2d(x, self.weight, self.bias, dilation=self.dilation)


class ResizeConv(ReflectConv):
    """Twice the size by repeating each pixel, then a 3x3 convolution.

    Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts" (Distill 2016): unlike a transposed
    convolution it treats all pixels alike, so that it cannot draw a grid of dots.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


def resize_kernel(transposed: Tensor) -> Tensor:
    """The ResizeConv kernel nearest to a transposed convolution's: (I,O,4,4), stride 2 -> (O,I,3,3).

    By least squares; exact where the transposed kernel treats all pixels alike.
    """
    phases = transposed.new_tensor(
        [[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]
    )  # tap of 4 = sum of taps of 3
    inverse = torch.linalg.pinv(phases)
    return torch.einsum("yh,iohw,xw->oiyx", inverse, transposed, inverse)


class OutputConv(ReflectConv):
    """A convolution to few channels, for heights and widths that are multiples of 4.

    One output channel at a time would leave most of a CPU's vector lanes idle. Without gradients, blocks of
    pixels are therefore computed as the channels of one strided convolution: the same sums, 3-6 times faster.
    """

    def forward(self, x: Tensor) -> Tensor:
        side = 4 if self.out_channels == 1 else 2
        if torch.is_grad_enabled() or x.device.type != "cpu" or torch.compiler.is_exporting():
            return super().forward(x)
        x = reflect(x, self.border_px)
        shifted = [
            F.pad(self.weight, (j, side - 1 - j, i, side - 1 - i)) for i in range(side) for j in range(side)
        ]
        kernels = torch.stack(shifted, dim=1).flatten(0, 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(side**2)
        return F.pixel_shuffle(F.conv2d(x, kernels, bias, stride=side), side)


class ResidualBlock(nn.Module):
    """x + IN(conv3x3(ReLU(IN(conv3x3 dilated by 2 (x))))), reflection padded, no activation after the sum."""

    def __init__(self, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ReflectConv(channels, channels, 3, dilation=2, bias=bias),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            ReflectConv(channels, channels, 3, dilation=1, bias=bias),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class Generator(nn.Module):
    """(N,in_channels,H,W) -> (N,out_channels,H,W) before the output activation; H and W from 12 up.

    `width` channels after the first convolution (the paper: 64), four times as many in the `blocks` residual
    blocks (the paper: 8). With `spectral`, every convolution but the last is spectrally normalised.
    `upsampling`: by transposed convolutions (the paper) or by ResizeConv.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int,
        blocks: int,
        spectral: bool = False,
        residual_bias: bool = True,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        w1, w2, w4 = width, 2 * width, 4 * width
        self.encoder = nn.Sequential(
            *_layer(ReflectConv(in_channels, w1, 7)),
            *_layer(nn.Conv2d(w1, w2, 4, stride=2, padding=1)),
            *_layer(nn.Conv2d(w2, w4, 4, stride=2, padding=1)),
        )
        self.middle = nn.Sequential(*(ResidualBlock(w4, bias=residual_bias) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            *_layer(_upsampled(w4, w2, upsampling)),
            *_layer(_upsampled(w2, w1, upsampling)),
            OutputConv(w1, out_channels, 7),
        )
        initialise(self)
        if spectral:
            normalise_spectrum(self, keep=self.decoder[-1])

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = x.to(next(self.parameters()).dtype)
        if height % MULTIPLE or width % MULTIPLE:
            x = F.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        out: Tensor = self.decoder(self.middle(self.encoder(x)))
        return out[..., :height, :width]


def convolutions(network: nn.Module) -> dict[str, Convolution]:
    """Every convolution of `network` by its module name."""
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)}


def initialise(network: nn.Module) -> None:
    """Every convolution's weights from normal(0, 0.02), biases 0 (the paper's initialisation).

    network: any module, in place; on the meta device, where there is nothing to draw, it stays as it is
    (PyTorch would import its compiler for that, which takes longer than to load a photo and fill it).
    """
    for conv in convolutions(network).values():
        if conv.weight.is_meta:
            continue
        nn.init.normal_(conv.weight, 0.0, INIT_STD)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)


def normalise_spectrum(network: nn.Module, keep: nn.Module | None = None) -> None:
    """Spectral norm on every convolution of `network` except `keep` (Miyato et al., ICLR 2018)."""
    for conv in convolutions(network).values():
        if conv is not keep:
            spectral_norm(conv)


def normalised_shapes(network: nn.Module, keep: nn.Module | None = None) -> dict[str, tuple[int, ...]]:
    """The shapes of the state that `network` has after `normalise_spectrum`, without computing any norm.

    network: without spectral norm, on the meta device too. keep: as there.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    for name, conv in convolutions(network).items():
        if conv is not keep:
            state = f"{name}.parametrizations.weight"
            rows, columns = _matrix(conv, conv.weight).shape
            shapes[f"{state}.original"] = shapes.pop(f"{name}.weight")
            shapes |= {f"{state}.0._u": (rows,), f"{state}.0._v": (columns,)}
    return shapes


def effective_weights(network: nn.Module) -> dict[str, Tensor]:
    """What `network` computes with: plain `weight` and `bias` tensors by module name, norms folded in.

    Copies; the network itself stays as it is (removing a parametrisation would break the copies that share
    its class). Spectral norms are computed afresh, so that an average of weights gets its own norm.
    """
    weights = {}
    for name, conv in convolutions(network).items():
        weights[f"{name}.weight"] = _normalised(conv) if _is_spectral(conv) else conv.weight.detach().clone()
        if conv.bias is not None:
            weights[f"{name}.bias"] = conv.bias.detach().clone()
    return weights


def effective_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of `effective_weights`, without computing these: for a network on the meta device too."""
    shapes = {}
    for name, conv in convolutions(network).items():
        weight = cast("Any", conv).parametrizations.weight.original if _is_spectral(conv) else conv.weight
        shapes[f"{name}.weight"] = tuple(weight.shape)
        if conv.bias is not None:
            shapes[f"{name}.bias"] = tuple(conv.bias.shape)
    return shapes


def set_effective_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Make `network` compute with `weights` (plain tensors by module name, as from effective_weights).

    Where the network has spectral norm, its power iteration starts from these weights' own singular vectors.
    Raises ValueError where names or shapes differ.
    """
    expected = effective_shapes(network)
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        differing = sorted(dict(expected.items() ^ found.items()))
        raise ValueError(f"names or shapes differ at {', '.join(differing[:3])} ({len(differing)} in all)")
    for name, conv in convolutions(network).items():
        with torch.no_grad():
            _set_weight(conv, weights[f"{name}.weight"])
            if conv.bias is not None:
                conv.bias.copy_(weights[f"{name}.bias"])


def _set_weight(conv: Convolution, value: Tensor) -> None:
    if not _is_spectral(conv):
        conv.weight.copy_(value)
        return
    parametrization = cast("Any", conv).parametrizations.weight
    parametrization.original.copy_(value)
    u, _, vh = torch.linalg.svd(_matrix(conv, value.float()), full_matrices=False)
    parametrization[0]._u.copy_(u[:, 0])
    parametrization[0]._v.copy_(vh[0])


def _normalised(conv: Convolution) -> Tensor:
    weight: Tensor = cast("Any", conv).parametrizations.weight.original.detach()
    spectral: Tensor = torch.linalg.matrix_norm(_matrix(conv, weight.float()), 2)
    return weight / spectral.to(weight.dtype)


def _is_spectral(conv: Convolution) -> bool:
    return hasattr(conv, "parametrizations")


def _matrix(conv: Convolution, weight: Tensor) -> Tensor:
    """The matrix whose largest singular value is the spectral norm: output channels x the rest."""
    return (weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else weight).flatten(1)


def _upsampled(in_channels: int, out_channels: int, upsampling: Upsampling) -> Convolution:
    if upsampling == "resize":
        return ResizeConv(in_channels, out_channels)
    return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1)


def _layer(convolution: nn.Module) -> tuple[nn.Module, ...]:
    return convolution, InstanceNorm(), nn.ReLU(inplace=True)
