"""Line plots as inline SVG, for reports that need no library and no network to be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#1f5fbf", "#c8472b", "#2b8a4b", "#8a4bb0", "#b8860b", "#2b8f9e", "#c23b80", "#5b6470")

Point = tuple[str, float, tuple[float, float]]  # a label on the x axis, the mean, its interval

FEW_POINTS = 30  # a curve of more is noise, through which its running mean is drawn
_MEAN_SHARE = 0.05  # of the points that this mean is over

_WIDTH, _HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 392, 30, 222


def line_plot(title: str, series: Mapping[str, Sequence[Point]]) -> str:
    """An SVG figure with a line and interval bars for each series, in the order of COLOURS."""
    labels = sorted(
        {p[0] for points in series.values() for p in points}, key=lambda label: int(label.split("-")[0])
    )
    bounds = [y for points in series.values() for _, mean, interval in points for y in (mean, *interval)]
    low, high, step = _axis([y for y in bounds if math.isfinite(y)])

    def x(label: str, shift: float = 0) -> float:
        return _LEFT + (labels.index(label) + 0.5) * (_RIGHT - _LEFT) / len(labels) + shift

    def y(value: float) -> float:
        return _BOTTOM - (min(max(value, low), high) - low) / (high - low) * (_BOTTOM - _TOP)

    parts = [f'<text x="{_LEFT}" y="17" font-weight="600" font-size="13">{escape(title)}</text>']
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        rule = f'<path class="rule" d="M{_LEFT} {y(value):.1f}H{_RIGHT}" stroke="#e3e6ea"/>'
        parts.append(rule)
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    parts += [
        f'<text x="{x(label):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{label}</text>' for label in labels
    ]
    for i, points in enumerate(series.values()):
        colour = COLOURS[i % len(COLOURS)]
        aside = 5 * (i - (len(series) - 1) / 2)  # so that bars do not cover one another
        line = " ".join(f"{x(label, aside):.1f},{y(mean):.1f}" for label, mean, _ in points)
        bars = "".join(f"M{x(label, aside):.1f} {y(a):.1f}V{y(b):.1f}" for label, _, (a, b) in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<path d="{bars}" stroke="{colour}" stroke-opacity=".45" stroke-width="4"/>')
        parts += [
            f'<circle cx="{x(label, aside):.1f}" cy="{y(mean):.1f}" r="3" fill="{colour}"/>'
            for label, mean, _ in points
        ]
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'font-size="11" font-family="system-ui, sans-serif" fill="#1c2127">{body}</svg>'
    )


def curve_plot(title: str, curve: Sequence[tuple[float, float]], *, is_exact: bool = False) -> str:
    """An SVG figure of one curve over steps, with its last value beside the title.

    title: its name. curve: (step, value) of each point in order. is_exact: without noise. A page
    may give the classes `line`, `faint`, `dot` and `rule` colours.
    """
    is_noisy = len(curve) > FEW_POINTS and not is_exact
    mean = running_mean(curve) if is_noisy else curve
    low, high, step = _axis([y for _, y in curve])
    first, last = curve[0][0], max(curve[-1][0], curve[0][0] + 1)

    def x(value: float) -> float:
        return _LEFT + (value - first) / (last - first) * (_RIGHT - _LEFT)

    def y(value: float) -> float:
        return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)

    heading = f"{title}: {mean[-1][1]:.4g}"
    parts = [f'<text x="{_LEFT}" y="17" font-weight="600" font-size="13">{escape(heading)}</text>']
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        parts.append(f'<path class="rule" d="M{_LEFT} {y(value):.1f}H{_RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for place, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text x="{x(place):.1f}" y="{_BOTTOM + 18}" text-anchor="{anchor}">{place:.0f}</text>')
    for points, kind, width in [(curve, "faint", 1)] * is_noisy + [(mean, "line", 1.8)]:
        line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
        style = f'class="{kind}" stroke="{COLOURS[0]}" stroke-width="{width}"'
        parts.append(f'<polyline points="{line}" fill="none" {style}/>')
    if len(curve) <= FEW_POINTS:
        parts += [
            f'<circle class="dot" cx="{x(at):.1f}" cy="{y(v):.1f}" r="2.6" fill="{COLOURS[0]}"/>'
            for at, v in curve
        ]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(heading)}" '
        f'font-size="11" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def running_mean(curve: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """A curve through the noise of another: each point the mean of its neighbours.

    curve: (step, value) of each point in order.
    """
    reach = round(_MEAN_SHARE * len(curve))
    smooth = []
    for i, (step, _) in enumerate(curve):
        values = [value for _, value in curve[max(0, i - reach) : i + reach + 1]]
        smooth.append((step, sum(values) / len(values)))
    return smooth


def _axis(values: Sequence[float]) -> tuple[float, float, float]:
    """Round (low, high, step) of about five ticks around the values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= span / 5)
    bottom, top = math.floor(low / step), math.ceil(high / step)
    return bottom * step, max(top, bottom + 1) * step, step
