"""G1 and G2: the two generators as they are called, each hiding the hole in its own inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import nn

from edgeconnect.composite import composite
from edgeconnect.edges.continuation import continue_edges
from edgeconnect.models.layers import Generator, Upsampling
from edgeconnect.models.smooth_fill import smooth_fill, smooth_fill_operator

if TYPE_CHECKING:
    from torch import Tensor

HoleStart = Literal["white", "smooth"]
EdgeStart = Literal["none", "continued"]
STEEPNESS = 8.0


class EdgeGenerator(nn.Module):
    """G1: completes the edge map (paper, section 3.1). Paper's size, the default: 10,761,089 parameters.

    `edge_start` is what the network is told about the hole beside where it is.
    "none": nothing (the paper).
    "continued": the lines that reach the hole, continued through it (`continue_edges`), as a fourth channel.
    width: channels after the first convolution. blocks: residual ones. spectral: normalise the weights, as in
    training.
    """

    def __init__(
        self, width: int = 64, blocks: int = 8, *, edge_start: EdgeStart = "none", spectral: bool = True
    ) -> None:
        super().__init__()
        self.config = {"width": width, "blocks": blocks, "edge_start": str(edge_start)}
        self.edge_start = edge_start
        channels = 3 if edge_start == "none" else 4
        self.net = Generator(channels, 1, width=width, blocks=blocks, spectral=spectral, residual_bias=False)

    def forward(self, gray: Tensor, edge: Tensor, mask: Tensor, start: Tensor | None = None) -> Tensor:
        """C_pred in [0,1] from I_gray, C_gt and M in [0,1], (N,1,H,W) all; the hole may hold anything.

        `start` (N,1,H,W) are the lines that a "continued" network begins with; None: those of `gray`, `edge`.
        gray, edge, mask: of any height and width.
        """
        white, none = torch.ones_like(mask), torch.zeros_like(mask)
        inputs = [composite(gray, white, mask), composite(edge, none, mask), mask]
        if self.edge_start == "continued":
            start = continued_lines(gray, edge, mask) if start is None else start
            inputs.append(composite(none, start, mask))
        return torch.sigmoid(self.net(torch.cat(inputs, dim=1)).float())

    @torch.no_grad()
    def soften(self, threshold: float, steepness: float = STEEPNESS) -> None:
        """Undo `sharpen`, in place: saturated outputs have no gradients to train with.

        threshold, steepness: those it was sharpened with.
        """
        last = self.net.get_submodule("decoder.6")
        for parameter in last.parameters():
            parameter.div_(steepness)
        last.get_parameter("bias").add_(_logit(threshold))

    @torch.no_grad()
    def sharpen(self, threshold: float, steepness: float = STEEPNESS) -> None:
        """Make the output steep around `threshold`, in place: nearly 0 below it and nearly 1 above.

        For a generator that is unsure: the inpainting generator was trained on lines, not on shades. Scales
        and shifts the last convolution, C_pred' = sigmoid(steepness * (logit(C_pred) - logit(threshold))).
        """
        last = self.net.get_submodule("decoder.6")
        for parameter in last.parameters():
            parameter.mul_(steepness)
        last.get_parameter("bias").sub_(steepness * _logit(threshold))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@torch.no_grad()
def continued_lines(gray: Tensor, edge: Tensor, mask: Tensor) -> Tensor:
    """`continue_edges` for each sample of a batch, on the CPU: (N,1,H,W) three times -> the same in [0,1]."""
    photos, edges, holes = (t.detach()[:, 0].float().cpu().numpy() for t in (gray, edge, mask))
    lines = [continue_edges(p, e, h > 0.5) for p, e, h in zip(photos, edges, holes, strict=True)]
    return torch.from_numpy(np.stack(lines)[:, None]).to(gray)


class InpaintGenerator(nn.Module):
    """G2: completes the colours along given edges (paper, section 3.2). Paper's size: 10,774,595 parameters.

    `hole_start` is what the network sees in the hole.
    "white": the paper's white paint; I_pred = (tanh + 1) / 2.
    "smooth": the smooth continuation of the hole's rim (`smooth_fill`) with the mask as a fifth channel;
    the network's output is added to that start before the tanh, so that it learns the difference only.

    `upsampling`: "transposed" (the paper) or "resize", which cannot draw the grid of dots that transposed
    convolutions leave in wide holes.
    width: channels after the first convolution. blocks: residual ones.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 8,
        *,
        hole_start: HoleStart = "white",
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        self.config = {
            "width": width,
            "blocks": blocks,
            "hole_start": str(hole_start),
            "upsampling": str(upsampling),
        }
        self.hole_start = hole_start
        channels = 4 if hole_start == "white" else 5
        self.net = Generator(channels, 3, width=width, blocks=blocks, upsampling=upsampling)
        if hole_start == "smooth":
            nn.init.zeros_(
                cast("nn.Conv2d", self.net.decoder[-1]).weight
            )  # begin with the smooth fill itself

    @torch.no_grad()
    def scale_residual(self, scale: float) -> None:
        """Scale what a "smooth" network adds to its start, in place; ValueError for a "white" one.

        For a generator whose training was short: part of what it adds is noise, and least squares on photos
        that it has not seen ask for less than all of it.
        scale: what it is multiplied by.
        """
        if self.hole_start != "smooth":
            raise ValueError("a generator that starts from white adds to nothing")
        for parameter in self.net.decoder[-1].parameters():
            parameter.mul_(scale)

    def forward(self, photo: Tensor, edge: Tensor, mask: Tensor, start: Tensor | None = None) -> Tensor:
        """I_pred (N,3,H,W) in [0,1] from I_gt (N,3,H,W), C_comp and M (N,1,H,W); I_gt's hole is not used.

        `start` (N,3,H,W) replaces the smooth fill of a "smooth" network, e.g. by a coarser level's result.
        photo, edge, mask: I_gt, C_comp and M, of any height and width.
        """
        if self.hole_start == "white":
            masked = composite(photo, torch.ones_like(photo), mask)
            return (torch.tanh(self.net(torch.cat((masked, edge), dim=1)).float()) + 1) / 2
        filled = self._smooth(photo, mask).clamp(0, 1) if start is None else composite(photo, start, mask)
        residual = self.net(torch.cat((filled, edge, mask), dim=1)).float()
        return (torch.tanh(residual + torch.atanh(1.96 * filled.float() - 0.98)) + 1) / 2

    @staticmethod
    def _smooth(photo: Tensor, mask: Tensor) -> Tensor:
        return (smooth_fill_operator if torch.compiler.is_exporting() else smooth_fill)(photo, mask)
