"""The gestures that every photo editor has, on the page in a real browser: each does what a hand expects."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from skimage import data

from edgeconnect.masks.selection import select_object
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


def primaries(page: Page) -> list[str]:
    """The texts of the buttons that stand out."""
    return [text.strip() for text in page.locator(".primary:visible").all_inner_texts()]


def view(page: Page) -> list[float]:
    """Where the canvas shows the photo's upper left corner and how wide, read from its pixels."""
    page.wait_for_timeout(150)  # until it is drawn
    drawn = page.evaluate("() => document.getElementById('picture').toDataURL().split(',')[1]")
    opaque = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn))))[..., 3] > 127
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    return [float(columns[0]), float(rows[0]), float(len(columns))]


def middle(page: Page) -> tuple[float, float]:
    """The middle of the picture on the screen."""
    box = page.locator("#picture").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def give(page: Page, event: str, name: str, content: bytes) -> None:
    """Drop or paste a file."""
    page.evaluate(
        """([event, name, content]) => {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, {type: "image/png"}));
        const how = {bubbles: true, cancelable: true};
        document.body.dispatchEvent(event === "drop" ? new DragEvent("drop", {...how, dataTransfer: data})
            : new ClipboardEvent("paste", {...how, clipboardData: data}));
        }""",
        [event, name, base64.b64encode(content).decode()],
    )


def test_one_thing_stands_out_at_a_time_and_tools_wait_for_a_photo(page: Page) -> None:
    assert primaries(page) == ["Open a photo"]
    playwright.expect(page.locator("#empty")).to_contain_text("Drop a photo here")
    assert page.locator("#tools button:visible, #tools button:enabled").count() == 0
    for key in ("b", "Enter", "2", "w", "c"):
        page.keyboard.press(key)  # nothing happens, and nothing is logged
    page.click("[data-sample=coffee]")
    says(page, "600 × 400 pixels")
    assert primaries(page) == ["Fill"] and page.locator("#fill").is_disabled()
    tool(page, "box")
    drag(page, (500, 50), (529, 69))
    assert primaries(page) == ["Fill"] and page.locator("#fill").is_enabled()
    fill_hole(page)
    assert primaries(page) == ["Accept"]
    page.click("#accept")
    says(page, "Accepted")
    assert primaries(page) == ["Fill"]


@desktop
def test_a_click_selects_an_object_which_can_be_shrunk_grown_and_taken_back(page: Page) -> None:
    page.click("[data-sample=coffee]")
    says(page, "600 × 400 pixels")
    tool(page, "select")
    drag(page, (350, 255), (365, 275))  # along the spoon's bowl
    says(page, "Selected")
    spoon = saved(page, "mask") > 127
    says(page, "Writing the mask: done")
    scribble = np.zeros((400, 600), bool)
    scribble[255:276, 350:366] = True
    expected = select_object(np.asarray(data.coffee()), scribble)  # type: ignore[no-untyped-call]
    assert (spoon & expected).sum() / (spoon | expected).sum() > 0.8
    assert spoon[265, 345] and 0.01 < spoon.mean() < 0.06
    page.click("#grow")
    grown = saved(page, "mask") > 127
    says(page, "Writing the mask: done")
    assert (grown >= spoon).all() and grown.sum() > spoon.sum()
    page.click("#shrink")
    page.click("#shrink")
    assert (saved(page, "mask") > 127).sum() < spoon.sum()
    says(page, "Writing the mask: done")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(saved(page, "mask") > 127, spoon)
    says(page, "Writing the mask: done")
    page.click("#subtract")
    drag(page, (350, 255), (365, 275))
    says(page, "Taken out")
    playwright.expect(page.locator("body")).to_have_attribute("data-state", "photo")


@phone
def test_everything_is_undone_in_turn_also_what_was_accepted_and_opened(page: Page) -> None:
    first = open_photo(page)
    fill_hole(page)
    result = saved(page, "result")
    says(page, "Writing the result: done")
    page.click("#accept")
    says(page, "Accepted")
    np.testing.assert_array_equal(saved(page, "result"), result)  # the name is as it was, too
    says(page, "Writing the result: done")
    other = png(np.asarray(data.chelsea()))  # type: ignore[no-untyped-call]
    page.set_input_files("#open", {"name": "cat.png", "mimeType": "image/png", "buffer": other})
    says(page, "451 × 300 pixels. Undo brings coffee.png back")
    page.keyboard.press("Control+z")
    says(page, "Undone: open. coffee.png")
    np.testing.assert_array_equal(saved(page, "result"), result)
    says(page, "Writing the result: done")
    reload(page)
    page.click("#undo")
    says(page, "Undone: accept")
    page.wait_for_selector("body[data-state=filled]")
    np.testing.assert_array_equal(saved(page, "result"), result)
    says(page, "Writing the result: done")
    page.keyboard.press("Control+z")
    says(page, "Undone.")
    playwright.expect(page.locator("body")).to_have_attribute("data-state", "photo")
    np.testing.assert_array_equal(saved(page, "result"), first)
    says(page, "Writing the result: done")
    playwright.expect(page.locator("#undo")).to_be_disabled()
    for said in ("Done again.", "Done again: accept", "Done again: open"):
        page.keyboard.press("Control+y")
        says(page, said)
    playwright.expect(page.locator("#redo")).to_be_disabled()


@desktop
def test_after_a_new_step_nothing_is_left_to_do_again(page: Page) -> None:
    open_photo(page)
    choose_how(page, inpainter="telea")
    fill_hole(page)
    page.click("#accept")
    says(page, "Accepted")
    page.keyboard.press("Control+z")
    says(page, "Undone: accept")
    playwright.expect(page.locator("#redo")).to_be_enabled()
    page.keyboard.press("Control+z")  # the box
    says(page, "Undone.")
    page.keyboard.press("Control+y")
    says(page, "Done again.")
    playwright.expect(page.locator("#redo")).to_be_enabled()  # the accepted fill comes next
    tool(page, "box")
    drag(page, (10, 10), (30, 30))
    playwright.expect(page.locator("#redo")).to_be_disabled()


@desktop
def test_space_and_wheel_move_zoom_and_size_without_painting(page: Page) -> None:
    open_photo(page)
    page.click("#clear")
    page.click("#zoom-fit")
    tool(page, "brush")
    before, (x, y) = view(page), middle(page)
    page.mouse.move(x, y)
    page.keyboard.down("Space")
    page.mouse.down()
    page.mouse.move(x + 40, y + 10, steps=3)
    page.mouse.up()
    page.keyboard.up("Space")
    page.mouse.move(640, 5)
    moved = view(page)
    assert [round(b - a) for a, b in zip(before, moved, strict=True)] == [40, 10, 0]
    assert page.get_attribute("body", "data-state") == "photo"  # nothing was painted
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    page.mouse.move(640, 5)
    assert view(page)[2] < moved[2] * 0.9
    size = page.locator("#size")
    for press, factor in (("]", 1.25), ("[", 0.8)):
        value = float(size.input_value())
        page.keyboard.press(press)
        assert float(size.input_value()) == pytest.approx(value * factor, abs=1)
    value = float(size.input_value())
    page.mouse.move(x, y)
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Alt")
    assert float(size.input_value()) == pytest.approx(value * np.exp(0.24), abs=1.5)
    page.mouse.wheel(7, 13)  # as a trackpad glides: it moves
    page.mouse.move(640, 5)
    assert page.get_attribute("body", "data-state") == "photo"


@desktop
def test_before_is_seen_while_a_key_is_held_and_beside_the_fill_by_a_handle(page: Page) -> None:
    open_photo(page)
    page.click("#zoom-fit")
    untouched = page.locator("#picture").screenshot()
    fill_hole(page)
    page.mouse.move(640, 5)
    page.wait_for_timeout(150)
    filled = page.locator("#picture").screenshot()
    page.keyboard.down("c")
    page.wait_for_timeout(150)
    held = page.locator("#picture").screenshot()
    page.keyboard.up("c")
    page.wait_for_timeout(150)
    assert page.locator("#picture").screenshot() == filled and held != filled and held != untouched
    page.keyboard.press("v")
    split = page.locator("#split")
    playwright.expect(split).to_be_visible()
    box, (left, _, scale) = split.bounding_box(), fitted(page)
    assert box and box["x"] + 22 == pytest.approx(left + 300 * scale, abs=2)
    page.mouse.move(box["x"] + 22, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(left + 150 * scale, box["y"] + 200, steps=4)
    page.mouse.up()
    assert split.get_attribute("aria-valuenow") == "25"
    split.focus()
    page.keyboard.press("PageUp")
    playwright.expect(split).to_have_attribute("aria-valuenow", "35")
    page.keyboard.press("End")
    page.wait_for_timeout(150)
    page.locator("#picture").focus()
    page.keyboard.press("v")
    playwright.expect(split).to_be_hidden()


@pytest.mark.parametrize("event", ["drop", "paste"])
@desktop
def test_what_is_dropped_or_pasted_is_asked_for(page: Page, event: str) -> None:
    file, photo = photo_file()
    give(page, event, "coffee.png", file["buffer"])  # the first photo needs no question
    says(page, "600 × 400 pixels")
    give(page, event, "m.png", png(mask().astype(np.uint8) * 255))
    page.click("#question button[value=mask]")
    says(page, "The mask is in place")
    np.testing.assert_array_equal(saved(page, "mask") > 127, mask())
    says(page, "Writing the mask: done")
    lines = np.zeros((400, 600), np.uint8)
    lines[180, 100:500] = 255
    give(page, event, "l.png", png(lines))
    page.click("#question button[value=lines]")
    says(page, "Completing edges: done|The edge map's lines are in the hole now")
    page.wait_for_selector("body[data-busy=false]")
    edges = saved(page, "edges") > 127
    says(page, "Writing the edge map: done")
    np.testing.assert_array_equal(edges[mask()], lines[mask()] > 0)
    give(page, event, "o.png", png(photo[::-1]))
    page.click("#question button[value='']")  # nothing
    give(page, event, "other.png", png(photo[:200]))
    page.click("#question button[value=photo]")
    says(page, "other.png: 600 × 200 pixels. Undo brings coffee.png back")
    give(page, event, "text.txt.png", b"no picture")
    page.click("#question button[value=photo]")
    says(page, "Opening the photo: photo: expected a .* picture")


@desktop
def test_control_s_downloads_and_control_c_copies_the_result(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    photo = open_photo(page)
    fill_hole(page)
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    assert download.value.suggested_filename == "coffee_result.png"
    result = np.asarray(Image.open(download.value.path()))
    np.testing.assert_array_equal(result[~mask()], photo[~mask()])
    says(page, "Writing the result: done")
    page.keyboard.press("Control+c")
    says(page, "The result is on the clipboard")
    copied = page.evaluate(
        """async () => {
        const [item] = await navigator.clipboard.read(), blob = await item.getType("image/png");
        return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer()).slice(0, 8)));
        }"""
    )
    assert base64.b64decode(copied) == b"\x89PNG\r\n\x1a\n"


@desktop
def test_names_do_not_grow(page: Page) -> None:
    pixels = photo_file()[1]
    name = "coffee_result (1).png"
    page.set_input_files("#open", {"name": name, "mimeType": "image/png", "buffer": png(pixels)})
    says(page, "600 × 400 pixels")
    saved(page, "result")  # checks that it is coffee_result.png


@desktop
def test_the_border_is_dragged_outwards_and_filled(page: Page, request: pytest.FixtureRequest) -> None:
    page.click("[data-sample=coffee]")
    says(page, "600 × 400 pixels")
    choose_how(page, texture="0")
    tool(page, "extend")
    assert primaries(page) == ["Extend"]
    says(page, "drag its border outwards")
    playwright.expect(page.locator("#fill")).to_be_disabled()  # until there is something to extend
    left, top, scale = fitted(page, 0.66)
    x, y = left + 600 * scale, top + 200 * scale
    page.mouse.move(x, y + 20)
    page.mouse.down()
    page.mouse.move(x + 40 * scale, y + 20, steps=4)
    page.mouse.up()
    assert float(page.locator("#side-right").input_value()) == pytest.approx(40, abs=3)
    page.fill("#side-right", "40")
    page.fill("#side-top", "16")
    says(page, "640 × 416 pixels")
    shoot(page, f"{request.node.name} framed")
    page.click("#fill")
    settled(page, "filled")
    page.click("#save-menu summary")
    with page.expect_download() as download:
        page.click("#save-result")
    result = np.asarray(Image.open(download.value.path()))
    assert result.shape == (416, 640, 3)
    np.testing.assert_array_equal(result[16:, :600], data.coffee())  # type: ignore[no-untyped-call]
    assert (result[:16] != np.asarray(data.coffee())[:1, :1]).any()  # type: ignore[no-untyped-call]
    page.click("#undo")
    says(page, "Undone: extend. coffee.png, 600 × 400 pixels")


@desktop
def test_a_tool_says_what_it_does(page: Page) -> None:
    open_photo(page)
    page.hover("button[data-tool=select]")
    tip = page.locator("#tip")
    playwright.expect(tip).to_have_text("Select objectClick or scribble on an object to select itO")
    page.mouse.move(640, 400)
    playwright.expect(tip).to_be_hidden()
    page.locator("button[data-tool=brush]").focus()
    page.keyboard.press("Tab")
    playwright.expect(tip).to_contain_text("Take away from the hole")
    page.keyboard.press("Escape")
    playwright.expect(tip).to_be_hidden()
    unnamed = page.locator("button:visible:not([aria-label])").all_inner_texts()
    assert all(text.strip() for text in unnamed)


@phone
def test_on_a_phone_everything_is_a_thumb_wide_and_the_header_is_one_row(page: Page) -> None:
    open_photo(page)
    fill_hole(page)
    for control in page.locator("button:visible, .button:visible, summary:visible").all():
        box = control.bounding_box()
        assert box and box["height"] >= 44 and box["width"] >= 44, control.inner_html()
    header, tools = page.locator("header").bounding_box(), page.locator("#tools").bounding_box()
    assert header and tools and header["height"] <= 56
    assert tools["y"] + tools["height"] > 770  # where a thumb is
    width = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


@desktop
def test_lines_can_be_seen_at_any_zoom_and_told_apart_in_the_dark_too(page: Page) -> None:
    open_photo(page)
    for scheme, known in (("light", (0, 0, 0)), ("dark", (245, 245, 245))):
        page.emulate_media(color_scheme=scheme)
        page.click("#view-edges")
        page.wait_for_selector("body[data-busy=false]")
        tool(page, "hand")
        page.click("#zoom-fit")
        for _ in range(4):
            page.click("#zoom-out")
        page.mouse.move(640, 5)
        page.wait_for_timeout(200)
        shown = np.asarray(Image.open(io.BytesIO(page.locator("#picture").screenshot())).convert("RGB"), int)
        near = np.abs(shown - known).max(2) < 60
        left, top = shown.shape[1] // 2 - 60, shown.shape[0] // 2 - 60
        assert near[top : top + 120, left : left + 120].sum() > 60  # at half its size or less
        page.click("#view-photo")
    assert HOLE
