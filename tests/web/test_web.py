"""The HTTP API: the same pictures as the package makes, described by its OpenAPI file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from starlette.routing import Route
from starlette.testclient import TestClient

from edgeconnect import EdgeConnect
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.inpainters import get
from edgeconnect.inpainters.base import fill
from edgeconnect.io import images
from edgeconnect.masks.selection import select_object
from edgeconnect.web import single, tasks, verbs
from edgeconnect.web.app import HERE, create_app
from edgeconnect.web.limits import Limits
from edgeconnect.web.models import Models, by_name

SPEC = yaml.safe_load((HERE / "openapi.yaml").read_text())


@pytest.fixture
def client(weights_file: Path) -> Iterator[TestClient]:
    """The server with small untrained weights, as a browser on this machine sees it."""
    models = Models(by_name([str(weights_file)]), device="cpu", precision="float32")
    with TestClient(create_app(models), base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.fixture
def large(rng: np.random.Generator, photo: np.ndarray) -> np.ndarray:
    """A photo (700,1100,3) much larger than its hole's surroundings."""
    return np.tile(photo, (8, 9, 1))[:700, :1100] // 2 + rng.integers(0, 100, (700, 1100, 3), np.uint8)


def png(array: np.ndarray) -> bytes:
    """A PNG file of (H,W[,C])."""
    file = io.BytesIO()
    Image.fromarray(array.astype(np.uint8) * np.uint8(255) if array.dtype == bool else array).save(
        file, "PNG"
    )
    return file.getvalue()


def pixels(response: Any) -> np.ndarray:
    """The picture in an answer, which has to be one."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(response.content)))


def hole(shape: tuple[int, ...], top: int, left: int, height: int = 30, width: int = 40) -> np.ndarray:
    """(H,W) bool with one box."""
    mask = np.zeros(shape[:2], bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_inpaint_answers_with_what_the_package_makes(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    answer = client.post("/api/inpaint", files={"photo": png(photo), "mask": png(mask)})
    np.testing.assert_array_equal(pixels(answer), model.inpaint(photo, mask))


def test_other_fills_of_the_same_hole_are_the_package_s_candidates(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    files = {"photo": png(photo), "mask": png(mask)}
    asked: list[dict[str, str]] = [{}, {"guide": "photo"}, {"seed": "1"}, {"guide": "photo", "seed": "1"}]
    for form, expected in zip(asked, model.candidates(photo, mask, 4), strict=True):
        np.testing.assert_array_equal(pixels(client.post("/api/inpaint", data=form, files=files)), expected)


def test_as_much_texture_as_asked_is_laid_over_the_networks_colours(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    files = {"photo": png(photo), "mask": png(mask)}
    for share in ("0", "0.25", "1.0"):
        answer = client.post("/api/inpaint", data={"texture": share, "seed": "3"}, files=files)
        expected = model.inpaint(photo, mask, texture=float(share), seed=3)
        np.testing.assert_array_equal(pixels(answer), expected)


def test_a_hole_too_large_for_texture_is_filled_by_the_networks_alone_and_that_is_said(
    connect: Callable[..., TestClient], model: EdgeConnect, photo: np.ndarray
) -> None:
    client, files = connect(patch_pixels=1000), {"photo": png(photo)}
    form = {"box": "30,20,40,30"}
    answer = client.post("/api/inpaint", data=form, files=files)
    expected = model.inpaint(photo, hole(photo.shape, 20, 30), texture=0)
    np.testing.assert_array_equal(pixels(answer), expected)
    notes = json.loads(answer.headers["edgeconnect-notes"])
    assert any(note.startswith("filled by the networks alone: a hole of 40x30 px") for note in notes)
    smooth = client.post("/api/inpaint", data=form | {"texture": "0"}, files=files)
    assert smooth.content == answer.content and smooth.headers["edgeconnect-notes"] == "[]"
    refused = client.post("/api/inpaint", data=form | {"guide": "photo"}, files=files)
    assert refused.status_code == 422 and "paint a smaller hole" in refused.json()["error"]


def test_select_answers_with_the_object_under_a_scribble(client: TestClient, large: np.ndarray) -> None:
    photo = large.copy()
    photo[300:360, 500:540] = (250, 30, 30)
    form = {"box": "515,325,8,8"}
    answer = client.post("/api/select", data=form, files={"photo": png(photo)})
    found, box = pixels(answer) > 127, answer.headers["edgeconnect-box"]
    left, top, width, height = (int(part) for part in box.split(","))
    assert found.shape == (height, width)
    assert abs(left - 500) <= 8 and abs(top - 300) <= 8 and abs(width - 40) <= 14 and abs(height - 60) <= 14
    expected = select_object(photo, hole(photo.shape, 325, 515, 8, 8))
    np.testing.assert_array_equal(found, expected[top : top + height, left : left + width])
    assert client.post("/api/select", files={"photo": png(photo)}).status_code == 400
    nothing = client.post(
        "/api/select", data=form, files={"photo": png(np.full((700, 1100, 3), 90, np.uint8))}
    )
    assert "paint over it instead" in nothing.headers["edgeconnect-notes"]


def test_extend_answers_with_a_larger_photo_as_deep_and_transparent(
    client: TestClient, photo: np.ndarray
) -> None:
    height, width = photo.shape[:2]
    rgba = np.dstack([photo, np.full((height, width), 80, np.uint8)])
    answer = client.post("/api/extend", data={"left": "8", "top": "3"}, files={"photo": png(rgba)})
    larger = pixels(answer)
    assert larger.shape == (height + 3, width + 8, 4)
    np.testing.assert_array_equal(larger[3:, 8:], rgba)
    assert (larger[:3, :, 3] == 255).all()  # what is to be filled can be seen
    for form in ({}, {"left": "0"}, {"left": "-1"}, {"left": "1.5"}, {"left": "99999"}):
        refused = client.post("/api/extend", data=form, files={"photo": png(photo)})
        assert refused.status_code in (400, 422) and "expected" in refused.json()["error"]


def test_a_photo_is_not_extended_beyond_the_limit(
    connect: Callable[..., TestClient], photo: np.ndarray
) -> None:
    size = photo.shape[0] * photo.shape[1]
    files = {"photo": png(photo)}
    answer = connect(pixels=size + 500).post("/api/extend", data={"left": "64"}, files=files)
    assert answer.status_code == 422 and "megapixels" in answer.json()["error"]


def test_edges_answers_with_the_completed_map(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    answer = client.post("/api/edges", files={"photo": png(photo), "mask": png(mask)})
    expected = np.rint(model.complete_edges(photo, mask) * 255)
    np.testing.assert_array_equal(pixels(answer), expected)


@pytest.mark.parametrize("place", [(300, 400), (0, 0), (650, 1040), (333, 5)])
def test_the_surroundings_alone_give_the_pixels_of_a_whole_run(
    model: EdgeConnect, large: np.ndarray, place: tuple[int, int]
) -> None:
    mask = hole(large.shape, *place) | hole(large.shape, 350, 700, 20, 20)
    box = tasks.surroundings(mask)
    assert (box.bottom - box.top) * (box.right - box.left) < large[..., 0].size
    whole = model.inpaint(large, mask)
    np.testing.assert_array_equal(model.inpaint(large[box.slices], mask[box.slices]), whole[box.slices])


def test_of_a_deep_hole_too(model: EdgeConnect, large: np.ndarray) -> None:
    mask = hole(large.shape, 10, 20, 170, 180)
    box = tasks.surroundings(mask)
    whole = model.inpaint(large, mask)
    np.testing.assert_array_equal(model.inpaint(large[box.slices], mask[box.slices]), whole[box.slices])


def test_the_hole_alone_may_travel_back_and_the_photo_need_not_travel_again(
    client: TestClient, large: np.ndarray
) -> None:
    mask = hole(large.shape, 300, 400)
    sent = client.post("/api/photos", files={"photo": png(large)}).json()
    assert (sent["width"], sent["height"]) == (1100, 700)
    whole = pixels(client.post("/api/inpaint", data={"photo_id": sent["id"]}, files={"mask": png(mask)}))
    part = client.post(
        "/api/inpaint",
        data={"photo_id": sent["id"], "x": "390", "y": "290", "part": "hole", "mask_polarity": "white"},
        files={"mask": png(mask[290:340, 390:450])},
    )
    assert part.headers["edgeconnect-box"] == "400,300,40,30"
    np.testing.assert_array_equal(pixels(part), whole[300:330, 400:440])
    around = client.post(
        "/api/edges", data={"photo_id": sent["id"], "box": "400,300,40,30", "part": "surroundings"}
    )
    x, y, width, height = map(int, around.headers["edgeconnect-box"].split(","))
    assert pixels(around).shape == (height, width) and x < 400 and y < 300 and width < 700
    kept = client.get(f"/api/photos/{sent['id']}")
    np.testing.assert_array_equal(pixels(kept), large)


def test_drawn_edges_are_used_as_given_whatever_paint_made_them(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    lines = np.zeros(photo.shape[:2], bool)
    lines[30, 32:60] = True
    expected = model.inpaint(photo, mask, lines, texture=0)
    box = {"box": "30,20,40,30", "texture": "0"}
    for drawn, polarity in ((lines, "white"), (~lines, "black"), (lines, "guess"), (~lines, "guess")):
        files = {"photo": png(photo), "edges": png(drawn)}
        answer = client.post("/api/inpaint", data={**box, "edges_polarity": polarity}, files=files)
        np.testing.assert_array_equal(pixels(answer), expected)
        assert ("edge map read as" in answer.headers["edgeconnect-notes"]) == (polarity == "guess")


def test_another_photo_s_structure_is_taken_in_the_hole(
    client: TestClient, model: EdgeConnect, photo: np.ndarray
) -> None:
    mask, other = hole(photo.shape, 20, 30), np.ascontiguousarray(photo[::-1, ::-1])
    form = {"data": {"box": "30,20,40,30"}, "files": {"photo": png(photo), "edges_from": png(other)}}
    lines = pixels(client.post("/api/edges", **form)) > 0
    np.testing.assert_array_equal(lines[mask], canny(to_gray(other))[mask])
    np.testing.assert_array_equal(lines[~mask], canny(to_gray(photo), known=~mask)[~mask])
    expected = model.inpaint(photo, mask, lines)
    np.testing.assert_array_equal(pixels(client.post("/api/inpaint", **form)), expected)


def test_a_mask_file_is_understood_and_what_was_assumed_is_said(
    client: TestClient, photo: np.ndarray
) -> None:
    mask = hole(photo.shape, 20, 30)
    small = np.dstack([np.zeros_like(photo[::2, ::2]), np.where(mask[::2, ::2], 0, 255).astype(np.uint8)])
    answer = client.post("/api/mask", files={"photo": png(photo), "mask": png(small)})
    np.testing.assert_array_equal(pixels(answer) > 127, mask)
    assert "resized from 64x48 to 128x96" in " ".join(json.loads(answer.headers["edgeconnect-notes"]))


def test_sixteen_bits_alpha_and_the_profile_come_back(
    client: TestClient, tmp_path: Path, photo: np.ndarray
) -> None:
    deep = np.dstack([photo.astype(np.uint16) * 257 + 3, np.full(photo.shape[:2], 40000, np.uint16)])
    like = images.Photo(deep[..., :3], deep[..., 3], icc_profile=b"a profile")
    images.write_photo(tmp_path / "deep.png", deep[..., :3], like)
    files = {"photo": (tmp_path / "deep.png").read_bytes()}
    answer = client.post("/api/inpaint", data={"box": "30,20,40,30"}, files=files)
    (tmp_path / "result.png").write_bytes(answer.content)
    result, mask = images.read_photo(tmp_path / "result.png"), hole(photo.shape, 20, 30)
    assert result.icc_profile == b"a profile" and result.rgb.dtype == np.uint16
    np.testing.assert_array_equal(result.alpha, deep[..., 3])
    np.testing.assert_array_equal(result.rgb[~mask], deep[..., :3][~mask])


def test_the_samples_and_weights_are_listed(client: TestClient) -> None:
    names = client.get("/api/samples").json()["samples"]
    assert all(pixels(client.get(f"/api/samples/{name}")).ndim == 3 for name in names) and len(names) == 4
    assert client.get("/api/weights").json()["weights"][0] == "small"


@pytest.mark.parametrize(
    ("path", "data", "files", "status", "sentence"),
    [
        ("/api/inpaint", {"box": "1,1,9,9"}, {}, 400, "photo: expected a picture"),
        ("/api/inpaint", {}, {"photo"}, 400, "expected a hole"),
        ("/api/inpaint", {"box": "1,1,9"}, {"photo"}, 400, "box: expected x,y,width,height"),
        ("/api/inpaint", {"box": "500,1,9,9"}, {"photo"}, 422, "inside 128x96"),
        ("/api/inpaint", {"box": "0,0,128,96"}, {"photo"}, 422, "at least one known pixel"),
        ("/api/inpaint", {"box": "1,1,9,9", "weights": "../../etc"}, {"photo"}, 422, "expected one of small"),
        ("/api/inpaint", {"box": "1,1,9,9", "part": "half"}, {"photo"}, 400, "part: expected one of whole"),
        ("/api/inpaint", {"box": "1,1,9,9", "sigma": "3"}, {"photo"}, 400, "got 'sigma'"),
        ("/api/inpaint", {"box": "1,1,9,9", "photo_id": "0" * 64}, {}, 404, "send it again"),
        ("/api/inpaint", {"photo": "here"}, {"mask"}, 400, "photo: expected a file, got text"),
        ("/api/inpaint", {}, {"photo", "mask", "weights"}, 400, "weights: expected text, got a file"),
        ("/api/inpaint", {"x": "-1", "y": "0"}, {"photo", "mask"}, 400, "x: expected a whole number"),
        ("/api/inpaint", {"x": "1"}, {"photo", "mask"}, 400, "both x and y"),
        ("/api/inpaint", {"x": "1", "y": "1"}, {"photo", "mask"}, 422, "expected a part inside"),
        ("/api/edges", {"mask_polarity": "alpha"}, {"photo", "mask"}, 422, "alpha channel"),
        ("/api/inpaint", {"box": "1,1,9,9", "photo_id": "0"}, {"photo"}, 400, "got both"),
        ("/api/inpaint", {"box": "1,1,9,9"}, {"photo", "edges", "edges_from"}, 400, "got both"),
        (
            "/api/inpaint",
            {"box": "1,1,9,9", "texture": "1.5"},
            {"photo"},
            400,
            "number from 0 to 1, got '1.5'",
        ),
        ("/api/inpaint", {"box": "1,1,9,9", "texture": "nan"}, {"photo"}, 400, "texture: expected a number"),
        ("/api/inpaint", {"box": "1,1,9,9", "texture": "much"}, {"photo"}, 400, "texture: expected a number"),
        ("/api/inpaint", {"box": "1,1,9,9", "seed": "-1"}, {"photo"}, 400, "seed: expected a whole number"),
        (
            "/api/inpaint",
            {"box": "1,1,9,9", "guide": "me"},
            {"photo"},
            400,
            "one of networks, photo, got 'me'",
        ),
        (
            "/api/inpaint",
            {"box": "1,1,9,9", "guide": "photo", "texture": "1"},
            {"photo"},
            400,
            "guide=networks",
        ),
        ("/api/inpaint", {"box": "1,1,9,9", "guide": "photo"}, {"photo", "edges"}, 400, "guide=networks"),
        (
            "/api/inpaint",
            {"box": "1,1,9,9", "guide": "photo"},
            {"photo", "edges_from"},
            400,
            "guide=networks",
        ),
        ("/api/inpaint", {"box": "0,0,128,96", "guide": "photo"}, {"photo"}, 422, "known patch"),
        (
            "/api/inpaint",
            {"box": "1,1,9,9", "inpainter": "ns", "seed": "1"},
            {"photo"},
            400,
            "seed: expected inp",
        ),
        ("/api/photos", {}, {}, 400, "photo"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(
    client: TestClient,
    photo: np.ndarray,
    path: str,
    data: dict[str, str],
    files: set[str],
    status: int,
    sentence: str,
) -> None:
    mask = hole(photo.shape, 20, 30)
    content = {"photo": png(photo), "mask": png(mask), "weights": b"0", "edges": b"0", "edges_from": b"0"}
    answer = client.post(path, data=data, files={name: content[name] for name in files})
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"] and answer.json().keys() == {"error"}


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(p, method, op) for p, item in SPEC["paths"].items() for method, op in item.items()]


def test_the_openapi_file_describes_exactly_the_routes_that_exist(client: TestClient) -> None:
    routes = {
        (route.path, method.lower())
        for route in client.app.routes  # type: ignore[attr-defined]
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or ()) if method != "HEAD"
    }  # fmt: skip
    assert routes == {(path, method) for path, method, _ in _operations()}
    assert yaml.safe_load(client.get("/openapi.yaml").content) == SPEC


def test_the_openapi_file_names_exactly_the_fields_that_are_taken() -> None:
    described = {}
    for path, _, operation in _operations():
        if "requestBody" in operation:
            schema = _resolve(operation["requestBody"]["content"]["multipart/form-data"]["schema"])
            described[path] = set(schema["properties"])
            for name, choices in (("mask_polarity", tasks.MASK_POLARITIES), ("part", tasks.PARTS),
                                  ("edges_polarity", tasks.EDGE_POLARITIES),
                                  ("start", single.STARTS), ("guide", verbs.GUIDES)):  # fmt: skip
                if name in schema["properties"]:
                    assert tuple(schema["properties"][name]["enum"]) == choices
    for form in ("InpaintForm", "SingleForm"):
        seconds = SPEC["components"]["schemas"][form]["properties"]["seconds"]
        assert seconds["maximum"] == Limits().single_seconds and seconds["default"] == tasks.DEFAULT_SECONDS
    assert described == {path: set(fields) for path, fields in verbs.FIELDS.items()}


@pytest.mark.parametrize(("path", "method", "operation"), _operations(), ids=lambda value: str(value)[:20])
def test_answers_are_of_the_types_and_statuses_that_the_openapi_file_says(
    client: TestClient, photo: np.ndarray, path: str, method: str, operation: dict[str, Any]
) -> None:
    files = {
        "photo": png(photo),
        "mask": png(hole(photo.shape, 20, 30)),
        "fill": png(np.zeros((30, 40, 3), np.uint8)),
    }
    photo_id = client.post("/api/photos", files={"photo": files["photo"]}).json()["id"]
    fields = verbs.FIELDS.get(path, ())
    form: dict[str, Any] = {}
    if method == "post":
        form["files"] = {name: files[name] for name in files if name in fields}
        form["data"] = {name: value for name, value in (("seconds", "0"), ("left", "8")) if name in fields}
    url = path.format(id=photo_id, name="coffee")
    answers = [
        client.request(method, url, **form),
        client.request(method, url, **form, headers={"Host": "evil.example"}),
        client.request(method, url, **form, headers={"Origin": "http://evil.example"}),
        client.request(method, path.format(id="none", name="none")),
    ]
    assert [answer.status_code for answer in answers][:3] == [200, 421, 403]
    for answer in answers:
        described = _resolve(operation["responses"][str(answer.status_code)])
        kind = answer.headers["content-type"]
        assert kind in described["content"]
        for header in described.get("headers", {}):
            assert header in answer.headers
        if kind == "application/json":
            _check(answer.json(), _resolve(described["content"][kind]["schema"]))


def _resolve(item: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in item:
        found: Any = SPEC
        for key in item["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        item = found
    return item


def _check(value: Any, schema: dict[str, Any]) -> None:
    """As much of JSON Schema as the file uses for answers."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    assert isinstance(value, kinds[schema["type"]])
    if schema["type"] == "object":
        assert value.keys() == set(schema["required"]) == set(schema["properties"])
        for name, part in schema["properties"].items():
            _check(value[name], part)
    for part in value if schema["type"] == "array" else ():
        _check(part, schema["items"])


def test_another_inpainter_fills_the_hole(client: TestClient, photo: np.ndarray) -> None:
    names = client.get("/api/inpainters").json()["inpainters"]
    assert names[:2] == ["edgeconnect", "telea"]
    files = {"photo": png(photo)}
    response = client.post("/api/inpaint", data={"box": "30,30,20,20", "inpainter": "telea"}, files=files)
    assert response.status_code == 200
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:50, 30:50] = True
    found = np.array(Image.open(io.BytesIO(response.content)))
    np.testing.assert_array_equal(found, fill(get("telea"), photo, hole))
    for fields, status in (({"inpainter": "lama:/etc/passwd"}, 422), ({"inpainter": "telea"}, 400)):
        more = files | ({"edges": png(photo)} if status == 400 else {})
        response = client.post("/api/inpaint", data={"box": "30,30,20,20", **fields}, files=more)
        assert response.status_code == status and "expected" in response.json()["error"]
