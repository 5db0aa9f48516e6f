"""The page in a real browser: the whole story of an edit, on a real photo, at the sizes people have."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from edgeconnect import EdgeConnect
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.inpainters import get, texture
from edgeconnect.inpainters.base import fill
from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.models.checkpoint import Weights, build_network, save_weights
from tests.small import endless_patch_fill

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install it or set CHROMIUM to its path"
)

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
SHOTS = os.environ.get("EDGECONNECT_SCREENSHOTS")  # a folder, to look at what the tests saw
HOLE = (230, 150, 330, 210)  # left, top, right, bottom in the photo


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
    monkeypatch.setattr(texture, "patch_fill", endless_patch_fill)


@pytest.fixture(scope="module")
def url(weights: list[Path]) -> Iterator[str]:
    """A running server."""
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


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
    shoot(page, request.node.name)
    assert not complaints
    context.close()


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


def open_photo(page: Page) -> np.ndarray:
    """Open the photo and paint HOLE as a box; returns the photo's pixels."""
    file, pixels = photo_file()
    page.set_input_files("#open", file)
    says(page, "600 × 400 pixels")
    tool(page, "box")
    drag(page, HOLE[:2], (HOLE[2] - 1, HOLE[3] - 1))
    return pixels


def tool(page: Page, name: str) -> None:
    """Take a tool by its button; a phone shows those of the view alone."""
    button = page.locator(f"button[data-tool={name}]")
    if not button.is_visible():
        page.click("#view-edges" if name in ("pencil", "straight", "rub") else "#view-photo")
    button.click()


def drag(page: Page, *points: tuple[int, int]) -> None:
    """Draw through points of the whole photo, as `Fit` shows it."""
    page.click("#zoom-fit")
    left, top, scale = fitted(page, "#edit")
    for number, (x, y) in enumerate(points):
        page.mouse.move(left + (x + 0.5) * scale, top + (y + 0.5) * scale, steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def fitted(page: Page, canvas: str) -> tuple[float, float, float]:
    """Where on the screen `Fit` shows the photo's upper left corner, and its scale."""
    box = page.locator(canvas).bounding_box()
    assert box
    scale = 0.96 * min(box["width"] / 600, box["height"] / 400)
    return (
        box["x"] + (box["width"] - 600 * scale) / 2,
        box["y"] + (box["height"] - 400 * scale) / 2,
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
    page.click("#fill")
    says(page, "Filling: done")
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
    if page.locator("#view-result").is_visible():
        page.click("#view-result")
    page.locator("#compare").fill("50")
    shoot(page, f"{name} compared")


def edit(page: Page, completed: np.ndarray, shot: str) -> tuple[np.ndarray, np.ndarray]:
    """Erase one line and draw another, which fills again: the edge map and the result."""
    hole = mask()
    tool(page, "rub")
    drag(page, (240, 160), (300, 160))
    says(page, "Filling: done")  # by itself, as after each edit
    tool(page, "straight")
    drag(page, (240, 200), (320, 180))
    says(page, "Filling: done")
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


def test_the_state_survives_a_reload(page: Page) -> None:
    open_photo(page)
    tool(page, "straight")
    says(page, "Completing edges: done")
    drag(page, (240, 200), (320, 180))
    page.click("#fill")
    says(page, "Filling: done")
    before = saved(page, "edges"), saved(page, "result")
    says(page, "Writing the result: done")
    page.wait_for_timeout(1000)  # longer than the page waits before it writes its state
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")
    playwright.expect(page.locator("#keep")).to_be_enabled()  # the result is there too
    np.testing.assert_array_equal(saved(page, "edges"), before[0])
    np.testing.assert_array_equal(saved(page, "result"), before[1])
    says(page, "Writing the result: done")
    page.click("#undo")
    says(page, "Filling: done")
    assert (saved(page, "edges") != before[0]).any()
    says(page, "Writing the edge map: done")
    page.click("#redo")
    np.testing.assert_array_equal(saved(page, "edges"), before[0])


def test_one_stroke_removes_a_thing_and_the_result_can_be_kept(page: Page) -> None:
    page.select_option("#sample", "coffee")
    says(page, "600 × 400 pixels")
    tool(page, "remove")
    drag(page, (260, 180), (300, 190))
    says(page, "Filling: done")
    result = saved(page, "result")
    says(page, "Writing the result: done")
    assert 0 < (result != np.asarray(data.coffee())).any(2).mean() < 0.2  # type: ignore[no-untyped-call]
    page.click("#keep")
    says(page, "coffee_result.png: 600 × 400 pixels")
    playwright.expect(page.locator("#undo")).to_be_disabled()


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


def test_the_keyboard_is_enough_to_draw_and_fill(page: Page) -> None:
    open_photo(page)
    page.locator("#edit").focus()
    keys = ["d", "Space", *["Shift+ArrowRight"] * 3, "Space"]
    page.keyboard.press(keys[0])
    says(page, "Completing edges: done")
    page.mouse.move(0, 0)
    page.keyboard.press("z")
    page.locator("#edit").focus()
    for key in keys[1:]:
        page.keyboard.press(key)
    drawn = saved(page, "edges")
    assert (np.sort((drawn == 255).sum(1))[-1]) >= 20  # a level line through the middle of the hole
    page.locator("#edit").focus()
    page.keyboard.press("Enter")
    says(page, "Filling: done")
    page.keyboard.press("Control+z")
    says(page, "Undone|Filling: done")


def test_other_weights_give_another_result_and_a_broken_photo_a_sentence(page: Page) -> None:
    open_photo(page)
    page.click("#fill")
    says(page, "Filling: done")
    first = saved(page, "result")
    says(page, "Writing the result: done")
    page.select_option("#weights", "other")
    says(page, "Filling: done")
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


@pytest.mark.parametrize("page", [(390, 780)], indirect=True, ids=["phone"])
def test_one_finger_draws_and_two_zoom_without_drawing(page: Page) -> None:
    file, _ = photo_file()
    page.set_input_files("#open", file)
    says(page, "600 × 400 pixels")
    box = page.locator("#edit").bounding_box()
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
    """How much HOLE in the result's pane differs from the photo's: mean of 255."""
    page.click("#zoom-fit")
    left, top, scale = fitted(page, "#result")
    part = {"x": left + HOLE[0] * scale, "y": top + HOLE[1] * scale}
    part |= {"width": (HOLE[2] - HOLE[0]) * scale, "height": (HOLE[3] - HOLE[1]) * scale}
    page.wait_for_timeout(100)  # until it is drawn
    shown = Image.open(io.BytesIO(page.screenshot(clip=part))).convert("RGB")
    expected = Image.fromarray(photo).crop(HOLE).resize(shown.size)
    return float(np.abs(np.asarray(shown, int) - np.asarray(expected, int)).mean())


def test_a_hole_is_filled_from_the_photo_alone(page: Page) -> None:
    photo, hole = small_hole(page)
    page.locator("#alone").check()
    page.click("#fill")
    says(page, "Filling from this photo: done")
    first = saved(page, "result")
    says(page, "Writing the result: done")
    np.testing.assert_array_equal(first[~hole], photo[~hole])
    np.testing.assert_array_equal(first, SingleImage(device="cpu")(photo, hole))
    page.click("#more")
    says(page, "choose one below the picture")
    page.locator("#fills button").nth(2).click()
    np.testing.assert_array_equal(saved(page, "result"), SingleImage(seed=2, device="cpu")(photo, hole))
    says(page, "Writing the result: done")
    page.click("#undo")
    page.locator("#alone").uncheck()
    page.click("#fill")
    says(page, "Filling: done")
    assert (saved(page, "result") != first).any()
    says(page, "Writing the result: done")
    page.locator("#alone").check()  # each way keeps its own result
    np.testing.assert_array_equal(saved(page, "result"), first)
    says(page, "Writing the result: done")
    page.wait_for_timeout(1000)  # longer than the page waits before it writes its state
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")
    playwright.expect(page.locator("#alone")).to_be_checked()
    playwright.expect(page.locator("#texture")).to_be_disabled()
    np.testing.assert_array_equal(saved(page, "result"), first)
    page.click("#keep")
    says(page, "coffee_result.png: 600 × 400 pixels")


@pytest.mark.usefixtures("endless")
def test_a_fill_is_watched_and_taken_as_it_is(page: Page, request: pytest.FixtureRequest) -> None:
    photo, hole = open_photo(page), mask()
    if page.locator("#view-result").is_visible():
        page.click("#view-result")
    before = unlike(page, photo)
    page.locator("#alone").check()
    page.click("#fill")
    playwright.expect(page.locator("#take")).to_be_enabled(timeout=30_000)
    page.wait_for_timeout(2000)
    shoot(page, f"{request.node.name} watched")
    assert unlike(page, photo) > before + 10
    assert page.get_attribute("#result", "aria-label") == "The fill so far"
    assert re.fullmatch(r"[2-9] s", page.locator("#so-far").inner_text())
    page.keyboard.press("t")
    says(page, "taken as it was after")
    playwright.expect(page.locator("#watching")).to_be_hidden()
    taken = saved(page, "result")
    np.testing.assert_array_equal(taken[~hole], photo[~hole])
    assert (taken[hole] != photo[hole]).mean() > 0.9


@pytest.mark.usefixtures("endless")
def test_a_cancelled_fill_frees_the_computer(page: Page) -> None:
    photo = open_photo(page)
    page.locator("#alone").check()
    page.click("#fill")
    says(page, "Filling from this photo: matching patches")
    page.click("#cancel")
    says(page, "Cancelled")
    playwright.expect(page.locator("#keep")).to_be_disabled()
    tool(page, "box")
    page.click("#clear")
    drag(page, (500, 50), (529, 69))
    page.click("#fill")
    says(page, "Filling from this photo: done")
    changed = (saved(page, "result") != photo).any(2)
    assert changed[50:70, 500:530].any() and not changed[mask()].any()  # nothing is left of the cancelled one


def test_edits_of_the_hole_are_filled_again_from_the_photo_alone_and_those_of_lines_need_not_be(
    page: Page,
) -> None:
    photo, hole = small_hole(page)
    page.locator("#alone").check()
    page.click("#fill")
    says(page, "Filling from this photo: done")
    tool(page, "straight")
    says(page, "Completing edges: done")
    drag(page, (502, 60), (527, 60))
    playwright.expect(page.locator("#keep")).to_be_enabled()
    says(page, "Completing edges: done")
    tool(page, "box")
    drag(page, (530, 50), (539, 69))
    says(page, "Filling from this photo: done")
    hole[50:70, 530:540] = True
    np.testing.assert_array_equal(saved(page, "result"), SingleImage(device="cpu")(photo, hole))


def small_hole(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """Open the photo with a hole of 30x20 px: its pixels, and the hole as (400,600) bool."""
    photo, hole = open_photo(page), np.zeros((400, 600), bool)
    page.click("#clear")
    drag(page, (500, 50), (529, 69))
    hole[50:70, 500:530] = True
    return photo, hole


def move_texture(page: Page, share: str) -> None:
    """Let the slider go at a place."""
    page.locator("#texture").fill(share)


def test_the_texture_slider_goes_from_the_networks_to_the_photo_and_is_remembered(
    page: Page, small_model: EdgeConnect
) -> None:
    photo, hole = small_hole(page)
    page.click("#fill")
    says(page, "Filling: done")
    for share in ("1", "0", "0.5"):
        move_texture(page, share)
        playwright.expect(page.locator("#keep")).to_be_enabled()
        says(page, "Filling: done|Writing the result: done")
        expected = small_model.inpaint(photo, hole, texture=float(share))
        np.testing.assert_array_equal(saved(page, "result"), expected)
        says(page, "Writing the result: done")
    page.wait_for_timeout(1000)  # longer than the page waits before it writes its state
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")
    assert page.locator("#texture").input_value() == "0.5"
    np.testing.assert_array_equal(saved(page, "result"), expected)


def test_more_fills_can_be_chosen_from_and_a_choice_undone(
    page: Page, small_model: EdgeConnect, request: pytest.FixtureRequest
) -> None:
    photo, hole = small_hole(page)
    playwright.expect(page.locator("#more")).to_be_disabled()
    page.click("#fill")
    says(page, "Filling: done")
    playwright.expect(page.locator("#fills")).to_be_hidden()
    expected = list(small_model.candidates(photo, hole, 7))
    page.locator("#more").focus()
    page.keyboard.press("Enter")
    says(page, "choose one below the picture")
    shoot(page, f"{request.node.name} offered")
    fills = page.locator("#fills button")
    assert [fills.nth(i).get_attribute("aria-label") for i in range(fills.count())] == [
        "Fill 1", "Fill 2", "Fill 3", "Fill 4"]  # fmt: skip
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
    playwright.expect(fills).to_have_count(7, timeout=60_000)
    says(page, "choose one below the picture")
    fills.nth(6).click()
    np.testing.assert_array_equal(saved(page, "result"), expected[6])
    says(page, "Writing the result: done")
    page.wait_for_timeout(1000)  # longer than the page waits before it writes its state
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")
    np.testing.assert_array_equal(saved(page, "result"), expected[6])
    says(page, "Writing the result: done")
    page.click("#fill")
    says(page, "Filling: done")
    np.testing.assert_array_equal(saved(page, "result"), expected[0])


@pytest.mark.usefixtures("endless")
def test_more_fills_come_one_by_one_and_can_be_cancelled(page: Page) -> None:
    small_hole(page)
    page.click("#fill")
    says(page, "Filling: done")
    tool(page, "box")
    drag(page, HOLE[:2], (HOLE[2] - 1, HOLE[3] - 1))  # with this one it never ends
    page.click("#cancel")
    page.locator("#texture").fill("0")  # the networks alone: at once
    says(page, "Filling: done")
    page.locator("#more").click()
    says(page, "More fills: 1 of 3")
    page.keyboard.press("Escape")
    says(page, "Cancelled")
    playwright.expect(page.locator("#fills")).to_be_hidden()
    playwright.expect(page.locator("#keep")).to_be_enabled()  # the first fill stays
    page.click("#undo")
    playwright.expect(page.locator("#more")).to_be_enabled()


def test_another_inpainter_can_be_chosen(page: Page, request: pytest.FixtureRequest) -> None:
    page.select_option("#inpainter", "ns")  # before there is a photo
    photo, hole = small_hole(page)
    assert page.locator("#inpainter option").all_inner_texts() == ["edgeconnect", "telea", "ns", "biharmonic"]
    page.click("#fill")
    says(page, "Filling: done")
    for name in ("ns", "telea"):
        page.select_option("#inpainter", name)
        playwright.expect(page.locator("#keep")).to_be_enabled()
        says(page, "Filling: done|Writing the result: done")
        np.testing.assert_array_equal(saved(page, "result"), fill(get(name), photo, hole))
        says(page, "Writing the result: done")
    playwright.expect(page.locator("#more")).to_be_disabled()
    playwright.expect(page.locator("#texture")).to_be_disabled()
    page.wait_for_timeout(1000)  # longer than the page waits before it writes its state
    page.reload()
    page.wait_for_selector("body[data-ready]")
    says(page, "as you left it")
    assert page.locator("#inpainter").input_value() == "telea"
    np.testing.assert_array_equal(saved(page, "result"), fill(get("telea"), photo, hole))
    says(page, "Writing the result: done")
    page.select_option("#inpainter", "edgeconnect")
    says(page, "Filling: done")
    playwright.expect(page.locator("#more")).to_be_enabled()
    page.locator("#alone").check()
    playwright.expect(page.locator("#inpainter")).to_be_disabled()
