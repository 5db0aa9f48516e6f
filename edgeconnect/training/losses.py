"""The losses of both stages as pure functions of network outputs; no weights are applied here.

Symbols and sums follow Nazeri et al. (arXiv 1901.00212), section 3; each function names its equation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

AdversarialKind = Literal["nonsaturating", "lsgan", "hinge"]


def adversarial_d(real: Tensor, fake: Tensor, kind: AdversarialKind = "nonsaturating") -> Tensor:
    """The discriminator's loss from its logits for real and generated inputs (any shape): a scalar.

    nonsaturating: Goodfellow et al. 2014 (cross-entropy); lsgan: Mao et al. 2017; hinge: Lim & Ye 2017.
    The mean of the two halves, on logits: a log of a sigmoid would not survive mixed precision.
    real, fake: may differ in shape. kind: one of these three.
    """
    real, fake = real.float(), fake.float()
    if kind == "nonsaturating":
        return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
    if kind == "lsgan":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def adversarial_g(fake: Tensor, kind: AdversarialKind = "nonsaturating") -> Tensor:
    """The generator's adversarial loss from the logits for its output (any shape): a scalar.

    fake: the logits. kind: as for `adversarial_d`.
    """
    fake = fake.float()
    if kind == "nonsaturating":
        return F.softplus(-fake).mean()
    if kind == "lsgan":
        return (fake - 1).square().mean()
    return -fake.mean()


def feature_matching(real: Iterable[Tensor], fake: Iterable[Tensor]) -> Tensor:
    """Sum over the discriminator's feature maps of the mean L1 distance, real maps detached (equation 3)."""
    return torch.stack(
        [F.l1_loss(f.float(), r.detach().float()) for r, f in zip(real, fake, strict=True)]
    ).sum()


def edge_cross_entropy(
    predicted: Tensor,
    truth: Tensor,
    mask: Tensor,
    line_weight: float = 3.0,
    hole_share: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy over the hole of edge probabilities, lines counted `line_weight` times: a scalar.

    hole_share: as for `masked_l1`.

    Not in the paper: it teaches a short training to continue the known lines, which the adversary alone takes
    long for.
    """
    p = predicted.float().clamp(1e-6, 1 - 1e-6)
    entropy = -(line_weight * truth * p.log() + (1 - truth) * (1 - p).log())
    hole = mask.sum() if hole_share is None else hole_share * mask.numel()
    return (entropy * mask).sum() / hole.clamp(min=1)


def edge_agreement(predicted: Tensor, truth: Tensor, mask: Tensor, beta: float = 0.35) -> Tensor:
    """1 - F_beta of the hole's edge probabilities, drawn lines right within 1 px of true ones: a scalar.

    Not in the paper: after Bokhovkin & Burnaev, "Boundary loss for remote sensing imagery semantic
    segmentation" (ISNN 2019), over the whole batch (each process's own: no mean of several is that of their
    photos together). Cross-entropy asks for doubt where a line may lie a pixel further; this asks for the
    lines that are worth drawing. A `beta` under 1 counts precision more. Precision
    is corrected for chance, the share of right places around (as Cohen's kappa): in a texture every other
    place is near some line, and a grid of dots would be worth drawing. The recall is exact.
    """
    drawn, real = predicted.float() * mask, truth.float() * mask
    near = F.max_pool2d(real, 3, stride=1, padding=1) * mask
    chance = _local_mean(near) / _local_mean(mask).clamp(min=1e-3)
    above_chance = (near - chance) / (1 - chance).clamp(min=0.1)
    precision = ((drawn * above_chance).sum() / drawn.sum().clamp(min=1)).clamp(min=1e-3)
    recall = (real * drawn).sum() / real.sum().clamp(min=1)
    return 1 - (1 + beta**2) * precision * recall / (beta**2 * precision + recall).clamp(min=1e-6)


def _local_mean(plane: Tensor) -> Tensor:
    return F.avg_pool2d(plane, 33, stride=1, padding=16)


def masked_l1(predicted: Tensor, truth: Tensor, mask: Tensor, hole_share: Tensor | None = None) -> Tensor:
    """Mean L1 distance over the picture divided by the mask's mean: it does not shrink with the hole.

    hole_share: the mean over more masks, of which these are a part, so that the mean of all parts' losses is
    the loss of all.
    """
    share = mask.mean() if hole_share is None else hole_share
    return F.l1_loss(predicted, truth) / share.clamp(min=1 / mask[0].numel())


def perceptual(truth: Mapping[str, Tensor], predicted: Mapping[str, Tensor]) -> Tensor:
    """Sum over feature taps of the mean L1 distance, the truth's detached (equation 5)."""
    return _sum_l1([(truth[tap].detach(), predicted[tap]) for tap in predicted])


def style(truth: Mapping[str, Tensor], predicted: Mapping[str, Tensor]) -> Tensor:
    """Sum over feature taps of the mean L1 distance of Gram matrices, the truth's detached (equation 6)."""
    return _sum_l1([(gram(truth[tap].detach()), gram(predicted[tap])) for tap in predicted])


def gram(features: Tensor) -> Tensor:
    """Gram matrices divided by C*H*W: (N,C,H,W) -> (N,C,C), in float32."""
    n, c, h, w = features.shape
    with torch.autocast(features.device.type, enabled=False):
        flat = features.reshape(n, c, h * w).float()
        return flat @ flat.transpose(1, 2) / (c * h * w)


def _sum_l1(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([F.l1_loss(b.float(), a.float()) for a, b in pairs]).sum()
