"""Hands and eyes for the tests of the page: what a person does with it, and what it shows."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOTS = os.environ.get("EDGECONNECT_SCREENSHOTS")  # a folder, to look at what the tests saw
desktop = pytest.mark.parametrize("page", [(1280, 800)], indirect=True, ids=["desktop"])
phone = pytest.mark.parametrize("page", [(390, 780)], indirect=True, ids=["phone"])
HOLE = (230, 150, 330, 210)  # left, top, right, bottom in the photo


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{re.sub(r'[^a-z0-9]+', '_', name)}.png")


def says(page: Page, text: str) -> None:
    """Wait until the status line ends what it is doing with `text`."""
    playwright.expect(page.locator("#status")).to_have_text(re.compile(text), timeout=30_000)


def photo_file() -> tuple[dict[str, Any], np.ndarray]:
    """A real photo (400,600,3) as a PNG file to upload, and its pixels."""
    pixels = np.asarray(data.coffee())  # type: ignore[no-untyped-call]
    return {"name": "coffee.png", "mimeType": "image/png", "buffer": png(pixels)}, pixels


def png(pixels: np.ndarray) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def settled(page: Page, state: str) -> None:
    """Wait until the page shows a photo, its hole or a fill, and end the further fills that follow one."""
    page.wait_for_selector(f"body[data-state={state}]", timeout=30_000)
    if page.get_attribute("body", "data-busy") == "true":
        page.keyboard.press("Escape")
    page.wait_for_selector("body[data-busy=false]")


def fill_hole(page: Page) -> None:
    """Press Fill and wait for the first fill alone."""
    page.click("#fill")
    settled(page, "filled")


def choose_how(page: Page, **values: str) -> None:
    """Choose the method, weights or texture."""
    page.click("#how summary")
    for name, value in values.items():
        control = page.locator(f"#{name}")
        control.fill(value) if name == "texture" else control.select_option(value)
    page.click("#how summary")


def reload(page: Page) -> None:
    """Reload once the page has written its state."""
    page.wait_for_selector("body[data-saving=false]")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")


def open_photo(page: Page) -> np.ndarray:
    """Open the photo and paint HOLE as a box; returns the photo's pixels."""
    file, pixels = photo_file()
    page.set_input_files("#open", file)
    says(page, "600 × 400 pixels")
    tool(page, "box")
    drag(page, HOLE[:2], (HOLE[2] - 1, HOLE[3] - 1))
    return pixels


def tool(page: Page, name: str) -> None:
    """Take a tool by its button, in the view that shows it."""
    button = page.locator(f"button[data-tool={name}]")
    if not button.is_visible():
        page.click("#view-edges" if name in ("pencil", "straight", "rub") else "#view-photo")
        # the edges are completed first: what the status line ends with depends on nothing's speed
        page.wait_for_selector("body[data-busy=false]")
    button.click()


def drag(page: Page, *points: tuple[int, int]) -> None:
    """Draw through points of the whole photo, as `Fit` shows it."""
    page.click("#zoom-fit")
    left, top, scale = fitted(page)
    for number, (x, y) in enumerate(points):
        page.mouse.move(left + (x + 0.5) * scale, top + (y + 0.5) * scale, steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def fitted(page: Page, share: float = 0.96) -> tuple[float, float, float]:
    """Where on the screen a photo that takes `share` of the room has its upper left corner, and its scale."""
    box = page.locator("#picture").bounding_box()
    covered = page.evaluate("import('/page/layout.js').then((layout) => layout.covered())")
    assert box
    width, height = (
        box["width"] - covered["left"] - covered["right"],
        box["height"] - covered["top"] - covered["bottom"],
    )
    scale = share * min(width / 600, height / 400)
    return (
        box["x"] + covered["left"] + (width - 600 * scale) / 2,
        box["y"] + covered["top"] + (height - 400 * scale) / 2,
        scale,
    )


def saved(page: Page, what: str) -> np.ndarray:
    """What a download button gives."""
    page.click("#save-menu summary")
    with page.expect_download() as download:
        page.click(f"#save-{what}")
    assert download.value.suggested_filename == f"coffee_{what}.png"
    picture = np.asarray(Image.open(download.value.path()))
    assert picture.shape == ((400, 600, 3) if what == "result" else (400, 600))
    return picture


def mask() -> np.ndarray:
    """HOLE as (400,600) bool."""
    array = np.zeros((400, 600), bool)
    array[HOLE[1] : HOLE[3], HOLE[0] : HOLE[2]] = True
    return array
