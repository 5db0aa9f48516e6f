from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import made_up_batch, small_features, tiny_config

from edgeconnect.errors import InputError, NonFiniteLossError
from edgeconnect.models.layers import effective_weights
from edgeconnect.training import losses
from edgeconnect.training.config import TrainConfig
from edgeconnect.training.distributed import Ranks
from edgeconnect.training.trainer import Trainer, build_networks, build_stage

CPU = torch.device("cpu")
STAGES = [("edge", "true"), ("inpaint", "true"), ("inpaint", "predicted"), ("joint", "true")]


def make(config: TrainConfig, ranks: Ranks | None = None) -> Trainer:
    features = None if config.stage == "edge" else small_features()
    return Trainer(config, build_networks(config), features, CPU, ranks)


def parameters(trainer: Trainer, name: str) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.networks[name].parameters()]


def test_the_same_seed_gives_the_same_networks(tmp_path: Path) -> None:
    first, same, other = (build_networks(tiny_config(tmp_path, seed=seed)) for seed in (1, 1, 2))

    def values(networks) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for n in networks.values() for p in n.parameters()])

    assert torch.equal(values(first), values(same))
    assert not torch.equal(values(first), values(other))


@pytest.mark.parametrize(
    ("stage", "edges", "names"),
    [
        ("edge", "true", ["edge_generator", "edge_discriminator"]),
        ("inpaint", "true", ["inpaint_generator", "inpaint_discriminator"]),
        ("inpaint", "predicted", ["edge_generator", "inpaint_generator", "inpaint_discriminator"]),
        ("joint", "true", ["edge_generator", "inpaint_generator", "inpaint_discriminator"]),
    ],
)
def test_a_stage_has_the_networks_it_needs(tmp_path: Path, stage: str, edges: str, names: list[str]) -> None:
    assert list(build_networks(tiny_config(tmp_path, stage, edges=edges))) == names


@pytest.mark.parametrize(("stage", "edges"), STAGES)
def test_a_step_moves_what_is_trained_and_nothing_else(tmp_path: Path, stage: str, edges: str) -> None:
    trainer, batch = make(tiny_config(tmp_path, stage, edges=edges)), made_up_batch()
    before = {name: parameters(trainer, name) for name in trainer.networks}
    terms = trainer.train_step(batch)
    assert trainer.step == 1
    assert terms.keys() <= trainer.config.loss_weights.keys()
    for name, old in before.items():
        is_moved = not all(map(torch.equal, old, parameters(trainer, name)))
        assert is_moved == (not (edges == "predicted" and name == "edge_generator")), name


def test_adams_first_step_is_the_learning_rate_and_a_tenth_of_it_for_the_discriminator(
    tmp_path: Path,
) -> None:
    trainer, batch = make(tiny_config(tmp_path, lr=1e-3)), made_up_batch()
    before = {name: parameters(trainer, name) for name in trainer.networks}
    trainer.train_step(batch)
    # Adam's first update is lr * sign(gradient) wherever the gradient is well above its epsilon
    for name, rate in (("edge_generator", 1e-3), ("edge_discriminator", 1e-4)):
        steps = [(a - b).abs() for a, b in zip(before[name], parameters(trainer, name), strict=True)]
        moves = torch.cat([s.flatten() for s in steps])
        assert moves.max().item() == pytest.approx(rate, rel=0.01)
        assert moves.median().item() == pytest.approx(rate, rel=0.05)


def test_learning_rates_fall_tenfold_where_the_config_says(tmp_path: Path) -> None:
    trainer, batch = make(tiny_config(tmp_path, steps=4, lr=1e-3, lr_drop_at=0.5)), made_up_batch()
    rates = []
    for _ in range(4):
        trainer.train_step(batch)
        rates.append([trainer.optimizers[which].param_groups[0]["lr"] for which in ("g", "d")])
    expected = [[1e-3, 1e-4], [1e-3, 1e-4], [1e-4, 1e-5], [1e-4, 1e-5]]
    assert all(rate == pytest.approx(wanted) for rate, wanted in zip(rates, expected, strict=True))


def test_the_average_follows_its_formula(tmp_path: Path) -> None:
    trainer, batch = make(tiny_config(tmp_path, lr=1e-2, ema_decay=0.25)), made_up_batch()
    expected: list[torch.Tensor] = []
    for count in range(4):
        trainer.train_step(batch)
        now = parameters(trainer, "edge_generator")
        decay = min(0.25, (1 + count) / (10 + count))
        expected = [decay * e + (1 - decay) * n for e, n in zip(expected or now, now, strict=True)]
    averaged = trainer.averages["edge_generator"].module.parameters()
    for got, wanted in zip(averaged, expected, strict=True):
        torch.testing.assert_close(got.detach(), wanted, atol=1e-6, rtol=1e-5)


def test_without_an_average_the_trained_generator_itself_is_shipped(tmp_path: Path) -> None:
    trainer, batch = make(tiny_config(tmp_path, lr=1e-2, ema_decay=0)), made_up_batch()
    for _ in range(3):
        trainer.train_step(batch)
    shipped = effective_weights(trainer.weights().networks["edge_generator"])
    for name, weight in effective_weights(trainer.networks["edge_generator"]).items():
        torch.testing.assert_close(shipped[name], weight)


@pytest.mark.parametrize(("stage", "edges"), STAGES)
def test_shipped_weights_hold_the_generators_that_the_stage_uses(
    tmp_path: Path, stage: str, edges: str
) -> None:
    trainer = make(tiny_config(tmp_path, stage, edges=edges, sigma=1.5))
    shipped = trainer.weights()
    assert list(shipped.networks) == [n for n in trainer.networks if n.endswith("generator")]
    assert shipped.sigma == 1.5
    assert set(shipped.provenance) == set(trainer.stage.generators)
    for made in shipped.provenance.values():
        assert (made["stage"], made["steps"], made["batch_size"]) == (stage, 0, 2)


def test_averaged_predictions_change_no_network(tmp_path: Path) -> None:
    trainer, batch = make(tiny_config(tmp_path, "joint")), made_up_batch()
    trainer.train_step(batch)
    before = [t.clone() for t in _tensors(trainer.state())]
    trainer.averaged_prediction(batch)
    assert all(map(torch.equal, before, _tensors(trainer.state())))


def _tensors(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [tensor for item in inner for tensor in _tensors(item)]


@pytest.mark.parametrize(("stage", "edges"), STAGES)
def test_a_trainer_set_to_anothers_state_goes_on_like_it(tmp_path: Path, stage: str, edges: str) -> None:
    config = tiny_config(tmp_path, stage, edges=edges)
    first, second = make(config), make(config.model_copy(update={"seed": 5}))
    first.train_step(made_up_batch(seed=1))
    torch.save(first.state(), tmp_path / "state.pt")
    second.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    for trainer in (first, second):
        trainer.train_step(made_up_batch(seed=2))
    assert second.step == 2
    assert all(map(torch.equal, _tensors(first.state()), _tensors(second.state())))


def test_a_state_of_other_networks_is_refused(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    state = make(config).state()
    with pytest.raises(InputError, match="does not fit this run's networks"):
        make(config.model_copy(update={"width": 4})).load_state(state)
    with pytest.raises(InputError, match="does not fit this run's networks"):
        make(config).load_state({"step": 3})


def test_a_state_of_one_process_is_several_processes_too(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    trainer = make(config)
    trainer.train_step(made_up_batch())
    state = trainer.state()
    other = make(config)
    other.ranks = Ranks(0, 0, 2)
    other.load_state(state)
    assert other.step == 1 and all(map(torch.equal, _tensors(state), _tensors(other.state())))


@pytest.mark.parametrize(
    ("stage", "function", "term"),
    [
        ("edge", "feature_matching", "feature_matching"),
        ("edge", "adversarial_d", "d_adv"),
        ("inpaint", "style", "style"),
        ("joint", "perceptual", "perceptual"),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_is_named(
    tmp_path: Path, monkeypatch, stage: str, function: str, term: str, value: float
) -> None:
    trainer = make(tiny_config(tmp_path, stage))
    trainer.train_step(made_up_batch())
    monkeypatch.setattr(losses, function, lambda *_: torch.tensor(value))
    with pytest.raises(NonFiniteLossError, match=f"loss term '{term}' is {value} at step 2"):
        trainer.train_step(made_up_batch())


def test_terms_come_back_unweighted(tmp_path: Path) -> None:
    plain = make(tiny_config(tmp_path)).train_step(made_up_batch())
    weighted = make(tiny_config(tmp_path, w_feature_matching=1000, w_edge_adv=0)).train_step(made_up_batch())
    assert plain == weighted


def test_a_term_of_weight_zero_moves_nothing(tmp_path: Path) -> None:
    trainer = make(tiny_config(tmp_path, w_feature_matching=0, w_edge_adv=0))
    before = parameters(trainer, "edge_generator")
    trainer.train_step(made_up_batch())
    assert all(map(torch.equal, before, parameters(trainer, "edge_generator")))


def test_in_bfloat16_the_losses_stay_near_those_of_float32(tmp_path: Path) -> None:
    terms = {
        precision: make(tiny_config(tmp_path, "joint", precision=precision)).train_step(made_up_batch())
        for precision in ("float32", "bf16")
    }
    for name, value in terms["float32"].items():
        assert terms["bf16"][name] == pytest.approx(value, rel=0.05, abs=1e-3), name


def test_a_stage_that_paints_needs_features(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, "inpaint")
    with pytest.raises(ValueError, match="stage inpaint needs a feature extractor"):
        build_stage(config, build_networks(config), None)


@pytest.mark.parametrize("edges", ["predicted", "mixed"])
def test_the_frozen_edge_generator_is_the_same_after_steps_and_validations(
    tmp_path: Path, edges: str
) -> None:
    trainer = make(tiny_config(tmp_path, "inpaint", edges=edges))
    frozen = trainer.networks["edge_generator"]
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    trainer.averaged_prediction(made_up_batch())
    trainer.train_step(made_up_batch())
    assert not frozen.training
    for name, value in frozen.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("stage", ["edge", "inpaint"])
def test_an_extra_loss_is_a_named_term_with_its_weight(tmp_path: Path, stage: str) -> None:
    batch = made_up_batch()
    plain = make(tiny_config(tmp_path, stage))
    extra = make(tiny_config(tmp_path, stage, extra="total_variation=3"))
    terms = extra.train_step(batch)
    assert terms.keys() - plain.train_step(batch).keys() == {"total_variation"}
    assert terms["total_variation"] > 0 and extra.stage.weights["total_variation"] == 3
    name = next(iter(extra.stage.generators))
    moved = zip(parameters(extra, name), parameters(plain, name), strict=True)
    assert any((a != b).any() for a, b in moved)


def test_an_extra_loss_that_does_not_exist_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="extra: expected losses among total_variation, got charm"):
        tiny_config(tmp_path, extra="charm=1")
    with pytest.raises(InputError, match="extra"):
        tiny_config(tmp_path, extra="total_variation")
