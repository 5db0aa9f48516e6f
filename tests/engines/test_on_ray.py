"""Ray: two machines' worth of workers on this one, of which some are lost while they work."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small import nearly

from edgeconnect.cli import run
from edgeconnect.engines import on_ray
from edgeconnect.errors import InputError
from edgeconnect.io import images

ROOT = Path(__file__).parents[2]
TRACED = """
import hashlib, os, time
from pathlib import Path
import cv2

def fill(photo, mask):
    shown = photo.copy()
    shown[mask] = 255
    photo_id = hashlib.sha256(shown).hexdigest()[:16]
    Path("traces", f"{photo_id}.{os.getpid()}.{time.monotonic_ns()}").touch()
    time.sleep(0.1)
    return cv2.inpaint(photo, mask.astype("uint8"), 3, cv2.INPAINT_TELEA)
"""
"""An inpainter that leaves a file each time it is called: which photo, which process."""

COUNT = 80
SIZE = {"num_cpus": 2, "object_store_memory": 80 << 20}


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, each another one, a list of them, and the inpainter."""
    lines = ["photo,mask"]
    for number in range(COUNT):
        changed = photo.copy()
        changed[0, 0] = number
        images.write_png(tmp_path / f"photos/{number}.png", changed)
        lines.append(f"photos/{number}.png,mask.png")
    hole = np.zeros(photo.shape[:2], bool)
    hole[30:50, 40:70] = True
    images.write_png(tmp_path / "mask.png", hole)
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "traced.py").write_text(TRACED, encoding="utf-8")
    (tmp_path / "traces").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, tmp_path))))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with two CPUs, to which tests add others: starting one takes the longest."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    cluster = cluster_utils.Cluster()
    cluster.add_node(**SIZE, include_dashboard=False)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    for number, handler in handlers.items():  # Ray's node takes them over
        signal.signal(number, handler)


@pytest.fixture
def ray_folder(folder: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of photos, with commands that find the cluster."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return folder


@contextmanager
def another_node(cluster: Any, **more: Any) -> Iterator[Any]:
    """A further node, for as long as it is needed."""
    node = cluster.add_node(**(SIZE | more))
    cluster.wait_for_nodes()
    try:
        yield node
    finally:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_every_photo_is_filled_once_though_a_worker_and_a_machine_are_lost(
    ray_folder: Path, cluster: Any
) -> None:
    folder, traces = ray_folder, ray_folder / "traces"
    command = [sys.executable, "-m", "edgeconnect", "inpaint", "list.csv", "--inpainter", "traced:fill"]
    command += ["--out", "out", "--engine", "ray", "--jobs", "4"]

    def filled() -> int:
        return len(list((folder / "out").glob("*/*.png")))

    with (
        another_node(cluster) as second,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as filling,
    ):
        wait_until(lambda: filled() >= 10)
        process = int(next(traces.iterdir()).name.split(".")[1])
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: filled() >= 25)
        cluster.remove_node(second, allow_graceful=False)
        said = filling.communicate(timeout=300)[1]
    assert filling.returncode == 0, said
    assert sorted(path.name for path in (folder / "out/photos").iterdir()) == sorted(
        f"{n}.png" for n in range(COUNT)
    )
    for number in (0, COUNT - 1):
        before, after = (
            images.read_rgb(folder / place / f"{number}.png") for place in ("photos", "out/photos")
        )
        assert (before != after).any() and before[0, 0, 0] == number == after[0, 0, 0]
    calls = Counter(path.name.split(".")[0] for path in traces.iterdir())
    in_flight = 1 + 2  # of the worker, of the machine's two
    assert len(calls) == COUNT and COUNT <= calls.total() <= COUNT + in_flight


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_filled_on_ray_is_said_as_it_is_here(ray_folder: Path) -> None:
    folder = ray_folder
    (folder / "photos/3.png").write_bytes(b"no picture")
    lines = [f"photos/{number}.png,mask.png" for number in range(6)]
    (folder / "list.csv").write_text("\n".join(["photo,mask", *lines]) + "\n", encoding="utf-8")

    def said(engine: str, *options: str) -> str:
        command = [sys.executable, "-m", "edgeconnect", "inpaint", "list.csv", "--out", engine]
        command += ["--engine", engine, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        return done.stderr

    there, here = (said(engine, "--inpainter", "telea") for engine in ("ray", "local"))
    assert there == here and "photos/3.png: expected a " in there
    for engine in ("ray", "local"):
        assert len(list((folder / engine / "photos").iterdir())) == 5
    assert "none.safetensors" in said("ray", "--weights", "none.safetensors")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU that PyTorch can use")
def test_a_gpu_of_the_cluster_that_pytorch_cannot_use_is_said_and_can_be_done_without(
    ray_folder: Path, cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ray_folder
    (folder / "list.csv").write_text("photo,mask\nphotos/1.png,mask.png\n", encoding="utf-8")
    words = ["inpaint", "list.csv", "--texture", "0", "--out", "out", "--engine", "ray"]
    with another_node(cluster, num_gpus=1):
        assert run(words) == 1
        said = capsys.readouterr().err
        assert "expected a GPU that PyTorch can use, as the Ray cluster has one there, got none" in said
        # where Ray is slow to start, it is said before that a worker is waited for
        assert len([line for line in said.splitlines() if "no room for a worker yet" not in line]) == 1
        assert run([*words, "--device", "cpu", "--jobs", "1"]) == 0
        assert run([*words, "--inpainter", "telea", "--out", "telea", "--jobs", "1"]) == 0
    assert (folder / "out/photos/1.png").exists() and (folder / "telea/photos/1.png").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_readme_s_command_for_a_cluster_fills_its_list(ray_folder: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^edgeconnect (.* --engine ray)\b", readme, flags=re.MULTILINE)
    lines = ["photo,mask,out", "photos/1.png,mask.png,one.png", "photos/2.png,mask.png,two.png"]
    (ray_folder / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run(shlex.split(command)) == 0
    for number, name in ((1, "one"), (2, "two")):
        before, after = (
            images.read_rgb(ray_folder / file) for file in (f"photos/{number}.png", f"filled/{name}.png")
        )
        assert (before != after).any() and before[0, 0, 0] == number == after[0, 0, 0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_fid_and_scores_on_ray_are_those_of_one_process(
    ray_folder: Path, made_up_inception: tuple[Path, Any]
) -> None:
    folder = ray_folder
    for number in range(8, COUNT):
        (folder / f"photos/{number}.png").unlink()
    for number in range(8):
        blurred = cv2.blur(images.read_rgb(folder / f"photos/{number}.png"), (9, 9))
        images.write_png(folder / f"blurred/{number}.png", blurred)
    verbs = {
        "fid": ["photos", "blurred", "--inception", str(made_up_inception[0]), "--batch-size", "2"],
        "score": ["--truth", "photos", "--result", "blurred", "--protocol", "lama"],
    }
    for verb, words in verbs.items():
        found = []
        for engine in ("local", "ray"):
            assert run([verb, *words, "--device", "cpu", "--engine", engine, "--json", f"{engine}.json"]) == 0
            found.append([json.loads(line) for line in Path(f"{engine}.json").read_text().splitlines()])
        assert found[0] == nearly(found[1]) and "n" in found[0][0]


def test_without_ray_one_sentence_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(["inpaint", "list.csv", "--inpainter", "telea", "--out", "out", "--engine", "ray"]) == 1
    sentence = "edgeconnect: --engine ray needs the package: pip install 'edgeconnect[ray]'\n"
    assert capsys.readouterr().err == sentence


def test_ray_is_imported_by_those_alone_who_ask_for_it(folder: Path) -> None:
    program = (
        "import sys\nfrom edgeconnect.cli import run\n"
        "words = 'inpaint photos/1.png --mask mask.png --inpainter telea --out o.png'\n"
        "code = run(words.split())\n"
        "print(code, 'ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU that PyTorch can use")
def test_a_worker_on_a_gpu_that_pytorch_cannot_use_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # and back, when a worker's set-up has gone there
    said = r"expected a GPU that PyTorch can use, .* got none; with --device cpu"
    with pytest.raises(InputError, match=said):
        on_ray._set_up(list, str(tmp_path), 1)
