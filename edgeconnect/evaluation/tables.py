"""Scores of single pictures -> means with intervals, by hole ratio, as a Markdown table and as JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeconnect.io.atomic import write_atomically
from edgeconnect.metrics.bootstrap import bootstrap_interval

Row = Mapping[str, Any]  # one picture: its name, hole ratio (if there are masks) and scores


@dataclass(frozen=True)
class Group:
    """Means of a group of pictures and the 95 % bootstrap intervals of these means, by measure."""

    label: str
    n: int
    mean: Mapping[str, float]
    interval_95: Mapping[str, tuple[float, float]]


def groups(rows: Sequence[Row], measures: Sequence[str]) -> list[Group]:
    """All pictures together, then by tenths of hole ratio where the rows have one ("hole_ratio" in [0,1])."""
    by_ratio: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.get("hole_ratio", 0)):
        if "hole_ratio" in row:
            by_ratio.setdefault(ratio_label(row["hole_ratio"]), []).append(row)
    return [_group("all", rows, measures)] + [
        _group(label, part, measures) for label, part in by_ratio.items()
    ]


def ratio_label(hole_ratio: float) -> str:
    """The tenth of a hole ratio in [0,1], upper end included as in Liu et al. (2018): 0.2 -> "10-20 %"."""
    tenth = max(math.ceil(hole_ratio * 10 - 1e-9) - 1, 0)
    return f"{10 * tenth}-{10 * (tenth + 1)} %"


def markdown(table: Sequence[Group]) -> str:
    """One line a group: its mean and interval for each measure.

    table: the groups in order. Returns the lines of a Markdown table.
    """
    measures = list(table[0].mean)
    lines = [["hole ratio", "N", *measures]]
    for group in table:
        cells = [f"{group.mean[m]:.4f}{interval_text(group, m, '.4f')}" for m in measures]
        lines.append([group.label, str(group.n), *cells])
    return markdown_rows(lines)


def interval_text(group: Group, measure: str, form: str) -> str:
    """ " [low, high]" of a measure's interval; nothing for one picture, which says nothing of its spread."""
    low, high = group.interval_95[measure]
    return f" [{low:{form}}, {high:{form}}]" if group.n > 1 else ""


def csv_rows(lines: Sequence[Sequence[object]]) -> str:
    """A table as comma-separated values, None as an empty cell; the first line holds the headings."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def latex_rows(lines: Sequence[Sequence[str]]) -> str:
    """A LaTeX tabular, text on the left and numbers on the right; cells with a star are bold instead."""
    head, *rest = ([_latex(cell) for cell in line] for line in lines)
    first, *body = (" & ".join(line) + r" \\" for line in (head, *rest))
    begin = rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}"
    return "\n".join([begin, r"\hline", first, r"\hline", *body, r"\hline", r"\end{tabular}", ""])


def _latex(cell: str) -> str:
    is_best, cell = "*" in cell, cell.replace("*", "")
    for character in "&%$#_{}":
        cell = cell.replace(character, "\\" + character)
    return rf"\textbf{{{cell}}}" if is_best else cell


def markdown_rows(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned; the first line holds the headings."""
    head, *rest = lines
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in (head, ["---"] * len(head), *rest)
    )


def write_json_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line; an infinite PSNR (equal pictures) becomes null, for JSON has no infinity.

    path: written atomically. objects: whatever JSON can hold.
    """
    write_atomically(path, "".join(map(json_line, objects)).encode())


def json_line(values: Mapping[str, Any]) -> str:
    """One object as a line of JSON, null for what is not finite."""
    return json.dumps(_finite(values), allow_nan=False) + "\n"


def _group(label: str, rows: Sequence[Row], measures: Sequence[str]) -> Group:
    values = {m: [float(row[m]) for row in rows] for m in measures}
    means = {m: float(np.mean(v)) for m, v in values.items()}
    return Group(label, len(rows), means, {m: bootstrap_interval(v) for m, v in values.items()})


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
