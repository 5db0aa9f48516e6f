"""EdgeConnect's generators as their authors' files hold them, small, with PyTorch's older spectral norm."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import spectral_norm

WIDTH, BLOCKS = 4, 2


class OldBlock(nn.Module):
    def __init__(self, channels: int, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else nn.Identity()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(2),
            norm(nn.Conv2d(channels, channels, 3, dilation=2, bias=not spectral)),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            norm(nn.Conv2d(channels, channels, 3, bias=not spectral)),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


class OldGenerator(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, spectral: bool) -> None:
        super().__init__()
        norm, w = spectral_norm if spectral else nn.Identity(), WIDTH

        def layer(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [norm(conv), nn.InstanceNorm2d(channels), nn.ReLU()]

        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            *layer(nn.Conv2d(channels_in, w, 7), w),
            *layer(nn.Conv2d(w, 2 * w, 4, 2, 1), 2 * w),
            *layer(nn.Conv2d(2 * w, 4 * w, 4, 2, 1), 4 * w),
        )
        self.middle = nn.Sequential(*(OldBlock(4 * w, spectral) for _ in range(BLOCKS)))
        self.decoder = nn.Sequential(
            *layer(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1), 2 * w),
            *layer(nn.ConvTranspose2d(2 * w, w, 4, 2, 1), w),
            nn.ReflectionPad2d(3),
            nn.Conv2d(w, channels_out, 7),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.middle(self.encoder(x)))
