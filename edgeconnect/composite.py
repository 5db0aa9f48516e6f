"""The one place where a picture and what fills its hole are merged by a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def composite(known: Tensor, filled: Tensor, mask: Tensor) -> Tensor:
    """`known` outside the hole, `filled` inside it: (N,C,H,W) twice and (N,1,H,W) -> (N,C,H,W).

    The one place where tensors are merged by a mask (I_comp, C_comp and the masked inputs of the paper).
    """
    return known * (1 - mask) + filled * mask
