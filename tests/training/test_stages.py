from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from small import made_up_batch, small_features
from torch import nn

from edgeconnect.composite import composite
from edgeconnect.models.discriminator import PatchDiscriminator
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.training.stages import EdgeStage, InpaintStage, JointStage, Prediction

WEIGHTS = {"adv": 0.1, "feature_matching": 10.0, "l1": 1.0, "perceptual": 0.1, "style": 250.0, "d_adv": 1.0}


@pytest.fixture
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "G1": EdgeGenerator(4, 1),
        "G2": InpaintGenerator(4, 1),
        "D1": PatchDiscriminator(2, width=4),
        "D2": PatchDiscriminator(3, width=4),
    }


def edge_stage(n: dict[str, nn.Module]) -> EdgeStage:
    return EdgeStage(n["G1"], n["D1"], kind="nonsaturating", weights=WEIGHTS)


def inpaint_stage(
    n: dict[str, nn.Module], G1: nn.Module | None = None, *, mixed: bool = False
) -> InpaintStage:
    features = small_features()
    return InpaintStage(n["G2"], n["D2"], features, kind="nonsaturating", weights=WEIGHTS, G1=G1, mixed=mixed)


def joint_stage(n: dict[str, nn.Module]) -> JointStage:
    features = small_features()
    return JointStage(n["G1"], n["G2"], n["D2"], features, kind="nonsaturating", weights=WEIGHTS)


def moved(networks: dict[str, nn.Module]) -> set[str]:
    """Names of the networks that hold a gradient other than zero."""

    def has_gradient(parameters: Iterable[nn.Parameter]) -> bool:
        return any(p.grad is not None and bool(p.grad.any()) for p in parameters)

    return {name for name, network in networks.items() if has_gradient(network.parameters())}


def test_the_edge_stage_trains_each_network_by_its_own_loss(networks) -> None:
    stage, batch = edge_stage(networks), made_up_batch()
    prediction = stage.predict(batch)
    sum(stage.d_losses(batch, prediction.detach()).values()).backward()
    assert moved(networks) == {"D1"}
    networks["D1"].zero_grad()
    networks["D1"].requires_grad_(False)
    sum(stage.g_losses(batch, prediction).values()).backward()
    assert moved(networks) == {"G1"}


def test_the_inpainting_stage_trains_on_true_edges(networks) -> None:
    stage, batch = inpaint_stage(networks), made_up_batch()
    prediction = stage.predict(batch)
    assert prediction.C_pred is None
    assert torch.equal(prediction.C_comp, batch.edge)
    sum(stage.d_losses(batch, prediction.detach()).values()).backward()
    assert moved(networks) == {"D2"}
    networks["D2"].zero_grad()
    networks["D2"].requires_grad_(False)
    sum(stage.g_losses(batch, prediction).values()).backward()
    assert moved(networks) == {"G2"}


def test_on_predicted_edges_the_edge_generator_stays_frozen(networks) -> None:
    stage, batch = inpaint_stage(networks, networks["G1"]), made_up_batch()
    networks["D2"].requires_grad_(False)
    prediction = stage.predict(batch)
    known = batch.mask == 0
    assert torch.equal(prediction.C_comp[known], batch.edge[known])
    assert torch.equal(prediction.C_comp[~known], prediction.C_pred[~known])
    sum(stage.g_losses(batch, prediction).values()).backward()
    assert moved(networks) == {"G2"}
    assert "edge_generator" not in stage.generators


def test_mixed_edges_are_true_in_every_other_photo_and_predicted_in_the_rest(networks) -> None:
    stage, batch = inpaint_stage(networks, networks["G1"], mixed=True), made_up_batch()
    prediction = stage.predict(batch)
    hole = batch.mask[1] == 1
    assert torch.equal(prediction.C_comp[0], batch.edge[0])
    assert torch.equal(prediction.C_comp[1][hole], prediction.C_pred[1][hole])
    assert not torch.equal(prediction.C_comp[1], batch.edge[1])
    validated = stage.using({"inpaint_generator": networks["G2"]}).predict(batch)
    hole = batch.mask == 1
    assert torch.equal(validated.C_comp[hole], validated.C_pred[hole])


def test_in_the_joint_stage_stage_twos_loss_reaches_the_edge_generator_without_d1(networks) -> None:
    stage, batch = joint_stage(networks), made_up_batch()
    assert list(stage.discriminators) == ["inpaint_discriminator"]
    assert list(stage.generators) == ["edge_generator", "inpaint_generator"]
    networks["D2"].requires_grad_(False)
    sum(stage.g_losses(batch, stage.predict(batch)).values()).backward()
    assert moved(networks) == {"G1", "G2"}


def test_the_edge_generators_gradient_comes_through_the_hole_alone(networks) -> None:
    stage, batch = joint_stage(networks), made_up_batch()
    prediction = stage.predict(batch)
    prediction.C_pred.retain_grad()
    sum(stage.g_losses(batch, prediction).values()).backward()
    known = batch.mask == 0
    assert not prediction.C_pred.grad[known].any()
    assert prediction.C_pred.grad[~known].any()


def test_the_second_generator_is_given_the_composed_edges(networks) -> None:
    stage, batch = joint_stage(networks), made_up_batch()
    for network in networks.values():
        network.eval()
    prediction = stage.predict(batch)
    C_pred = networks["G1"](batch.gray, batch.edge, batch.mask)
    C_comp = composite(batch.edge, C_pred, batch.mask)
    assert torch.equal(prediction.C_comp, C_comp)
    assert torch.equal(prediction.I_pred, networks["G2"](batch.photo, C_comp, batch.mask))


def test_the_first_discriminator_sees_gray_and_edges_in_this_order(networks) -> None:
    stage, batch = edge_stage(networks), made_up_batch()
    networks["D1"].eval()
    expected = networks["D1"](torch.cat((batch.gray, batch.edge), 1))
    assert all(map(torch.equal, stage.discriminate(batch.edge, batch.gray), expected))


def test_a_perfect_prediction_costs_the_adversarial_terms_alone(networks) -> None:
    batch = made_up_batch()
    perfect = Prediction(C_pred=batch.edge, C_comp=batch.edge, I_pred=batch.photo)
    for network in networks.values():
        network.eval()
    edge_terms = edge_stage(networks).g_losses(batch, perfect)
    terms = inpaint_stage(networks).g_losses(batch, perfect)
    assert edge_terms.keys() == {"adv", "feature_matching", "cross_entropy", "agreement"}
    assert terms.keys() == {"l1", "adv", "perceptual", "style"}
    assert edge_terms["feature_matching"] == 0
    assert edge_terms["cross_entropy"] < 1e-4 and abs(edge_terms["agreement"]) < 1e-6
    assert all(terms[name] == 0 for name in ("l1", "perceptual", "style"))


def test_style_looks_at_the_hole_alone(networks) -> None:
    stage, batch = inpaint_stage(networks), made_up_batch()
    elsewhere = composite(torch.rand_like(batch.photo), batch.photo, batch.mask)
    terms = stage.g_losses(batch, Prediction(I_pred=elsewhere))
    assert terms["style"] == 0
    assert terms["perceptual"] > 0 and terms["l1"] > 0


def test_a_stage_with_other_generators_predicts_with_them_and_leaves_the_first_as_it_is(networks) -> None:
    batch, others = made_up_batch(), {"edge_generator": EdgeGenerator(4, 1).eval()}
    others["inpaint_generator"] = InpaintGenerator(4, 1).eval()
    for stage in (edge_stage(networks), inpaint_stage(networks, networks["G1"]), joint_stage(networks)):
        own = stage.G1
        prediction = stage.using(others).predict(batch)
        expected = others["edge_generator"](batch.gray, batch.edge, batch.mask)
        assert torch.equal(prediction.C_pred, expected)
        assert stage.G1 is own


def test_a_stage_refuses_a_prediction_that_it_does_not_make(networks) -> None:
    batch = made_up_batch()
    with pytest.raises(ValueError, match="prediction that it does not make"):
        edge_stage(networks).g_losses(batch, Prediction(I_pred=batch.photo))
    with pytest.raises(ValueError, match="prediction that it does not make"):
        inpaint_stage(networks).g_losses(batch, Prediction(C_pred=batch.edge))


def test_terms_without_weight_are_not_computed_at_all(networks) -> None:
    batch = made_up_batch()
    light = dict.fromkeys(("adv", "perceptual", "style"), 0.0) | {"l1": 1.0, "d_adv": 1.0}
    stage = InpaintStage(networks["G2"], None, None, kind="nonsaturating", weights=light)
    prediction = stage.predict(batch)
    assert stage.g_losses(batch, prediction).keys() == {"l1"}
    assert stage.d_losses(batch, prediction) == {}


def test_sure_continued_lines_stand_beside_the_edge_generators_as_in_use(networks) -> None:
    batch = made_up_batch()
    start = torch.where(batch.mask > 0, 0.7, 0.0) * (torch.rand_like(batch.mask) > 0.5)
    stage = inpaint_stage(networks, networks["G1"].requires_grad_(False))
    alone = stage.predict(batch)
    both = stage.predict(replace(batch, start=start))
    sure = (start >= 0.5) & (batch.mask > 0)
    assert sure.any() and torch.all(both.C_comp[sure] == 1)
    torch.testing.assert_close(both.C_comp[~sure], alone.C_comp[~sure])
