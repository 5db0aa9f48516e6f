"""Habits of the shell: pipes, patterns, quiet, resuming, typing mistakes, and saying each thing once."""

from __future__ import annotations

import io
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeconnect.cli import VERBS, completion, main
from edgeconnect.io import images


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray, weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.png, b.png, c.png in photos/, masks of the same names, all within the working directory."""
    mask = np.zeros(photo.shape[:2], bool)
    mask[20:40, 30:60] = True
    for number, name in enumerate("abc"):
        images.write_png(tmp_path / "photos" / f"{name}.png", np.roll(photo, number, 1))
        images.write_png(tmp_path / "masks" / f"{name}.png", mask)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGECONNECT_WEIGHTS", str(weights_file))
    return tmp_path


TELEA = ("--inpainter", "telea")


@pytest.mark.parametrize(
    "given", [("photos/a.png", "photos/c.png"), ("photos/[ac].png",), ("photos/a*", "photos/c*")]
)
def test_several_photos_and_patterns_keep_their_names(folder: Path, given: tuple[str, ...]) -> None:
    assert run("inpaint", *given, "--mask", "masks", *TELEA, "--out", "out/") == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "c.png"]


def test_a_pattern_without_a_match_and_a_file_for_several_results_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inpaint", "photos/x*.png", "--box", "1,1,9,9", *TELEA, "--out", "out/") == 1
    assert "x*.png: expected a pattern that photos match" in capsys.readouterr().err
    assert run("inpaint", "photos/a.png", "photos/b.png", "--box", "1,1,9,9", *TELEA, "--out", "o.png") == 1
    assert "expected a folder" in capsys.readouterr().err


def test_a_dash_is_standard_input_and_output(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "edgeconnect",
        "inpaint",
        "-",
        "--box",
        "30,20,30,20",
        *TELEA,
        "--out",
        "-",
    ]
    done = subprocess.run(
        command, input=(folder / "photos/a.png").read_bytes(), capture_output=True, check=True
    )
    result = np.asarray(Image.open(io.BytesIO(done.stdout)))
    assert run("inpaint", "photos/a.png", "--box", "30,20,30,20", *TELEA, "--out", "o.png") == 0
    np.testing.assert_array_equal(result, images.read_rgb(folder / "o.png"))
    broken = subprocess.run(command, input=b"no picture", capture_output=True, check=False)
    assert broken.returncode == 1 and broken.stderr.startswith(b"edgeconnect: standard input: expected a ")
    assert broken.stderr.count(b"\n") == 1 and not broken.stdout


def test_quiet_says_nothing_and_verbose_says_how_long(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("inpaint", "photos/a.png", "--box", "-5,-5,30,20", *TELEA, "--out", "o.png")
    assert run(*arguments, "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert run(*arguments, "-v") == 0
    said = capsys.readouterr()
    assert said.out == "o.png\n" and said.err.splitlines()[-1].endswith(" s")
    assert run(*arguments, "-q", "-v") == 2


def test_a_terminal_shows_for_how_long_one_photo_takes(folder: Path) -> None:
    code = (
        "import time; from pathlib import Path\n"
        "from edgeconnect.cli import batch; from edgeconnect.io.jobs import Job\n"
        "job = Job(Path('photo.png'), Path('out.png'))\n"
        "batch.work_through([job], lambda: lambda job: time.sleep(2.5) or [], 'out.png')"
    )
    pty = pytest.importorskip("pty", reason="no terminals to pretend here")
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60)
    shown = os.read(ours, 10_000) if select.select([ours], [], [], 1)[0] else b""
    os.close(ours)
    os.close(theirs)
    assert b"photo.png: 00:02" in shown and done.stdout == b"out.png\n"


def test_what_is_there_already_is_skipped_if_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("inpaint", "photos", "--mask", "masks", *TELEA, "--out", "out", "--skip-done")
    (folder / "out").mkdir()
    shutil.copy(folder / "photos/b.png", folder / "out/b.png")
    assert run(*arguments) == 0
    assert "1 of 3 photos had their results already" in capsys.readouterr().err
    assert (folder / "out/b.png").read_bytes() == (folder / "photos/b.png").read_bytes()
    assert (folder / "out/c.png").exists()
    assert run(*arguments) == 0
    assert "3 of 3 photos had their results already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_list_is_filled_by_several_processes_as_a_folder_is_by_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inpaint", "photos", "--mask", "masks", *TELEA, "--out", "one") == 0
    lines = ["photo,mask,out", *(f"photos/{name}.png,masks/{name}.png,{name}.png" for name in "abcx")]
    (folder / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    capsys.readouterr()
    assert run("inpaint", "list.csv", *TELEA, "--out", "two", "--jobs", "2") == 1
    said = capsys.readouterr().err
    assert "photos/x.png: expected a readable file, got no such file; left out" in said
    assert said.endswith("edgeconnect: 1 of 4 photos were left out, as said above\n")
    assert sorted(path.name for path in (folder / "two").iterdir()) == ["a.png", "b.png", "c.png"]
    for name in "abc":
        assert (folder / f"one/{name}.png").read_bytes() == (folder / f"two/{name}.png").read_bytes()


def test_kinds_of_failures_are_counted_at_the_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos/b.png").write_bytes(b"no picture")
    lines = ["photo,mask", *(f"photos/{name}.png,masks/a.png" for name in "abxy"), "photos/c.png,"]
    (folder / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    assert run("inpaint", "list.csv", *TELEA, "--out", "out") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("edgeconnect: 4 of 5 photos were left out, as said above (2 x expected a readable")
    assert "1 x expected a hole: a mask in its line" in last


def test_what_several_processes_cannot_do_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = ("--box", "30,20,30,20")
    assert run("single", "fill", "photos", *box, "--out", "o/", "--progress", "p.png", "--jobs", "2") == 1
    assert "--progress: expected no --jobs or --engine with it" in capsys.readouterr().err
    assert run("inpaint", "-", *box, *TELEA, "--out", "o.png", "--engine", "ray") == 1
    assert "-: expected files with --engine ray" in capsys.readouterr().err
    assert run("inpaint", "photos", *box, *TELEA, "--out", "o/", "--jobs", "0") == 2


def test_each_kind_of_note_is_printed_once_with_how_many_more(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "masks").iterdir():
        images.write_png(path, images.read_raw(path) // 255)  # 0/1: stretched, which is said
    assert run("inpaint", "photos", "--mask", "masks", *TELEA, "--out", "out") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "only reach 1 of 255" in line]) == 1
    assert [line for line in lines if line.startswith("... and 2 more: values only reach")]
    assert not any("it/s" in line or "photo/s" in line for line in lines)  # no bar: this is no terminal


def test_the_documented_polarity_is_not_announced_as_a_guess(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inpaint", "photos/a.png", "--mask", "masks/a.png", *TELEA, "--out", "o.png") == 0
    assert capsys.readouterr().err == ""
    inverted = 255 - images.read_raw(folder / "masks/a.png")
    images.write_png(folder / "inverted.png", inverted)
    assert run("inpaint", "photos/a.png", "--mask", "inverted.png", *TELEA, "--out", "o.png") == 0
    assert "guessed that black is the hole" in capsys.readouterr().err


def test_boxes_may_begin_outside_and_are_named_where_they_end(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = images.read_rgb(folder / "photos/a.png")
    assert run("inpaint", "photos/a.png", "--box", "-5,-5,30,20", *TELEA, "--out", "o.png") == 0
    assert "box -5,-5,30,20 reaches beyond the photo's 128x96 pixels" in capsys.readouterr().err
    changed = (images.read_rgb(folder / "o.png") != before).any(2)
    assert changed[:15, :25].any() and not changed[15:].any() and not changed[:, 25:].any()
    assert run("inpaint", "photos/a.png", "--box", "5,5,-3,20", *TELEA, "--out", "o.png") == 2
    assert "width and height of 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("inpant", "a.png"), "did you mean inpaint?"),
        (
            ("inpaint", "a.png", "--textre", "1", "--box", "1,1,2,2", "--out", "b.png"),
            "did you mean --texture?",
        ),
        (
            ("inpaint", "a.png", "--lines", "learnt", "--box", "1,1,2,2", "--out", "b.png"),
            "did you mean learned?",
        ),
        (("inpaint", "a.png", "--extend", "ten", "--out", "b.png"), "expected a length such as 10% or 64px"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_likely_one(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said and "--help` shows what there is" in said and said.count("\n") == 1


def test_a_mistyped_inpainter_is_no_fault_of_the_photo(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--box", "1,1,2,2", "--inpainter", "telae", "--out", "o.png")
    assert run("inpaint", "photos/a.png", *options) == 1
    said = capsys.readouterr().err
    assert said.startswith("edgeconnect: expected an inpainter (telea,") and "did you mean telea?" in said


def test_a_photo_given_as_its_mask_is_recognised(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inpaint", "masks/a.png", "--mask", "photos/a.png", *TELEA, "--out", "o.png") == 1
    assert "swapped?" in capsys.readouterr().err


def test_mistakes_are_found_before_torch_is_imported(folder: Path) -> None:
    mistakes = [
        ("none.png", "--mask", "masks/a.png"),
        ("photos/a.png", "--mask", "none.png"),
        ("photos/a.png",),
        ("photos/a.png", "--box", "900,900,5,5"),
        ("masks/a.png", "--mask", "photos/a.png"),
        ("photos/a.png", "--extend", "0"),
    ]
    code = (
        "import sys; from edgeconnect.cli import run\n"
        f"for arguments in {mistakes!r}:\n"
        "    assert run(['inpaint', *arguments, '--out', 'o.png']) == 1\n"
        "    assert 'torch' not in sys.modules, f'torch was imported for {arguments}'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_extend_makes_a_photo_larger_and_keeps_it(folder: Path) -> None:
    assert (
        run("inpaint", "photos/a.png", "--extend", "left=25%,top=8px", "--texture", "0", "--out", "o.png")
        == 0
    )
    before, after = images.read_rgb(folder / "photos/a.png"), images.read_rgb(folder / "o.png")
    assert after.shape == (104, 160, 3)
    np.testing.assert_array_equal(after[8:, 32:], before)
    assert (
        run("inpaint", "photos/a.png", "--extend", "10%", "--box", "50,50,9,9", *TELEA, "--out", "o.png") == 0
    )
    after = images.read_rgb(folder / "o.png")
    assert after.shape == (96 + 20, 128 + 26, 3)
    changed = (after[10:106, 13:141] != before).any(2)
    assert changed[50:59, 50:59].any() and changed.sum() <= 81


def test_every_verb_and_option_can_be_completed() -> None:
    bash = completion.script("bash")
    for verb in VERBS:
        assert f"    {verb}) words=" in bash
    assert "--extend" in bash and "--protocol" in bash and "--noise-levels" in bash
    assert completion.script("zsh").endswith(bash) and "-l extend" in completion.script("fish")
    typed = 'COMP_WORDS=(edgeconnect inpaint --ext); COMP_CWORD=2; _edgeconnect; echo "${COMPREPLY[*]}"'
    done = subprocess.run(["bash", "-c", bash + typed], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "--extend"


def test_serve_opens_the_page_if_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgeconnect.cli import serve

    opened: list[str] = []
    monkeypatch.setattr(serve.webbrowser, "open", opened.append)
    serve._ready("http://127.0.0.1:1/", opens=False)
    serve._ready("http://127.0.0.1:1/", opens=True)
    assert opened == ["http://127.0.0.1:1/"] and "http://127.0.0.1:1/" in capsys.readouterr().out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP")
def test_pytorch_s_threads_do_not_fight_for_a_busy_machine() -> None:
    """OpenMP itself says what it has read of its settings."""
    code = "from edgeconnect.cli import prepare_process; prepare_process(); import torch"
    told = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {name: value for name, value in os.environ.items() if name not in told}
    command, settings = [sys.executable, "-c", code], environment | {"OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run(command, env=settings, capture_output=True, check=True, text=True)
    assert "GOMP_SPINCOUNT = '3000'" in done.stderr
