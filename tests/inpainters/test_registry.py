"""Every inpainter behind the one call; what none of them may do."""

from __future__ import annotations

import numpy as np
import pytest
from small import write_lama

from edgeconnect.errors import InputError
from edgeconnect.inpainters import edgeconnect, get
from edgeconnect.inpainters.base import ResultsFolder, fill
from edgeconnect.inpainters.classical import telea
from edgeconnect.inpainters.registry import find
from edgeconnect.io.images import write_png
from edgeconnect.provenance import file_hash


@pytest.fixture
def photo():
    """Even slopes, which a classical inpainter continues."""
    rows, columns = np.mgrid[:40, :50]
    return np.stack([rows * 5, columns * 4, rows + columns], axis=2).astype(np.uint8)


@pytest.fixture
def mask():
    hole = np.zeros((40, 50), bool)
    hole[12:25, 20:33] = True
    return hole


@pytest.mark.parametrize("name", ["telea", "ns", "biharmonic"])
def test_classical_inpainters_continue_an_even_slope(name, photo, mask):
    method = find(name)
    result = fill(method.load(), photo, mask)
    assert method.name == name
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    error = np.abs(result.astype(int) - photo)[mask]
    assert error.mean() < 8
    if name == "biharmonic":
        assert error.max() <= 2


def test_lama_is_any_torchscript_file_of_its_signature(photo, mask, tmp_path):
    write_lama(tmp_path / "lama.pt")
    method = find(f"lama:big={tmp_path / 'lama.pt'}", device="cpu")
    result = fill(method.load(), photo, mask)
    assert (method.name, method.origin) == ("big", file_hash(tmp_path / "lama.pt"))
    padded = np.pad(photo, ((0, 0), (0, 6), (0, 0)), mode="symmetric")
    known = np.pad(~mask, ((0, 0), (0, 6)), mode="symmetric")
    np.testing.assert_allclose(result[mask][0], padded[known].mean(axis=0), atol=0.51)
    (tmp_path / "text.pt").write_text("no TorchScript")
    with pytest.raises(InputError, match="expected a TorchScript file"):
        find(f"lama:{tmp_path / 'text.pt'}", device="cpu").load()


def test_no_inpainter_sees_what_is_in_the_hole_or_changes_what_is_known(photo, mask):
    seen = []

    def spoil(shown, hole):
        seen.append(shown.copy())
        shown[:] = 7
        hole[:] = True
        return shown

    result = fill(spoil, photo, mask)
    assert (seen[0][mask] == 255).all()
    assert (result[mask] == 7).all()
    np.testing.assert_array_equal(result[~mask], photo[~mask])


@pytest.mark.parametrize("wrong", [lambda p, m: p[:9], lambda p, m: p / 255, lambda p, m: "a picture"])
def test_an_inpainter_that_returns_something_else_is_told(wrong, photo, mask):
    with pytest.raises(InputError, match=r"expected \(40, 50, 3\) uint8 from the inpainter, got"):
        fill(wrong, photo, mask)


def test_another_tools_results_are_found_find(photo, tmp_path):
    (tmp_path / "sub").mkdir()
    write_png(tmp_path / "sub" / "a.png", photo)
    method = find(f"folder:theirs={tmp_path}")
    results = method.load()
    assert method.name == "theirs"
    assert isinstance(results, ResultsFolder)
    np.testing.assert_array_equal(results.picture("sub/a"), photo)
    with pytest.raises(InputError, match="expected a result named b, got none among 1 files"):
        results.picture("b")
    write_png(tmp_path / "sub" / "a.png", photo // 2)
    assert find(f"folder:theirs={tmp_path}").origin != method.origin


def test_anything_on_pythons_path_is_an_inpainter(photo, mask):
    method = find("edgeconnect.inpainters.classical:telea")
    assert method.name == "edgeconnect.inpainters.classical:telea"
    np.testing.assert_array_equal(fill(method.load(), photo, mask), fill(telea, photo, mask))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("magic", "expected an inpainter .*telea.*got 'magic'"),
        ("no_such_module:fill", "No module named"),
        ("edgeconnect.inpainters.classical:fly", "no attribute 'fly'"),
        ("edgeconnect.inpainters.classical:__name__", "expected a callable .*got str"),
        ("folder:x=/no/such/folder", "expected a folder"),
        ("lama:/no/such/file.pt", "expected a file, got nothing"),
        ("edgeconnect:/no/such/file", "no such weights"),
    ],
)
def test_an_inpainter_that_does_not_exist_is_one_sentence(spec, message):
    with pytest.raises(InputError, match=message):
        find(spec)


def test_edgeconnect_is_the_same_behind_the_call(photo, mask, tmp_path, monkeypatch):
    class Recorder:
        @classmethod
        def load(cls, source, *, device):
            assert (source, device) == (tmp_path / "w.safetensors", "cpu")
            return cls()

        def inpaint(self, photo, mask, edges=None, *, texture):
            return np.full_like(photo, 10 * texture + (1 if edges is None else 2 + edges.any()))

    (tmp_path / "w.safetensors").touch()
    monkeypatch.setattr(edgeconnect, "EdgeConnect", Recorder)
    for kind, value in (
        ("edgeconnect", 11),
        ("edgeconnect-without-edges", 2),
        ("edgeconnect-networks", 1),
    ):
        method = find(f"{kind}:{tmp_path / 'w.safetensors'}", "cpu")
        assert method.name == kind
        assert (fill(method.load(), photo, mask)[mask] == value).all()


def test_a_photo_of_16_bits_keeps_them_and_its_hole_is_filled_with_8(photo, mask):
    deep = photo.astype(np.uint16) * 257 + 3
    deep[photo > 250] = 65535
    result = fill(get("telea"), deep, mask)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~mask], deep[~mask])
    assert (result[mask] % 257 == 0).all()


def test_finished_results_cannot_be_called(photo, mask, tmp_path):
    write_png(tmp_path / "a.png", photo)
    with pytest.raises(InputError, match="the benchmark finds by name"):
        fill(get(f"folder:{tmp_path}"), photo, mask)
