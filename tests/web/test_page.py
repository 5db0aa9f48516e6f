"""The page in a real browser, on a real photo.

What hangs on the screen's size is done at both sizes that people have, as is the whole story of an edit;
everything else at one of them.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from skimage import data

from edgeconnect import EdgeConnect
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.inpainters import get
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.single_image import SingleImage
from tests.web.browser import (
    HOLE,
    choose_how,
    desktop,
    drag,
    fill_hole,
    fitted,
    mask,
    open_photo,
    phone,
    photo_file,
    playwright,
    png,
    reload,
    saved,
    says,
    settled,
    shoot,
    tool,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow  # a browser; test_layout.py is the quick look at the page


def test_the_whole_story_of_an_edit(page: Page, request: pytest.FixtureRequest) -> None:
    name = request.node.name
    photo, hole = open_photo(page), mask()
    np.testing.assert_array_equal(saved(page, "mask") > 127, hole)
    says(page, "Writing the mask: done")
    page.click("#view-edges")
    says(page, "Completing edges: done")
    shoot(page, f"{name} edges")
    completed = saved(page, "edges")
    says(page, "Writing the edge map: done")
    fill_hole(page)
    first = saved(page, "result")
    says(page, "Writing the result: done")
    np.testing.assert_array_equal(first[~hole], photo[~hole])
    assert (first[hole] != photo[hole]).any()

    edited, second = edit(page, completed, f"{name} drawn")
    np.testing.assert_array_equal(second[~hole], photo[~hole])
    assert (second[hole] != first[hole]).any()

    page.click("#undo")
    page.click("#undo")
    np.testing.assert_array_equal(saved(page, "edges"), completed)
    says(page, "Writing the edge map: done")
    np.testing.assert_array_equal(saved(page, "result"), first)
    says(page, "Writing the result: done")
    page.click("#redo")
    page.click("#redo")
    np.testing.assert_array_equal(saved(page, "edges"), edited)
    page.click("#view-photo")
    page.click("#compare")
    shoot(page, f"{name} compared")


def edit(page: Page, completed: np.ndarray, shot: str) -> tuple[np.ndarray, np.ndarray]:
    """Erase one line and draw another, which fills again: the edge map and the result."""
    hole = mask()
    tool(page, "rub")
    drag(page, (240, 160), (300, 160))
    settled(page, "filled")  # by itself, as after each line
    tool(page, "straight")
    drag(page, (240, 200), (320, 180))
    settled(page, "filled")
    shoot(page, shot)
    edited = saved(page, "edges")
    says(page, "Writing the edge map: done")
    changed = edited != completed
    assert not changed[~hole].any()
    rows, columns = np.nonzero(changed & (edited == 255))
    drawn = np.abs(rows - (200 - (columns - 240) / 4))
    assert len(rows) > 40 and drawn.max() <= 3 and len(set(columns)) == len(columns)  # a line one pixel wide
    assert (edited[155:166, 240:300] == 0).all()
    result = saved(page, "result")
    says(page, "Writing the result: done")
    return edited, result


@phone
def test_the_state_survives_a_reload(page: Page) -> None:
    open_photo(page)
    tool(page, "straight")
    says(page, "Draw a straight line in the hole")
    drag(page, (240, 200), (320, 180))
    fill_hole(page)
    before = saved(page, "edges"), saved(page, "result")
    says(page, "Writing the result: done")
    reload(page)
    playwright.expect(page.locator("#accept")).to_be_visible()  # the result is there too
    np.testing.assert_array_equal(saved(page, "edges"), before[0])
    np.testing.assert_array_equal(saved(page, "result"), before[1])
    says(page, "Writing the result: done")
    page.click("#undo")
    settled(page, "filled")
    assert (saved(page, "edges") != before[0]).any()
    says(page, "Writing the edge map: done")
    page.click("#redo")
    np.testing.assert_array_equal(saved(page, "edges"), before[0])


@desktop
def test_a_second_photo_gives_its_structure(page: Page) -> None:
    open_photo(page)
    page.click("#view-edges")
    says(page, "Completing edges: done")
    other = png(np.ascontiguousarray(np.asarray(data.coffee())[::-1]))  # type: ignore[no-untyped-call]
    page.set_input_files("#structure", {"name": "b.png", "mimeType": "image/png", "buffer": other})
    says(page, "other photo's lines are in the hole")
    expected = canny(to_gray(np.asarray(data.coffee())[::-1]))  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal((saved(page, "edges") > 127)[mask()], expected[mask()])
    page.click("#undo")


@phone
def test_masks_can_be_opened_erased_and_drawn_with_every_tool(page: Page) -> None:
    open_photo(page)
    inverted = png(np.where(mask(), 0, 255).astype(np.uint8))
    page.click("#clear")
    page.set_input_files("#mask", {"name": "m.png", "mimeType": "image/png", "buffer": inverted})
    says(page, "The mask is in place.*black is the hole")
    np.testing.assert_array_equal(saved(page, "mask") > 127, mask())
    tool(page, "erase")
    drag(page, (240, 160), (320, 200))
    smaller = saved(page, "mask") > 127
    assert 0 < smaller.sum() < mask().sum() and not (smaller & ~mask()).any()
    tool(page, "lasso")
    drag(page, (50, 300), (150, 300), (150, 380), (50, 380))
    added = (saved(page, "mask") > 127) & ~smaller
    assert 0.9 < added.sum() / (100 * 80) < 1.1 and added[305:375, 55:145].all()


@desktop
def test_the_keyboard_is_enough_to_draw_and_fill(page: Page) -> None:
    open_photo(page)
    page.locator("#picture").focus()
    keys = ["d", "ArrowLeft", "ArrowRight", "Space", *["Shift+ArrowRight"] * 3, "Space"]
    page.keyboard.press(keys[0])
    says(page, "Completing edges: done")
    page.mouse.move(0, 0)
    page.keyboard.press("z")
    page.locator("#picture").focus()
    for key in keys[1:]:
        page.keyboard.press(key)
    drawn = saved(page, "edges")
    assert (np.sort((drawn == 255).sum(1))[-1]) >= 20  # a level line through the middle of the hole
    page.locator("#picture").focus()
    page.keyboard.press("Enter")
    settled(page, "filled")
    page.keyboard.press("Control+z")
    says(page, "Undone|Filling: done")
    page.keyboard.press("Control+y")
    says(page, "Done again|Filling: done")


@phone
def test_other_weights_give_another_result_and_a_broken_photo_a_sentence(page: Page) -> None:
    open_photo(page)
    fill_hole(page)
    first = saved(page, "result")
    says(page, "Writing the result: done")
    choose_how(page, weights="other")
    settled(page, "filled")
    assert (saved(page, "result") != first).any()
    with page.expect_response("**/api/photos") as answer:
        page.set_input_files("#open", {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    assert answer.value.status == 422
    says(page, "Opening the photo: photo: expected a .* picture")


def test_every_control_has_a_name_and_nothing_sticks_out(page: Page) -> None:
    open_photo(page)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")].filter((e) => !(
        e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).length"""
    )
    width = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert unnamed == 0 and width[0] <= width[1]
    fill = page.locator("#fill").bounding_box()
    assert fill and page.viewport_size and fill["y"] + fill["height"] <= page.viewport_size["height"]


@phone
def test_one_finger_draws_and_two_zoom_without_drawing(page: Page) -> None:
    file, _ = photo_file()
    page.set_input_files("#open", file)
    says(page, "600 × 400 pixels")
    box = page.locator("#picture").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        where = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    touch("touchStart", (x - 40, y))
    touch("touchStart", (x - 40, y), (x + 40, y))
    for reach in (60, 80, 120):
        touch("touchMove", (x - reach, y), (x + reach, y))
    touch("touchEnd")
    playwright.expect(page.locator("#undo")).to_be_disabled()
    touch("touchStart", (x, y))
    touch("touchMove", (x + 60, y))
    touch("touchEnd")
    playwright.expect(page.locator("#undo")).to_be_enabled()
    rows, columns = np.nonzero(saved(page, "mask") > 127)
    brush_px, fitted = 36, 0.96 * box["width"] / 600
    height_px = (rows.max() - rows.min() + 1) * fitted  # on the screen, were it not zoomed in
    assert brush_px / height_px == pytest.approx(3, abs=0.5)  # fingers went from 80 to 240 px apart
    assert abs(rows.mean() - 200) < 8 and columns.max() - columns.min() > rows.max() - rows.min()


def unlike(page: Page, photo: np.ndarray) -> float:
    """How much HOLE on the screen differs from the photo's: mean of 255."""
    page.click("#zoom-fit")
    left, top, scale = fitted(page)
    part = {"x": left + HOLE[0] * scale, "y": top + HOLE[1] * scale}
    part |= {"width": (HOLE[2] - HOLE[0]) * scale, "height": (HOLE[3] - HOLE[1]) * scale}
    page.wait_for_timeout(100)  # until it is drawn
    shown = Image.open(io.BytesIO(page.screenshot(clip=part))).convert("RGB")
    expected = Image.fromarray(photo).crop(HOLE).resize(shown.size)
    return float(np.abs(np.asarray(shown, int) - np.asarray(expected, int)).mean())


@desktop
def test_a_hole_is_filled_from_the_photo_alone(page: Page) -> None:
    photo, hole = small_hole(page)
    choose_how(page, inpainter="alone")
    fill_hole(page)
    first = saved(page, "result")
    says(page, "Writing the result: done")
    np.testing.assert_array_equal(first[~hole], photo[~hole])
    np.testing.assert_array_equal(first, SingleImage(device="cpu")(photo, hole))
    choose_how(page, inpainter="edgeconnect")
    settled(page, "filled")
    assert (saved(page, "result") != first).any()
    says(page, "Writing the result: done")
    choose_how(page, inpainter="alone")  # each way keeps its own result
    np.testing.assert_array_equal(saved(page, "result"), first)
    says(page, "Writing the result: done")
    reload(page)
    assert page.locator("#inpainter").input_value() == "alone"
    playwright.expect(page.locator("#texture")).to_be_disabled()
    np.testing.assert_array_equal(saved(page, "result"), first)


@phone
@pytest.mark.usefixtures("endless")
def test_a_fill_is_watched_and_used_as_it_is(page: Page, request: pytest.FixtureRequest) -> None:
    photo, hole = open_photo(page), mask()
    before = unlike(page, photo)
    choose_how(page, inpainter="alone")
    page.click("#fill")
    playwright.expect(page.locator("#take")).to_be_enabled(timeout=30_000)
    page.wait_for_timeout(2000)
    shoot(page, f"{request.node.name} watched")
    assert abs(unlike(page, photo) - before) > 5
    assert page.get_attribute("#picture", "aria-label") == "The fill so far"
    assert re.fullmatch(r"[2-9] s", page.locator("#so-far").inner_text())
    page.keyboard.press("t")
    says(page, "taken as it was after")
    playwright.expect(page.locator("#watching")).to_be_hidden()
    taken = saved(page, "result")
    np.testing.assert_array_equal(taken[~hole], photo[~hole])
    assert (taken[hole] != photo[hole]).mean() > 0.9


@desktop
@pytest.mark.usefixtures("endless")
def test_a_cancelled_fill_frees_the_computer(page: Page) -> None:
    photo = open_photo(page)
    choose_how(page, inpainter="alone")
    page.click("#fill")
    says(page, "Filling from this photo: matching patches")
    page.click("#cancel")
    says(page, "Cancelled")
    playwright.expect(page.locator("#accept")).to_be_hidden()
    tool(page, "box")
    page.click("#clear")
    drag(page, (500, 50), (529, 69))
    fill_hole(page)
    changed = (saved(page, "result") != photo).any(2)
    assert changed[50:70, 500:530].any() and not changed[mask()].any()  # nothing is left of the cancelled one


@phone
def test_a_larger_hole_waits_to_be_filled_and_lines_without_networks_change_nothing(page: Page) -> None:
    photo, hole = small_hole(page)
    choose_how(page, inpainter="alone")
    fill_hole(page)
    tool(page, "straight")
    says(page, "Completing edges: done")
    drag(page, (502, 60), (527, 60))
    playwright.expect(page.locator("#accept")).to_be_visible()
    says(page, "Completing edges: done")
    tool(page, "box")
    drag(page, (530, 50), (539, 69))
    says(page, "Fill, or paint on")
    playwright.expect(page.locator("#accept")).to_be_hidden()  # no fill that nobody asked for
    fill_hole(page)
    hole[50:70, 530:540] = True
    np.testing.assert_array_equal(saved(page, "result"), SingleImage(device="cpu")(photo, hole))


def small_hole(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """Open the photo with a hole of 30x20 px: its pixels, and the hole as (400,600) bool."""
    photo, hole = open_photo(page), np.zeros((400, 600), bool)
    page.click("#clear")
    drag(page, (500, 50), (529, 69))
    hole[50:70, 500:530] = True
    return photo, hole


@phone
def test_the_texture_slider_goes_from_the_networks_to_the_photo_and_is_remembered(
    page: Page, small_model: EdgeConnect
) -> None:
    photo, hole = small_hole(page)
    fill_hole(page)
    for share in ("1", "0", "0.5"):
        choose_how(page, texture=share)
        settled(page, "filled")
        expected = small_model.inpaint(photo, hole, texture=float(share))
        np.testing.assert_array_equal(saved(page, "result"), expected)
        says(page, "Writing the result: done")
    reload(page)
    assert page.locator("#texture").input_value() == "0.5"
    np.testing.assert_array_equal(saved(page, "result"), expected)


@desktop
def test_four_fills_are_offered_and_a_choice_can_be_undone(
    page: Page, small_model: EdgeConnect, request: pytest.FixtureRequest
) -> None:
    photo, hole = small_hole(page)
    playwright.expect(page.locator("#more")).to_be_hidden()
    page.click("#fill")
    fills = page.locator("#fills button")
    says(page, "Choose a fill, then accept it")
    shoot(page, f"{request.node.name} offered")
    soft = small_model.inpaint(photo, hole, texture=0)
    along, alone, *others = small_model.candidates(photo, hole, 6)
    expected = [along, alone, soft, *others]
    assert [fills.nth(i).get_attribute("aria-label") for i in range(fills.count())] == [
        "Fill 1: along lines", "Fill 2: photo alone", "Fill 3: smooth", "Fill 4: along lines 2"]  # fmt: skip
    np.testing.assert_array_equal(saved(page, "result"), expected[0])
    says(page, "Writing the result: done")
    for choice in (1, 3, 2):
        fills.nth(choice).focus()
        page.keyboard.press("Space")
        says(page, f"Fill {choice + 1} is the result now")
        assert [fills.nth(i).get_attribute("aria-pressed") == "true" for i in range(4)].index(True) == choice
        np.testing.assert_array_equal(saved(page, "result"), expected[choice])
        says(page, "Writing the result: done")
    page.click("#undo")
    np.testing.assert_array_equal(saved(page, "result"), expected[3])
    says(page, "Writing the result: done")
    page.click("#redo")
    page.keyboard.press("m")
    playwright.expect(fills).to_have_count(7)
    says(page, "Choose a fill, then accept it")
    fills.nth(6).click()
    np.testing.assert_array_equal(saved(page, "result"), expected[6])
    says(page, "Writing the result: done")
    reload(page)
    playwright.expect(fills).to_have_count(7)
    np.testing.assert_array_equal(saved(page, "result"), expected[6])


@phone
@pytest.mark.usefixtures("endless")
def test_further_fills_come_one_by_one_and_can_be_cancelled(page: Page) -> None:
    open_photo(page)  # with patches, this hole is never filled
    choose_how(page, texture="0")  # the networks alone: at once
    page.click("#fill")
    says(page, "More to choose from: 1 of 3")
    playwright.expect(page.locator("#fills button:disabled")).to_have_count(3)
    playwright.expect(page.locator("#watching")).to_be_visible()
    page.keyboard.press("Escape")
    says(page, "Cancelled")
    playwright.expect(page.locator("#fills")).to_be_hidden()
    playwright.expect(page.locator("#accept")).to_be_visible()  # the first fill stays
    playwright.expect(page.locator("#more")).to_be_enabled()


@phone
def test_another_inpainter_can_be_chosen(page: Page) -> None:
    photo, hole = small_hole(page)
    values = page.locator("#inpainter option").evaluate_all("options => options.map(o => o.value)")
    assert values == ["edgeconnect", "alone", "telea", "ns", "biharmonic"]
    choose_how(page, inpainter="ns")
    fill_hole(page)
    for name in ("ns", "telea"):
        choose_how(page, inpainter=name)
        settled(page, "filled")
        np.testing.assert_array_equal(saved(page, "result"), fill(get(name), photo, hole))
        says(page, "Writing the result: done")
    playwright.expect(page.locator("#more")).to_be_hidden()
    playwright.expect(page.locator("#texture")).to_be_disabled()
    reload(page)
    assert page.locator("#inpainter").input_value() == "telea"
    np.testing.assert_array_equal(saved(page, "result"), fill(get("telea"), photo, hole))
    says(page, "Writing the result: done")
    choose_how(page, inpainter="edgeconnect")
    settled(page, "filled")
    playwright.expect(page.locator("#more")).to_be_visible()
