"""How the C library hands out memory: a setting that large arrays and tensors profit from; needs no torch."""

from __future__ import annotations

import ctypes
import platform
import sys

# parameter numbers of mallopt(3) in glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def give_back_memory() -> bool:
    """Return freed memory to the system, also what `keep_memory` keeps: after work that is done.

    Returns whether it could be asked for (False off Linux or glibc).
    """
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)
    return _has_glibc()


def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next tensor instead of returning it to the system at once.

    By default every large tensor is a fresh mapping whose pages the kernel clears on first touch: a third of
    a training step. What is larger than any tensor of a step, as a photo of 100 megapixels, goes back at
    once: pieces of it would stay between what is needed. Affects the whole process. Returns whether all of it
    took (False off Linux or glibc).
    """
    if not _has_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 64 << 20), (_M_MMAP_THRESHOLD, 256 << 20))
    took = [mallopt(parameter, value) == 1 for parameter, value in settings]
    if not took[-1]:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that older versions allow
    return all(took)


def _has_glibc() -> bool:
    return sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
