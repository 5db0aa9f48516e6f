"""How fast, against plain float32: `python -m eval.speed [canny] [train] [infer] [large]`.

Every comparison is interleaved (one of each in turn), what allocator settings touch in processes of their
own, and printed as a ratio of medians: seconds change with the machine and its other work, ratios hardly.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgeconnect.errors import InputError
from eval.tables import write_json_lines

Row = dict[str, Any]
SIZES = (256, 512, 1024)


def canny(runs: int) -> list[Row]:
    """edges.canny against skimage.feature.canny on sample photos at 256x256, sigma 2, one thread."""
    import cv2
    from skimage import feature

    from edgeconnect import edges, masks
    from edgeconnect.demo import samples

    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    pairs = [(edges.to_gray(photo), ~masks.strokes(rng, 256, 256, (0.1, 0.4))) for _, photo, _ in samples()]
    rows = []
    for name, hidden in (("all pixels", False), ("known pixels alone", True)):
        times: dict[str, list[float]] = {"plain": [], "ours": []}
        differing = 0
        for gray, known in pairs * runs:
            mask = known if hidden else None
            seconds, truth = _timed(lambda g=gray, m=mask: feature.canny(g, 2.0, mask=m))
            times["plain"].append(seconds)
            seconds, found = _timed(lambda g=gray, m=mask: edges.canny(g, 2.0, known=m))
            times["ours"].append(seconds)
            differing += int((truth != found).sum())
        rows.append(
            _row(f"canny, {name}", times, note=f"{differing} differing pixels of {len(pairs) * runs * 65536}")
        )
    return rows


def train(runs: int) -> list[Row]:
    """A step of stage `inpaint`, paper width, 256x256, batch 4, random VGG-19 features."""
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "vgg19.pth"
        _made_up_vgg19(features)
        times = _alternate("train", ("plain", "shipped", "shipped+compile"), runs, str(features))
    return [
        _row(f"training step, {name}", {"plain": times["plain"], "ours": times[name]})
        for name in ("shipped", "shipped+compile")
    ]


def infer(runs: int) -> list[Row]:
    """Both stages, paper width, over a whole square photo; and what bf16 changes in the shipped weights'
    pictures.
    """
    rows = []
    for size in SIZES:
        times = _alternate("infer", ("plain", "shipped", "float32"), runs, str(size))
        rows += [
            _row(f"both stages at {size}, {name}", {"plain": times["plain"], "ours": times[name]})
            for name in ("shipped", "float32")
        ]
    return [*rows, _bf16_difference()]


def large(runs: int) -> list[Row]:
    """The same 200x200 hole in a 24-megapixel photo against one in a 1-megapixel photo."""
    times = _alternate("large", ("1 megapixel", "24 megapixels"), runs, "")
    peak = max(_PEAKS["24 megapixels"])
    row = _row("200x200 hole", {"plain": times["1 megapixel"], "ours": times["24 megapixels"]})
    return [{**row, "ratio": 1 / row["ratio"], "note": f"24 against 1 megapixel; peak memory {peak:.2f} GB"}]


BENCHMARKS: dict[str, Callable[[int], list[Row]]] = {
    "canny": canny,
    "train": train,
    "infer": infer,
    "large": large,
}
_PEAKS: dict[str, list[float]] = {}


def _train_seconds(variant: str, features: str) -> list[float]:
    import torch

    from edgeconnect.batch import Batch, luminance
    from edgeconnect.config import TrainConfig
    from edgeconnect.trainer import Trainer, build_networks
    from edgeconnect.vgg import load_features

    _as(variant)
    precision = "float32" if variant == "plain" else "auto"
    config = TrainConfig(
        stage="inpaint", photos=Path("-"), run=Path("-"), batch_size=4, device="cpu", precision=precision,
        compile=variant.endswith("compile"),
    )  # fmt: skip
    trainer = Trainer(config, build_networks(config), load_features(Path(features)), torch.device("cpu"))
    photo = torch.rand(4, 3, 256, 256)
    mask = torch.zeros(4, 1, 256, 256)
    mask[..., 64:192, 64:192] = 1
    batch = Batch(photo, luminance(photo), (torch.rand_like(mask) > 0.9).float(), mask)
    trainer.train_step(batch)
    return [_timed(lambda: trainer.train_step(batch))[0] for _ in range(3)]


def _infer_seconds(variant: str, size: str) -> list[float]:
    import torch

    from edgeconnect.batch import composite

    _as(variant)
    gray, edge, mask = (np.random.default_rng(0).random((3, int(size), int(size)), np.float32) > 0.8).astype(
        np.float32
    )
    photo = np.stack([gray] * 3, axis=2)
    if variant != "plain":
        model = _paper_sized(precision="auto" if variant == "shipped" else "float32")

        def both() -> Any:
            C_pred = model._run("edge_generator", gray, edge, mask)[..., 0]
            return model._run("inpaint_generator", photo, np.where(mask > 0, C_pred, edge), mask)
    else:
        from edgeconnect.generators import EdgeGenerator, InpaintGenerator

        G1, G2 = EdgeGenerator(spectral=False).eval(), InpaintGenerator().eval()
        planes = [torch.from_numpy(plane)[None, None] for plane in (gray, edge, mask)]
        colours = torch.from_numpy(photo).permute(2, 0, 1)[None].contiguous()

        @torch.no_grad()
        def both() -> Any:
            return G2(colours, composite(planes[1], G1(*planes), planes[2]), planes[2])

    both()
    return [_timed(both)[0] for _ in range(3)]


def _large_seconds(variant: str, _: str) -> list[float]:
    import cv2
    from skimage import data

    width, height = (1200, 834) if variant.startswith("1 ") else (6000, 4000)
    photo = cv2.resize(data.astronaut(), (width, height))
    mask = np.zeros((height, width), bool)
    mask[300:500, 400:600] = True
    model = _paper_sized(precision="auto")
    model.inpaint(photo, mask)
    return [_timed(lambda: model.inpaint(photo, mask))[0] for _ in range(3)]


_WORK = {"train": _train_seconds, "infer": _infer_seconds, "large": _large_seconds}


def _as(variant: str) -> None:
    """Make this process compute as shipped, or plainly: no allocator settings, PyTorch's instance norm."""
    from torch.nn import functional as F

    from edgeconnect import networks
    from edgeconnect.memory import keep_memory

    if variant == "plain":
        networks.InstanceNorm.forward = lambda self, x: F.instance_norm(x)  # type: ignore[method-assign]
    else:
        keep_memory()


def _paper_sized(precision: str) -> Any:
    from edgeconnect.checkpoint import Weights, build_network
    from edgeconnect.inpaint import EdgeConnect

    networks = {n: build_network(n, spectral=False) for n in ("edge_generator", "inpaint_generator")}
    return EdgeConnect(Weights(networks), "cpu", precision)  # type: ignore[arg-type]


def _bf16_difference() -> Row:
    """The largest and mean difference in the holes of the sample photos, shipped weights, bf16 against
    float32.
    """
    from edgeconnect import EdgeConnect
    from edgeconnect.demo import samples

    exact, fast = (EdgeConnect.load(device="cpu", precision=p) for p in ("float32", "bf16"))
    values = [
        np.abs(exact.inpaint(p, m)[m] / 255 - fast.inpaint(p, m)[m] / 255).ravel() for _, p, m in samples()
    ]
    difference = np.concatenate(values)
    note = f"largest {difference.max():.3f}, mean {difference.mean():.4f} of 1, in the sample photos' holes"
    return {"what": "bf16 against float32, shipped weights", "note": note}


def _alternate(work: str, variants: tuple[str, ...], runs: int, argument: str) -> dict[str, list[float]]:
    """Seconds of each variant, each in `runs` processes of its own, in turn."""
    times: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(runs):
        for variant in variants:
            command = [sys.executable, "-m", "eval.speed", "--work", work, variant, argument]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            result = json.loads(output.splitlines()[-1])
            times[variant].append(min(result["seconds"]))
            _PEAKS.setdefault(variant, []).append(result["peak_gb"])
    return times


def _row(what: str, times: dict[str, list[float]], note: str = "") -> Row:
    plain, ours = statistics.median(times["plain"]), statistics.median(times["ours"])
    return {
        "what": what,
        "plain_s": plain,
        "ours_s": ours,
        "ratio": plain / ours,
        "runs": len(times["ours"]),
        "note": note,
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _made_up_vgg19(path: Path) -> None:
    import torch
    from torchvision.models import vgg19

    state = vgg19(weights=None).state_dict()
    torch.save({key: value for key, value in state.items() if key.startswith("features.")}, path)


def _show(row: Row) -> None:
    if "ratio" in row:
        seconds = f"{row['plain_s']:9.4f} s -> {row['ours_s']:9.4f} s  {row['ratio']:5.2f}x  N={row['runs']}"
        print(f"{row['what']:44} {seconds}  {row['note']}", flush=True)
    else:
        print(f"{row['what']:44} {row['note']}", flush=True)


def main() -> None:
    """Print one line for each comparison; with --json, write them too."""
    parser = argparse.ArgumentParser(prog="python -m eval.speed", description=__doc__)
    parser.add_argument(
        "what", nargs="*", choices=(*BENCHMARKS, []), help=f"of {', '.join(BENCHMARKS)} [all]"
    )
    parser.add_argument("--runs", type=int, default=5, help="of each variant [5]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also as JSON lines")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work, variant, argument = options.work
        seconds = _WORK[work](variant, argument)
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"seconds": seconds, "peak_gb": peak_gb, "pid": os.getpid()}))
        return
    rows = []
    try:
        for name in options.what or BENCHMARKS:
            for row in BENCHMARKS[name](options.runs):
                rows.append(row)
                _show(row)
        if options.json:
            write_json_lines(options.json, rows)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
