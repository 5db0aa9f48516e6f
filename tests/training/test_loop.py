from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small import tiny_config, tiny_options, write_photos
from tools.faults import forked

from edgeconnect import cli
from edgeconnect.errors import InputError, NonFiniteLossError
from edgeconnect.io.images import write_png
from edgeconnect.models.checkpoint import load_state
from edgeconnect.training import loop, losses
from edgeconnect.training.config import TrainConfig, make_config
from edgeconnect.training.loop import Outcome, train
from edgeconnect.training.run_folder import Paths

ROOT = Path(__file__).parents[2]
PROCESSES = pytest.mark.xdist_group("processes")  # which are forked from one that has imported everything


class Killed(Exception):
    """Ends a run between two steps, as a power cut would."""


def killed_after(step: int) -> Callable[[dict[str, Any]], None]:
    def on_step(report: dict[str, Any]) -> None:
        if report["step"] == step:
            raise Killed

    return on_step


def checkpoint(config: TrainConfig, step: int) -> dict[str, Any]:
    return torch.load(Paths(config.run).checkpoint(step), weights_only=True)


def differences(first: Any, second: Any, where: str = "state") -> list[str]:
    """Where two states are not the same bit for bit, through all containers."""
    if type(first) is not type(second):
        return [where]
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return [where]
        return [d for key in first for d in differences(first[key], second[key], f"{where}.{key}")]
    if isinstance(first, list | tuple):
        if len(first) != len(second):
            return [where]
        pairs = enumerate(zip(first, second, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{where}[{i}]")]
    same = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
    return [] if same else [where]


def log_lines(config: TrainConfig) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Paths(config.run).log.read_text().splitlines()]


def trained_weights(folder: Path) -> str:
    """A weights file with both generators for stages that build on them."""
    from edgeconnect.models.checkpoint import Weights, build_network, save_weights

    path = folder / "trained.safetensors"
    if not path.exists():
        names = ("edge_generator", "inpaint_generator")
        save_weights(path, Weights({name: build_network(name, width=8, blocks=1) for name in names}))
    return str(path)


def options_of(folder: Path, stage: str, **options: Any) -> dict[str, Any]:
    if stage == "joint" or options.get("edges") == "predicted":
        options["init_from"] = trained_weights(folder)
    return tiny_options(folder, stage, **options)


def arguments(options: dict[str, Any]) -> list[str]:
    """`edgeconnect` arguments that mean the same as `options`."""
    stage = options["stage"]
    pairs = [(f"--{name.replace('_', '-')}", str(v)) for name, v in options.items() if name != "stage"]
    return ["train", stage, *(part for pair in pairs for part in pair)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "the run did not get there within two minutes"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("stage", "edges"), [("edge", "true"), ("inpaint", "true"), ("inpaint", "predicted"), ("joint", "true")]
)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(tmp_path: Path, stage: str, edges: str) -> None:
    unbroken = tiny_config(**_named(tmp_path, stage, edges, "unbroken"))
    broken = tiny_config(**_named(tmp_path, stage, edges, "broken"))
    assert train(unbroken) == Outcome(6)
    with pytest.raises(Killed):
        train(broken, progress=killed_after(5))
    assert train(broken, resume=True) == Outcome(6)
    assert differences(checkpoint(unbroken, 6), checkpoint(broken, 6)) == []
    assert differences(load_file(Paths(unbroken.run).weights), load_file(Paths(broken.run).weights)) == []
    kept = [
        {k: v for k, v in line.items() if k not in ("seconds", "images_per_s")} for line in log_lines(broken)
    ]
    assert [line["step"] for line in kept if "lr" in line] == [1, 2, 3, 4, 5, 6]
    assert kept == [
        {k: v for k, v in line.items() if k not in ("seconds", "images_per_s")}
        for line in log_lines(unbroken)
    ]


def test_a_run_killed_between_its_last_checkpoint_and_its_weights_writes_them_when_resumed(
    tmp_path: Path,
) -> None:
    config = tiny_config(**_named(tmp_path, "edge", "true", "run"))
    assert train(config) == Outcome(6)
    paths = Paths(config.run)
    wanted = load_file(paths.weights)
    save_file({name: torch.zeros_like(tensor) for name, tensor in wanted.items()}, paths.weights)
    assert train(config, resume=True) == Outcome(6)
    assert differences(load_file(paths.weights), wanted) == []


def _named(folder: Path, stage: str, edges: str, run: str) -> dict[str, Any]:
    options = options_of(folder, stage, edges=edges, run=str(folder / run))
    return {"folder": folder, **options}


def test_a_resumed_run_with_two_workers_equals_an_unbroken_one_without(tmp_path: Path) -> None:
    unbroken = tiny_config(tmp_path, run=str(tmp_path / "unbroken"))
    broken = tiny_config(tmp_path, run=str(tmp_path / "broken"), workers=2)
    train(unbroken)
    with pytest.raises(Killed):
        train(broken, progress=killed_after(4))
    train(broken, resume=True)
    assert differences(checkpoint(unbroken, 6), checkpoint(broken, 6)) == []


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    unbroken = tiny_config(tmp_path, run=str(tmp_path / "unbroken"))
    broken = tiny_config(tmp_path, run=str(tmp_path / "broken"))
    train(unbroken)
    with pytest.raises(Killed):
        train(broken, progress=killed_after(2))
    train(broken, resume=True)
    assert differences(checkpoint(unbroken, 6), checkpoint(broken, 6)) == []
    for path in Paths(broken.run).checkpoints():
        path.unlink()
    with pytest.raises(InputError, match="found none"):  # its weights are there: not to be written over
        train(broken, resume=True)


def test_a_run_does_not_go_back(tmp_path: Path) -> None:
    train(tiny_config(tmp_path))
    with pytest.raises(InputError, match="expected more steps than its 6, got 4"):
        train(tiny_config(tmp_path, steps=4), resume=True)


def test_how_much_of_the_mask_files_is_hole_is_said(tmp_path: Path) -> None:
    mask = np.zeros((32, 32), bool)
    mask[:8] = True
    write_png(tmp_path / "masks/m.png", mask)
    said: list[str] = []
    for polarity in ("white", "black"):
        config = tiny_config(
            tmp_path,
            run=str(tmp_path / polarity),
            masks=[str(tmp_path / "masks")],
            mask_polarity=polarity,
            steps=1,
        )
        train(config, print_line=said.append)
    found = [line for line in said if "1 masks in" in line]
    assert found[0].endswith("white is the hole: 25%")
    assert "black is the hole: 75%; is the other colour" in found[1]


@pytest.mark.slow
@PROCESSES
def test_a_killed_process_loses_nothing_but_the_steps_since_its_checkpoint(tmp_path: Path) -> None:
    options = tiny_options(tmp_path, steps=100_000, lr_drop_at=1, validate_every=100_000)
    process, paths = forked(arguments(options), tmp_path / "said.txt"), Paths(Path(options["run"]))
    wait_until(lambda: len(paths.checkpoints()) >= 2)
    process.kill()
    process.join()
    steps = int(paths.latest_checkpoint().stem.split("_")[1]) + 4
    broken = tiny_config(tmp_path, **options | {"steps": steps})
    train(broken, resume=True)
    unbroken = tiny_config(tmp_path, **options | {"steps": steps, "run": str(tmp_path / "unbroken")})
    train(unbroken)
    assert differences(checkpoint(unbroken, steps), checkpoint(broken, steps)) == []


@pytest.mark.slow
@PROCESSES
def test_a_terminated_process_saves_its_last_step_and_can_go_on(tmp_path: Path) -> None:
    options = tiny_options(tmp_path, steps=100_000, save_every=100_000, lr_drop_at=1, workers=2)
    process, paths = forked(arguments(options), tmp_path / "said.txt"), Paths(Path(options["run"]))
    wait_until(lambda: paths.log.exists() and paths.log.read_text().count("\n") >= 3)
    process.terminate()
    process.join(60)
    output = (tmp_path / "said.txt").read_text()
    assert process.exitcode == 128 + signal.SIGTERM, output
    assert "and saved; go on with --resume" in output
    last = log_lines(tiny_config(tmp_path, **options))[-1]["step"]
    assert paths.checkpoints() == [paths.checkpoint(last)]
    broken = tiny_config(tmp_path, **options | {"steps": last + 3, "workers": 0})
    train(broken, resume=True)
    unbroken = tiny_config(
        tmp_path, **options | {"steps": last + 3, "workers": 0, "run": str(tmp_path / "un")}
    )
    train(unbroken)
    assert differences(checkpoint(unbroken, last + 3), checkpoint(broken, last + 3)) == []


def join_two(port: int, rank: int) -> None:
    """What torchrun tells one of two processes."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(number) for name, number in numbers.items()} | {"MASTER_ADDR": "127.0.0.1"})


@pytest.mark.slow
@PROCESSES
def test_two_processes_resume_bit_for_bit(tmp_path: Path) -> None:
    options = tiny_options(tmp_path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    given = [{"--run": "--run-dir"}.get(part, part) for part in arguments(options)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([*launcher, "-m", "edgeconnect", *given], env=environment, check=True, timeout=120)
    config = tiny_config(tmp_path, **options)
    unbroken = checkpoint(config, 6)
    Paths(config.run).checkpoint(6).unlink()
    # two such processes again, with what torchrun tells them, but without seconds of imports in each
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        told = partial(join_two, free.getsockname()[1])
    logs = [tmp_path / f"said_{rank}.txt" for rank in range(2)]
    both = [forked([*given, "--resume"], log, told, rank) for rank, log in enumerate(logs)]
    for each, log in zip(both, logs, strict=True):
        each.join(120)
        assert each.exitcode == 0, log.read_text()
    assert differences(unbroken, checkpoint(config, 6)) == []


def test_a_checkpoint_of_several_processes_by_an_earlier_version_is_refused(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    train(config)
    path = Paths(config.run).latest_checkpoint()
    torch.save({**load_state(path), "world": 2}, path)
    with pytest.raises(
        InputError, match="an earlier version's, whose 2 processes had batch_size photos each"
    ):
        train(config, resume=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(tmp_path: Path, number: int) -> None:
    config = tiny_config(tmp_path, steps=1000, save_every=1000, validate_every=1000)
    outcome = train(config, progress=lambda r: os.kill(os.getpid(), number) if r["step"] == 2 else None)
    assert outcome == Outcome(2, number)
    assert Paths(config.run).latest_checkpoint() == Paths(config.run).checkpoint(2)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_flipped_bit_in_a_checkpoint_is_noticed_and_the_one_before_is_taken(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, steps=6, save_every=2)
    whole = tiny_config(tmp_path, steps=8, save_every=2, run=tmp_path / "whole")
    train(config)
    train(whole)
    content = bytearray(Paths(config.run).checkpoint(6).read_bytes())
    content[len(content) // 2] ^= 1
    Paths(config.run).checkpoint(6).write_bytes(content)
    said: list[str] = []
    longer = config.model_copy(update={"steps": 8, "keep": 1, "save_every": 8})
    assert train(longer, resume=True, print_line=said.append) == Outcome(8)
    assert any("step_00000006.pt: expected a whole" in line and "one before" in line for line in said)
    assert any(line.endswith("step_00000004.pt") for line in said)
    assert differences(checkpoint(longer, 8), checkpoint(whole, 8)) == []


def test_a_resumed_run_needs_the_photos_that_it_began_with(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, steps=3)
    train(config)
    extra = tmp_path / "photos/zz.png"
    extra.write_bytes((tmp_path / "photos/photo_0.png").read_bytes())
    before = sorted(config.run.rglob("*"))
    with pytest.raises(InputError, match="expected the photos that it began with"):
        train(config.model_copy(update={"steps": 6}), resume=True)
    assert sorted(config.run.rglob("*")) == before
    extra.unlink()
    assert train(config.model_copy(update={"steps": 6}), resume=True) == Outcome(6)


def test_a_disk_that_was_full_at_the_start_can_be_tried_again(tmp_path: Path, monkeypatch) -> None:
    config = tiny_config(tmp_path, steps=1)

    def full(*_: object) -> None:
        raise InputError("config.yaml: expected a place to write to, got: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(loop.run_folder, "save_config", full)
        with pytest.raises(InputError, match="No space"):
            train(config)
    assert train(config) == Outcome(1)


def test_broken_photos_are_skipped_in_the_default_validation_set_too(tmp_path: Path) -> None:
    options = tiny_options(tmp_path, steps=1, skip_broken=True, val_count=10)
    (tmp_path / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert train(make_config(options)) == Outcome(1)
    others = make_config({**options, "val_photos": options["photos"], "run": tmp_path / "other"})
    assert train(others) == Outcome(1)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_closed_terminal_and_a_cluster_s_warning_save_before_they_end(tmp_path: Path, number: int) -> None:
    config = tiny_config(tmp_path, steps=1000, save_every=1000, validate_every=1000)
    outcome = train(config, progress=lambda r: os.kill(os.getpid(), number) if r["step"] == 2 else None)
    assert outcome == Outcome(2, number) and Paths(config.run).checkpoint(2).exists()


def test_what_ends_a_run_between_two_steps_costs_no_step(tmp_path: Path, monkeypatch) -> None:
    def closed(report: dict[str, Any]) -> None:
        if report["step"] == 2:
            raise BrokenPipeError

    config = tiny_config(tmp_path, steps=100, save_every=100, validate_every=100)
    with pytest.raises(BrokenPipeError):
        train(config, progress=closed)
    assert Paths(config.run).checkpoints() == [Paths(config.run).checkpoint(2)]
    assert [line["step"] for line in log_lines(config)] == [0, 1, 2]
    (tmp_path / "photos/photo_0.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(InputError, match="photo_0"):
        train(config, resume=True)
    step = load_state(Paths(config.run).latest_checkpoint())["step"]
    assert log_lines(config)[-1]["step"] == step >= 2


def test_a_signal_ends_a_run_whose_workers_bring_nothing(tmp_path: Path, monkeypatch) -> None:
    real = loop.training_loader

    def stuck(photos: Any, batch_size: int, workers: int, *rest: Any, **options: Any) -> Iterator[Any]:
        yield from islice(real(photos, batch_size, 0, *rest, **options), 2)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        time.sleep(60)

    monkeypatch.setattr(loop, "training_loader", stuck)
    config = tiny_config(tmp_path, workers=1, steps=100, save_every=100, validate_every=100)
    start_s = time.monotonic()
    assert train(config) == Outcome(2, signal.SIGTERM)
    assert time.monotonic() - start_s < 30 and Paths(config.run).checkpoint(2).exists()


@pytest.mark.slow
@PROCESSES
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_workers_end_with_their_killed_trainer(tmp_path: Path) -> None:
    options = tiny_options(tmp_path, steps=100_000, workers=2, save_every=100_000)
    process = forked(arguments(options), tmp_path / "said.txt")
    assert process.pid
    wait_until(lambda: len(children(process.pid)) >= 3)
    found = children(process.pid)
    wait_until(lambda: (tmp_path / "run/log.jsonl").read_text().count("\n") > 3)
    process.kill()
    process.join()
    deadline = time.monotonic() + 20
    while any(is_running(number) for number in found) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [number for number in found if is_running(number)]
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert left == []


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def children(number: int) -> set[int]:
    """All processes below one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
    found = {number}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {number}


def test_a_run_that_has_had_its_minutes_saves_and_stops(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, steps=1000, max_minutes=1e-6)
    assert train(config) == Outcome(1)
    assert Paths(config.run).checkpoint(1).exists()


def test_a_run_writes_all_its_files(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, keep=1, validate_every=4)
    reports: list[dict[str, Any]] = []
    train(config, progress=reports.append)
    files = sorted(str(p.relative_to(config.run)) for p in config.run.rglob("*") if p.is_file())
    assert files == [
        "checkpoints/step_00000006.pt", "config.yaml", "log.jsonl", "samples/step_00000000.png",
        "samples/step_00000004.png", "samples/step_00000006.png", "weights.safetensors",
    ]  # fmt: skip
    assert [r["step"] for r in reports] == [1, 2, 3, 4, 5, 6]
    assert all(line.keys() >= {"step"} for line in log_lines(config))
    scored = [line["step"] for line in log_lines(config) if "val_edge_f1" in line]
    assert scored == [0, 4, 6]


def test_a_loss_that_is_no_number_ends_the_command_with_its_name(tmp_path: Path, monkeypatch, capsys) -> None:
    real, calls = losses.feature_matching, []

    def breaks_at_the_fourth(*features: Any) -> torch.Tensor:
        calls.append(1)
        return real(*features) * (float("nan") if len(calls) == 4 else 1)

    monkeypatch.setattr(losses, "feature_matching", breaks_at_the_fourth)
    options = tiny_options(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments(options))
    captured = capsys.readouterr()
    assert ended.value.code == 1
    assert "edgeconnect: loss term 'feature_matching' is nan at step 4" in captured.err
    assert "Traceback" not in captured.err
    paths = Paths(Path(options["run"]))
    assert paths.checkpoints() == [paths.checkpoint(3)]  # the last good one is still there


def test_an_absurd_learning_rate_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"loss term '.*' is (nan|inf|-inf) at step"):
        train(tiny_config(tmp_path, "inpaint", lr=1e30, steps=20))


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, steps=1)
    train(config)
    before = {p: p.read_bytes() for p in config.run.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="holds a run already; go on with --resume"):
        train(tiny_config(tmp_path, steps=2))
    assert {p: p.read_bytes() for p in config.run.rglob("*") if p.is_file()} == before


def test_a_start_that_failed_leaves_no_run_behind(tmp_path: Path) -> None:
    wrong = tiny_config(tmp_path, "inpaint", features=str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="no such feature extractor file"):
        train(wrong)
    wrong = tiny_config(tmp_path, val_photos=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        train(wrong)
    assert not wrong.run.exists()


def test_a_run_from_another_begins_at_step_zero_with_its_weights(tmp_path: Path) -> None:
    first = tiny_config(tmp_path, run=str(tmp_path / "first"), steps=3)
    train(first)
    said: list[str] = []
    second = tiny_config(tmp_path, init_from=str(first.run), lr=1e-12, steps=1)
    assert train(second, print_line=said.append) == Outcome(1)
    assert log_lines(second)[0]["step"] == 0
    assert f"edge_generator from {first.run}" in said
    assert f"edge_discriminator from {first.run}" in said
    source, copied = load_file(Paths(first.run).weights), load_file(Paths(second.run).weights)
    for name, tensor in source.items():
        torch.testing.assert_close(copied[name], tensor, atol=1e-5, rtol=1e-4)


def test_a_broken_photo_ends_the_command_with_its_name(tmp_path: Path, capsys) -> None:
    options = tiny_options(tmp_path, steps=20)
    broken = tmp_path / "photos" / "broken.png"
    broken.write_bytes((tmp_path / "photos" / "photo_0.png").read_bytes()[:300])
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments(options | {"val_count": 1, "val_photos": write_photos(tmp_path / "val", 1)}))
    captured = capsys.readouterr()
    assert ended.value.code == 1
    assert "edgeconnect: " in captured.err and "broken.png" in captured.err
    assert "Traceback" not in captured.err


def test_skipped_photos_are_counted_and_listed(tmp_path: Path) -> None:
    options = tiny_options(tmp_path, steps=4, skip_broken=True)
    broken = tmp_path / "photos" / "broken.png"
    broken.write_bytes((tmp_path / "photos" / "photo_0.png").read_bytes()[:300])
    said: list[str] = []
    config = tiny_config(tmp_path, **options | {"val_photos": str(write_photos(tmp_path / "val", 1))})
    assert train(config, print_line=said.append) == Outcome(4)
    (line,) = [text for text in said if " 1 skipped" in text]
    assert line.startswith("5 photos in") and "1 skipped" in line and "broken.png" in line


def test_a_resumed_command_compares_its_config_file_with_the_saved_one(tmp_path: Path, capsys) -> None:
    options = tiny_options(tmp_path, steps=3)
    config = tmp_path / "config.yaml"
    config.write_text("".join(f"{k}: {v}\n" for k, v in options.items() if k != "stage"))

    def edgeconnect(*given: str) -> int:
        with pytest.raises(SystemExit) as ended:
            cli.main(["train", "edge", "--config", str(config), *given])
        return int(ended.value.code)

    assert edgeconnect() == 0
    assert edgeconnect("--resume", "--steps", "4") == 0
    assert edgeconnect("--resume", "--lr", "0.5") == 1
    assert "keeps its settings, but lr" in capsys.readouterr().err
    config.write_text("photos: p\n")
    assert edgeconnect("--resume") == 1
    assert "--resume needs --run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_network_learns_two_photos_by_heart(tmp_path: Path) -> None:
    photos = tmp_path / "two"
    photos.mkdir()
    y, x = np.mgrid[:32, :32]
    for number, values in enumerate((x * 8, y * 8)):
        Image.fromarray(np.stack([values, 255 - values, values // 2], 2).astype(np.uint8)).save(
            photos / f"{number}.png"
        )
    settings = {"photos": str(photos), "masks": "centre", "flip": False, "lr": 2e-3, "ema_decay": 0.9}
    steps = {"steps": 150, "validate_every": 150, "save_every": 150, "log_every": 150}
    weights = {"w_style": 0, "w_adv": 0, "w_perceptual": 0, "w_l1": 1}
    config = tiny_config(tmp_path, "inpaint", **settings, **steps, **weights)
    train(config)
    first, last = (line for line in log_lines(config) if "val_hole_psnr_db" in line)
    assert last["val_hole_psnr_db"] > first["val_hole_psnr_db"] + 5
