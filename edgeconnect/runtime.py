"""How to compute: device and precision for the machine at hand."""

from __future__ import annotations

from typing import Literal

import torch

from edgeconnect.errors import InputError

Precision = Literal["auto", "float32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"); "auto" is the first GPU, else the CPU.

    Raises InputError for a device this machine or this build of PyTorch does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r}: expected one that PyTorch can use here (auto, cpu, ...): {reason}"
        ) from None


def choose_dtype(device: torch.device, precision: Precision = "auto") -> torch.dtype:
    """bfloat16 where the hardware multiplies in it (or where asked for), else float32; never float16."""
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bf16(device) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
