"""A benchmark's report: tables for Markdown, LaTeX and spreadsheets, and one HTML file that can be mailed."""

from __future__ import annotations

import io
import json
import statistics
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from edgeconnect.evaluation.measures import HOLE, VGG_L1, Measure
from edgeconnect.evaluation.pairing import Case
from edgeconnect.evaluation.plots import COLOURS, Point, line_plot
from edgeconnect.evaluation.tables import (
    Group,
    csv_rows,
    groups,
    interval_text,
    latex_rows,
    markdown_rows,
)
from edgeconnect.io.atomic import write_atomically

Row = Mapping[str, Any]

COSTS = ("seconds", "extra_memory_mb", "device_memory_mb")
_SHOWN_CASES = 24
_EMBEDDED_PX = 512  # longest side of a picture in the page


@dataclass(frozen=True)
class Result:
    """One inpainter's scores: all cases and by tenths of hole ratio; what it cost."""

    label: str
    everything: Group
    by_ratio: Sequence[Group]
    seconds: str
    extra_memory: str
    device_memory: str
    fid: float | None


def write_report(
    out: Path,
    found: Sequence[Case],
    rows: Sequence[Row],
    measures: Sequence[Measure],
    fid: Mapping[str, float | None],
    origin: Mapping[str, Any],
) -> Path:
    """Write results.md, .csv and .tex and report.html into `out`; the path of the latter.

    `fid` is by inpainter, whose order it gives; None where it was not asked for.
    """
    results = [
        _result(label, [row for row in rows if row["inpainter"] == label], measures, value)
        for label, value in fid.items()
    ]
    table = _table(results, measures)
    write_atomically(out / "results.md", _markdown(results, table, measures, origin).encode())
    write_atomically(out / "results.csv", csv_rows(_numbers(results, measures)).encode())
    write_atomically(out / "results.tex", latex_rows(table).encode())
    by_case = {(row["inpainter"], row["name"]): row for row in rows}
    page = _page(results, table, measures, _cases(_spread(found), list(fid), by_case, out), origin)
    write_atomically(out / "report.html", page.encode())
    return out / "report.html"


def _result(label: str, rows: Sequence[Row], measures: Sequence[Measure], fid: float | None) -> Result:
    everything, *by_ratio = groups(rows, [measure.key for measure in measures])
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    return Result(
        label,
        everything,
        by_ratio,
        f"{statistics.median(seconds):.3g}" if seconds else "-",  # nothing ran here: a folder of results
        _largest(rows, "extra_memory_mb"),
        _largest(rows, "device_memory_mb"),
        fid,
    )


def _largest(rows: Sequence[Row], key: str) -> str:
    """The largest of what rows have under a key; a dash where none has."""
    found = [row[key] for row in rows if row.get(key) is not None]
    return f"{max(found):.0f}" if found else "-"


def _table(results: Sequence[Result], measures: Sequence[Measure]) -> list[list[str]]:
    """Headings and one line an inpainter; a star marks the best mean of a column."""
    scored = [result.fid for result in results if result.fid is not None]
    columns = [[result.label for result in results], [str(result.everything.n) for result in results]]
    columns += [_cells([result.everything for result in results], measure) for measure in measures]
    columns += [[f"{x:.4g}{'*' if x == min(scored) else ''}" for x in scored]] if scored else []
    columns += [[result.seconds for result in results], [result.extra_memory for result in results]]
    on_device = [result.device_memory for result in results]
    is_on_device = any(cell != "-" for cell in on_device)
    columns += [on_device] if is_on_device else []
    fid = ["FID"] if scored else []
    costs = ["s a photo", "extra MB", *(["GPU MB"] if is_on_device else [])]
    head = ["inpainter", "N", *(measure.heading for measure in measures), *fid, *costs]
    return [head, *(list(line) for line in zip(*columns, strict=True))]


def _by_ratio(results: Sequence[Result], measure: Measure) -> list[list[str]]:
    """Headings and one line an inpainter, a column for each tenth of hole ratio."""
    columns = [[result.label for result in results]]
    columns += [_cells(part, measure) for part in zip(*(result.by_ratio for result in results), strict=True)]
    head = ["inpainter", *(f"{group.label} (N = {group.n})" for group in results[0].by_ratio)]
    return [head, *(list(line) for line in zip(*columns, strict=True))]


def _cells(parts: Sequence[Group], measure: Measure) -> list[str]:
    """Each group's mean and interval; a star marks the best."""
    choose = max if measure.higher_is_better else min
    best = choose(group.mean[measure.key] for group in parts)
    cells = []
    for group in parts:
        mean = group.mean[measure.key]
        cells.append(f"{mean:.4g}{'*' if mean == best else ''}{interval_text(group, measure.key, '.4g')}")
    return cells


def _numbers(results: Sequence[Result], measures: Sequence[Measure]) -> list[list[object]]:
    """The table for machines: headings, then each inpainter's plain numbers, None where there is none."""
    bounds = [f"{m.key} {part}" for m in measures for part in ("mean", "low", "high")]
    lines: list[list[object]] = [["inpainter", "n", *bounds, "fid", *COSTS]]
    for result in results:
        group, line = result.everything, [result.label, result.everything.n]
        for measure in measures:
            interval = group.interval_95[measure.key] if group.n > 1 else (None, None)
            line += [group.mean[measure.key], *interval]
        costs = result.seconds, result.extra_memory, result.device_memory
        lines.append([*line, result.fid, *(None if cost == "-" else float(cost) for cost in costs)])
    return lines


def _markdown(
    results: Sequence[Result],
    table: Sequence[Sequence[str]],
    measures: Sequence[Measure],
    origin: Mapping[str, Any],
) -> str:
    """The table, tables by hole ratio of what tells most, and the origin."""
    parts = [markdown_rows(table), "Means [95 % bootstrap interval]; * best."]
    for measure in (*HOLE, *(m for m in measures if m.key.startswith(VGG_L1))):
        parts += [f"## {measure.heading}, by hole ratio", markdown_rows(_by_ratio(results, measure))]
    return "\n\n".join([*parts, f"```\n{json.dumps(origin, indent=1)}\n```\n"])


def _page(
    results: Sequence[Result],
    table_rows: Sequence[Sequence[str]],
    measures: Sequence[Measure],
    pictures: str,
    origin: Mapping[str, Any],
) -> str:
    head, *lines = table_rows
    heads = "".join(f'<th aria-sort="none"><button>{escape(cell)}</button></th>' for cell in head)
    body = "".join(_tag("tr", "".join(_tag("td", _shown(cell)) for cell in line)) for line in lines)
    table = _tag("thead", _tag("tr", heads)) + _tag("tbody", body)
    plots = "".join(
        line_plot(m.heading, {r.label: [_point(group, m) for group in r.by_ratio] for r in results})
        for m in measures
    )
    labels = [result.label for result in results]
    legend = "".join(
        f'<span><i style="background:{COLOURS[i % len(COLOURS)]}"></i>{escape(label)}</span>'
        for i, label in enumerate(labels)
    )
    return _TEMPLATE.format(
        n=results[0].everything.n, table=table, legend=legend, plots=plots, pictures=pictures,
        origin=escape(json.dumps(origin, indent=1)), script=_SCRIPT,
    )  # fmt: skip


def _shown(cell: str) -> str:
    """A cell of the table: the best mean bold, an interval small below its mean."""
    mean, bracket, interval = escape(cell).partition(" [")
    mean = _tag("b", mean) if mean.endswith("*") else mean
    return mean + (_tag("small", f" [{interval}") if bracket else "")


def _point(group: Group, measure: Measure) -> Point:
    return group.label, group.mean[measure.key], group.interval_95[measure.key]


def _cases(
    shown: Sequence[Case], labels: Sequence[str], rows: Mapping[tuple[str, str], Row], out: Path
) -> str:
    return "".join(_case(case, labels, rows, out) for case in shown)


def _case(case: Case, labels: Sequence[str], rows: Mapping[tuple[str, str], Row], out: Path) -> str:
    """One case side by side, its pictures within the page: hole, results with PSNR in the hole, truth."""
    files = [("hole", f"inputs/holes/{case.name}.png", f"{case.hole_ratio:.0%} of the photo")]
    for label in labels:
        psnr_db = rows[label, case.name]["hole/psnr_db"]
        files.append((label, f"results/{label}/{case.name}.png", f"{psnr_db:.1f} dB"))
    files.append(("truth", f"inputs/photos/{case.name}.png", case.photo))
    figures = "".join(
        f'<figure><button><img src="{_embedded(out / path)}" alt="{escape(f"{role} of {case.name}")}">'
        f"</button><figcaption><b>{escape(role)}</b> {escape(note)}</figcaption></figure>"
        for role, path, note in files
    )
    return f'<div class="case">{figures}</div>'


def _embedded(path: Path) -> str:
    """A picture as an address that holds it: WebP, some tenths of the PNG's bytes."""
    content = io.BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((_EMBEDDED_PX, _EMBEDDED_PX))
        picture.convert("RGB").save(content, "WEBP", quality=90)
    return f"data:image/webp;base64,{b64encode(content.getvalue()).decode()}"


def _spread(found: Sequence[Case]) -> list[Case]:
    """Some cases, evenly over the hole ratios."""
    ordered = sorted(found, key=lambda case: case.hole_ratio)
    count = min(len(ordered), _SHOWN_CASES)
    return [ordered[i * len(ordered) // count] for i in range(count)]


def _tag(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Inpainting benchmark</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1.5rem; max-width: 1500px;
  color: var(--ink); background: light-dark(#fff, #16191d) }}
:root {{ color-scheme: light dark; --ink: light-dark(#1c2127, #e6e9ec);
  --rule: light-dark(#d9dde2, #3a4048) }}
svg {{ fill: var(--ink) }} .rule {{ stroke: var(--rule) }}
td small {{ display: block; color: light-dark(#5b6470, #a9b1ba) }}
h1, h2 {{ font-weight: 600 }} h2 {{ margin-top: 2.2rem }} p {{ max-width: 70ch }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; white-space: nowrap;
  border-bottom: 1px solid var(--rule) }} th {{ white-space: normal; min-width: 4.2rem }}
.legend {{ display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .4rem 0 }}
.legend i {{ display: inline-block; width: 1.4em; height: .25em; margin-right: .45em;
  vertical-align: middle }}
.plots {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)) }}
.case {{ display: flex; gap: 6px; overflow-x: auto; margin-bottom: 14px }}
figure {{ margin: 0; flex: 0 0 auto; width: 180px }} img {{ width: 100%; display: block; background: #eee }}
button {{ all: unset; cursor: pointer; display: block }} button:focus-visible {{ outline: 2px solid #1f5fbf }}
th[aria-sort=ascending] button::after {{ content: " \2191" }}
th[aria-sort=descending] button::after {{ content: " \2193" }}
dialog {{ padding: 1rem; border: 0; max-width: none }} dialog img {{ width: min(85vmin, 1024px);
  image-rendering: pixelated }} dialog p {{ margin: .5rem 0 0 }}
figcaption {{ font-size: 12px; line-height: 1.3; padding-top: 2px; overflow-wrap: anywhere }}
pre {{ font-size: 12px; background: light-dark(#f4f6f8, #22262b); padding: 1rem; overflow-x: auto }}
</style>
<h1>Inpainting benchmark</h1>
<p>{n} photos with one hole each. Every inpainter saw the same photos with white holes; known pixels are
the photo's own in every result. Means with 95 % bootstrap intervals; * marks the best mean. Seconds are the
median, memory is the largest peak beyond what the process held before. A click on a heading sorts.</p>
<div class="wide"><table>{table}</table></div>
<h2>By hole ratio</h2>
<div class="legend">{legend}</div>
<div class="plots">{plots}</div>
<h2>Side by side</h2>
<p>Evenly chosen by hole ratio, not by result; under each, PSNR in the hole. A click enlarges a picture;
arrow keys, or clicks on it, flip through the others in its place.</p>
{pictures}
<h2>What the numbers depend on</h2>
<pre>{origin}</pre>
<dialog><img alt=""><p></p></dialog>
<script>{script}</script>
</html>
"""

_SCRIPT = """
const number = (cell) => parseFloat(cell.textContent);
for (const [column, head] of document.querySelectorAll("th").entries())
  head.onclick = () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const body = document.querySelector("tbody");
    const order = (a, b) => {
      const [x, y] = [a, b].map((row) => row.cells[column]);
      const both = [number(x), number(y)];
      const numeric = both.every((value) => !Number.isNaN(value));
      return numeric ? both[0] - both[1] : x.textContent.localeCompare(y.textContent);
    };
    const rows = [...body.rows].sort(order);
    body.append(...(down ? rows.reverse() : rows));
    document.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
const dialog = document.querySelector("dialog");
let figures = [], at = 0;
const show = (index) => {
  at = (index + figures.length) % figures.length;
  const small = figures[at].querySelector("img");
  Object.assign(dialog.querySelector("img"), { src: small.src, alt: small.alt });
  dialog.querySelector("p").textContent = figures[at].querySelector("figcaption").textContent;
};
for (const button of document.querySelectorAll("figure button"))
  button.onclick = () => {
    figures = [...button.closest(".case").children];
    show(figures.indexOf(button.parentElement));
    dialog.showModal();
  };
dialog.querySelector("img").onclick = () => show(at + 1);
dialog.onclick = (event) => event.target === dialog && dialog.close();
dialog.onkeydown = (event) => {
  if (event.key === "ArrowRight") show(at + 1);
  if (event.key === "ArrowLeft") show(at - 1);
};
"""
