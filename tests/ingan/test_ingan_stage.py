from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edgeconnect.ingan.stage import SingleStage
from edgeconnect.ingan.transforms import Transformation

WEIGHTS = {"adv": 1.0, "reconstruction": 0.1, "inverse": 0.1, "d_adv": 1.0}
SAME = Transformation((8, 8))


def brighter(x: torch.Tensor, T: Transformation) -> torch.Tensor:
    """A generator that only transforms, and adds 0.1."""
    return T(x) + 0.1


def mean_of_picture(x: torch.Tensor, scales: list[float]) -> torch.Tensor:
    """A discriminator whose map is the mean picture value everywhere."""
    return x.mean((1, 2, 3), keepdim=True).expand(-1, 1, 3, 3)


mean_of_picture.real = mean_of_picture


def stage(**changes) -> SingleStage:
    return replace(SingleStage(brighter, mean_of_picture, WEIGHTS), **changes)


def test_the_losses_are_those_of_the_paper() -> None:
    x = torch.full((1, 3, 8, 8), 0.5)
    y = stage().predict(x, SAME)
    # D(x) = 0.5, D(y) = 0.6; G(G(x)) = x + 0.2
    assert stage().d_losses(x, y, [1.0])["d_adv"].item() == pytest.approx((0.5**2 + 0.6**2) / 2)
    terms = stage().g_losses(x, y, SAME, [1.0])
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {"adv": 0.4**2, "reconstruction": 0.2}
    )
    assert stage().inverse_losses(x, y, SAME)["inverse"].item() == pytest.approx(0.2)


def test_the_reconstruction_has_the_size_and_shape_of_the_photo() -> None:
    y, x = torch.meshgrid(torch.linspace(-0.5, 0.5, 40), torch.linspace(-0.5, 0.5, 60), indexing="ij")
    photo = torch.stack([x, y, (x + y) / 2])[None]
    for T in (
        Transformation((60, 45)),
        Transformation((50, 70), (0.2, -0.2)),
        Transformation((40, 60), (-0.2, 0.2)),
    ):
        reconstruction_loss = stage().reconstruction_loss(photo, stage().predict(photo, T), T)
        assert reconstruction_loss.item() == pytest.approx(0.2, abs=0.01)


def test_places_that_left_the_frame_are_not_charged_for() -> None:
    """A wider top pushes the picture's upper corners out: what was there cannot come back."""
    photo, T = torch.zeros(1, 3, 40, 40), Transformation((40, 40), (-0.3, 0.3))
    lost = ~T.inverse((40, 40)).inside().expand(1, 3, -1, -1)
    photo[lost] = 1
    y = torch.zeros(1, 3, 40, 40)
    assert lost.float().mean() > 0.1
    assert stage().reconstruction_loss(photo, y, T).item() == pytest.approx(0.1)


def test_the_discriminator_s_loss_moves_no_generator_and_the_extra_step_no_first_pass() -> None:
    gain = torch.ones((), requires_grad=True)
    trained = stage(G=lambda x, T: T(x) * gain)
    x = torch.full((1, 3, 8, 8), 0.5)
    y = trained.predict(x, SAME)
    assert not trained.d_losses(x, y, [1.0])["d_adv"].requires_grad
    # |0.5 g - 0.5| through the reconstruction alone
    (gradient,) = torch.autograd.grad(trained.inverse_losses(x, y * 1.2, SAME)["inverse"], gain)
    assert gradient.item() == pytest.approx(0.6)


def test_an_ablated_reconstruction_is_not_even_computed() -> None:
    passes = []

    def counting(x: torch.Tensor, T: Transformation) -> torch.Tensor:
        passes.append(T)
        return T(x)

    x = torch.zeros(1, 3, 8, 8)
    ablated = stage(G=counting, weights={**WEIGHTS, "reconstruction": 0.0})
    assert set(ablated.g_losses(x, x, SAME, [1.0])) == {"adv"}
    assert not passes


def test_everything_that_a_network_sees_is_noisy() -> None:
    seen = []

    def watching(x: torch.Tensor, _: object) -> torch.Tensor:
        seen.append(x.mean().item())
        return x

    watching.real = watching
    noisy = stage(noisy=lambda x: x + 1, G=watching, D=watching)
    x = torch.zeros(1, 3, 8, 8)
    y = noisy.predict(x, SAME)
    noisy.d_losses(x, y, [1.0])
    noisy.g_losses(x, y, SAME, [1.0])
    # G(x), D(x), D(y), D(y), G(y) for the reconstruction, each with one more than it was given
    assert seen == [1, 1, 2, 2, 2]
