"""What a made-up card (`card.py`) can refute of GPUs: nothing mixes devices, and little waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from card import CARD, Card, OnCard, made_up_card
from small import made_up_batch, patch_fill, small_features, tiny_config, write_photos, write_vgg19
from torch.utils._python_dispatch import TorchDispatchMode

from edgeconnect import EdgeConnect
from edgeconnect.ingan.config import make_single_config
from edgeconnect.ingan.store import to_tensor
from edgeconnect.ingan.trainer import SingleTrainer
from edgeconnect.io.images import read_rgb
from edgeconnect.metrics.perceptual import UnitDistance, VggDistance
from edgeconnect.metrics.stateful import StructuralSimilarity
from edgeconnect.models.generators import EdgeGenerator
from edgeconnect.models.smooth_fill import smooth_fill
from edgeconnect.patches import fill, redraw
from edgeconnect.patches.fill import Effort
from edgeconnect.training.batch import Batch
from edgeconnect.training.trainer import Trainer, build_networks
from edgeconnect.training.validation import validate

CPU = torch.device("cpu")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    """The card; patches are matched a few times, as the first times are as all others."""
    monkeypatch.setattr(fill, "ITERATIONS", (2, 2, 1))
    monkeypatch.setattr(fill, "THIN_ITERATIONS", 2)
    monkeypatch.setattr(redraw, "ITERATIONS", (3, 2, 2))
    with made_up_card() as card:
        yield card


def on_card(tensor: torch.Tensor) -> torch.Tensor:
    moved = tensor.to(CARD)
    assert isinstance(moved, OnCard)
    return moved


def test_the_card_refuses_what_cards_refuse_and_counts_what_waits(card: Card) -> None:
    there = on_card(torch.rand(4))
    with pytest.raises(RuntimeError, match="tensors of one device"):
        there + torch.rand(4)
    with pytest.raises(RuntimeError, match="tensors of one device"):
        torch.stack([there, torch.rand(4)])
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(4, generator=torch.Generator(), device=CARD)
    with pytest.raises(NotImplementedError, match="uint16"):
        on_card(torch.zeros(4, dtype=torch.uint16))[on_card(torch.tensor([0]))]
    before = card.waits.total()
    assert (there + torch.tensor(1.0) - 1).isclose(there).device == CARD and card.waits.total() == before
    for wait in (
        there.sum().item,
        there.cpu,
        there.nonzero,
        lambda: there[there > 0],
        lambda: bool(there[0]),
    ):
        wait()
        before += 1
        assert card.waits.total() == before


STAGES: dict[str, dict[str, Any]] = {
    "edge": {"w_cross_entropy": 1, "w_agreement": 1, "edge_start": "continued"},
    "inpaint": {"edges": "mixed", "hole_start": "smooth", "upsampling": "resize"},
    "joint": {"edge_start": "continued"},
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_step_on_a_card_waits_for_it_twice_and_is_that_of_the_cpu(tmp_path: Path, stage: str) -> None:
    config = tiny_config(tmp_path, stage, extra={"total_variation": 0.1}, **STAGES[stage])
    batches = [replace(batch, start=batch.edge) for batch in map(made_up_batch, (2, 2))]

    def trained(device: torch.device) -> tuple[Trainer, list[dict[str, float]], int]:
        trainer = Trainer(config, build_networks(config), small_features(), device)
        before = card.waits.total()
        losses = [trainer.train_step(batch) for batch in batches]
        return trainer, losses, card.waits.total() - before

    with made_up_card() as card:
        cpu, expected, _ = trained(CPU)
        trainer, found, waits = trained(CARD)
        assert waits == 2 * len(batches)  # for the losses of the discriminator and of the generators
        assert found == [pytest.approx(losses, rel=1e-4) for losses in expected]
        assert_equal(trainer.state(), cpu.state())


def assert_equal(found: Any, expected: Any) -> None:
    """Of containers of tensors, those found being on the card."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_equal(found[name], expected[name])
    elif isinstance(expected, list):
        for pair in zip(found, expected, strict=True):
            assert_equal(*pair)
    elif isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # this one has numbers
def test_a_run_goes_on_and_is_validated_on_a_card(tmp_path: Path, card: Card) -> None:
    config = tiny_config(tmp_path, "joint")
    cpu, other = (Trainer(config, build_networks(config), small_features(), where) for where in (CPU, CARD))
    cpu.train_step(made_up_batch())
    other.load_state(cpu.state())
    batch = made_up_batch(seed=1)
    assert other.train_step(batch) == pytest.approx(cpu.train_step(batch), rel=1e-4)
    items = [Batch(*(getattr(batch, name)[0] for name in ("photo", "gray", "edge", "mask")))]
    (scores, grid), (there, grid_there) = (
        validate(trainer.averaged_prediction, items, 1) for trainer in (cpu, other)
    )
    assert there == pytest.approx(scores, rel=1e-3)
    assert np.abs(grid.astype(int) - grid_there).max() <= 1


def test_a_single_photo_is_trained_on_a_card(tmp_path: Path, card: Card) -> None:
    write_photos(tmp_path / "photos", count=1)
    sizes = {"crop": 24, "width": 4, "downscales": 1, "blocks": 1, "disc_width": 4, "short_side": None}
    steps = {"steps": 3, "sizes_until": 1, "inverse_from": 1, "trapezoids": 1.0, "precision": "float32"}
    paths = {"photos": [str(tmp_path / "photos/photo_0.png")], "run": str(tmp_path / "run")}
    config = make_single_config({**paths, **sizes, **steps})
    trainer = SingleTrainer(config, [to_tensor(read_rgb(config.photos[0]))], CARD)
    losses = [trainer.train_step() for _ in range(3)]
    assert all(np.isfinite(list(terms.values())).all() for terms in losses) and "inverse" in losses[-1]


def test_the_smooth_fill_never_waits_for_the_card(card: Card) -> None:
    batch = made_up_batch()
    photo, mask = on_card(batch.photo), on_card(batch.mask)
    before = card.waits.total()
    filled = smooth_fill(photo, mask)
    assert card.waits.total() == before
    torch.testing.assert_close(filled.cpu(), smooth_fill(batch.photo, batch.mask))


def test_lines_are_continued_on_the_cpu_and_come_back_to_the_card(card: Card) -> None:
    batch = made_up_batch()
    network = EdgeGenerator(4, 1, edge_start="continued").requires_grad_(False)
    expected = network(batch.gray, batch.edge, batch.mask)
    there = network.to(CARD)(*map(on_card, (batch.gray, batch.edge, batch.mask)))
    torch.testing.assert_close(there.cpu(), expected)


@pytest.fixture
def small(photo: np.ndarray) -> np.ndarray:
    """(48,56,3) uint8"""
    return np.ascontiguousarray(photo[:48, :56])


@pytest.fixture
def hole() -> torch.Tensor:
    """A box and a stroke, (48,56) bool."""
    hole = torch.zeros(48, 56, dtype=torch.bool)
    hole[20:38, 20:34] = True
    hole[10:13, 5:50] = True
    return hole


@pytest.mark.parametrize(
    ("dtype", "white", "solved_px", "is_guided"),
    [
        (np.uint8, 255, 2**18, True),
        (np.float32, 1, 2**18, False),
        (np.uint16, 65535, 1000, True),  # the matches of a coarser scale are carried up
    ],
)
def test_a_hole_is_filled_from_patches_on_a_card(
    card: Card,
    small: np.ndarray,
    hole: torch.Tensor,
    dtype: Any,
    white: int,
    solved_px: int,
    is_guided: bool,
) -> None:
    pixels = torch.from_numpy((small / 255 * white).astype(dtype))
    forbidden = torch.zeros_like(hole)
    forbidden[:, -10:] = True
    guide = pixels.flip(0) if is_guided else None
    options = {"seed": 1, "effort": Effort(solved_px)}
    expected = patch_fill(pixels, hole, guide, forbidden=forbidden, **options)
    there = [None if tensor is None else on_card(tensor) for tensor in (pixels, hole, guide)]
    found = patch_fill(*there, forbidden=on_card(forbidden), **options)
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-3)


def test_a_photo_is_redrawn_on_a_card(card: Card, small: np.ndarray) -> None:
    source = torch.from_numpy(small[:24, :24] / np.float32(255))
    drawn = source.repeat_interleave(2, 1)
    found = redraw.redraw(on_card(drawn), on_card(source))
    torch.testing.assert_close(found.cpu(), redraw.redraw(drawn, source), rtol=0, atol=1e-3)


@pytest.mark.slow
def test_all_three_steps_are_done_on_a_card(
    card: Card, weights_file: Path, small: np.ndarray, hole: torch.Tensor
) -> None:
    cpu, there = (
        EdgeConnect.load(weights_file, device=where, precision="float32") for where in ("cpu", CARD.type)
    )
    expected, found = (model.inpaint(small, hole.numpy(), seed=1) for model in (cpu, there))
    assert np.abs(found.astype(int) - expected).max() <= 2
    tensor = on_card(torch.from_numpy(small).permute(2, 0, 1))
    assert there(tensor, on_card(hole), texture=0.0).device == CARD
    assert there.to("cpu").device == CPU and next(there.edge_generator.parameters()).device == CPU


def test_distances_take_pictures_of_any_device(card: Card, tmp_path: Path) -> None:
    a, b = torch.rand(2, 2, 3, 40, 40)
    mask = torch.zeros(2, 1, 40, 40)
    mask[..., 5:30, 5:30] = 1
    file = write_vgg19(tmp_path / "vgg.pth")
    for kind in (VggDistance, UnitDistance):
        expected, distance = kind(file)(a, b, mask), kind(file, CARD)
        for places in ((a, b, mask), (on_card(a), on_card(b), on_card(mask)), (a, on_card(b), mask)):
            torch.testing.assert_close(distance(*places), expected)
    score = StructuralSimilarity()
    score.update(on_card(a), on_card(b))
    assert score.compute() <= 1


class Convolutions(TorchDispatchMode):
    """Whether float32 may be rounded to TF32 in each convolution that is computed meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.rounded: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "conv" in func.name():
            self.rounded.append(torch.backends.cudnn.allow_tf32)
        return func(*args, **(kwargs or {}))


def test_distances_and_searches_are_not_rounded_to_tf32_and_networks_may_be(
    tmp_path: Path, small: np.ndarray, hole: torch.Tensor, model: EdgeConnect
) -> None:
    file = write_vgg19(tmp_path / "vgg.pth")
    a, b = torch.rand(2, 1, 3, 40, 40)
    works: dict[str, tuple[Callable[[], object], bool]] = {
        "VGG": (lambda: VggDistance(file)(a, b), False),
        "unit": (lambda: UnitDistance(file)(a, b), False),
        "patches": (lambda: patch_fill(torch.from_numpy(small), hole), False),
        "networks": (lambda: model.inpaint(small, hole.numpy(), texture=0.0), True),
    }
    for name, (work, may_round) in works.items():
        with Convolutions() as seen:
            work()
        assert seen.rounded and set(seen.rounded) == {may_round}, name
