"""Lists of photos with their masks and results: read as they are needed, checked before the first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import check_target, real_path, sweep, write_atomically
from edgeconnect.io.jobs import Job, plan

if TYPE_CHECKING:
    from collections.abc import Callable


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    entries = [
        {"photo": "a.jpg", "mask": "masks/a.png", "out": "one/a.webp"},
        {"photo": "below/b, c.jpg", "mask": "/masks/b.png"},
    ]
    table = write(
        tmp_path / "list.csv",
        "photo,mask,out",
        "a.jpg,masks/a.png,one/a.webp",
        '"below/b, c.jpg",/masks/b.png',
    )
    lines = write(tmp_path / "list.jsonl", *map(json.dumps, entries), "")
    jobs = plan(table, tmp_path / "out")
    assert list(jobs) == list(plan(lines, tmp_path / "out")) and len(jobs) == 2
    assert list(jobs) == [
        Job(tmp_path / "a.jpg", tmp_path / "out/one/a.webp", mask=tmp_path / "masks/a.png"),
        Job(tmp_path / "below/b, c.jpg", tmp_path / "out/below/b, c.png", mask=Path("/masks/b.png")),
    ]
    assert next(iter(plan(table, "o", candidates=2))).candidates == (Path("o/one/a-2.webp"),)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["photos,masks"], "expected a first line that names the columns, as photo,mask,out; got"),
        (["photo,mask", "a.png,b.png,c.png"], "line 2: expected 2 values, got 3"),
        (["photo,size", "a.png,3"], "line 2: expected the names photo, mask, .*, got 'size'"),
        (["photo,mask", ",b.png"], "line 2: expected a photo, got none"),
        (["photo,mask", ".,b.png"], "line 2: expected a photo, got the folder '.'"),
        (["photo,mask", "a\0b/x.png,b.png"], r"line 2: expected a path as photo, got 'a.x00b/x.png'"),
        (["photo,out", "a.png,a\0b/x.png"], "line 2: expected a path as out, got"),
        (["photo,mask"], "expected lines that name photos, got none"),
        (
            ["photo,out", "a.png,x.png", "b.png,y.png", "c.png,sub/../x.png"],
            "two results would have this name",
        ),
        (["photo,out", "a.png,../b.png", "b.png,x.png"], "the result would replace an input"),
        (["photo,out", "a.png,x.gif"], "expected a name ending in"),
    ],
)
def test_a_wrong_list_is_refused_before_the_first_photo(
    tmp_path: Path, lines: list[str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        plan(write(tmp_path / "list.csv", *lines), tmp_path / "out")


def test_a_wrong_json_line_is_named(tmp_path: Path) -> None:
    for line in ("[1]", '{"photo": 3}', "{", '{"photo": "a\\u0000b/c.png"}'):
        with pytest.raises(InputError, match="line 2: expected a"):
            plan(write(tmp_path / "list.jsonl", '{"photo": "a.png"}', line), tmp_path / "out")


def test_a_list_is_alone_and_names_its_own_masks(tmp_path: Path) -> None:
    table = write(tmp_path / "list.csv", "photo", "a.png")
    with pytest.raises(InputError, match="expected no --mask beside a list"):
        plan(table, tmp_path / "out", mask=tmp_path)
    with pytest.raises(InputError, match="expected a list of photos alone"):
        plan([table, table.parent], tmp_path / "out")


@pytest.mark.slow
def test_a_long_list_costs_some_bytes_a_photo(tmp_path: Path) -> None:
    count = 5_000
    lines = (f"photos/{n // 1000}/{n}.png,masks/{n // 1000}/{n}.png" for n in range(count))
    table = write(tmp_path / "list.csv", "photo,mask", *lines)
    # in a process of its own: others' threads and imports allocate, too
    code = (
        "import pathlib, sys, tracemalloc\n"
        "from edgeconnect.io.jobs import plan\n"
        "paths = list(map(pathlib.Path, sys.argv[1:]))\n"
        "plan(*paths)\n"
        "tracemalloc.start()\n"
        "jobs = plan(*paths)\n"
        "print(sum(1 for job in jobs), len(jobs), tracemalloc.get_traced_memory()[1])\n"
    )
    command = [sys.executable, "-c", code, str(table), str(tmp_path / "out")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    listed, length, peak = map(int, told.stdout.split())
    assert listed == length == count
    assert peak < 60 * count + 800_000  # a Job alone has 2,000


def test_what_a_dead_process_left_of_a_file_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left = [".a.12-34.part.png", ".a.5-6.part.png"]
    kept = [".a.12-34.part.jpg", ".ab.12-34.part.png", "a.png", ".a.part.png", ".a.b-c.part.png"]
    for name in left + kept:
        (tmp_path / name).touch()
    sweep(tmp_path / "a.png")
    sweep(tmp_path / "none/a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("use", [check_target, real_path, lambda path: write_atomically(path, b"")])
def test_a_name_that_no_file_can_have_is_a_sentence(use: Callable[[Path], object]) -> None:
    with pytest.raises(
        InputError, match=r"^a.x00b/c.png: expected a p(ath|lace)[^\n\0]*, got: embedded null"
    ):
        use(Path("a\0b/c.png"))
