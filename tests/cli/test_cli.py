"""The command line as a user meets it: files in, files out, one sentence for a mistake."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgeconnect
from edgeconnect.cli import demo, main
from edgeconnect.edges.canny import canny, to_gray
from edgeconnect.io import images

pytestmark = pytest.mark.usefixtures("quick_patches")  # the command line, not the fill


def _run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray) -> Path:
    """photos/a.png, b.png (larger) and masks of the same names, white = hole."""
    for number, name in enumerate(("a", "b")):
        picture = np.tile(photo, (number + 1, 1, 1))
        mask = np.zeros(picture.shape[:2], bool)
        mask[20 : 40 + 10 * number, 30:60] = True
        images.write_png(tmp_path / "photos" / f"{name}.png", picture)
        images.write_png(tmp_path / "masks" / f"{name}.png", mask)
    return tmp_path


def _hole_and_rest(folder: Path, name: str, result: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mask = images.read_raw(folder / "masks" / f"{name}.png") > 127
    return mask, images.read_rgb(folder / "photos" / f"{name}.png"), images.read_rgb(result)


def test_a_photo_with_a_mask_becomes_a_whole_photo(folder: Path, weights_file: Path) -> None:
    out = folder / "out.png"
    assert (
        _run(
            "inpaint",
            folder / "photos/a.png",
            "--mask",
            folder / "masks/a.png",
            "--weights",
            weights_file,
            "--out",
            out,
        )
        == 0
    )
    mask, before, after = _hole_and_rest(folder, "a", out)
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).any()


@pytest.mark.parametrize(
    "boxes", [("--box", "5,6,20,10", "60,40,8,9"), ("--box", "5,6,20,10", "--box", "60,40,8,9")]
)
def test_boxes_are_holes(folder: Path, weights_file: Path, boxes: tuple[str, ...]) -> None:
    out = folder / "out.png"
    assert _run("inpaint", folder / "photos/a.png", *boxes, "--weights", weights_file, "--out", out) == 0
    changed = (images.read_rgb(out) != images.read_rgb(folder / "photos/a.png")).any(2)
    allowed = np.zeros_like(changed)
    allowed[6:16, 5:25] = allowed[40:49, 60:68] = True
    assert changed.any() and not (changed & ~allowed).any()


def test_a_folder_keeps_names_and_sizes(folder: Path, weights_file: Path) -> None:
    out = folder / "out"
    assert (
        _run(
            "inpaint",
            folder / "photos",
            "--mask",
            folder / "masks",
            "--weights",
            weights_file,
            "--out",
            out,
            "--save-edges",
            folder / "edges",
        )
        == 0
    )
    for name in ("a", "b"):
        mask, before, after = _hole_and_rest(folder, name, out / f"{name}.png")
        np.testing.assert_array_equal(after[~mask], before[~mask])
        assert images.read_raw(folder / "edges" / f"{name}.png").shape == mask.shape


def test_an_edited_edge_map_changes_the_hole_alone(folder: Path, weights_file: Path) -> None:
    arguments = (folder / "photos/a.png", "--mask", folder / "masks/a.png", "--weights", weights_file)
    assert _run("edges", *arguments, "--out", folder / "edges.png") == 0
    assert _run("inpaint", *arguments, "--out", folder / "own.png") == 0
    edited = images.read_raw(folder / "edges.png").copy()
    edited[20:40, 30:60] = 0
    edited[30, 32:58] = 255
    images.write_png(folder / "edited.png", edited)
    assert (
        _run("inpaint", *arguments, "--edges", folder / "edited.png", "--out", folder / "edited_out.png") == 0
    )
    mask, _, own = _hole_and_rest(folder, "a", folder / "own.png")
    after = images.read_rgb(folder / "edited_out.png")
    np.testing.assert_array_equal(after[~mask], own[~mask])
    assert (after[mask] != own[mask]).any()


def test_the_edges_command_writes_canny_s_lines_outside_the_hole(folder: Path, weights_file: Path) -> None:
    out = folder / "edges.png"
    assert (
        _run(
            "edges",
            folder / "photos/a.png",
            "--mask",
            folder / "masks/a.png",
            "--weights",
            weights_file,
            "--out",
            out,
        )
        == 0
    )
    mask, before, _ = _hole_and_rest(folder, "a", out)
    expected = canny(to_gray(before), 2.0, known=~mask)
    np.testing.assert_array_equal(images.read_raw(out)[~mask] > 127, expected[~mask])


def test_sixteen_bit_grey_with_alpha_comes_back_as_such(folder: Path, weights_file: Path) -> None:
    deep = images.read_rgb(folder / "photos/a.png").astype(np.uint16) * 257
    deep = np.dstack([deep, np.full(deep.shape[:2], 40000, np.uint16)])
    images.write_png(folder / "deep.png", deep)
    assert (
        _run(
            "inpaint",
            folder / "deep.png",
            "--mask",
            folder / "masks/a.png",
            "--weights",
            weights_file,
            "--out",
            folder / "out.png",
        )
        == 0
    )
    after, mask = images.read_raw(folder / "out.png"), images.read_raw(folder / "masks/a.png") > 127
    assert after.dtype == np.uint16 and after.shape == deep.shape
    np.testing.assert_array_equal(after[~mask], deep[~mask])
    np.testing.assert_array_equal(after[..., 3], deep[..., 3])


def test_grey_photos_stay_grey(folder: Path, weights_file: Path) -> None:
    grey = images.read_rgb(folder / "photos/a.png")[..., 1]
    images.write_png(folder / "grey.png", grey)
    assert (
        _run(
            "inpaint",
            folder / "grey.png",
            "--mask",
            folder / "masks/a.png",
            "--weights",
            weights_file,
            "--out",
            folder / "out.png",
        )
        == 0
    )
    with Image.open(folder / "out.png") as result:
        assert result.mode == "L"
        mask = images.read_raw(folder / "masks/a.png") > 127
        np.testing.assert_array_equal(np.asarray(result)[~mask], grey[~mask])


def test_a_dilated_hole_is_larger_and_a_feathered_one_says_so(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (folder / "photos/a.png", "--box", "40,40,10,10", "--weights", weights_file, "--out")
    changed = {}
    for name, extra in {"plain": (), "dilated": ("--dilate", "5"), "feathered": ("--feather", "5")}.items():
        out = folder / f"{name}.png"
        assert _run("inpaint", *arguments, out, *extra) == 0
        changed[name] = (images.read_rgb(out) != images.read_rgb(folder / "photos/a.png")).any(2)
    assert changed["plain"].sum() <= 100 < changed["dilated"].sum()
    assert changed["feathered"].sum() > 100 and "blended" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("photos/none.png", "--mask", "masks/a.png", "--out", "o.png"), "none.png: no such photo"),
        (("photos/a.png", "--mask", "masks/none.png", "--out", "o.png"), "none.png: no such mask"),
        (("photos/a.png", "--out", "o.png"), "expected a hole"),
        (("photos/a.png", "--mask", "masks/a.png", "--out", "photos/a.png"), "would replace an input"),
        (("photos/a.png", "--mask", "masks/a.png", "--out", "o.xyz"), "o.xyz"),
        (("photos/a.png", "--mask", "broken.png", "--out", "o.png"), "broken.png"),
        (("photos/a.png", "--box", "500,500,9,9", "--out", "o.png"), "box"),
        (("photos/a.png", "--box", "0,0,128,96", "--out", "o.png"), "at least one known pixel"),
        (("photos", "--mask", "lonely", "--out", "o"), "photos without a mask"),
        (("photos/a.png", "--mask", "masks/a.png", "--edges", "masks/b.png", "--out", "o.png"), "b.png"),
        (
            ("photos/a.png", "--mask", "masks/a.png", "--weights", "none", "--out", "o.png"),
            "none: no such weights",
        ),
        (("photos/a.png", "--mask", "masks/a.png", "--device", "abacus", "--out", "o.png"), "abacus"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    folder: Path,
    weights_file: Path,
    arguments: tuple[str, ...],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "lonely").mkdir()
    images.write_png(folder / "lonely" / "a.png", np.ones((96, 128), bool))
    whole = (folder / "photos/a.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    weights = () if "--weights" in arguments else ("--weights", weights_file)
    assert _run("inpaint", *arguments, *weights) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("edgeconnect: ") and error.count("\n") == 1, error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_wrong_arguments_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("inpaint", "a.png", "--box", "1,2,3", "--out", "b.png") == 2
    assert "X,Y,W,H" in capsys.readouterr().err
    assert _run() == 2


def test_runs_of_single_stages_become_one_weights_file(folder: Path, weights_file: Path) -> None:
    from edgeconnect.models.checkpoint import Weights, load_weights, save_weights

    networks = load_weights(weights_file).networks
    for name, network in networks.items():
        save_weights(folder / name / "weights.safetensors", Weights({name: network}))
    out = folder / "both.safetensors"
    assert _run("convert", folder / "edge_generator", folder / "inpaint_generator", "--out", out) == 0
    assert set(load_weights(out).networks) == set(networks)
    assert _run("convert", weights_file, folder / "edge_generator", "--out", out) == 1
    assert _run("convert", weights_file, "--out", folder / "x.bin") == 1


def test_the_demo_fills_four_sample_photos(
    tmp_path: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo.png"
    assert _run("demo", "--weights", weights_file, "--out", out) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    picture = images.read_rgb(out)
    assert picture.shape == (4 * 256, 5 * 256, 3)
    for row, (_, photo, mask) in enumerate(demo.samples()):
        cells = picture[256 * row : 256 * (row + 1)]
        np.testing.assert_array_equal(cells[:, 1024:], photo)
        for column in (512, 768):
            np.testing.assert_array_equal(cells[:, column : column + 256][~mask], photo[~mask])
        assert 0.05 < mask.mean() < 0.2 and (cells[:, :256][mask] == 255).all()


def test_another_photo_s_edges_give_the_hole_its_structure(folder: Path, weights_file: Path) -> None:
    other = np.ascontiguousarray(images.resize(images.read_rgb(folder / "photos/a.png")[::-1], 80, 100))
    images.write_png(folder / "other.png", other)
    arguments = (
        "inpaint",
        folder / "photos/a.png",
        "--mask",
        folder / "masks/a.png",
        "--weights",
        weights_file,
    )
    used, out = folder / "used.png", folder / "out.png"
    assert _run(*arguments, "--edges-from", folder / "other.png", "--save-edges", used, "--out", out) == 0
    mask, before, _ = _hole_and_rest(folder, "a", out)
    lines = images.read_raw(used) > 127
    np.testing.assert_array_equal(lines[mask], canny(to_gray(images.resize(other, 96, 128)), 2.0)[mask])
    np.testing.assert_array_equal(lines[~mask], canny(to_gray(before), 2.0, known=~mask)[~mask])
    assert _run(*arguments, "--edges", used, "--edges-polarity", "white", "--out", folder / "again.png") == 0
    np.testing.assert_array_equal(images.read_rgb(folder / "again.png"), images.read_rgb(out))
    assert _run(*arguments, "--edges", used, "--edges-from", used, "--out", out) == 2


def test_told_polarity_of_an_edge_map_is_not_guessed(
    folder: Path, weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crowded = np.zeros((96, 128), bool)
    crowded[:, ::2] = True
    crowded[::3] = True  # more line than paper: a guess would turn it round
    images.write_png(folder / "crowded.png", crowded)
    arguments = (
        "inpaint",
        folder / "photos/a.png",
        "--mask",
        folder / "masks/a.png",
        "--weights",
        weights_file,
        "--edges",
        folder / "crowded.png",
        "--save-edges",
        folder / "used.png",
        "--out",
        folder / "o.png",
    )
    for polarity, expected in (("white", crowded), ("black", ~crowded), ("guess", ~crowded)):
        assert _run(*arguments, "--edges-polarity", polarity) == 0
        np.testing.assert_array_equal(images.read_raw(folder / "used.png") > 127, expected)
        assert ("edge map read as" in capsys.readouterr().err) == (polarity == "guess")


def test_serve_listens_on_this_machine_alone_unless_told(
    weights_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = pytest.importorskip("edgeconnect.web.server", reason="the extra `web` is not installed")
    taken = []

    class Server:
        """Takes note of its sockets instead of answering."""

        def run(self, sockets: list[socket.socket]) -> None:
            taken.extend(listening.getsockname() for listening in sockets)

    known = []
    monkeypatch.setattr(
        server, "server", lambda models, host, *_, names, **__: known.append(names) or Server()
    )
    assert _run("serve", "--weights", weights_file, "--port", "0") == 0
    anywhere = ("--host", "0.0.0.0", "--port", "0", "--allow-host", "box.lab")
    assert _run("serve", "--weights", weights_file, *anywhere) == 0
    assert [host for host, _ in taken] == ["127.0.0.1", "0.0.0.0"] and known == [[], ["box.lab"]]
    assert f"http://127.0.0.1:{taken[0][1]}/" in capsys.readouterr().out


def test_an_address_that_cannot_be_had_is_said_before_it_is_shown(
    weights_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("edgeconnect.web.server", reason="the extra `web` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert _run("serve", "--weights", weights_file, "--port", port) == 1
    said = capsys.readouterr()
    assert not said.out and f"127.0.0.1:{port}: expected a free address" in said.err


@pytest.mark.parametrize("name", ["telea", "ns", "edgeconnect.inpainters.classical:telea"])
def test_any_inpainter_fills_files(folder: Path, name: str) -> None:
    arguments = (folder / "photos/a.png", "--mask", folder / "masks/a.png", "--out", folder / "out.png")
    assert _run("inpaint", *arguments, "--inpainter", name) == 0
    mask, before, after = _hole_and_rest(folder, "a", folder / "out.png")
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).any()


def test_what_only_networks_understand_is_refused_with_another_inpainter(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (folder / "photos/a.png", "--box", "2,2,9,9", "--out", folder / "out.png")
    assert _run("inpaint", *arguments, "--inpainter", "telea", "--save-edges", folder / "e.png") == 1
    assert "--save-edges is for the networks" in capsys.readouterr().err
    assert not (folder / "out.png").exists()


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--version") == 0
    assert capsys.readouterr().out == f"edgeconnect {edgeconnect.__version__}\n"


def test_names_of_version_0_1_still_import_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"edgeconnect\.inpainters\.single_image\.SingleImage"):
        from edgeconnect.ingan import InGAN
    assert callable(InGAN)


def test_candidates_lie_beside_the_result_numbered(tmp_path: Path, photo: np.ndarray) -> None:
    images.write_png(tmp_path / "photo.png", photo)
    out = tmp_path / "out.png"
    common = ("inpaint", tmp_path / "photo.png", "--box", "30,20,40,30", "--out", out)
    assert _run(*common, "--candidates", "3") == 0
    fills = [images.read_rgb(tmp_path / name) for name in ("out.png", "out-2.png", "out-3.png")]
    assert len({fill.tobytes() for fill in fills}) == 3
    assert _run(*common) == 0
    np.testing.assert_array_equal(images.read_rgb(out), fills[0])
    assert _run(*common, "--texture", "0") == 0
    assert (images.read_rgb(out) != fills[0]).any()
    images.write_png(tmp_path / "out-2.png", photo)
    assert _run("inpaint", tmp_path / "out-2.png", *common[2:], "--candidates", "2") == 1
