"""A running server and a browser, for the tests of the page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from edgeconnect import EdgeConnect
from edgeconnect.inpainters import texture
from edgeconnect.models.checkpoint import Weights, build_network, save_weights
from tests.small import endless_patch_tiles

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(autouse=True)
def _quick_patches(quick_patches: None) -> None:
    """What is claimed of the server and its page holds whatever is copied into a hole."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small untrained weights under two names."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    for name in ("small", "other"):
        networks = {
            "edge_generator": build_network("edge_generator", width=8, blocks=1),
            "inpaint_generator": build_network("inpaint_generator", width=8, blocks=1, hole_start="white"),
        }
        save_weights(folder / f"{name}.safetensors", Weights(networks))
    return [folder / "small.safetensors", folder / "other.safetensors"]


@pytest.fixture
def small_model(weights: list[Path]) -> EdgeConnect:
    """What the page fills with, unless it is told otherwise."""
    return EdgeConnect.load(weights[0], device="cpu", precision="float32")


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole as large as HOLE is matched without end, a small one is not."""
    monkeypatch.setattr(texture, "patch_tiles", endless_patch_tiles)


@pytest.fixture(scope="module")
def url(weights: list[Path]) -> Iterator[str]:
    """A running server."""
    pytest.importorskip("uvicorn", reason="the extra `web` is not installed")
    from edgeconnect.web.models import Models, by_name
    from edgeconnect.web.server import server

    files = by_name([str(path) for path in weights])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = server(Models(files, device="cpu", precision="float32"), "127.0.0.1", port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/"
    running.should_exit = True
    thread.join(10)


@pytest.fixture(params=[(1280, 800), (390, 780)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, url: str) -> Iterator[Page]:
    """The page, opened; it must never log an error nor ask another host for anything."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=width < 500, accept_downloads=True
    )
    page = context.new_page()
    complaints: list[str] = []
    expected = "status of 422"  # what Chromium itself logs of an answer that a test asks for
    page.on("console", lambda said: None if expected in said.text else complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((url, "blob:")) else complaints.append(asked.url),
    )
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    yield page
    from tests.web.browser import shoot

    shoot(page, request.node.name)
    assert not complaints
    context.close()
