from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small import tiny_config

from edgeconnect.errors import InputError
from edgeconnect.io.schema import read_yaml
from edgeconnect.training import run_folder


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_latest_checkpoint_is_that_of_the_highest_step(tmp_path: Path) -> None:
    paths = run_folder.Paths(tmp_path)
    with pytest.raises(InputError, match="found none"):
        paths.latest_checkpoint()
    for step in (9, 1000, 200):
        paths.checkpoint(step).parent.mkdir(exist_ok=True)
        paths.checkpoint(step).touch()
    assert paths.latest_checkpoint() == paths.checkpoint(1000)
    paths.forget_old_checkpoints(2, 1000)
    assert paths.checkpoints() == [paths.checkpoint(200), paths.checkpoint(1000)]
    paths.forget_old_checkpoints(1, 300)  # the later one was damaged, and the run went on from 200
    assert paths.checkpoints() == [paths.checkpoint(200), paths.checkpoint(1000)]


def test_a_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    run_folder.refuse_another(tmp_path / "new")
    config = tiny_config(tmp_path)
    run_folder.save_config(config)
    with pytest.raises(InputError, match="holds a run already"):
        run_folder.refuse_another(config.run)


def test_a_resumed_run_keeps_its_saved_config(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, masks="strokes", lr=0.3)
    run_folder.save_config(config)
    assert run_folder.resumed_config(config.run, {}) == config
    assert read_yaml(config.run / "config.yaml")["lr"] == 0.3


def test_a_resumed_run_may_go_on_longer_or_with_other_workers(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    run_folder.save_config(config)
    changed = run_folder.resumed_config(config.run, {"steps": "1e2", "workers": "3", "device": "cpu"})
    assert (changed.steps, changed.workers) == (100, 3)
    assert changed == config.model_copy(update={"steps": 100, "workers": 3})


@pytest.mark.parametrize("change", [{"lr": "0.1"}, {"stage": "inpaint"}, {"seed": 4}, {"batch_size": 3}])
def test_a_resumed_run_with_other_settings_is_refused_by_their_names(tmp_path: Path, change) -> None:
    config = tiny_config(tmp_path)
    run_folder.save_config(config)
    name = next(iter(change))
    with pytest.raises(InputError, match=f"keeps its settings, but {name} .* --init-from"):
        run_folder.resumed_config(config.run, change)


def test_resuming_where_no_run_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no config\.yaml"):
        run_folder.resumed_config(tmp_path, {})


def test_a_log_goes_on_after_its_step_and_drops_later_and_torn_lines(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    log = run_folder.Log(config, 0)
    for step in range(1, 6):
        log.write({"step": step, "l1": step / 10})
    with log.path.open("a") as file:
        # the machine lost power while it wrote
        file.write('\x00\x00\n{"step": 2, "l\n[1]\n{"step": "x"}\n{"step": 1e999}\n{"step": 6, "l')
    log = run_folder.Log(config, 3)
    log.write({"step": 4, "l1": 7.0})
    assert lines(log.path) == [
        {"step": 1, "l1": 0.1}, {"step": 2, "l1": 0.2}, {"step": 3, "l1": 0.3}, {"step": 4, "l1": 7.0},
    ]  # fmt: skip


def test_a_log_of_a_run_that_had_saved_nothing_starts_anew(tmp_path: Path) -> None:
    log = run_folder.Log(tiny_config(tmp_path), 0)
    log.write({"step": 0, "val": 1})
    assert lines(run_folder.Log(tiny_config(tmp_path), 0).path) == []


def test_a_run_s_folder_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from edgeconnect.training import run_folder\n"
    code += "with run_folder.locked(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "mine\n"
        taken = pytest.raises(InputError, match="another process trains in this folder")
        with taken, run_folder.locked(tmp_path / "run"):
            raise AssertionError
        other.kill()
    with run_folder.locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()  # it stayed empty


def test_what_killed_processes_left_half_written_is_swept(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("log.jsonl", "checkpoints/step_00000001.pt", "a.part.png", ".part")]
    left = [tmp_path / ".log.12-34.part.jsonl", tmp_path / "checkpoints/.step_00000002.7-8.part.pt"]
    for path in (*kept, *left):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with run_folder.locked(tmp_path):
        pass
    assert all(path.exists() for path in kept) and not any(path.exists() for path in left)


def test_tensorboard_without_its_package_says_how_to_get_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = tiny_config(tmp_path, tensorboard=True)
    with pytest.raises(InputError, match=r"edgeconnect\[tensorboard\]"):
        run_folder.Log(config, 0)
    assert not config.run.exists()


def test_tensorboard_is_given_every_number_of_a_line(tmp_path: Path, monkeypatch) -> None:
    class Writer:
        def __init__(self, folder: str) -> None:
            self.folder, self.seen = folder, []

        def add_scalar(self, *scalar) -> None:
            self.seen.append(scalar)

    monkeypatch.setattr(run_folder, "_tensorboard", lambda run, step: Writer(str(run)))
    log = run_folder.Log(tiny_config(tmp_path, tensorboard=True), 0)
    log.write({"step": 2, "l1": 0.5})
    assert ("l1", 0.5, 2) in log.board.seen
