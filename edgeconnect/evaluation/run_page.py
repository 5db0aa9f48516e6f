"""A training run as one HTML file: curves of its log, its last samples and its settings."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.evaluation.plots import curve_plot
from edgeconnect.io.atomic import write_atomically
from edgeconnect.training.run_folder import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NO_CURVE = ("step", "seconds")
_POINTS = 300  # of a curve; more are means of their neighbours
_SAMPLES = 6

Curve = list[tuple[float, float]]


def write_run_page(run: Path, out: Path | None = None) -> Path:
    """Write the page of a run's folder as it stands, also while it trains: the path, RUN/run.html by default.

    Raises InputError where the folder holds no log.
    run: the folder. out: another path for the page.
    """
    paths = Paths(run)
    if not paths.log.is_file():
        raise InputError(f"{run}: expected a run's folder with log.jsonl, found none")
    curves = read_curves(paths.log)
    if not curves:
        raise InputError(f"{paths.log}: expected lines with a step, got none")
    last = int(max(step for curve in curves.values() for step, _ in curve))
    plots = "".join(curve_plot(name, thinned(curve)) for name, curve in sorted(curves.items(), key=_order))
    target = out or run / "run.html"
    page = _TEMPLATE.format(
        name=escape(run.resolve().name),
        step=last,
        plots=plots,
        samples=_samples(sorted((run / "samples").glob("*.png"))),
        config=escape(paths.config.read_text("utf-8") if paths.config.is_file() else ""),
    )
    write_atomically(target, page.encode())
    return target


def read_curves(log: Path) -> dict[str, Curve]:
    """Each number of log.jsonl over its steps, by name; a line that a kill cut off is left out."""
    curves: dict[str, Curve] = {}
    for line in log.read_text("utf-8", errors="replace").splitlines():
        for name, step, value in _numbers(line):
            curves.setdefault(name, []).append((step, value))
    return curves


def thinned(curve: Curve) -> Curve:
    """At most _POINTS points, each the mean of its neighbours."""
    if len(curve) <= _POINTS:
        return curve
    parts = np.array_split(np.array(curve), _POINTS)
    return [(float(step), float(value)) for step, value in (part.mean(0) for part in parts)]


def _numbers(line: str) -> list[tuple[str, float, float]]:
    try:
        values: dict[str, Any] = json.loads(line)
        step = float(values["step"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return []
    return [
        (name, step, float(value))
        for name, value in values.items()
        if name not in _NO_CURVE and isinstance(value, int | float) and math.isfinite(value)
    ]


def _order(item: tuple[str, Curve]) -> tuple[bool, bool, str]:
    """Validation first, then the losses, then rate and speed."""
    name = item[0]
    return name in ("lr", "images_per_s"), not name.startswith("val_"), name


def _samples(found: Sequence[Path]) -> str:
    """The last samples, newest first, and the very first one."""
    shown = [*reversed(found[-_SAMPLES:]), *(found[:1] if len(found) > _SAMPLES else [])]
    return "".join(
        f'<figure><img src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}" '
        f'alt="samples, {escape(path.stem)}"><figcaption>{escape(path.stem)}</figcaption></figure>'
        for path in shown
    )


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}: training</title>
<style>
:root {{ color-scheme: light dark; --ink: light-dark(#1c2127, #e6e9ec);
  --rule: light-dark(#e3e6ea, #3a4048) }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1.5rem; max-width: 1400px;
  color: var(--ink); background: light-dark(#fff, #16191d) }}
h1, h2 {{ font-weight: 600 }}
.plots {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)) }}
svg {{ fill: var(--ink) }} svg .rule {{ stroke: var(--rule) }}
figure {{ margin: 0 0 1.2rem }} img {{ max-width: 100% }} figcaption {{ font-size: 13px }}
pre {{ font-size: 12px; overflow-x: auto }}
</style>
<h1>{name}</h1>
<p>After step {step}. Curves of more than 300 points show means of neighbours.</p>
<div class="plots">{plots}</div>
<h2>Samples, newest first</h2>
{samples}
<h2>Settings</h2>
<pre>{config}</pre>
</html>
"""
