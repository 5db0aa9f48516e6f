"""What stands where on the page: the photo seen whole, its fills beside it, and what to do next."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.web.browser import (
    desktop,
    drag,
    fill_hole,
    fitted,
    open_photo,
    photo_file,
    playwright,
    says,
    settled,
    tool,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENS = pytest.mark.parametrize(
    "page",
    [(1280, 800), (820, 1180), (390, 780)],
    indirect=True,
    ids=["desktop", "tablet", "phone"],
)

# counts how often a whole photo is drawn
COUNT = """() => {
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  window.photosDrawn = 0;
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...place) {
    if (image instanceof ImageBitmap) window.photosDrawn++;
    return draw.call(this, image, ...place);
  };
}"""


def seen(page: Page, x: int, y: int) -> np.ndarray:
    """What the screen shows of the picture, 200 px wide and high from a place of the canvas."""
    box = page.locator("#picture").bounding_box()
    assert box
    page.wait_for_timeout(200)  # until it is drawn
    clip = {"x": box["x"] + x, "y": box["y"] + y, "width": 200, "height": 200}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))))


@SCREENS
def test_nothing_covers_a_photo_that_is_shown_whole_nor_its_fills(page: Page) -> None:
    open_photo(page)
    fill_hole(page)
    page.click("#more")
    playwright.expect(page.locator("#fills")).to_be_visible()
    page.click("#zoom-fit")
    left, top, scale = fitted(page)
    for panel in ("#tools", "#options", "#bar", "#fills", "header"):
        box = page.locator(panel).bounding_box()
        assert box
        is_beside = box["x"] + box["width"] <= left or box["x"] >= left + 600 * scale
        is_above_or_below = box["y"] + box["height"] <= top or box["y"] >= top + 400 * scale
        assert is_beside or is_above_or_below, panel
    settled(page, "filled")


@pytest.mark.parametrize("page", [(390, 780), (360, 740)], indirect=True, ids=["phone", "small phone"])
def test_no_option_of_the_edge_view_lies_beyond_a_phone_s_screen(page: Page) -> None:
    open_photo(page)
    page.click("#view-edges")
    says(page, "Draw lines in the hole")
    options = page.locator("#options").bounding_box()
    assert options
    for part in page.locator("#options > :visible").all():
        box = part.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= options["width"]


@desktop
def test_a_photo_that_is_moved_is_copied_and_not_drawn_again(page: Page) -> None:
    file, _ = photo_file()
    page.set_input_files("#open", file)
    says(page, "600 × 400 pixels")
    tool(page, "hand")
    page.mouse.move(700, 300)
    before = seen(page, 500, 250)
    page.evaluate(COUNT)
    page.mouse.down()
    page.mouse.move(740, 330, steps=8)
    page.mouse.up()
    page.mouse.move(741, 330, steps=2)
    np.testing.assert_array_equal(seen(page, 540, 280), before)
    assert page.evaluate("window.photosDrawn") == 0
    page.click("#zoom-in")
    page.wait_for_timeout(200)
    assert page.evaluate("window.photosDrawn") > 0


@desktop
def test_lines_without_a_hole_are_explained(page: Page) -> None:
    file, _ = photo_file()
    page.set_input_files("#open", file)
    says(page, "Paint over what should go")
    page.click("#view-edges")
    says(page, "no hole to draw lines in yet")
    tool(page, "box")
    says(page, "Draw a box around what should go")
    drag(page, (230, 150), (330, 210))
    page.click("#view-edges")
    says(page, "Completing edges: done. Draw lines in the hole")
