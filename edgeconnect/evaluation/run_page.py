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
from edgeconnect.io.schema import read_yaml
from edgeconnect.training.run_folder import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NO_CURVE = ("step", "seconds")
_RATES = ("lr", "images_per_s")
_POINTS = 300  # of a curve; more are means of their neighbours
_SAMPLES = 6

Curve = list[tuple[float, float]]


def write_run_page(run: Path, out: Path | None = None, every_s: int | None = None) -> Path:
    """Write the page of a run's folder as it stands, also while it trains: the path, RUN/run.html by default.

    Raises InputError where the folder holds no log.
    run: the folder. out: another path for the page. every_s: how often an open page is loaded again.
    """
    paths = Paths(run)
    if not paths.log.is_file():
        raise InputError(f"{run}: expected a run's folder with log.jsonl, found none")
    curves = read_curves(paths.log)
    if not curves:
        raise InputError(f"{paths.log}: expected lines with a step, got none")
    last = int(max(step for curve in curves.values() for step, _ in curve))
    config = read_yaml(paths.config) if paths.config.is_file() else {}
    target = out or run / "run.html"
    page = _TEMPLATE.format(
        name=escape(run.resolve().name),
        refresh=f'<meta http-equiv="refresh" content="{every_s}">' if every_s else "",
        progress=_progress(last, config),
        plots=_plots(curves),
        samples=_samples(sorted((run / "samples").glob("*.png"))),
        config=escape(paths.config.read_text("utf-8") if config else ""),
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
        numbers = [(name, float(value)) for name, value in values.items() if isinstance(value, int | float)]
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        return []
    return [
        (name, step, value)
        for name, value in numbers
        if name not in _NO_CURVE and math.isfinite(step + value)
    ]


def _progress(step: int, config: dict[str, Any]) -> str:
    """How far the run is, and what it trains on what."""
    of = f" of {config['steps']}" if config.get("steps") else ""
    what = f": stage {config['stage']}, photos {config.get('photos')}" if config.get("stage") else ""
    return escape(f"After step {step}{of}{what}.")


def _plots(curves: dict[str, Curve]) -> str:
    """Validation first, then the losses, then rate and speed, each under its heading."""
    groups: dict[str, list[str]] = {"Validation": [], "Training": [], "Rate and speed": []}
    for name in sorted(curves):
        group = "Rate and speed" if name in _RATES else "Validation" if name[:4] == "val_" else "Training"
        groups[group].append(curve_plot(name, thinned(curves[name]), is_exact=name == "lr"))
    return "".join(
        f'<h2>{heading}</h2><div class="plots">{"".join(plots)}</div>'
        for heading, plots in groups.items()
        if plots
    )


def _samples(found: Sequence[Path]) -> str:
    """The last samples, newest first, and the very first one."""
    shown = [*reversed(found[-_SAMPLES:]), *(found[:1] if len(found) > _SAMPLES else [])]
    return "".join(
        f'<figure><img src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}" '
        f'alt="samples, {escape(_said(path))}"><figcaption>{escape(_said(path))}</figcaption></figure>'
        for path in shown
    )


def _said(path: Path) -> str:
    """step_00002500 is step 2500."""
    number = path.stem.removeprefix("step_")
    return f"step {int(number)}" if number.isdecimal() else path.stem


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">{refresh}
<title>{name}: training</title>
<style>
:root {{ color-scheme: light dark; --ink: light-dark(#1c2127, #e6e9ec);
  --rule: light-dark(#e3e6ea, #3a4048); --line: light-dark(#1f5fbf, #8ab4ff);
  --quiet: light-dark(#5b6470, #a9b1ba) }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1.5rem; max-width: 1400px;
  color: var(--ink); background: light-dark(#fff, #16191d) }}
h1, h2 {{ font-weight: 600 }} h1 {{ margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin: 1.6rem 0 .6rem }}
p, figcaption {{ color: var(--quiet) }}
.plots {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)) }}
svg {{ fill: var(--ink) }} .rule {{ stroke: var(--rule) }} .line, .faint {{ stroke: var(--line) }}
.faint {{ opacity: .35 }} .dot {{ fill: var(--line) }}
.samples {{ display: flex; flex-wrap: wrap; gap: 1.2rem }}
figure {{ margin: 0 }} img {{ max-width: 100%; border-radius: 4px }} figcaption {{ font-size: 13px }}
summary {{ cursor: pointer; font-weight: 600; margin: 1.6rem 0 .6rem }}
pre {{ font-size: 12px; overflow-x: auto }}
</style>
<h1>{name}</h1>
<p>{progress} Noisy curves are faint, with their running mean, whose last value stands beside the name.</p>
{plots}
<h2>Samples, newest first</h2>
<div class="samples">{samples}</div>
<details><summary>Settings</summary><pre>{config}</pre></details>
</html>
"""
