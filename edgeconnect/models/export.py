"""Generators as graphs for other programs: `torch.export`, and ONNX files for any height and width."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from edgeconnect.errors import InputError
from edgeconnect.io.atomic import write_atomically
from edgeconnect.models.generators import EdgeGenerator, InpaintGenerator
from edgeconnect.models.layers import MULTIPLE
from edgeconnect.models.smooth_fill import STEPS, TENSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch.export import ExportedProgram

    from edgeconnect.models.checkpoint import Weights

    Value = Any  # a tensor of a graph: its library has no types

MIN_SIDE_PX, MAX_SIDE_PX = 16, 65536
SMOOTH_LEVELS = 8  # of the smooth fill in ONNX; a side of up to 2^9 px has no more
OPSET = 18


def export(network: EdgeGenerator | InpaintGenerator) -> ExportedProgram:
    """A generator as a graph of torch's operators, for any batch and any height and width.

    The graph takes what the generator does, float32; an edge generator that starts from continued lines takes
    these too, as its fourth input. Heights and widths are multiples of 4 from 16 px up. The smooth fill of an
    inpainting generator stays one operator, `edgeconnect::smooth_fill`, which importing this package defines.
    """
    batch = torch.export.Dim("N")
    height, width = (
        MULTIPLE * torch.export.Dim(name, min=MIN_SIDE_PX // MULTIPLE, max=MAX_SIDE_PX // MULTIPLE)
        for name in ("height_in_fours", "width_in_fours")
    )
    examples = tuple(torch.rand(2, channels, 32, 48) for _, channels in inputs(network))
    dims = tuple({0: batch, 2: height, 3: width} for _ in examples)
    return torch.export.export(network.eval(), examples, dynamic_shapes=dims)


def inputs(network: EdgeGenerator | InpaintGenerator) -> list[tuple[str, int]]:
    """Names and channels of what the exported generator takes, (N,channels,H,W) each."""
    if isinstance(network, InpaintGenerator):
        return [("photo", 3), ("edge", 1), ("mask", 1)]
    start = [("start", 1)] if network.edge_start == "continued" else []
    return [("gray", 1), ("edge", 1), ("mask", 1), *start]


def save_onnx(target: Path, weights: Weights) -> list[Path]:
    """Write the generators as ONNX files: their paths.

    target: a folder, which gets a file for each generator, by its name; or, for weights with one generator, a
    file that ends in .onnx. Inputs are those of `inputs`; the output is called "completed" or "painted". The
    metadata are those of a weights file. Raises InputError where onnx and onnxscript are not installed, where
    there is no generator, and for a file where there are two.
    """
    found = {n: m for n, m in weights.networks.items() if isinstance(m, EdgeGenerator | InpaintGenerator)}
    if not found:
        raise InputError(f"{target}: expected weights with a generator, got {', '.join(weights.networks)}")
    if target.suffix == ".onnx" and len(found) > 1:
        raise InputError(
            f"{target}: expected a folder, as ONNX files hold one network each and these are two"
        )
    paths = []
    for name, network in found.items():
        path = target if target.suffix == ".onnx" else target / f"{name}.onnx"
        metadata = {
            "network": name,
            "config": json.dumps(network.config),
            "sigma": str(weights.sigma),
            "detector": weights.detector,
            "provenance": json.dumps(weights.provenance),
        }
        content = _onnx_bytes(network, metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        paths.append(path)
    return paths


def _onnx_bytes(network: EdgeGenerator | InpaintGenerator, metadata: dict[str, str]) -> bytes:
    try:
        import onnxscript
    except ImportError:
        raise InputError(
            "expected the packages onnx and onnxscript, got none: pip install 'edgeconnect[onnx]'"
        ) from None
    translations: dict[Callable[..., Any], Callable[..., Any]] = {
        torch.ops.edgeconnect.smooth_fill.default: _smooth_fill(onnxscript.opset18)
    }
    output = "completed" if isinstance(network, EdgeGenerator) else "painted"
    program = torch.onnx.export(
        export(network),
        dynamo=True,
        optimize=False,  # what runs the file does so as it loads it, in a hundredth of the time
        opset_version=OPSET,
        input_names=[name for name, _ in inputs(network)],
        output_names=[output],
        custom_translation_table=translations,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(metadata)
    graph: Any = program.model.graph
    for value in (*graph.inputs, *graph.outputs):
        value.shape = onnxscript.ir.Shape(["N", value.shape[1], "H", "W"])
    content: bytes = program.model_proto.SerializeToString()
    return content


def _smooth_fill(op: Any) -> Callable[[Value, Value], Value]:
    """`smooth_fill` in ONNX's operators: the same sums, on SMOOTH_LEVELS levels for every size.

    A level of 2 px or less takes nothing from the coarser ones, so that all sides of up to
    2^(SMOOTH_LEVELS + 1) px have the same levels as there; of larger ones the coarsest are left out, which
    holes notice that cover whole cells of 2^SMOOTH_LEVELS px.
    """

    @cache
    def floats(value: float) -> Value:
        return op.Constant(value_float=value)

    @cache
    def ints(*values: int) -> Value:
        return op.Constant(value_ints=values)

    def composite(known: Value, filled: Value, mask: Value) -> Value:
        return op.Add(op.Mul(known, op.Sub(floats(1), mask)), op.Mul(filled, mask))

    def laplacian(u: Value) -> Value:
        rim = op.Pad(u, ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
        end = 1 << 30
        parts = ((0, 1, -2, -1), (2, 1, end, -1), (1, 0, -1, -2), (1, 2, -1, end))  # up, down, left, right
        shifted = [op.Slice(rim, ints(*part[:2]), ints(*part[2:]), ints(2, 3)) for part in parts]
        return op.Sub(op.Sum(*shifted), op.Mul(floats(4), u))

    def dot(a: Value, b: Value) -> Value:
        return op.ReduceSum(op.Mul(a, b), ints(2, 3), keepdims=1)

    def pooled(values: Value) -> Value:
        return op.AveragePool(values, kernel_shape=(2, 2), strides=(2, 2), ceil_mode=1, count_include_pad=0)

    def conjugate_gradients(filled: Value, mask: Value, tension: float) -> Value:
        def gradient(u: Value) -> Value:
            bent = laplacian(u)
            return op.Mul(op.Sub(laplacian(bent), op.Mul(floats(tension), bent)), mask)

        residual = op.Neg(gradient(filled))
        direction, size = residual, dot(residual, residual)
        for _ in range(STEPS):
            change = gradient(direction)
            length = op.Div(size, op.Max(dot(direction, change), floats(1e-20)))
            filled = op.Add(filled, op.Mul(length, direction))
            residual = op.Sub(residual, op.Mul(length, change))
            before, size = size, dot(residual, residual)
            direction = op.Add(residual, op.Mul(op.Div(size, op.Max(before, floats(1e-20))), direction))
        return filled

    def level(photo: Value, mask: Value, tension: float, coarser: int) -> Value:
        known = op.Sub(floats(1), mask)
        total, share = dot(photo, known), op.ReduceSum(known, ints(2, 3), keepdims=1)
        mean = op.Expand(op.Div(total, op.Max(share, floats(1))), op.Shape(photo))
        if coarser == 0:
            return composite(photo, mean, mask)
        weight = pooled(known)
        coarse = op.Div(pooled(op.Mul(photo, known)), op.Max(weight, floats(0.25)))
        hole = op.Cast(op.Equal(weight, floats(0)), to=1)
        filled = op.Resize(
            level(coarse, hole, 4 * tension, coarser - 1),
            None,
            None,
            op.Shape(photo),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        filled = conjugate_gradients(composite(photo, filled, mask), mask, tension)
        side = op.ReduceMin(op.Shape(photo, start=2), keepdims=0)
        return composite(photo, op.Where(op.Greater(side, op.Constant(value_int=2)), filled, mean), mask)

    def filled(photo: Value, mask: Value) -> Value:
        floats.cache_clear()  # a constant is a part of one graph
        ints.cache_clear()
        return level(photo, mask, TENSION, SMOOTH_LEVELS)

    return filled
