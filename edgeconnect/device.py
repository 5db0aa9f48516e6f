"""How to compute: device and precision for the machine at hand."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

Precision = Literal["auto", "float32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"); "auto" is the first CUDA GPU, else the CPU.

    "cuda" is the own GPU of each process that `torchrun` started. Raises InputError for a device this machine
    or this build of PyTorch does not have, and for a card that it has but cannot use.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.empty(0, device=name).device
        torch.ones(1, device=device).item()  # "meta" is a device that computes nothing
        return device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r}: expected one that PyTorch can use here (cpu, ...): {reason}"
        ) from None


def choose_dtype(device: torch.device, precision: Precision = "auto") -> torch.dtype:
    """bfloat16 where the hardware multiplies in it (or where asked for), else float32; never float16.

    device: where it computes. precision: "float32", "bf16", or "auto" for what the hardware does best.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def describe(device: torch.device, dtype: torch.dtype) -> str:
    """What computes and how, on which results depend: the device's name, precision, and CUDA's settings.

    device, dtype: as `choose_device` and `choose_dtype` chose them.
    """
    precision = "bf16" if dtype == torch.bfloat16 else "float32"
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    if device.type != "cuda":
        return f"{device.type}, {precision}" + (", deterministic kernels on" if is_deterministic else "")
    flags = {
        "TF32 convolutions": torch.backends.cudnn.allow_tf32,
        "TF32 products": torch.backends.cuda.matmul.allow_tf32,
        "cuDNN's benchmark": torch.backends.cudnn.benchmark,
        "deterministic kernels": is_deterministic,
    }
    settings = ", ".join(f"{name} {'on' if flag else 'off'}" for name, flag in flags.items())
    return f"{torch.cuda.get_device_name(device)}, {precision}, {settings}"


@contextmanager
def exact_float32() -> Iterator[None]:
    """Multiply float32 as float32 on every device: in convolutions GPUs would round to TF32's 10 bits."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Use kernels alone that give the same bits on every run, which are slower on GPUs.

    To be entered before anything is computed on a GPU, as cuBLAS takes its setting when it starts. Raises
    InputError where an operation has no such kernel.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise InputError(
            f"deterministic: expected kernels that give the same bits on every run, got: "
            f"{str(error).splitlines()[0]}"
        ) from None
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def forget_peak_memory() -> None:
    """Let `peak_memory_mb` count from now on."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        for number in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(number)


def peak_memory_mb() -> float | None:
    """The most that tensors took on any CUDA device at once, networks included; None where none is used."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    devices = range(torch.cuda.device_count())
    return max(torch.cuda.max_memory_allocated(number) for number in devices) / 2**20


def compile_network(network: nn.Module, device: torch.device) -> None:
    """Let `network` compile itself for each size and mode that it is called with, in place.

    Raises InputError where the CPU's code would have to be compiled by a C++ compiler that is not there.
    network: any module. device: where it computes.
    """
    options: dict[str, str | int | bool] = {}
    if device.type == "cpu":
        if cpp_compiler() is None:
            raise InputError("compiling for the CPU needs a C++ compiler: install g++, or name one in CXX")
        if torch.backends.cpu.get_cpu_capability() == "AVX512":
            # GCC 12 at -O3 gets PyTorch's 512-bit transposition of bfloat16 wrong: gradients become nan
            options["cpp.simdlen"] = 256
    network.compile(dynamic=False, options=options)


def cpp_compiler() -> str | None:
    """The C++ compiler that torch.compile would use for the CPU, or None where there is none."""
    default = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", default))


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
