"""The paper's three stages, in its symbols: what is predicted, and the losses of each network.

Nazeri et al., "EdgeConnect: Generative Image Inpainting with Adversarial Edge Learning" (arXiv 1901.00212).
I_gt photo, I_gray gray, C_gt edges, M mask (1 = hole); G1, D1 edges; G2, D2 colours. Losses come back as
named terms without weights; `weights` says what each counts, and the training loop applies it once.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from edgeconnect.composite import composite
from edgeconnect.edges.continuation import SURE
from edgeconnect.training import losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from edgeconnect.models.vgg import FeatureExtractor
    from edgeconnect.training.batch import Batch

Terms = dict[str, "Tensor"]
Features = dict[str, "Tensor"]
T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """A stage's output: C_pred (N,1,H,W), C_comp (N,1,H,W), I_pred (N,3,H,W); None where it has none."""

    C_pred: Tensor | None = None
    C_comp: Tensor | None = None
    I_pred: Tensor | None = None

    def detach(self) -> Prediction:
        """The same values, cut off from the generators' graph."""
        values = (self.C_pred, self.C_comp, self.I_pred)
        return Prediction(*(None if v is None else v.detach() for v in values))


class Stage(Protocol):
    """What the training loop needs of a stage."""

    weights: dict[str, float]
    generators: dict[str, nn.Module]  # trained by the generator step
    discriminators: dict[str, nn.Module]  # trained by the discriminator step

    def using(self, generators: Mapping[str, nn.Module]) -> Stage: ...
    def predict(self, batch: Batch) -> Prediction: ...
    def d_losses(self, batch: Batch, prediction: Prediction) -> Terms: ...
    def g_losses(self, batch: Batch, prediction: Prediction) -> Terms: ...


class EdgeStage:
    """Stage 1: G1 completes Canny edges against D1 (section 3.1, equations 1-4)."""

    def __init__(
        self, G1: nn.Module, D1: nn.Module, *, kind: losses.AdversarialKind, weights: dict[str, float]
    ) -> None:
        self.G1, self.D1, self.kind, self.weights = G1, D1, kind, weights
        self.generators, self.discriminators = {"edge_generator": G1}, {"edge_discriminator": D1}

    def using(self, generators: Mapping[str, nn.Module]) -> EdgeStage:
        """The same stage with other generators (the averaged ones)."""
        twin = copy.copy(self)
        twin.G1 = generators["edge_generator"]
        return twin

    def predict(self, batch: Batch) -> Prediction:
        I_gray, C_gt, M = batch.gray, batch.edge, batch.mask
        C_pred = self.G1(I_gray, C_gt, M, batch.start)
        C_comp = composite(C_gt, C_pred, M)
        return Prediction(C_pred=C_pred, C_comp=C_comp)

    def d_losses(self, batch: Batch, prediction: Prediction) -> Terms:
        if not self.has_adversary:
            return {}
        I_gray, C_gt, C_pred = batch.gray, batch.edge, prediction.C_pred
        real, fake = self.discriminate(C_gt, I_gray)[-1], self.discriminate(C_pred, I_gray)[-1]
        return {"d_adv": losses.adversarial_d(real, fake, self.kind)}

    def g_losses(self, batch: Batch, prediction: Prediction) -> Terms:
        I_gray, C_gt, C_pred = batch.gray, batch.edge, _given(prediction.C_pred)
        L_CE = losses.edge_cross_entropy(C_pred, C_gt, batch.mask)
        L_F = losses.edge_agreement(C_pred, C_gt, batch.mask)
        terms = {"cross_entropy": L_CE, "agreement": L_F}
        if not self.has_adversary:
            return terms
        with torch.no_grad():
            real = self.discriminate(C_gt, I_gray)
        fake = self.discriminate(C_pred, I_gray)
        L_adv1 = losses.adversarial_g(fake[-1], self.kind)
        L_FM = losses.feature_matching(real, fake)
        return {"adv": L_adv1, "feature_matching": L_FM, **terms}

    @property
    def has_adversary(self) -> bool:
        """Whether D1 has a weight: a warm-up by cross-entropy alone does without it."""
        return bool(self.weights["adv"] or self.weights["feature_matching"])

    def discriminate(self, C: Tensor | None, I_gray: Tensor) -> list[Tensor]:
        """D1(C, I_gray): the feature maps of an edge map given its gray photo."""
        features: list[Tensor] = self.D1(torch.cat((I_gray, _given(C)), dim=1))
        return features


class InpaintStage:
    """Stage 2: G2 completes the colours against D2 (section 3.2, equations 5-7).

    On true edges; with G1 given, on its completed edges, G1 frozen; `mixed`, on true ones in every other
    photo of a batch, so that G2 learns both to draw along given lines and to bear G1's faults. Where a batch
    has continued lines, the sure ones stand beside G1's.
    """

    def __init__(
        self,
        G2: nn.Module,
        D2: nn.Module,
        features: FeatureExtractor | None,
        *,
        kind: losses.AdversarialKind,
        weights: dict[str, float],
        G1: nn.Module | None = None,
        mixed: bool = False,
    ) -> None:
        self.G1, self.G2, self.D2, self.VGG, self.kind, self.weights = G1, G2, D2, features, kind, weights
        self.mixed = mixed
        self.generators: dict[str, nn.Module] = {"inpaint_generator": G2}
        self.discriminators = {"inpaint_discriminator": D2}

    def using(self, generators: Mapping[str, nn.Module]) -> InpaintStage:
        """The same stage with other generators (the averaged ones); not `mixed`, but on G1's edges alone."""
        twin = copy.copy(self)
        twin.mixed = False  # else a photo's place in its batch would decide which edges it is scored on
        twin.G1, twin.G2 = generators.get("edge_generator", self.G1), generators["inpaint_generator"]
        return twin

    def predict(self, batch: Batch) -> Prediction:
        I_gt, M = batch.photo, batch.mask
        C_pred, C_comp = self.edges(batch)
        I_pred = self.G2(I_gt, C_comp, M)
        return Prediction(C_pred=C_pred, C_comp=C_comp, I_pred=I_pred)

    def edges(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        I_gray, C_gt, M = batch.gray, batch.edge, batch.mask
        if self.G1 is None:
            return None, C_gt
        with torch.no_grad():
            C_pred = self.G1(I_gray, C_gt, M, batch.start)
            if batch.start is not None:
                C_pred = torch.maximum(C_pred, (batch.start >= SURE).to(C_pred))  # as `inpaint` joins both
        C_comp = composite(C_gt, C_pred, M)
        if self.mixed:
            C_comp[::2] = C_gt[::2]
        return C_pred, C_comp

    def d_losses(self, batch: Batch, prediction: Prediction) -> Terms:
        if not self.weights["adv"]:
            return {}  # a discriminator without a weight trains nobody
        real, fake = self.D2(batch.photo)[-1], self.D2(prediction.I_pred)[-1]
        return {"d_adv": losses.adversarial_d(real, fake, self.kind)}

    def g_losses(self, batch: Batch, prediction: Prediction) -> Terms:
        """The terms that have a weight: the style term alone costs as much as half of the perceptual one."""
        I_gt, M, I_pred = batch.photo, batch.mask, _given(prediction.I_pred)
        terms = {"l1": losses.masked_l1(I_pred, I_gt, M)}
        if self.weights["adv"]:
            terms["adv"] = losses.adversarial_g(self.D2(I_pred)[-1], self.kind)
        if self.weights["perceptual"]:
            terms["perceptual"] = losses.perceptual(
                *self._features(I_gt, I_pred, _given(self.VGG).perceptual_taps)
            )
        if self.weights["style"]:
            terms["style"] = losses.style(*self._features(I_gt * M, I_pred * M, _given(self.VGG).style_taps))
        return terms

    def _features(self, truth: Tensor, predicted: Tensor, taps: tuple[str, ...]) -> tuple[Features, Features]:
        VGG = _given(self.VGG)
        with torch.no_grad():
            true_features = VGG(truth, taps)
        return true_features, VGG(predicted, taps)


class JointStage(InpaintStage):
    """Stage 3: D1 is dropped; gradients of stage 2's losses flow through C_comp into G1 (section 3.3)."""

    def __init__(
        self,
        G1: nn.Module,
        G2: nn.Module,
        D2: nn.Module,
        features: FeatureExtractor | None,
        *,
        kind: losses.AdversarialKind,
        weights: dict[str, float],
    ) -> None:
        super().__init__(G2, D2, features, kind=kind, weights=weights, G1=G1)
        self.generators = {"edge_generator": G1, "inpaint_generator": G2}

    def edges(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        I_gray, C_gt, M = batch.gray, batch.edge, batch.mask
        C_pred = _given(self.G1)(I_gray, C_gt, M, batch.start)
        return C_pred, composite(C_gt, C_pred, M)


def _given(value: T | None) -> T:
    if value is None:
        raise ValueError(
            "this stage was given a prediction that it does not make, or no features for its losses"
        )
    return value
