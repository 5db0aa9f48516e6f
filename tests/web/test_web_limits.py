"""Strangers, mistakes and crowds: the server answers each with a clear status and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("httpx2", reason="the extra `test` is not installed")

import httpx2 as httpx
from starlette.testclient import TestClient

from edgeconnect.errors import InputError
from edgeconnect.io.images import Photo
from edgeconnect.web import guard, server
from edgeconnect.web.app import create_app
from edgeconnect.web.guard import host_name
from edgeconnect.web.models import Models, by_name
from edgeconnect.web.photos import PhotoStore, UnknownPhotoError
from edgeconnect.web.worker import AbandonedError, BusyError, OutOfTimeError, Worker

BASE = "http://127.0.0.1:7860"
FORM = {"box": "30,20,40,30", "texture": "0"}


def file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A small PNG file whose header promises width x height black pixels of one bit."""
    rows = zlib.compress(bytes((width // 8 + 1) * min(height, 1000)), 9)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", rows),
        (b"IEND", b""),
    ]
    body = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def is_well(client: Any, photo: np.ndarray) -> bool:
    """Whether an ordinary request is served."""
    answer = client.post("/api/inpaint", data=FORM, files={"photo": file(photo)})
    return answer.status_code == 200 and answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.0.0.1"])
def test_this_machine_s_names_are_answered_to(connect: Callable[..., TestClient], host: str) -> None:
    assert connect().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "10.0.0.1", "", "localhost.", "a:b:c"]
)
def test_other_names_are_not(connect: Callable[..., TestClient], host: str) -> None:
    for path in ("/", "/api/weights", "/page/main.js"):
        assert connect().get(path, headers={"Host": host}).status_code == 421


def test_a_server_for_others_answers_to_addresses_and_given_names(models: Models) -> None:
    app = create_app(models, hosts={"0.0.0.0", "box.lab"}, addresses=True)
    with TestClient(app, base_url=BASE) as client:
        hosts = ("10.1.2.3:80", "Box.lab", "evil.example")
        statuses = [client.get("/", headers={"Host": host}).status_code for host in hosts]
    assert statuses == [200, 200, 421]
    assert [host_name(host) for host in ("A.b:80", "[::1]:80", "[::1]")] == ["a.b", "::1", "::1"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": BASE}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_other_sites_pages_cannot_use_the_server(
    connect: Callable[..., TestClient], photo: np.ndarray, headers: dict[str, str], status: int
) -> None:
    answer = connect().post("/api/photos", files={"photo": file(photo)}, headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_pages_may_load_nothing_from_elsewhere(connect: Callable[..., TestClient]) -> None:
    client = connect()
    for path in ("/", "/page/main.js", "/api/weights", "/api/photos/none", "/none"):
        headers = client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "//" not in client.get("/").text.replace("<!doctype", "")


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page//etc/passwd",
        "/page/..%2fapp.py",
        "/api/samples/..%2f..%2fsetup.cfg",
        "/api/photos/..%2f..%2fetc%2fpasswd",
    ],
)
def test_paths_lead_nowhere_but_to_the_page(connect: Callable[..., TestClient], path: str) -> None:
    assert connect().get(path).status_code == 404


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\a.png", "a\x00b.png", "x" * 3000, ""]
)
def test_file_names_of_clients_mean_nothing(
    connect: Callable[..., TestClient],
    photo: np.ndarray,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    answer = connect().post("/api/inpaint", data=FORM, files={"photo": (name or "blob", file(photo))})
    assert answer.status_code == 200
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"just some text, no picture at all", "photo: expected a"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo: expected a"),
        (file(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8), "JPEG")[:9000], "damaged"),
        (bomb(60_000, 60_000), "megapixels, got"),
        (bomb(20_000, 20_000), "at most 64 megapixels, got 20000x20000"),
        (bomb(9_000, 9_000), "at most 64 megapixels"),
        (b"\x89PNG\r\n\x1a\n", "photo"),
    ],
    ids=["text", "svg", "truncated", "bomb", "smaller-bomb", "small-bomb", "signature"],
)
def test_what_is_no_usable_picture_is_refused_in_a_sentence_without_paths(
    connect: Callable[..., TestClient], photo: np.ndarray, content: bytes, sentence: str
) -> None:
    client = connect()
    for field in ("photo", "mask", "edges", "edges_from"):
        files = {"photo": file(photo)} | {field: content}
        answer = client.post("/api/inpaint", data=FORM, files=files)
        assert answer.status_code == 422
        assert sentence.replace("photo", field) in answer.json()["error"]
        assert "/" not in answer.json()["error"]
    assert is_well(client, photo)


def test_a_mask_or_edge_map_of_another_size_is_named(
    connect: Callable[..., TestClient], photo: np.ndarray
) -> None:
    small = file(np.zeros((50, 60), np.uint8))
    for field in ("mask", "edges"):
        answer = connect().post("/api/inpaint", data=FORM, files={"photo": file(photo), field: small})
        assert answer.status_code == 422
        assert f"{field}: expected the photo's 128x96 pixels, got 60x50" in answer.json()["error"]


def test_too_much_is_refused_whether_said_in_advance_or_not(
    connect: Callable[..., TestClient], photo: np.ndarray
) -> None:
    client = connect(upload_bytes=100_000)
    said = client.post("/api/photos", files={"photo": bytes(200_000)})
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    head = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
    unsaid = client.post("/api/photos", content=iter([head, *[bytes(10_000)] * 20]), headers=kind)
    assert [said.status_code, unsaid.status_code] == [413, 413]
    assert "at most" in said.json()["error"] and "content-length" not in unsaid.request.headers
    assert is_well(client, photo)


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"no boundary here"),
        (
            {"Content-Type": "multipart/form-data; boundary=b"},
            b"--b\r\nContent-Disposition: form-data\r\n\r\nx",
        ),
        ({"Content-Type": "application/json"}, b"{}"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"box=1,1,2,2&box=%00&%ff=1"),
        ({}, b"\x00\xff"),
    ],
)
def test_malformed_forms_are_answered_with_400(
    connect: Callable[..., TestClient], headers: dict[str, str], content: bytes
) -> None:
    assert connect().post("/api/inpaint", headers=headers, content=content).status_code == 400


def test_many_or_long_fields_are_refused(connect: Callable[..., TestClient], photo: np.ndarray) -> None:
    client = connect()
    for data in ({"box": ["1,1,2,2"] * 500}, {"box": "1" * 50_000}):
        assert client.post("/api/inpaint", data=data, files={"photo": file(photo)}).status_code == 400
    files = [("photo", file(photo))] * 9
    assert client.post("/api/inpaint", data=FORM, files=files).status_code == 400


def test_the_time_limit_ends_a_request(connect: Callable[..., TestClient], photo: np.ndarray) -> None:
    client = connect(seconds=0)
    answer = client.post("/api/inpaint", data=FORM, files={"photo": file(photo)})
    assert answer.status_code == 504 and "time limit" in answer.json()["error"]


def test_networks_are_not_run_for_a_client_who_has_gone(models: Models, photo: np.ndarray) -> None:
    model = models.get()

    def gone() -> None:
        raise AbandonedError

    models.check_cancelled = gone
    mask = np.zeros(photo.shape[:2], bool)
    mask[20:50, 30:70] = True
    with pytest.raises(AbandonedError):
        model.inpaint(photo, mask)


def test_work_ends_when_time_is_over_or_nobody_waits_and_the_next_can_begin() -> None:
    worker = Worker(places=3, seconds=0.2)

    def endless() -> None:
        while True:
            worker.computer.check()
            time.sleep(0.005)

    async def story() -> None:
        async def stays() -> bool:
            return False

        async def leaves() -> bool:
            return True

        with pytest.raises(OutOfTimeError):
            await worker.run(endless, stays)
        with pytest.raises(AbandonedError):
            await worker.run(endless, leaves)
        waiting = [asyncio.create_task(worker.run(endless, stays)) for _ in range(3)]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [OutOfTimeError] * 3  # waiting counts
        assert await worker.run(lambda: 7, stays) == 7

    asyncio.run(story())
    worker.close()


def test_places_are_given_back() -> None:
    worker = Worker(places=1, seconds=1)
    with worker.place(), pytest.raises(BusyError), worker.place():
        pass
    with worker.place():
        pass
    worker.close()


def test_kept_photos_are_bounded_and_the_last_used_stay() -> None:
    store = PhotoStore(max_bytes=1000)
    photo = Photo(np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10), np.uint8))  # 400 bytes
    for name in ("a", "b"):
        store.keep(name, photo)
    assert store.get("a") is photo
    store.keep("c", photo)
    assert "a" in store and "c" in store and "b" not in store
    with pytest.raises(UnknownPhotoError):
        store.get("b")
    store.keep("large", Photo(np.zeros((50, 50, 3), np.uint8)))
    assert "large" in store and "c" not in store


def test_weights_have_one_name_each(weights_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "weights.safetensors").write_bytes(weights_file.read_bytes())
    (run / "small.safetensors").write_bytes(weights_file.read_bytes())
    names = list(by_name([str(weights_file), str(run), str(run / "small.safetensors"), str(run)]))
    assert names[:3] == ["small", "run", "small-2"]


@pytest.mark.slow
def test_of_twenty_clients_at_once_each_gets_a_picture_or_a_clear_busy(
    serve: Callable[..., int], photo: np.ndarray
) -> None:
    base, content = f"http://127.0.0.1:{serve(places=5)}", file(np.tile(photo, (3, 3, 1)))
    together = threading.Barrier(20)

    def ask(_: int) -> tuple[int, str, str | None]:
        together.wait()
        answer = httpx.post(f"{base}/api/inpaint", data=FORM, files={"photo": content}, timeout=60)
        return answer.status_code, answer.headers["content-type"], answer.headers.get("retry-after")

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(ask, range(20)))
    assert set(answers) <= {(200, "image/png", None), (503, "application/json", "3")}
    assert answers[200, "image/png", None] >= 5
    with httpx.Client(base_url=base) as client:
        assert is_well(client, photo)


def _says_after(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    connection.settimeout(10)
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_slow_clients_are_not_waited_for(
    serve: Callable[..., int], photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_ASK_SECONDS", 0.3)
    port = serve(upload_seconds=0.3)
    head = b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b"
    with (
        socket.create_connection(("127.0.0.1", port)) as silent,
        socket.create_connection(("127.0.0.1", port)) as trickling,
        socket.create_connection(("127.0.0.1", port)) as half,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        trickling.sendall(head)
        half.sendall(head + kind)
        assert is_well(client, photo)
        assert _says_after(silent) == b"" and _says_after(trickling) == b""
        assert _says_after(half).startswith(b"HTTP/1.1 408 ")
        assert is_well(client, photo)


def opened_noise(port: int, rng: np.random.Generator) -> tuple[str, int]:
    """The id of a photo that does not compress, once it is opened, and the bytes of its file."""
    noise = file(rng.integers(0, 255, (1600, 1600, 3), np.uint8))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        return client.post("/api/photos", files={"photo": noise}).json()["id"], len(noise)


def test_an_answer_nobody_takes_is_dropped(
    serve: Callable[..., int], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_TAKE_SECONDS", 0.3)
    port = serve()
    name, size = opened_noise(port, rng)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", port))
        lazy.sendall(f"GET /api/photos/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        lazy.settimeout(10)
        assert lazy.recv(12) == b"HTTP/1.1 200"
        time.sleep(1)
        assert len(_says_after(lazy)) < size


def test_a_slow_download_is_not_cut(
    serve: Callable[..., int], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_ASK_SECONDS", 0.2)
    monkeypatch.setattr(server, "_TAKE_SECONDS", 5)
    port = serve()
    name, _ = opened_noise(port, rng)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.connect(("127.0.0.1", port))
        ask = f"GET /api/photos/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        slow.sendall(ask.encode())
        slow.settimeout(10)
        taken = b""
        start = time.monotonic()
        while part := slow.recv(65536):
            taken += part
            if time.monotonic() - start < 2:
                time.sleep(0.02)
    head, _, body = taken.partition(b"\r\n\r\n")
    assert time.monotonic() - start > 1
    assert f"content-length: {len(body)}".encode() in head
    assert Image.open(io.BytesIO(body)).size == (1600, 1600)


@pytest.mark.slow
def test_uploads_that_trickle_keep_nobody_from_computing(
    serve: Callable[..., int], photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(server, "_ASK_SECONDS", 1)
    port = serve(places=2)
    head = b"POST /api/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    trickling = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for connection in trickling:
        connection.sendall(head)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        assert is_well(client, photo)
    for connection in trickling:
        with connection:
            for _ in range(30):
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
                time.sleep(0.01)
            assert _says_after(connection).startswith(b"HTTP/1.1 408 ")


def test_a_hole_that_would_take_all_memory_is_refused(connect: Callable[..., TestClient]) -> None:
    client = connect(hole_pixels=100_000)
    large = file(np.full((600, 600, 3), 99, np.uint8))
    for path in ("/api/inpaint", "/api/edges", "/api/single"):
        refused = client.post(path, data={"box": "10,10,500,500"}, files={"photo": large})
        assert refused.status_code == 422 and "a hole of 500x500 px" in refused.json()["error"]
    small = {"box": ["10,10,20,20", "560,560,20,20"]}
    assert client.post("/api/inpaint", data=small, files={"photo": large}).status_code == 200


def test_the_pictures_of_a_form_are_bounded_together(connect: Callable[..., TestClient]) -> None:
    client = connect(pixels=10_000)
    picture, mask = (file(np.full((100, 100), value, np.uint8)) for value in (99, 0))
    files = {"photo": picture, "mask": mask}
    assert client.post("/api/inpaint", files=files).status_code == 200
    files["photo"] = file(np.full((100, 100), 98, np.uint8))  # not one that is kept
    refused = client.post("/api/inpaint", files={**files, "edges": mask})
    assert refused.status_code == 422
    assert "edges: expected at most 0.005 megapixels" in refused.json()["error"]


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_not_every_address(models: Models, host: str) -> None:
    with pytest.raises(InputError, match="--host: expected an address"):
        server.serve(models, host, 0)


def test_an_interrupted_fill_is_no_traceback(
    serve: Any, models: Models, photo: np.ndarray, capfd: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr(server, "_END_SECONDS", 0.1)
    began = threading.Event()

    def endless(shown: np.ndarray, mask: np.ndarray) -> np.ndarray:
        began.set()
        while True:
            models.check_cancelled()
            time.sleep(0.01)

    monkeypatch.setitem(models._inpainters, "telea", endless)
    port = serve()
    with ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{port}/api/inpaint"
        data = {"box": FORM["box"], "inpainter": "telea"}
        asked = pool.submit(httpx.post, url, data=data, files={"photo": file(photo)}, timeout=30)
        assert began.wait(10)
        start = time.monotonic()
        serve.end()
        assert time.monotonic() - start < 4
        with contextlib.suppress(httpx.HTTPError):
            assert asked.result().status_code == 499
    assert "Traceback" not in "".join(capfd.readouterr())


def test_memory_is_given_back_after_work() -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from edgeconnect import memory\n"
        "size = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4 / 1024\n"
        "took = memory.keep_memory(); large = [np.ones(4 << 20) for _ in range(8)]; high = size()\n"
        "del large; kept = size(); memory.give_back_memory(); print(took, high, kept, size())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    took, high, kept, low = said.split()
    if took == "True":
        assert float(kept) > 0.9 * float(high) and float(low) < float(high) - 200
