"""One training step on a single photo, and everything that a checkpoint must hold to go on bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgeconnect.device import choose_dtype
from edgeconnect.errors import InputError
from edgeconnect.ingan.networks import PATCH_PX, Discriminator, Generator, scale_sizes, scale_weights
from edgeconnect.ingan.stage import SingleStage
from edgeconnect.ingan.transforms import Transformation, draw
from edgeconnect.training.optimizer import load_optimizer_state, optimizer_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from edgeconnect.ingan.config import SingleConfig

MIN_PX = 16
"""Shorter side of the smallest photo that can be trained on, and of the smallest result of a step."""


@dataclass(frozen=True)
class Draw:
    """What is random about a step: a crop x (1,3,h,w) in [-1,1], the T of the step, the noise's seed."""

    x: Tensor
    T: Transformation
    noise_seed: int


class SingleTrainer:
    """Networks and optimizers of one run at one step.

    `photos`: (1,3,H,W) each in [-1,1], at least MIN_PX px a side, else InputError.
    """

    def __init__(self, config: SingleConfig, photos: Sequence[Tensor], device: torch.device) -> None:
        check_photos(photos)
        self.config, self.device, self.step = config, device, 0
        self.dtype = choose_dtype(device, config.precision)
        self.photos = [photo.to(device) for photo in photos]
        G, D = build_networks(config, photos)
        self.networks = {"generator": G.to(device), "discriminator": D.to(device)}
        self._noise = torch.Generator(device)
        self.stage = SingleStage(G, D, config.loss_weights, self._noisy)
        self.optimizers = {name: self._adam(network) for name, network in self.networks.items()}

    def draw(self) -> Draw:
        """The next step's random choices: a function of the seed and the step alone."""
        c, rng = self.config, np.random.default_rng((self.config.seed, self.step))
        photo = self.photos[rng.integers(len(self.photos))]
        height, width = (min(c.crop, side) for side in photo.shape[-2:])
        top = rng.integers(photo.shape[-2] - height + 1)
        left = rng.integers(photo.shape[-1] - width + 1)
        T = draw(
            rng,
            (height, width),
            _progress(self.step, c.sizes_until),
            scales=c.sizes,
            min_px=MIN_PX,
            trapezoids=c.trapezoids,
            max_shift=c.max_shift,
        )
        x = photo[..., top : top + height, left : left + width]
        return Draw(x, T, int(rng.integers(2**62)))

    def train_step(self) -> dict[str, float]:
        """A step of D, one of G, later one of G for the reconstruction: each loss term, unweighted."""
        drawn = self.draw()
        x, T, stage = drawn.x, drawn.T, self.stage
        self._noise.manual_seed(drawn.noise_seed)
        self._set_learning_rate()
        scales = scale_weights(len(stage.D.nets), _progress(self.step, self.config.scales_until))
        with self._autocast():
            y = stage.predict(x, T).float()
            d_terms = stage.d_losses(x, y, scales)
        numbers = self._step("discriminator", d_terms)
        stage.D.requires_grad_(False)
        with self._autocast():
            g_terms = stage.g_losses(x, y, T, scales)
        numbers = self._step("generator", g_terms) | numbers
        if self.step >= self.config.inverse_from and stage.weights["inverse"]:
            with self._autocast():
                inverse_terms = stage.inverse_losses(x, y, T)
            numbers |= self._step("generator", inverse_terms)
        stage.D.requires_grad_(True)
        self.step += 1
        return numbers

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from this step, as plain containers of tensors."""
        return {
            "step": self.step,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state; raises InputError where it is of other networks."""
        try:
            for name, network in self.networks.items():
                network.load_state_dict(state["networks"][name])
                load_optimizer_state(self.optimizers[name], state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(f"the checkpoint does not fit this run's networks: {str(error)[:200]}") from None
        self.step = int(state["step"])

    def _step(self, name: str, terms: Mapping[str, Tensor]) -> dict[str, float]:
        return optimizer_step(self.optimizers[name], terms, self.stage.weights, self.step + 1)

    def _set_learning_rate(self) -> None:
        c = self.config
        left = 1.0
        if self.step >= c.decay_from:
            left = (c.steps - self.step) / max(c.steps - c.decay_from, 1)
        rates = {"generator": c.lr * left, "discriminator": c.lr * left * c.d_lr_ratio}
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rates[name]

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=self.config.lr, betas=self.config.betas, fused=True)

    def _noisy(self, x: Tensor) -> Tensor:
        """x with uniform noise, `noise_levels` grey levels wide (255 levels from -1 to 1)."""
        uniform = torch.rand(x.shape, generator=self._noise, device=self.device) - 0.5
        return x + uniform * (2 / 255 * self.config.noise_levels)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)


def build_networks(config: SingleConfig, photos: Sequence[Tensor]) -> tuple[Generator, Discriminator]:
    """Fresh G and D, seeded; D has as many scales as fit the smallest crop (or the config's, if fewer)."""
    torch.manual_seed(config.seed)
    side = min(config.crop, *(side for photo in photos for side in photo.shape[-2:]))
    fitting = scale_sizes(side, side, config.scales, config.scale_factor, config.scale_min_px)
    generator = Generator(
        width=config.width, downscales=config.downscales, blocks=config.blocks, residual=config.residual
    )
    discriminator = Discriminator(
        len(fitting),
        width=config.disc_width,
        norm=config.disc_norm,
        factor=config.scale_factor,
        min_px=config.scale_min_px,
    )
    return generator, discriminator


def check_photos(photos: Sequence[Tensor]) -> None:
    """Raises InputError where a photo has too few pixels for D's patches of PATCH_PX px."""
    for photo in photos:
        height, width = photo.shape[-2:]
        if min(height, width) < MIN_PX:
            raise InputError(
                f"expected a photo of at least {MIN_PX}x{MIN_PX} px, so that patches of "
                f"{PATCH_PX}x{PATCH_PX} px say something about it, got {width}x{height}"
            )


def _progress(step: int, until: int) -> float:
    """How far a curriculum has come: 0 at the first step, 1 from step `until` on."""
    return min(step / until, 1.0) if until else 1.0
