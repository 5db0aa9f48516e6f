"""The 70x70 PatchGAN discriminator (Isola et al., CVPR 2017) of both stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from edgeconnect.models.layers import initialise, normalise_spectrum

if TYPE_CHECKING:
    from torch import Tensor


class PatchDiscriminator(nn.Module):
    """(N,in_channels,H,W) -> the outputs of its five convolutions, the last being logits: (N,1,H/8-2,W/8-2).

    Each logit says how real a patch of 70x70 pixels looks. No norm but the spectral one, no biases.
    """

    def __init__(self, in_channels: int, *, width: int = 64) -> None:
        super().__init__()
        self.config = {"width": width}
        channels = [in_channels, width, 2 * width, 4 * width, 8 * width, 1]
        strides = [2, 2, 2, 1, 1]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], 4, stride=strides[i], padding=1, bias=False)
            for i in range(5)
        )
        initialise(self)
        normalise_spectrum(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), 0.2)
            outputs.append(x)
        return [*outputs, self.convs[-1](x)]
