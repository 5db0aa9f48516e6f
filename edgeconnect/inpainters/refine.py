"""Adversarial refinement of a filled hole: InGAN's game, played for the hole alone.

G starts from the preview of patch matching and adds what makes the patches in and across the hole pass for
the photo's own. D's real patches never see the hole. Synthetic holes of the same shape, punched into the
known part and previewed alike, give G a true target (L1) besides, and say how far previews can be trusted.
The state whose patches are nearest to the known ones, and which is nearest to the truth in a synthetic hole
that G was not trained on, is kept, if the preview is better in none of these: refinement makes nothing worse
that can be measured without the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from edgeconnect.ingan.networks import PATCH_PX, STEP_PX, Discriminator, Generator, scale_weights
from edgeconnect.metrics.patches import hole_band_wasserstein, hole_coherence
from edgeconnect.training.optimizer import optimizer_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

COARSE_SIGMA_PX, COARSE_MOST = 2.0, 0.7
MEASURED = (4_000, 60_000)  # patches of the hole, known ones: a second, however large both are


@dataclass(frozen=True)
class Settings:
    """Sizes and weights of a refinement."""

    crop_px: int = 64
    batch: int = 2  # crops of the hole, of a synthetic hole and of the photo each
    width: int = 24
    downscales: int = 2
    blocks: int = 4
    scales: int = 3
    lr: float = 2e-4
    l1: float = 5.0  # against LSGAN's at most 1 (InGAN's lambda is 0.1 for a whole picture)
    reach: float = 0.12  # the most that a pixel may leave the preview, of 2 (pixels are in [-1,1])
    noise: float = 0.02
    check_every: int = 25  # iterations between two looks at the whole hole
    patience: int = 100  # iterations without a better one after which the game is over


@dataclass(frozen=True)
class Example:
    """A window whose hole was previewed: photo, preview (1,3,H,W) in [-1,1], hole (1,1,H,W), 1 = hole.

    `unknown` (1,1,H,W) is 1 where the photo is not known: nothing there is ever real or a target.
    """

    photo: Tensor
    preview: Tensor
    hole: Tensor
    unknown: Tensor


def hedged(examples: Sequence[Example], safe: Sequence[Tensor], most: float) -> list[Example]:
    """The examples with their previews moved towards a `safe` fill of each, as far as pays.

    What a blur of `COARSE_SIGMA_PX` keeps and what it takes away move by shares of their own, those that
    bring the synthetic holes nearest to their truth in least squares: nothing where patches continue the
    photo well, most where they only guess. `COARSE_MOST` and `most` are the most: beyond, a fill is nearer to
    the truth still, and made less and less of the photo's own patches; without fine detail it is pale.
    Without synthetic holes nothing is known and nothing changes.
    """
    ways = [_bands((fill - e.preview) * e.hole) for e, fill in zip(examples, safe, strict=True)]
    along, against = torch.zeros(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    for example, way in zip(examples[1:], ways[1:], strict=True):
        targets = (example.hole * (1 - example.unknown)).expand_as(example.photo) > 0
        steps = way[:, targets].cpu().double()
        along += steps @ (example.photo - example.preview)[targets].cpu().double()
        against += steps @ steps.T
    best = (torch.linalg.pinv(against) @ along).clamp(min=0).tolist()
    coarse, fine = min(best[0], COARSE_MOST if most else 0), min(best[1], most)
    moved = (e.preview + coarse * w[0] + fine * w[1] for e, w in zip(examples, ways, strict=True))
    return [
        replace(e, preview=torch.where(e.hole > 0, p, e.preview))
        for e, p in zip(examples, moved, strict=True)
    ]


def _bands(change: Tensor) -> Tensor:
    """(1,3,H,W) -> (2,1,3,H,W): what is coarser than a blur, what is finer."""
    side = 2 * math.ceil(3 * COARSE_SIGMA_PX) + 1
    coarse = gaussian_blur(change, [side, side], [COARSE_SIGMA_PX])
    return torch.stack([coarse, change - coarse])


class Refiner(nn.Module):
    """preview -> preview with the hole refined: y = preview + reach * G(preview + noise), in the hole.

    preview (N,3,H,W) in [-1,1], hole and noise (N,1,H,W), the latter of standard deviation 1.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.G = Generator(width=settings.width, downscales=settings.downscales, blocks=settings.blocks)
        nn.init.zeros_(self.G.last.weight)  # so that the first y is the preview

    def forward(self, preview: Tensor, hole: Tensor, noise: Tensor) -> Tensor:
        noisy = preview + self.settings.noise * noise * hole
        change = self.G(noisy, lambda features: features).float()
        y: Tensor = (preview + self.settings.reach * change * hole).clamp(-1, 1)
        return y


class Refinement:
    """The game for one window: the first example is the real hole, the others are synthetic ones."""

    def __init__(self, examples: Sequence[Example], settings: Settings, seed: int) -> None:
        device = examples[0].photo.device
        self.examples, self.settings, self.seed, self.iteration = examples, settings, seed, 0
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.G = Refiner(settings).to(device)
            self.D = Discriminator(settings.scales, width=settings.width).to(device)
        self._noise = torch.Generator(device)
        self._weights = scale_weights(settings.scales, 1.0)
        self._for_G, self._for_D = (
            torch.optim.Adam(network.parameters(), lr=settings.lr, betas=(0.5, 0.999))
            for network in (self.G, self.D)
        )

    def step(self) -> dict[str, float]:
        """One step of D, then one of G, on crops drawn by (seed, iteration): the terms of their losses.

        Raises NonFiniteLossError.
        """
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + self.iteration)
        self._noise.manual_seed(self.seed * 1_000_003 + self.iteration)
        slots = range(2 * self.settings.batch)
        crop = _joined([self._crop(self._example(slot), draw) for slot in slots])
        anywhere = _joined([_random_crop(self.examples[0], self.settings.crop_px, draw) for _ in slots])
        y = self.G(crop.preview, crop.hole, self._noise_like(crop.hole))
        d_terms = {"d_adv": self._charge_D(anywhere, y.detach(), crop.hole)}
        optimizer_step(self._for_D, d_terms, {"d_adv": 1.0}, self.iteration + 1)
        self.D.requires_grad_(False)
        g_terms = self._charge_G(crop, y)
        optimizer_step(self._for_G, g_terms, {"adv": 1.0, "l1": self.settings.l1}, self.iteration + 1)
        self.D.requires_grad_(True)
        self.iteration += 1
        return {name: float(term.detach()) for name, term in (d_terms | g_terms).items()}

    @torch.no_grad()
    def picture(self, example: Example) -> Tensor:
        """A hole as G fills it now: (1,3,H,W) in [-1,1]."""
        self.G.eval()
        y: Tensor = self.G(example.preview, example.hole, self._noise_like(example.hole))
        self.G.train()
        return y

    def _noise_like(self, hole: Tensor) -> Tensor:
        return torch.randn(hole.shape, generator=self._noise, device=hole.device)

    def _charge_D(self, anywhere: Example, y: Tensor, hole: Tensor) -> Tensor:
        """Known patches are real, those that touch the hole are not (least squares)."""
        real, share = self.D.known(anywhere.photo, anywhere.unknown, self._weights)
        fake = self.D(y, self._weights)
        of_real, of_fake = _mean((real - 1).square(), share), _mean(fake.square(), self._sees(hole))
        return (of_real + of_fake) / 2

    def _charge_G(self, crop: Example, y: Tensor) -> dict[str, Tensor]:
        """Patches that touch the hole should pass for real ones; synthetic holes have a true target."""
        fake = self.D(y, self._weights)
        L_adv = _mean((fake - 1).square(), self._sees(crop.hole))
        return {"adv": L_adv, "l1": _off(crop, y)}

    def _sees(self, hole: Tensor) -> Tensor:
        """1 where D's output has the hole in sight at its coarsest scale, else 0: (N,1,h,w)."""
        reach = round(PATCH_PX * self.D.factor ** (self.settings.scales - 1)) - PATCH_PX
        wider = F.max_pool2d(hole, 2 * (reach // 2) + 1, 1, reach // 2)
        return F.max_pool2d(wider, PATCH_PX, STEP_PX)

    def _example(self, slot: int) -> Example:
        """Half of the slots show the real hole, the others the synthetic ones in turn."""
        others = self.examples[1:]
        if slot % 2 == 0 or not others:
            return self.examples[0]
        return others[(self.iteration * self.settings.batch + slot // 2) % len(others)]

    def _crop(self, example: Example, draw: torch.Generator) -> Example:
        """A square in which some pixel of the hole is in the middle ninth."""
        inside = example.hole[0, 0].nonzero()
        y, x = inside[int(torch.randint(len(inside), (), generator=draw))].tolist()
        half, third = self.settings.crop_px // 2, self.settings.crop_px // 6
        up, left = torch.randint(-third, third + 1, (2,), generator=draw).tolist()
        return _cut(example, y + up - half, x + left - half, self.settings.crop_px)


def _random_crop(example: Example, side: int, draw: torch.Generator) -> Example:
    height, width = example.hole.shape[-2:]
    top, left = (
        int(torch.randint(max(length - side, 0) + 1, (), generator=draw)) for length in (height, width)
    )
    return _cut(example, top, left, side)


def _cut(example: Example, top: int, left: int, side: int) -> Example:
    """The square of `side` px at a corner, moved inside the window (smaller where that is)."""
    height, width = example.hole.shape[-2:]
    side = min(side, height, width)
    top, left = min(max(top, 0), height - side), min(max(left, 0), width - side)
    parts = (example.photo, example.preview, example.hole, example.unknown)
    return Example(*(part[..., top : top + side, left : left + side] for part in parts))


def refine(
    examples: Sequence[Example],
    settings: Settings,
    seed: int,
    go_on: Callable[[int], bool],
    watch: Callable[[Tensor], None] = lambda picture: None,
) -> Tensor:
    """The best fill, (1,3,H,W) in [-1,1], of examples[0] while `go_on(iteration)`; the preview competes.

    `watch` is shown the preview and each one that is better than those before; after `settings.patience`
    iterations without one the game ends. Measured are `patch_measures` and, where there are two synthetic
    holes or more, how far the last one is from the truth, in pixels and in their differences: it judges
    alone, G is not trained on it. Best is the least sum of these, each relative to the preview's, of what is
    worse than the preview in none.
    """
    real, judge = examples[0], examples[-1] if len(examples) > 2 else None
    game = Refinement(examples[:-1] if judge else examples, settings, seed)

    def measured(fill: Callable[[Example], Tensor]) -> tuple[Tensor, list[float]]:
        picture = fill(real)
        found = [*patch_measures(*_pair(real, picture))]
        return picture, [*found, *_distances(judge, fill(judge))] if judge else found

    best, scale = measured(lambda example: example.preview)
    watch(best)
    least, since = float(len(scale)), 0
    while go_on(game.iteration) and game.iteration < since + settings.patience:
        game.step()
        if game.iteration % settings.check_every == 0:
            picture, found = measured(game.picture)
            relative = [m / max(s, 1e-9) for m, s in zip(found, scale, strict=True)]
            if max(relative) <= 1 and sum(relative) < least:
                best, least, since = picture, sum(relative), game.iteration
                watch(best)
    return best


def patch_measures(picture: NDArray[np.float32], hole: NDArray[np.bool_]) -> tuple[float, float]:
    """(coherence, distribution distance by frequency) of a filled hole's 7x7 patches, 0 best; fast.

    picture (H,W,3) in [0,1], hole (H,W). By at most `MEASURED` of the hole's patches and the known ones.
    """
    coherence = hole_coherence(picture, hole, 1, max_patches=MEASURED)
    return coherence, hole_band_wasserstein(picture, hole, 2, projections=16, max_patches=MEASURED)


def _pair(example: Example, picture: Tensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    unit = ((picture[0] + 1) / 2).permute(1, 2, 0).cpu().numpy()
    return unit, example.hole[0, 0].cpu().numpy() > 0


def _joined(examples: Sequence[Example]) -> Example:
    names = ("photo", "preview", "hole", "unknown")
    return Example(*(torch.cat([getattr(e, name) for e in examples]) for name in names))


def _off(example: Example, y: Tensor) -> Tensor:
    """Mean L1 distance to the truth of what is filled and known."""
    return _mean((y - example.photo).abs().mean(1, keepdim=True), example.hole * (1 - example.unknown))


def _distances(example: Example, y: Tensor) -> tuple[float, float]:
    """`_off` of the pixels, and of the differences between neighbours, which see noise and lost contrast."""
    error = y - example.photo
    target = example.hole * (1 - example.unknown)
    across = _mean((error[..., 1:] - error[..., :-1]).abs().mean(1, keepdim=True), target[..., 1:])
    down = _mean((error[..., 1:, :] - error[..., :-1, :]).abs().mean(1, keepdim=True), target[..., 1:, :])
    return float(_off(example, y)), float(across + down)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean, 0 where nothing has weight."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
