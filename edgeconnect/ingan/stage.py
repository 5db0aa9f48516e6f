"""THE PAPER, single-image: the losses of InGAN's two networks, in its symbols.

Shocher et al., "InGAN" (ICCV 2019), section 3: y = G(x; T) has the patches of x at T's size and shape.

    L = L_GAN(D; y) + lambda * || G(G(x; T); T^-1) - x ||_1 ,    L_GAN least squares
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from edgeconnect.training import losses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from edgeconnect.ingan.networks import Discriminator, Generator
    from edgeconnect.ingan.transforms import Transformation

Terms = dict[str, "Tensor"]


@dataclass(frozen=True)
class SingleStage:
    """G and D, the weights of the loss terms (a weight of 0 saves its computation), and the noise they see.

    `weights` has adv, reconstruction, inverse and d_adv; `noisy` adds fresh noise to a picture.
    """

    G: Generator
    D: Discriminator
    weights: dict[str, float]
    noisy: Callable[[Tensor], Tensor] = lambda x: x

    def predict(self, x: Tensor, T: Transformation) -> Tensor:
        """y = G(x; T): (N,3,h,w) -> (N,3,*T.size)."""
        y: Tensor = self.G(self.noisy(x), T)
        return y

    def d_losses(self, x: Tensor, y: Tensor, scales: Sequence[float]) -> Terms:
        """The loss of D: the patches of x are real, those of y are not. `scales` are D's weights."""
        real, fake = self.D.real(self.noisy(x), scales), self.D(self.noisy(y.detach()), scales)
        return {"d_adv": losses.adversarial_d(real, fake, "lsgan")}

    def g_losses(self, x: Tensor, y: Tensor, T: Transformation, scales: Sequence[float]) -> Terms:
        """The losses of G: y's patches should pass for x's, and the inverse transform of y should give x."""
        terms = {"adv": losses.adversarial_g(self.D(self.noisy(y), scales), "lsgan")}
        if self.weights["reconstruction"]:
            terms["reconstruction"] = self.reconstruction_loss(x, y, T)
        return terms

    def inverse_losses(self, x: Tensor, y: Tensor, T: Transformation) -> Terms:
        """The reconstruction loss alone, y given: the extra generator step of the later training."""
        return {"inverse": self.reconstruction_loss(x, y.detach(), T)}

    def reconstruction_loss(self, x: Tensor, y: Tensor, T: Transformation) -> Tensor:
        """|| G(y; T^-1) - x ||_1, mean over the places of x that are in the frame of y: a scalar."""
        T_inv = T.inverse((x.shape[-2], x.shape[-1]))
        x_back = self.G(self.noisy(y), T_inv).float()
        shown = T_inv.inside().to(x.device)
        return (torch.abs(x_back - x) * shown).sum() / (shown.sum() * x.shape[0] * x.shape[1])
