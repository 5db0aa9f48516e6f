"""Shared by all tests: one thread each (the suite runs in parallel processes) and small made-up inputs."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

# what imports PyTorch is imported in the fixtures: `pytest -n` reads this file before it starts its workers
if TYPE_CHECKING:
    import torch
    from playwright.sync_api import Browser
    from starlette.testclient import TestClient

    from edgeconnect import EdgeConnect
    from edgeconnect.web.models import Models


CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# no sandbox: containers have none to offer; the rest keeps the browser from calling home
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# cuBLAS looks at it once, with its first product; without it deterministic kernels are refused from then on
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


COSTLY = {"browser", "cluster", "converted"}
"""Fixtures that take seconds to make: of several processes one gets all tests of a file that need them."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", None) == "load":  # what `-n 2` means by itself
        config.option.dist = "loadgroup"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if COSTLY & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """pytest-xdist runs one worker per core; their torch threads must not fight."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that a claim about arithmetic should hold on; CUDA where there is a GPU."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU here")
    return torch.device(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded random numbers."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def _small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `weights_file` is a copy of."""
    import torch

    from edgeconnect.models.checkpoint import Weights, build_network, save_weights

    torch.manual_seed(0)
    networks = {
        "edge_generator": build_network("edge_generator", width=8, blocks=1),
        "inpaint_generator": build_network("inpaint_generator", width=8, blocks=1, hole_start="white"),
    }
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, Weights(networks))
    return path


@pytest.fixture
def weights_file(tmp_path: Path, _small_weights: Path) -> Path:
    """A weights file with both generators, small and untrained."""
    import torch

    torch.manual_seed(0)
    return Path(shutil.copy(_small_weights, tmp_path))


@pytest.fixture
def model(weights_file: Path) -> EdgeConnect:
    """An untrained EdgeConnect on the CPU in float32: what does not depend on training can be claimed of
    it.
    """
    from edgeconnect import EdgeConnect

    return EdgeConnect.load(weights_file, device="cpu", precision="float32")


@pytest.fixture(scope="session")
def made_up_inception(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A file as pytorch-fid's Inception, with seeded weights; and pytorch-fid's own network with them."""
    from eval.methods import pytorch_fid_network, write_inception

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    write_inception(path)
    return path, pytorch_fid_network(path)


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """A made-up photo (96,128,3) uint8: smooth colours with a few shapes."""
    height, width = 96, 128
    y, x = np.mgrid[:height, :width] / max(height, width)
    picture = np.stack([y, x, (x + y) / 2], axis=2)
    for _ in range(6):
        top, left = rng.integers(height - 20), rng.integers(width - 20)
        picture[top : top + 20, left : left + 20] = rng.random(3)
    return (picture * 255).astype(np.uint8)


@pytest.fixture
def quick_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes are matched at a small size and seams stay: for what holds whatever is copied into a hole."""
    from edgeconnect.inpainters import texture
    from edgeconnect.patches.fill import Effort, patch_tiles

    effort = Effort(solved_px=2**11, blend_steps=0)
    monkeypatch.setattr(
        texture, "patch_tiles", lambda *given, **options: patch_tiles(*given, **options | {"effort": effort})
    )


@pytest.fixture
def models(weights_file: Path) -> Models:
    """Small untrained weights for a server."""
    from edgeconnect.web.models import Models, by_name

    return Models(by_name([str(weights_file)]), device="cpu", precision="float32")


@pytest.fixture
def connect(models: Models) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a server with given limits."""
    from starlette.testclient import TestClient

    from edgeconnect.web.app import create_app
    from edgeconnect.web.limits import Limits

    opened: list[TestClient] = []

    def make(**limits: Any) -> TestClient:
        client = TestClient(create_app(models, Limits(**limits)), base_url="http://127.0.0.1:7860")
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it or set CHROMIUM to its path")
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Serve:
    """Real servers on this machine."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._running: list[tuple[Any, threading.Thread]] = []

    def __call__(self, **limits: Any) -> int:
        """Start one with given limits: its port."""
        from edgeconnect.web import server
        from edgeconnect.web.limits import Limits

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        uvicorn = server.server(self._models, "127.0.0.1", port, limits=Limits(**limits))
        thread = threading.Thread(target=uvicorn.run, daemon=True)
        thread.start()
        self._running.append((uvicorn, thread))
        while not uvicorn.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return port

    def interrupt(self) -> None:
        """As Ctrl+C does."""
        for uvicorn, _ in self._running:
            uvicorn.should_exit = True

    def end(self) -> None:
        """Interrupt, and wait."""
        self.interrupt()
        for _, thread in self._running:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def serve(models: Models) -> Iterator[Serve]:
    """Starts real servers with given limits."""
    serve = Serve(models)
    yield serve
    serve.end()
