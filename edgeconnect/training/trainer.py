"""One training step of any stage, and everything that a checkpoint must hold to go on bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel

from edgeconnect.device import choose_dtype, compile_network, describe
from edgeconnect.edges import detectors
from edgeconnect.errors import InputError
from edgeconnect.models.checkpoint import Weights, build_network
from edgeconnect.training import extra_losses
from edgeconnect.training.distributed import Ranks, mean, parallel
from edgeconnect.training.optimizer import load_optimizer_state, optimizer_step
from edgeconnect.training.stages import EdgeStage, InpaintStage, JointStage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from edgeconnect.models.vgg import FeatureExtractor
    from edgeconnect.training.batch import Batch
    from edgeconnect.training.config import TrainConfig
    from edgeconnect.training.stages import Prediction, Stage


def network_names(config: TrainConfig) -> list[str]:
    """Which networks a run needs (keys of checkpoint.NETWORKS)."""
    if config.stage == "edge":
        return ["edge_generator", "edge_discriminator"]
    names = ["inpaint_generator", "inpaint_discriminator"]
    return ["edge_generator", *names] if config.stage == "joint" or config.edges != "true" else names


def build_networks(config: TrainConfig) -> dict[str, nn.Module]:
    """Fresh networks for a run, seeded: the same config gives the same weights."""
    torch.manual_seed(config.seed)
    return {name: build_network(name, **_network_config(name, config)) for name in network_names(config)}


def _network_config(name: str, config: TrainConfig) -> dict[str, Any]:
    if name.endswith("discriminator"):
        return {"width": config.disc_width}
    common = {"width": config.width, "blocks": config.blocks}
    if name == "inpaint_generator":
        return {**common, "hole_start": config.hole_start, "upsampling": config.upsampling}
    return {**common, "edge_start": config.edge_start}


def build_stage(
    config: TrainConfig, networks: Mapping[str, nn.Module], features: FeatureExtractor | None
) -> Stage:
    """The stage that `config` names, over its networks; `features` are needed where
    `config.needs_features`.
    """
    kind, weights = config.adversarial, config.loss_weights
    if config.stage == "edge":
        return EdgeStage(
            networks["edge_generator"], networks["edge_discriminator"], kind=kind, weights=weights
        )
    if features is None and config.needs_features:
        raise ValueError(f"stage {config.stage} needs a feature extractor")
    G1, G2, D2 = (networks.get(n) for n in ("edge_generator", "inpaint_generator", "inpaint_discriminator"))
    assert G2 is not None and D2 is not None
    if config.stage == "inpaint":
        return InpaintStage(
            G2, D2, features, kind=kind, weights=weights, G1=G1, mixed=config.edges == "mixed"
        )
    assert G1 is not None
    return JointStage(G1, G2, D2, features, kind=kind, weights=weights)


class Trainer:
    """Networks, optimizers and moving averages of one run at one step."""

    def __init__(
        self,
        config: TrainConfig,
        networks: dict[str, nn.Module],
        features: FeatureExtractor | None,
        device: torch.device,
        ranks: Ranks | None = None,
    ) -> None:
        self.config, self.device, self.step, self.ranks = config, device, 0, ranks or Ranks()
        self.dtype = choose_dtype(device, config.precision)
        # it pays when compiled alone: uncompiled, a step is slower in it, on CPUs and GPUs
        self.channels_last = config.compile
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        self.networks = {
            name: network.to(device).to(memory_format=layout) for name, network in networks.items()
        }
        self.stage = build_stage(config, self.networks, features.to(device) if features else None)
        trained = [*self.stage.generators.values(), *self.stage.discriminators.values()]
        for network in self.networks.values():
            network.requires_grad_(network in trained)
            if network not in trained:
                network.eval()  # else each prediction would go on with its spectral norms' power iterations
        self.averages = {n: AveragedModel(g) for n, g in self.stage.generators.items()}
        self.optimizers = {"g": self._adam(self.stage.generators), "d": self._adam(self.stage.discriminators)}
        if config.compile:
            # the rest is convolutions, which compiling leaves as they are
            for generator in self.stage.generators.values():
                compile_network(generator.get_submodule("net"), device)
        self.extra = {name: extra_losses.load(name) for name in config.extra}
        self.predict = parallel(self.stage.predict, self.stage.generators, self.ranks)
        self.d_losses = parallel(self.stage.d_losses, self.stage.discriminators, self.ranks)

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the discriminator, one of the generators; returns each loss term, unweighted.

        batch: this process's part of the step's photos; the terms are those of all.
        """
        batch = batch.to(self.device, channels_last=self.channels_last)
        if self.ranks.world > 1:
            batch = replace(batch, hole_share=mean(batch.mask.mean(), self.ranks))
        self._set_learning_rates()
        with self._autocast():
            prediction = self.predict(batch)
            d_terms = self.d_losses(batch, prediction.detach())
        d_numbers = optimizer_step(self.optimizers["d"], d_terms, self.stage.weights, self.step + 1)
        self._freeze_discriminators(True)
        with self._autocast():
            g_terms = self.stage.g_losses(batch, prediction)
            g_terms |= {name: loss(batch, prediction) for name, loss in self.extra.items()}
        g_numbers = optimizer_step(self.optimizers["g"], g_terms, self.stage.weights, self.step + 1)
        self._freeze_discriminators(False)
        self._average()
        self.step += 1
        return self._of_all({**g_numbers, **d_numbers})

    @torch.no_grad()
    def averaged_prediction(self, batch: Batch) -> Prediction:
        """What the averaged generators predict for `batch` (used for validation), uncompiled."""
        with torch.compiler.set_stance("force_eager"), self._autocast():
            generators = {name: average.module.eval() for name, average in self.averages.items()}
            return self.stage.using(generators).predict(
                batch.to(self.device, channels_last=self.channels_last)
            )

    def weights(self) -> Weights:
        """The averaged generators (and a frozen one, where the stage uses it), as they are shipped."""
        averaged = {name: average.module for name, average in self.averages.items()}
        generators = {
            n: averaged.get(n, network) for n, network in self.networks.items() if n.endswith("generator")
        }
        c = self.config
        made = {
            "stage": c.stage,
            "steps": self.step,
            "batch_size": c.batch_size,
            "size": c.size,
            "seed": c.seed,
            "computed_on": describe(self.device, self.dtype),
        }
        detector = detectors.FILES if c.edges_folder else c.detector
        return Weights(generators, c.sigma, dict.fromkeys(averaged, made), detector)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from this step, as plain containers of tensors."""
        return {
            "step": self.step,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state; raises InputError where it is of other networks."""
        modules: dict[str, Mapping[str, nn.Module]] = {"networks": self.networks, "averages": self.averages}
        try:
            for part, networks in modules.items():
                for name, network in networks.items():
                    network.load_state_dict(state[part][name])
            for name, optimizer in self.optimizers.items():
                load_optimizer_state(optimizer, state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(f"the checkpoint does not fit this run's networks: {str(error)[:200]}") from None
        if state.get("world", 1) != 1:
            raise InputError(
                f"the checkpoint is an earlier version's, whose {state['world']} processes had batch_size "
                "photos each: start another run with --init-from"
            )
        self.step = int(state["step"])

    def _set_learning_rates(self) -> None:
        lr = self.config.rate_at(self.step)
        for name, rate in (("g", lr), ("d", lr * self.config.d_lr_ratio)):
            for group in self.optimizers[name].param_groups:
                group["lr"] = rate

    def _adam(self, networks: Mapping[str, nn.Module]) -> torch.optim.Adam:
        parameters = [p for network in networks.values() for p in network.parameters()]
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, betas=self.config.betas, fused=True)

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential moving average whose memory grows with the run until it reaches `ema_decay`.

        `AveragedModel.update_parameters` would read its count on the device, and wait for it.
        """
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step)) if self.step else 0.0
        for name, average in self.averages.items():
            mine, current = average.module, self.stage.generators[name]
            torch._foreach_lerp_(list(mine.parameters()), list(current.parameters()), 1 - decay)
            for buffer, new in zip(mine.buffers(), current.buffers(), strict=True):
                buffer.copy_(new)
            average.n_averaged += 1

    def _of_all(self, numbers: dict[str, float]) -> dict[str, float]:
        """The mean over all processes of a step's loss terms."""
        if self.ranks.world == 1:
            return numbers
        values = torch.tensor(list(numbers.values()), device=self.device)
        return dict(zip(numbers, mean(values, self.ranks).tolist(), strict=True))

    def _freeze_discriminators(self, frozen: bool) -> None:
        for network in self.stage.discriminators.values():
            network.requires_grad_(not frozen)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)
