from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from edgeconnect import device, memory
from edgeconnect.errors import InputError


def test_the_cpu_is_chosen_when_asked_for_and_a_gpu_before_it_when_there_is_one(monkeypatch) -> None:
    assert device.choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.choose_device("auto").type == "cuda"


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
import resource, sys, torch
from edgeconnect.memory import keep_memory
torch.set_num_threads(1)
assert sys.argv[1] == "plain" or keep_memory()
for i in range(15):
    if i == 12:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    def page_faults(mode: str) -> int:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": ""}
        command = [sys.executable, "-c", program, mode]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return int(result.stdout)

    # 40 MB, three times over; aligned blocks find their places in the heap after some rounds
    assert page_faults("kept") < 0.01 * page_faults("plain")


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
