"""Every command and every Python snippet of README.md is run here, in order and as it stands, or named below
with the reason why not.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from old_networks import OldGenerator
from PIL import Image
from skimage import data
from small import write_lama
from test_readme import BLOCK, ROOT

from edgeconnect import cli
from edgeconnect.masks.shapes import square

pytestmark = pytest.mark.usefixtures("quick_patches")  # the command line, not the fill

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split("^## ", README, flags=re.MULTILINE)[1:]}
PROGRAMS = "edgeconnect|python3?|pip|torchrun|make|source|git|cat|cd|bash"
SPAN = re.compile(rf"`((?:{PROGRAMS}) [^`]+|(?:{'|'.join(cli.VERBS)}) [^`]*--[^`]+)`")

TRAINING = "--preset tiny --steps 2 --size 32 --short-side 32,40 --width 8 --blocks 1 --workers 0"
RETARGET = "edgeconnect single retarget runs/photo"
INPUTS = ("photo", "gray", "edge", "mask")
MASKED = "photo.jpg --mask mask.png --out filled.png"

APPENDED = {
    # trainings run as they stand, but for two steps of a small network
    "edgeconnect train edge --photos photos/ --run runs/edge": TRAINING,
    "edgeconnect train inpaint --photos photos/ --run runs/inpaint": TRAINING,
    "edgeconnect train joint --photos photos/ --run runs/joint --init-from runs/edge runs/inpaint": TRAINING,
    "edgeconnect single train photo.jpg --run runs/photo": "--preset small --steps 2",
    # forty frames are as many times the same work, and so are many pixels
    f"{RETARGET} --scale 0.5,1.5 --frames 40 --out through-sizes.gif": "--frames 3",
    "edgeconnect single retarget photo.jpg --size 300x500 --trapezoid 0.2,0.2 --out shaped.png": (
        "--size 30x50"
    ),
    # each process takes seconds to load PyTorch and a model
    "edgeconnect inpaint photos/ --mask masks/ --out filled/ --jobs 4": "--jobs 2 --inpainter telea",
    # what the table names is to be completed with one's own files
    "inpaint --texture 0": MASKED,
    "inpaint --extend 10%": "photo.jpg --out wide.png",
}
"""What a command gets besides, so that it takes seconds or is whole; the command itself is kept."""

INSTALL = "installs from the network; .ci/run does it from a fresh clone"
ON_A_CLUSTER = "edgeconnect inpaint photos.csv --out filled/ --skip-done --engine ray"
NOT_RUN = {
    ".venv/bin/edgeconnect demo": "test_cli.py runs it with small weights, and .ci/run as it stands",
    "edgeconnect convert edgeconnect/pretrained/default.safetensors --onnx onnx/": "test_export.py converts",
    ON_A_CLUSTER: "engines/test_on_ray.py, which has a cluster, takes it from here",
    "git clone <this repository> edgeconnect": "there is no repository to clone from here; .ci/run",
    "cd edgeconnect": "the folder of that clone",
    "python3 -m venv .venv": INSTALL,
    '.venv/bin/pip install -q -e ".[test]"': INSTALL,
    ".venv/bin/python -m pytest -n 2": "it is what runs this test",
    "source .venv/bin/activate": "the environment of these tests is active",
    'pip install -e ".[web]"': INSTALL,
    'pip install -e ".[onnx]"': INSTALL,
    'pip install -e ".[heic]"': INSTALL,
    'pip install -e ".[ray]"': "installs 240 MB from the network",
    "edgeconnect train edge --help": "test_mistakes.py prints every help",
    "edgeconnect score | fid | benchmark | ablate": "names of verbs, no command; tests/evaluation runs each",
    "edgeconnect masks draw | check": "names of verbs, no command; test_data_recipes.py runs each",
    "edgeconnect data check | prepare": "names of verbs, no command; test_data_recipes.py runs each",
    "inpaint DIR --mask DIR --out DIR --skip-done --jobs 4": "a form; its like is run below the table",
    "torchrun --standalone --nproc-per-node 2 -m edgeconnect train ...": "a form; test_loop.py runs it",
    "torchrun --max-restarts": "a form; test_processes.py runs it",
    "python -m data.prepare": "a name; test_data_recipes.py runs it with its options",
    "python -m masks.draw": "a name; test_data_recipes.py runs it with its options",
    "python -m eval.score": "a name; tests/evaluation runs it with its options",
    "edgeconnect edges": "a name; run whole above the table",
    "inpaint --edges": "a name; run whole above the table",
    "serve --open": "would open a browser; `edgeconnect serve` is run",
    "python -m eval.speed": "takes many minutes; tests/evaluation/test_speed.py runs its sections",
    "python -m eval.speed large": "takes minutes and a quiet machine; as above",
    "python -m eval.speed rounding": "takes minutes; as above",
    "make check": "lint, types and this suite",
}
"""Commands that no test can run, and why."""


def statements(section: str) -> list[str]:
    """A section's commands in their order, those within the text too, without comments; `&&` parts them."""
    found: list[tuple[int, str]] = []
    for block in BLOCK.finditer(section):
        if block[1] != "sh":
            continue
        for line in block[2].replace("\\\n", " ").splitlines():
            bare = re.sub(r"(^|\s)#.*", "", line)
            found += ((block.start(), part.strip()) for part in bare.split("&&") if part.strip())
    text = BLOCK.sub(lambda block: re.sub(r"\S", " ", block[0]), section)
    # a span may be broken over two lines
    joined = re.sub(r"`[^`]*`", lambda span: span[0].replace("\n", " "), text)
    found += ((span.start(), span[1]) for span in SPAN.finditer(joined))
    return [re.sub(" +", " ", command) for _, command in sorted(found, key=lambda item: item[0])]


def snippets(section: str) -> list[str]:
    """A section's Python blocks and the calls within its text."""
    text = BLOCK.sub("", section)
    calls = re.findall(r"`((?:edgeconnect|model)[.\w]*\([^`]*)`", text)
    return [block[2] for block in BLOCK.finditer(section) if block[1] == "python"] + calls


@pytest.fixture
def folder(tmp_path: Path, weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the README's commands name, in a folder of their own, and `edgeconnect` in the path."""
    photo = Image.fromarray(data.coffee()).resize((360, 150))  # type: ignore[no-untyped-call]
    mask = np.zeros((150, 360), bool)
    mask[60:90, 200:240] = True
    names = {"photo.jpg": "mask.png", "a.jpg": "masks/a.png", "b.jpg": "masks/b.png"}
    names |= {f"more/{name}.png": f"masks/{name}.png" for name in "cd"}
    names |= {f"photos/{name}.jpg": f"masks/{name}.png" for name in "abcd"}
    for name, hole in names.items():
        for file in (tmp_path / name, tmp_path / hole):
            file.parent.mkdir(parents=True, exist_ok=True)
        small = name != "photo.jpg"
        (photo.resize((120, 50)) if small else photo).save(tmp_path / name)
        Image.fromarray(mask[::3, ::3] if small else mask).save(tmp_path / hole)
    lines = ["photo,mask,out", *(f"photos/{name}.jpg,masks/{name}.png,{name}.png" for name in "abcd")]
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_lama(tmp_path / "big-lama.pt")
    (tmp_path / "edgeconnect/pretrained").mkdir(parents=True)
    weights_file.rename(tmp_path / "edgeconnect/pretrained/default.safetensors")
    (tmp_path / "RELEASED_DIR").mkdir()
    for stage, channels, spectral in (("Edge", (3, 1), True), ("Inpainting", (4, 3), False)):
        state = {"generator": OldGenerator(*channels, spectral).state_dict()}
        torch.save(state, tmp_path / f"RELEASED_DIR/{stage}Model_gen.pth")
    program = tmp_path / "bin/edgeconnect"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m edgeconnect "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def carry_out(command: str) -> None:
    """Run a command as the shell would, in this process where it is the toolkit's alone; it must end well
    and leave what its `--out` names.
    """
    words = shlex.split(f"{command} {APPENDED.get(command, '')}")
    if words[0] in cli.VERBS:
        words.insert(0, "edgeconnect")
    outs = [Path(after) for word, after in pairwise(words) if word in ("--out", ">")]
    results = [out for out in outs if out != Path("-")]
    for result in results:
        for file in [*result.rglob("*"), result]:
            if file.is_file():
                file.unlink()
    if "|" in words:
        subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    elif words[:2] == ["edgeconnect", "serve"]:
        answer_and_interrupt(words)
    else:
        assert Path(words[0]).name == "edgeconnect", f"README: {command}: neither run nor named in NOT_RUN"
        assert cli.run(words[1:]) == 0, command
    for result in results:
        pictures = [file for file in (result.rglob("*") if result.is_dir() else [result]) if file.is_file()]
        assert pictures, command
        for picture in pictures:
            if picture.suffix != ".safetensors":
                Image.open(picture).verify()


def answer_and_interrupt(words: list[str]) -> None:
    """Start a server, ask it for its page, press Ctrl+C."""
    from urllib.request import urlopen

    with subprocess.Popen([*words, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().split()[0]
        with urlopen(url) as answer:
            assert b"<title>" in answer.read()
        server.send_signal(signal.SIGINT)
        assert server.wait(30) in (0, 130)


@pytest.mark.slow
@pytest.mark.parametrize("heading", SECTIONS)
@pytest.mark.filterwarnings("ignore")  # as the command line does
def test_every_command_of_a_section_runs(heading: str, folder: Path) -> None:
    if "--box" not in SECTIONS[heading]:  # no command names pixels: a small photo does
        for name, small in {"photo.jpg": "photos/a.jpg", "mask.png": "masks/a.png"}.items():
            shutil.copy(small, name)
    for command in statements(SECTIONS[heading]):
        if command not in NOT_RUN:
            carry_out(command)


@pytest.mark.slow
@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if snippets(SECTIONS[heading])])
def test_every_python_snippet_of_a_section_runs(heading: str, folder: Path) -> None:
    photo = np.asarray(Image.open("photos/a.jpg"))
    mask = square(np.random.default_rng(0), *photo.shape[:2], area=0.03)
    names: dict[str, Any] = {"photo": photo, "mask": mask}
    exec("import edgeconnect, edgeconnect.inpainters, edgeconnect.models.export", names)
    for text in snippets(SECTIONS[heading]):
        if text == 'model.to("cuda")' and not torch.cuda.is_available():
            continue
        if "_generator(" in text:  # the networks take tensors
            tensors = {name: torch.rand(1, 3 if name == "photo" else 1, 64, 64) for name in INPUTS}
            exec(compile(text, "README.md", "exec"), names | tensors)
        else:
            exec(compile(text, "README.md", "exec"), names)
    for name in ("result", "soft"):
        if name in names:
            np.testing.assert_array_equal(names[name][~mask], photo[~mask])


def test_what_is_not_run_and_what_is_added_is_in_the_readme() -> None:
    commands = {command for section in SECTIONS.values() for command in statements(section)}
    assert set(NOT_RUN) | set(APPENDED) <= commands
    assert not set(NOT_RUN) & set(APPENDED)
    programs = {Path(shlex.split(command)[0]).name for command in commands - set(NOT_RUN)}
    assert programs <= {"edgeconnect", "cat", *cli.VERBS}


def test_an_unlisted_or_mistaken_command_would_be_noticed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = "Two\n```sh\npip install x && edgeconnect inpaint none.jpg --box 1,2,3,4 --out o.png  # so\n```\n"
    install, fill = statements(block + "and `inpaint --texture\n0`, `--texture 0`, `a b`")[:2]
    assert (install, fill) == ("pip install x", "edgeconnect inpaint none.jpg --box 1,2,3,4 --out o.png")
    with pytest.raises(AssertionError, match="neither run nor named"):
        carry_out(install)
    with pytest.raises(AssertionError):
        carry_out(fill)
    assert "none.jpg" in capsys.readouterr().err
