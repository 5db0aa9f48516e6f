"""A made-up GPU for machines without a card: tensors that claim to be on it and are computed on the CPU.

What a card refuses is refused: tensors of two devices in one operation, NumPy's look at a tensor of the card,
random numbers of another device, operations on uint16 that it has no kernels for. What makes the processor
wait for the card is counted. The kernels are the CPU's, so nothing is said about rounding, speed and memory.
The device is called "meta", the one name beside the CPU's for which PyTorch computes gradients without a
card; it has no autocast, which is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CARD = torch.device("meta")
WAITED_FOR = {"_local_scalar_dense", "nonzero", "equal", "masked_select"}
"""Operations whose result the processor has to look at."""
ON_UINT16 = {
    "_to_copy",
    "copy_",
    "detach",
    "alias",
    "view",
    "slice",
    "select",
    "permute",
    "unsqueeze",
    "expand",
}
"""Operations on uint16 that cards have; others, indexing among them, came later or never."""

Generator = torch.Generator


class OnCard(torch.Tensor):
    """A tensor of the made-up card, whose numbers are in `kept`."""

    kept: torch.Tensor

    @staticmethod
    def __new__(cls, kept: torch.Tensor) -> OnCard:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            kept.shape,
            strides=kept.stride(),
            storage_offset=kept.storage_offset(),
            dtype=kept.dtype,
            device=CARD,
        )
        made.kept = kept
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnCard({self.kept})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError("a tensor of the made-up card outlived it")


class CardGenerator(Generator):
    """Random numbers of the card; `made` has the addresses of those that there are."""

    made: ClassVar[set[int]] = set()

    def __new__(cls, device: torch.device | str = "cpu") -> Any:
        if torch.device(device).type == "cpu":
            return Generator()
        generator = super().__new__(cls)
        cls.made.add(generator._cdata)
        return generator

    def __init__(self, device: torch.device | str = "cpu") -> None:
        pass

    def __del__(self) -> None:
        self.made.discard(self._cdata)


class Card(TorchDispatchMode):
    """The card, while this is entered; `waits` counts by operation how often the processor waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
        is_here = any(isinstance(value, OnCard) for value in given)
        asked = kwargs.get("device")
        is_made_here = is_here if asked is None else torch.device(asked).type == CARD.type
        _check(name, given, is_here, is_made_here, kwargs.get("generator"))
        if is_here:
            self.waits[name] += _is_waited_for(name, args, is_made_here)
        if asked is not None:
            kwargs = kwargs | {"device": torch.device("cpu")}
        inside = tree_map(lambda value: value.kept if isinstance(value, OnCard) else value, (args, kwargs))
        result = func(*inside[0], **inside[1])
        changed = _changed(func, args, kwargs)
        if changed is not None:
            return changed
        return tree_map(_on_card, result) if is_made_here else result


def _on_card(value: Any) -> Any:
    return OnCard(value) if isinstance(value, torch.Tensor) else value


def _check(name: str, given: list[torch.Tensor], is_here: bool, is_made_here: bool, generator: Any) -> None:
    elsewhere = [value for value in given if not isinstance(value, OnCard)]
    # one number of the CPU may take part in what a card computes
    if is_here and name not in ("_to_copy", "copy_") and any(value.ndim for value in elsewhere):
        raise RuntimeError(f"{name}: expected tensors of one device, got some of the card, some of the CPU")
    if generator is not None and (generator._cdata in CardGenerator.made) != is_made_here:
        raise RuntimeError(f"{name}: expected a generator of the device that its numbers are made on")
    if is_here and name not in ON_UINT16 and any(value.dtype == torch.uint16 for value in given):
        raise NotImplementedError(f"{name}: cards have none for uint16")


def _is_waited_for(name: str, args: Any, is_made_here: bool) -> bool:
    if name in ("index", "index_put", "index_put_"):  # at the places where a mask is true
        return any(index is not None and index.dtype == torch.bool for index in args[1])
    if name == "copy_":
        return isinstance(args[0], OnCard) != isinstance(args[1], OnCard)
    return name in WAITED_FOR or (name == "_to_copy" and not is_made_here)


def _changed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation in place returns: those of its arguments that it changed."""
    named = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    written = {
        next(iter(argument.alias_info.before_set)): named[argument.name]
        for argument in func._schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write and argument.alias_info.before_set
    }
    returned = [value.alias_info for value in func._schema.returns]
    found = [written[next(iter(info.before_set))] for info in returned if info is not None and info.is_write]
    return None if not found else found[0] if len(found) == 1 else tuple(found)


@contextmanager
def made_up_card() -> Iterator[Card]:
    """The card, meanwhile."""
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with (
            mock.patch("torch.Generator", CardGenerator),
            mock.patch("torch.autocast", lambda *args, **options: nullcontext()),
            mock.patch("torch.optim.adam._device_dtype_check_for_fused", lambda parameter: None),
            Card() as card,
        ):
            yield card
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)
