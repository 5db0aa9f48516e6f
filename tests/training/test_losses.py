from __future__ import annotations

import math

import pytest
import torch
from torch.nn import BCEWithLogitsLoss
from torch.nn.functional import binary_cross_entropy

from edgeconnect.training import losses


def test_the_nonsaturating_losses_are_torchs_cross_entropy_on_logits() -> None:
    real, fake = torch.randn(2, 1, 6, 6) * 4, torch.randn(2, 1, 6, 6) * 4
    bce = BCEWithLogitsLoss()
    expected_d = (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))) / 2
    torch.testing.assert_close(losses.adversarial_d(real, fake), expected_d)
    torch.testing.assert_close(losses.adversarial_g(fake), bce(fake, torch.ones_like(fake)))


def test_an_undecided_discriminator_costs_log_two() -> None:
    undecided = torch.zeros(3, 1, 4, 4)
    assert losses.adversarial_d(undecided, undecided).item() == pytest.approx(math.log(2))
    assert losses.adversarial_g(undecided).item() == pytest.approx(math.log(2))


def test_least_squares_and_hinge_losses_have_their_hand_worked_values() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])
    # ((2-1)^2 + (0.5-1)^2)/2 = 0.625; (9 + 0.25)/2 = 4.625
    assert losses.adversarial_d(real, fake, "lsgan").item() == pytest.approx((0.625 + 4.625) / 2)
    # ((-3-1)^2 + (0.5-1)^2)/2
    assert losses.adversarial_g(fake, "lsgan").item() == pytest.approx(8.125)
    # relu(1-2), relu(1-0.5): 0.25 in the mean; relu(1-3), relu(1+0.5): 0.75 in the mean
    assert losses.adversarial_d(real, fake, "hinge").item() == pytest.approx(0.5)
    assert losses.adversarial_g(fake, "hinge").item() == pytest.approx(1.25)


@pytest.mark.parametrize("kind", ["nonsaturating", "lsgan", "hinge"])
def test_adversarial_losses_pull_logits_the_right_way(kind) -> None:
    real, fake = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    losses.adversarial_d(real, fake, kind).backward()
    assert (real.grad < 0).all()  # descent raises what is real
    assert (fake.grad > 0).all() or kind == "lsgan"  # whose minimum for fakes is 0 itself
    fooled = torch.zeros(2, 3, requires_grad=True)
    losses.adversarial_g(fooled, kind).backward()
    assert (fooled.grad < 0).all()


def test_huge_half_precision_logits_stay_finite() -> None:
    huge = torch.full((2, 1, 3, 3), 3e4, dtype=torch.bfloat16)
    assert losses.adversarial_d(-huge, huge).isfinite()
    assert losses.adversarial_d(-huge, huge).dtype == torch.float32
    assert losses.adversarial_g(-huge).item() == pytest.approx(3e4, rel=0.01)


def test_feature_matching_sums_the_mean_distances_of_all_maps() -> None:
    real = [torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 2, 2)]
    fake = [torch.full((1, 2, 4, 4), 0.5), torch.full((1, 4, 2, 2), -2.0)]
    assert losses.feature_matching(real, fake).item() == pytest.approx(0.5 + 3.0)


def test_feature_matching_does_not_move_the_real_maps() -> None:
    real, fake = torch.rand(1, 2, 4, 4, requires_grad=True), torch.rand(1, 2, 4, 4, requires_grad=True)
    losses.feature_matching([real], [fake]).backward()
    assert real.grad is None
    assert fake.grad is not None and fake.grad.any()


def test_the_masked_l1_does_not_shrink_with_the_hole() -> None:
    truth = torch.rand(1, 3, 64, 64) * 0.5
    values = []
    for side in (4, 16, 64):
        mask = torch.zeros(1, 1, 64, 64)
        mask[..., :side, :side] = 1
        values.append(losses.masked_l1(truth + 0.25 * mask, truth, mask).item())
    assert values == pytest.approx([0.25, 0.25, 0.25], rel=1e-4)


def test_the_masked_l1_without_a_hole_is_finite() -> None:
    truth = torch.rand(1, 3, 8, 8)
    assert losses.masked_l1(truth, truth, torch.zeros(1, 1, 8, 8)).item() == 0


def test_the_edge_cross_entropy_is_torchs_over_the_hole_with_lines_counted_more() -> None:
    predicted, truth = torch.rand(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.8).float()
    mask = (torch.rand(2, 1, 8, 8) > 0.5).float()
    hole = mask.bool()
    weight = torch.where(truth[hole] > 0, 3.0, 1.0)
    expected = binary_cross_entropy(predicted[hole], truth[hole], weight=weight)
    torch.testing.assert_close(losses.edge_cross_entropy(predicted, truth, mask), expected)


def test_the_edge_cross_entropy_of_certain_edges_is_finite() -> None:
    truth, mask = (torch.rand(1, 1, 8, 8) > 0.5).float(), torch.ones(1, 1, 8, 8)
    assert losses.edge_cross_entropy(truth, truth, mask).item() == pytest.approx(0, abs=1e-5)
    assert losses.edge_cross_entropy(1 - truth, truth, mask).isfinite()
    assert losses.edge_cross_entropy(truth, truth, 0 * mask).item() == 0


def test_a_gram_matrix_worked_out_by_hand() -> None:
    features = torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[3.0, 0.0], [1.0, 1.0]]])[None]
    # rows (1,2,0,1) and (3,0,1,1): products 6, 4, 11; divided by C*H*W = 8
    expected = torch.tensor([[[6.0, 4.0], [4.0, 11.0]]]) / 8
    torch.testing.assert_close(losses.gram(features), expected)


def test_style_does_not_see_where_features_lie() -> None:
    features = torch.rand(2, 5, 6, 6)
    shuffled = features.flatten(2)[..., torch.randperm(36)].reshape(2, 5, 6, 6)
    assert losses.style({"relu2_2": features}, {"relu2_2": shuffled}).item() == pytest.approx(0, abs=1e-6)
    assert losses.perceptual({"relu2_2": features}, {"relu2_2": shuffled}).item() > 0.1


def test_perceptual_and_style_sum_over_their_taps() -> None:
    truth = {"a": torch.zeros(1, 1, 2, 2), "b": torch.zeros(1, 1, 2, 2)}
    predicted = {"a": torch.full((1, 1, 2, 2), 2.0), "b": torch.full((1, 1, 2, 2), 3.0)}
    assert losses.perceptual(truth, predicted).item() == pytest.approx(2 + 3)
    # one channel: the Gram matrix is the mean square
    assert losses.style(truth, predicted).item() == pytest.approx(4 + 9)


def test_perceptual_and_style_need_no_graph_of_the_truth() -> None:
    truth, predicted = (torch.rand(1, 3, 4, 4, requires_grad=True) for _ in range(2))
    (
        losses.perceptual({"t": truth}, {"t": predicted}) + losses.style({"t": truth}, {"t": predicted})
    ).backward()
    assert truth.grad is None
    assert predicted.grad is not None and predicted.grad.any()


def test_the_edge_agreement_worked_out_by_hand() -> None:
    truth, drawn, mask = torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 6, 6)
    truth[..., 2] = 1
    drawn[..., 3, 1:5] = 1  # three within 1 px of the line, one on it
    precision, recall = (3 - 1) / 4, 1 / 6  # half of all places are near: a wrong one takes a right one away
    expected = 1 - 1.25 * precision * recall / (0.25 * precision + recall)
    assert losses.edge_agreement(drawn, truth, mask, beta=0.5).item() == pytest.approx(expected)
    assert losses.edge_agreement(truth, truth, mask).item() == pytest.approx(0)
    assert losses.edge_agreement(drawn, truth, 0 * mask).item() == 1


def test_a_grid_of_dots_over_a_texture_is_worth_nothing() -> None:
    truth, dots = torch.zeros(1, 1, 48, 48), torch.zeros(1, 1, 48, 48)
    truth[..., ::6], dots[..., ::4, ::4] = 1, 1
    mask = torch.ones_like(truth)
    assert losses.edge_agreement(dots, truth, mask) > 0.98
    assert losses.edge_agreement(truth * (torch.arange(48) < 24), truth, mask) < 0.2


def test_the_mean_of_the_parts_losses_is_the_loss_of_all_where_they_know_the_hole_of_all() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, truth = (torch.rand(4, 1, 8, 8, generator=generator) for _ in range(2))
    mask = torch.zeros(4, 1, 8, 8)
    for number in range(4):  # one large hole, three small ones
        mask[number, :, : (7 if number == 0 else 1)] = 1
    for loss in (losses.masked_l1, losses.edge_cross_entropy):
        parts = [
            loss(predicted[i : i + 2], truth[i : i + 2], mask[i : i + 2], hole_share=mask.mean())
            for i in (0, 2)
        ]
        torch.testing.assert_close(torch.stack(parts).mean(), loss(predicted, truth, mask))
        apart = [loss(predicted[i : i + 2], truth[i : i + 2], mask[i : i + 2]) for i in (0, 2)]
        assert (torch.stack(apart).mean() - loss(predicted, truth, mask)).abs() > 1e-2
