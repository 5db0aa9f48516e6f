from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edgeconnect import device, memory
from edgeconnect.errors import InputError


def test_the_cpu_is_chosen_when_asked_for_and_a_gpu_before_it_when_there_is_one(monkeypatch) -> None:
    assert device.choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")


def test_a_gpu_that_cannot_be_used_is_named_in_one_sentence(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    empty = torch.empty

    def without_kernels(*size: int, device: str) -> torch.Tensor:
        if device == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available\nCompile with ...")
        return empty(*size, device=device)

    monkeypatch.setattr(torch, "empty", without_kernels)
    with pytest.raises(
        InputError, match=r"device 'cuda': expected one .*: CUDA error: no kernel image is av"
    ):
        device.choose_device("auto")


def test_what_computes_is_described_with_all_that_results_depend_on(monkeypatch) -> None:
    assert device.describe(torch.device("cpu"), torch.bfloat16) == "cpu, bf16"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A Card")
    said = device.describe(torch.device("cuda"), torch.float32)
    assert said.startswith("A Card, float32, TF32 convolutions on, TF32 products off, cuDNN's benchmark off")
    with device.exact_float32():
        assert "TF32 convolutions off" in device.describe(torch.device("cuda"), torch.float32)
    assert said == device.describe(torch.device("cuda"), torch.float32)


def test_tf32_and_cudnn_are_set_in_one_place_alone() -> None:
    root = Path(device.__file__).parent
    users = {
        path.name
        for path in root.rglob("*.py")
        if re.search("allow_tf32|backends.cudnn", path.read_text("utf-8"))
    }
    assert users == {"device.py"}


@pytest.mark.parametrize("name", ["toaster", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}': expected one that PyTorch can use here"):
        device.choose_device(name)


def test_the_precision_asked_for_is_the_precision_got(monkeypatch) -> None:
    cpu = torch.device("cpu")
    assert device.choose_dtype(cpu, "float32") == torch.float32
    assert device.choose_dtype(cpu, "bf16") == torch.bfloat16
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has}, raising=False
        )
        assert device.choose_dtype(cpu, "auto") == expected


def test_other_accelerators_compute_in_float32() -> None:
    assert device.choose_dtype(torch.device("mps"), "auto") == torch.float32


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept_and_not_cleared_again_by_the_kernel() -> None:
    program = """
import resource, torch
from edgeconnect.memory import keep_memory
torch.set_num_threads(1)

def page_faults():
    for i in range(15):
        if i == 12:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = page_faults()
assert keep_memory()
print(plain, page_faults())
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": ""}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    plain, kept = map(int, result.stdout.split())
    # 40 MB, three times over; aligned blocks find their places in the heap after some rounds
    assert kept < 0.01 * plain


def test_elsewhere_the_memory_setting_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.keep_memory() is False


def test_older_versions_of_glibc_are_asked_for_what_they_allow(monkeypatch) -> None:
    asked: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> int:
            asked.append((parameter, value))
            return int(parameter != -3 or value <= 32 << 20)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library)
    assert memory.keep_memory() is False
    assert {parameter for parameter, _ in asked} == {-1, -2, -3} and asked[-1] == (-3, 32 << 20)


def test_each_process_of_a_launcher_asks_for_its_own_gpu(monkeypatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "77")  # no machine has it: the sentence says which was tried
    with pytest.raises(InputError, match="device 'cuda:77'"):
        device.choose_device("cuda")


def test_deterministic_kernels_are_on_meanwhile_and_said(monkeypatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    assert "deterministic" not in device.describe(torch.device("cpu"), torch.float32)
    with device.deterministic_kernels():
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        said = device.describe(torch.device("cpu"), torch.float32)
    assert said == "cpu, float32, deterministic kernels on"
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_a_deterministic_kernel_is_one_sentence() -> None:
    with (
        pytest.raises(InputError, match=r"deterministic: expected kernels .* got: put_ does not have a"),
        device.deterministic_kernels(),
    ):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
    with pytest.raises(RuntimeError, match="another"), device.deterministic_kernels():
        raise RuntimeError("another")
