"""The single-image mode over HTTP: its pictures, its previews, and that it never keeps anybody waiting."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("httpx2", reason="the extra `test` is not installed")

import httpx2 as httpx
from starlette.responses import Response

from edgeconnect import EdgeConnect
from edgeconnect.inpainters import texture
from edgeconnect.inpainters.budget import Pace
from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.patches.fill import patch_tiles
from edgeconnect.web import lines
from edgeconnect.web.worker import Computer, OutOfTimeError, Worker
from tests.small import endless_patch_tiles

if TYPE_CHECKING:
    from starlette.testclient import TestClient

BOX = {"box": "30,20,40,30"}
LONG = {"box": "60,60,120,120", "seconds": "100"}  # of `large`, where it is `endless`
LINES = {"Accept": "application/x-ndjson"}

Connect = Callable[..., "TestClient"]


@pytest.fixture
def large(rng: np.random.Generator) -> np.ndarray:
    """A photo (240,240,3) of noise."""
    return rng.integers(0, 256, (240, 240, 3), np.uint8)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes as large as LONG's are matched without end."""
    monkeypatch.setattr(texture, "patch_tiles", endless_patch_tiles)


def png(array: np.ndarray) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def hole(photo: np.ndarray) -> np.ndarray:
    """BOX as (H,W) bool."""
    mask = np.zeros(photo.shape[:2], bool)
    mask[20:50, 30:70] = True
    return mask


def test_a_plain_program_gets_the_picture_that_the_package_makes(connect: Connect, photo: np.ndarray) -> None:
    for seed in (0, 7):
        form = BOX | ({"seed": str(seed)} if seed else {})
        answer = connect().post("/api/single", data=form, files={"photo": png(photo)})
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
        expected = SingleImage(seed=seed, device="cpu")(photo, hole(photo))
        np.testing.assert_array_equal(pixels(answer.content), expected)


@pytest.fixture
def real_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes are matched as they are for users, where the time for it is what is claimed."""
    monkeypatch.setattr(texture, "patch_tiles", patch_tiles)


@pytest.mark.usefixtures("real_patches")
def test_a_budget_that_is_over_at_once_gives_a_picture_too(connect: Connect, large: np.ndarray) -> None:
    form = LONG | {"seconds": "0"}
    answer = connect().post("/api/single", data=form, files={"photo": png(large)})
    mask = np.zeros(large.shape[:2], bool)
    mask[60:180, 60:180] = True
    expected = SingleImage(budget_seconds=0, device="cpu")(large, mask)
    np.testing.assert_array_equal(pixels(answer.content), expected)
    assert (expected != SingleImage(device="cpu")(large, mask)).any() and (expected != large)[mask].any()


@pytest.mark.usefixtures("real_patches")
@pytest.mark.parametrize("guide", ["networks", "photo"])
def test_a_textured_fill_keeps_to_its_seconds_and_says_what_it_left_out(
    connect: Connect, model: EdgeConnect, large: np.ndarray, guide: str
) -> None:
    form = {"box": LONG["box"], "guide": guide}
    mask = np.zeros(large.shape[:2], bool)
    mask[60:180, 60:180] = True
    if guide == "photo":
        expected = SingleImage(budget_seconds=0, device="cpu")(large, mask)
    else:
        expected = model.inpaint(large, mask, pace=Pace(texture.windows_of(mask), 0))
    client = connect()
    hurried = client.post("/api/inpaint", data=form | {"seconds": "0"}, files={"photo": png(large)})
    np.testing.assert_array_equal(pixels(hurried.content), expected)
    assert "less is done, so that it fits into 0 s" in hurried.headers["edgeconnect-notes"]
    usual = client.post("/api/inpaint", data=form, files={"photo": png(large)})
    assert json.loads(usual.headers["edgeconnect-notes"]) == []
    assert (pixels(usual.content) != expected).any()
    late = client.post("/api/inpaint", data=form | {"seconds": "121"}, files={"photo": png(large)})
    assert late.status_code == 400 and "seconds: expected at most 120, got 121" in late.text


def test_lines_show_the_hole_on_the_way_and_end_with_the_same_picture(
    connect: Connect, photo: np.ndarray
) -> None:
    answer = connect().post("/api/single", data=BOX, files={"photo": png(photo)}, headers=LINES)
    assert answer.headers["content-type"] == "application/x-ndjson"
    *previews, last = map(json.loads, answer.text.splitlines())
    assert previews and all(event["stage"] == "patches" for event in previews)
    assert previews[0]["box"] == [30, 20, 40, 30]
    seen = pixels(base64.b64decode(previews[0]["picture"]))
    assert seen.shape == (30, 40, 3) and (seen != photo[20:50, 30:70]).any()
    assert last["stage"] == "done" and last["box"] == [0, 0, 128, 96] and last["notes"] == []
    expected = SingleImage(device="cpu")(photo, hole(photo))
    np.testing.assert_array_equal(pixels(base64.b64decode(last["picture"])), expected)


def test_drawn_edges_can_give_the_structure_and_the_photo_the_texture(
    connect: Connect, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask, drawn = hole(photo), np.zeros(photo.shape[:2], bool)
    drawn[30, 32:60] = True
    form = BOX | {"start": "edgeconnect", "edges_polarity": "white"}
    files = {"photo": png(photo), "edges": png(drawn.astype(np.uint8) * np.uint8(255))}
    answer = connect().post("/api/single", data=form, files=files)
    np.testing.assert_array_equal(pixels(answer.content), model.inpaint(photo, mask, drawn))


def test_the_hole_alone_may_come_back_and_be_put_in_place_later(
    connect: Connect, rng: np.random.Generator
) -> None:
    client, photo = connect(), rng.integers(0, 256, (60, 80, 4), np.uint8)
    fill, mask = rng.integers(0, 256, (30, 39, 3), np.uint8), np.zeros((60, 80), np.uint8)
    mask[20:50, 30:69:2] = 255  # every other column
    files = {"photo": png(photo), "mask": png(mask), "fill": png(fill)}
    expected = photo.copy()
    expected[20:50, 30:69:2, :3] = fill[:, ::2]
    np.testing.assert_array_equal(pixels(client.post("/api/composite", files=files).content), expected)
    for other in (fill[:-1], np.full((30, 39), 7000, np.uint16)):
        answer = client.post("/api/composite", files=files | {"fill": png(other)})
        assert answer.status_code == 422 and "fill: expected the hole's 39x30" in answer.json()["error"]


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"seconds": "121"}, 400, "seconds: expected at most 120"),
        ({"seed": "x"}, 400, "seed: expected a whole number, got 'x'"),
        ({"seconds": "-1"}, 400, "seconds: expected a whole number"),
        ({"seconds": "1e9"}, 400, "seconds: expected a whole number"),
        ({"start": "/etc/passwd"}, 400, "start: expected one of patches, edgeconnect"),
        ({"box": ""}, 400, "expected a hole"),
        ({"box": "0,0,128,96"}, 422, "known patch"),
        ({"photo": b"no picture"}, 422, "photo: expected a"),
        ({"edges": png(np.zeros((96, 128), np.uint8))}, 400, "expected start=edgeconnect"),
        ({"iterations": "5"}, 400, "got 'iterations'"),
    ],
)
def test_mistakes_are_answered_before_the_first_line(
    connect: Connect, photo: np.ndarray, change: dict[str, Any], status: int, sentence: str
) -> None:
    form = BOX | {"photo": png(photo)} | change
    data = {name: value for name, value in form.items() if isinstance(value, str)}
    files = {name: value for name, value in form.items() if isinstance(value, bytes)}
    for headers in ({}, LINES):
        answer = connect().post("/api/single", data=data, files=files, headers=headers)
        assert answer.status_code == status, answer.text
        assert sentence in answer.json()["error"]


def test_a_hole_that_would_take_too_much_memory_is_refused(connect: Connect, photo: np.ndarray) -> None:
    client = connect(patch_pixels=128 * 96 - 1)
    answer = client.post("/api/single", data=BOX, files={"photo": png(photo)})
    assert answer.status_code == 422 and "a hole of 40x30 px" in answer.json()["error"]
    small = np.ascontiguousarray(photo[:, :-1])
    assert client.post("/api/single", data=BOX, files={"photo": png(small)}).status_code == 200


@pytest.mark.slow
@pytest.mark.usefixtures("real_patches")
def test_a_large_hole_in_a_large_photo_is_filled_in_the_time_it_is_given_and_what_that_costs_is_said(
    connect: Connect,
) -> None:
    photo = np.full((3000, 4000, 3), 90, np.uint8)
    photo[::8], photo[:, ::8] = 120, 120
    photo[1100:1900, 1600:2400] = (255, 0, 255)
    form = {"box": "1600,1100,800,800", "seconds": "1", "part": "hole"}
    answer = connect().post("/api/single", data=form, files={"photo": png(photo)})
    assert answer.status_code == 200, answer.text
    filled = pixels(answer.content)
    assert filled.shape == (800, 800, 3) and (filled.min(2) >= 85).all() and (filled.max(2) <= 125).all()
    assert "less is done, so that it fits into 1 s" in answer.headers["edgeconnect-notes"]


@pytest.mark.usefixtures("endless")
def test_when_time_is_over_the_picture_so_far_is_the_answer(connect: Connect, large: np.ndarray) -> None:
    client, form = connect(seconds=3), LONG | {"seconds": "0"}
    answer = client.post("/api/single", data=form, files={"photo": png(large)})
    assert "time was over" in answer.headers["edgeconnect-notes"]
    changed = (pixels(answer.content) != large).any(2)
    assert changed[60:180, 60:180].mean() > 0.9 and changed.sum() == changed[60:180, 60:180].sum()
    answer = connect(seconds=0).post("/api/single", data=form, files={"photo": png(large)})
    assert answer.status_code == 504 and "time limit" in answer.json()["error"]


@contextmanager
def filling(base: str, large: np.ndarray) -> Iterator[Iterator[str]]:
    """A fill without end; the lines after its first one."""
    form = {"data": LONG, "files": {"photo": png(large)}, "headers": LINES}
    with httpx.stream("POST", f"{base}/api/single", timeout=30, **form) as answer:
        assert answer.status_code == 200
        events = answer.iter_lines()
        assert json.loads(next(events))["stage"] == "patches"
        yield events


@pytest.mark.usefixtures("endless")
def test_whoever_closes_the_connection_frees_the_computer_at_once(
    serve: Callable[..., int], photo: np.ndarray, large: np.ndarray
) -> None:
    base = f"http://127.0.0.1:{serve(single_places=1)}"
    short = {"data": BOX, "files": {"photo": png(photo)}, "timeout": 30}
    with filling(base, large):
        busy = httpx.post(f"{base}/api/single", **short)
        assert busy.status_code == 503 and "busy" in busy.json()["error"] and busy.headers["retry-after"]
    left = time.monotonic()
    while (answer := httpx.post(f"{base}/api/single", **short)).status_code == 503:
        time.sleep(0.05)
    assert answer.status_code == 200 and time.monotonic() - left < 5


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("guide", ["networks", "photo"])
def test_nor_does_a_texture_go_on_that_nobody_waits_for(
    serve: Callable[..., int], photo: np.ndarray, large: np.ndarray, guide: str
) -> None:
    base, files = f"http://127.0.0.1:{serve(places=1)}", {"photo": png(large)}
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{base}/api/inpaint", data={"box": LONG["box"], "guide": guide}, files=files, timeout=2)
    left = time.monotonic()
    while (answer := httpx.get(f"{base}/api/photos/none", timeout=30)).status_code == 503:
        time.sleep(0.05)
    assert answer.status_code == 404 and time.monotonic() - left < 5


@pytest.mark.slow
@pytest.mark.usefixtures("endless")
def test_quick_requests_are_answered_during_a_long_fill(
    serve: Callable[..., int], model: EdgeConnect, photo: np.ndarray, large: np.ndarray
) -> None:
    base = f"http://127.0.0.1:{serve()}"
    with filling(base, large) as events:
        answer = httpx.post(f"{base}/api/inpaint", data=BOX, files={"photo": png(photo)}, timeout=30)
        np.testing.assert_array_equal(pixels(answer.content), model.inpaint(photo, hole(photo)))
        assert json.loads(next(events))["stage"] == "patches"  # it goes on


@pytest.mark.usefixtures("endless")
def test_a_long_fill_ends_when_the_server_does(serve: Any, large: np.ndarray) -> None:
    with filling(f"http://127.0.0.1:{serve()}", large) as events:
        serve.interrupt()
        last = [json.loads(line) for line in events][-1]
    assert "the server ends" in last.get("error", ""), last  # said in time: after 5 s it would be cut off


def test_patient_work_stands_aside_and_one_thing_runs_at_a_time() -> None:
    computer, order = Computer(), list[str]()
    patient = Worker(1, 10, computer, is_patient=True)
    urgent = Worker(3, 10, computer)
    is_begun = threading.Event()

    def long() -> None:
        is_begun.set()
        while order.count("quick") < 3:
            order.append("long")
            time.sleep(0.001)
            computer.check()
        order.append("end")

    def quick() -> None:
        before = len(order)
        time.sleep(0.02)
        assert len(order) == before  # nothing else ran meanwhile
        order.append("quick")

    async def story() -> None:
        async def stays() -> bool:
            return False

        slow = asyncio.create_task(patient.run(long, stays))
        await asyncio.to_thread(is_begun.wait)
        await asyncio.gather(*(urgent.run(quick, stays) for _ in range(3)))
        await slow

    asyncio.run(story())
    assert order[0] == "long" and order[-1] == "end" and order.count("quick") == 3
    patient.close()
    urgent.close()


async def told(work: Callable[[lines.Slot], Any]) -> tuple[list[dict[str, Any]], Any]:
    """What send_lines sends of `work`, and the exception it ends with."""
    sent, slot = list[dict[str, Any]](), lines.Slot()

    async def send(message: Any) -> None:
        sent.append(message)

    def explained(error: BaseException) -> tuple[int, str]:
        return (504, "over") if isinstance(error, OutOfTimeError) else (500, "a bug")

    error = None
    try:
        await lines.send_lines(send, slot, work(slot), explained)
    except Exception as raised:
        error = raised
    return sent, error


@pytest.mark.parametrize(
    ("failure", "is_raised"), [(OutOfTimeError(), False), (ValueError("a bug of ours"), True)]
)
def test_a_failure_on_the_way_is_the_last_line_and_one_before_has_its_own_status(
    failure: Exception, is_raised: bool
) -> None:
    async def fails(slot: lines.Slot) -> Response:
        raise failure

    async def fails_late(slot: lines.Slot) -> Response:
        for number in range(2):
            slot.put({"seconds": number})
            await asyncio.sleep(0.01)
        raise failure

    async def story() -> None:
        assert await told(fails) == ([], failure)
        sent, error = await told(fails_late)
        assert (error is failure) == is_raised
        bodies = [json.loads(message["body"]) for message in sent[1:]]
        assert sent[0]["status"] == 200 and bodies[:2] == [{"seconds": 0}, {"seconds": 1}]
        assert bodies[2].keys() == {"error"} and not sent[-1]["more_body"]

    asyncio.run(story())


def test_a_client_that_reads_slowly_gets_the_newest_preview_alone() -> None:
    async def story() -> list[dict[str, Any]]:
        slot, seen = lines.Slot(), []
        slot.put({"seconds": 1, "picture": "a"})
        slot.put({"seconds": 2, "picture": "b"})
        slot.put({"seconds": 3})
        task = asyncio.ensure_future(asyncio.sleep(0.05))
        async for event in slot.until(task):
            seen.append(event)
        return seen

    assert asyncio.run(story()) == [{"seconds": 3, "picture": "b"}]
