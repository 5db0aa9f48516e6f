"""The paper's ablations of a trained model, and whether it uses its edge map: `python -m eval.ablate audit`.

Each photo's middle square is filled several times, and only the edges that the model is given differ. Photos
and holes meet as in `eval.benchmark`, by the seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from edgeconnect.edges.canny import to_gray
from edgeconnect.errors import InputError
from edgeconnect.evaluation.conditions import (
    ABLATIONS,
    STRANGE,
    TRUE,
    Condition,
    at_sigma,
)
from edgeconnect.evaluation.gains import Gain
from edgeconnect.evaluation.measures import HOLE, Measure, vgg_l1
from edgeconnect.evaluation.pairing import Example, examples, plan
from edgeconnect.evaluation.pairs import pictures
from edgeconnect.evaluation.tables import groups, markdown, markdown_rows
from edgeconnect.io.images import list_images
from edgeconnect.metrics.pixel import edge_matches, edge_precision_recall, l1
from edgeconnect.provenance import content_hash, file_hash, versions

if TYPE_CHECKING:
    from edgeconnect import EdgeConnect

Row = dict[str, Any]


def compare(
    model: EdgeConnect,
    found: Sequence[Example],
    conditions: Mapping[str, Condition],
    measures: Sequence[Measure],
) -> list[Row]:
    """A row for each photo and condition; `change`: the hole's mean absolute change, of 1, from the first;
    `drawn`, `right`, `true`, `found`: see metrics.pixel.EdgeMatches.
    """
    rows = []
    for x in tqdm(found, unit="photo", dynamic_ncols=True):
        first, true = None, model.detect_edges(to_gray(x.photo))
        for label, condition in conditions.items():
            given = condition(model, x)
            used = model if given.sigma is None else at_sigma(model, given.sigma)
            result = np.asarray(used.inpaint(x.photo, x.mask, given.hole, given.known, texture=0), np.uint8)
            first = result if first is None else first
            scores = {measure.key: measure.of(x.photo, result, x.mask) for measure in measures}
            lines = float((given.hole[x.mask] > 0.5).mean())
            matches = edge_matches(given.hole, true, x.mask)._asdict()
            change = l1(result, first, x.mask)
            rows.append(
                {"edges": label, **asdict(x.case), "lines": lines, "change": change, **scores, **matches}
            )
    return rows


def summarise(rows: Sequence[Row], measures: Sequence[Measure]) -> list[Row]:
    """A row for each condition: means, and gains over the first condition."""
    keys = ["lines", "change", *(measure.key for measure in measures)]
    by_label: dict[str, list[Row]] = {}
    for row in rows:
        by_label.setdefault(row["edges"], []).append(row)
    first = next(iter(by_label.values()))
    return [
        {
            "edges": label,
            "n": len(part),
            "mean": {key: float(np.mean([row[key] for row in part])) for key in keys},
            "pooled": {
                "precision": _pooled(part, "right", "drawn"),
                "recall": _pooled(part, "found", "true"),
            },
            "gain": {m.key: gain(part, first, m)._asdict() for m in measures},
        }
        for label, part in by_label.items()
    ]


def _pooled(rows: Sequence[Row], some: str, all_of_them: str) -> float:
    """A share over all photos' pixels together; 1 of none."""
    total = sum(row[all_of_them] for row in rows)
    return sum(row[some] for row in rows) / total if total else 1.0


def gain(rows: Sequence[Row], reference: Sequence[Row], measure: Measure) -> Gain:
    """How much better the one rows are than the others, photo by photo."""
    values, others = ([row[measure.key] for row in part] for part in (rows, reference))
    return Gain.of(values, others, measure.higher_is_better)


def over_strange(rows: Sequence[Row], measures: Sequence[Measure]) -> dict[str, Gain]:
    """Of an audit's rows: what the true edges gain over another photo's, by the measures' keys."""
    true, strange = ([row for row in rows if row["edges"] == label] for label in (TRUE, STRANGE))
    return {measure.key: gain(true, strange, measure) for measure in measures}


def precision(options: argparse.Namespace, model: EdgeConnect, found: Sequence[Example]) -> list[Row]:
    """Precision and recall in the hole of G1's lines against the true ones, exact and with the tolerance.

    options: the verb's. model: whose lines. found: the photos with their holes.
    """
    rows = []
    for x in tqdm(found, unit="photo", dynamic_ncols=True):
        row = asdict(x.case)
        drawn, true = model.complete_edges(x.photo, x.mask), model.detect_edges(to_gray(x.photo))
        for name, tolerance_px in (("", 0), (f" within {options.tolerance_px:g} px", options.tolerance_px)):
            score = edge_precision_recall(drawn, true, x.mask, tolerance_px=tolerance_px)
            row |= {f"precision{name}": score.precision, f"recall{name}": score.recall, f"F1{name}": score.f1}
        rows.append(row)
    return rows


def ablate(options: argparse.Namespace) -> tuple[str, list[Row]]:
    """The table as text, and everything as lines for a file.

    options: the verb's. Errors: unusable input.
    """
    from edgeconnect import EdgeConnect
    from edgeconnect.models.weights import find_weights

    chosen = plan(options.photos, options.masks, options.seed, 1, options.size, options.polarity)
    found = list(examples(_spread(pictures(options.photos), options.count), options.masks, chosen))
    weights = find_weights(options.weights)
    model = EdgeConnect.load(weights, device=options.device)
    origin = {**asdict(chosen), "n": len(found), "canny_sigma_px": model.sigma, "weights": weights.name}
    origin |= {"weights_sha256": file_hash(weights), "versions": versions()}
    if options.ablation == "precision":
        return _precision(options, origin, precision(options, model, found))
    return _comparison(options, origin, model, found)


def _precision(options: argparse.Namespace, origin: Row, rows: Sequence[Row]) -> tuple[str, list[Row]]:
    names = [name for name in rows[0] if name.startswith(("precision", "recall", "F1"))]
    table = groups(rows, names)
    text = f"{_title(options, origin)}\n\n{markdown(table)}"
    parts = [{"kind": "group", **asdict(group)} for group in table]
    origin |= {"tolerance_px": options.tolerance_px, "threshold": 0.5}
    return text, [{"kind": "summary", "ablation": options.ablation, **origin}, *parts, *_pictures(rows)]


def _comparison(
    options: argparse.Namespace, origin: Row, model: EdgeConnect, found: Sequence[Example]
) -> tuple[str, list[Row]]:
    measures = [*HOLE, *([vgg_l1(options.features, options.device)] if options.features else [])]
    conditions = ABLATIONS[options.ablation](options, model, found)
    rows = compare(model, found, conditions, measures)
    parts = summarise(rows, measures)
    text = f"{_title(options, origin)}\n\n{markdown_rows(_table(parts, measures))}"
    if options.features:
        origin["features_sha256"] = file_hash(options.features)
    if options.ablation == "detector":
        origin["maps_sha256"] = content_hash(list_images(options.maps), options.maps)
    if options.ablation == "audit":
        gains = over_strange(rows, measures)
        origin["true_over_strange"] = {key: value._asdict() for key, value in gains.items()}
        told = ", ".join(f"{measure.heading} {gains[measure.key]}" for measure in measures)
        text += f"\n\ntrue edges over another photo's: {told}"
    groups_of_rows = [{"kind": "edges", **part} for part in parts]
    lines = [{"kind": "summary", "ablation": options.ablation, **origin}, *groups_of_rows, *_pictures(rows)]
    return text, lines


def _table(parts: Sequence[Row], measures: Sequence[Measure]) -> list[list[str]]:
    """Headings and a line for each condition: precision and recall of the lines in all holes together, within
    1 px; gains are over the first.
    """
    head = [
        "edges",
        "precision",
        "recall",
        "lines in the hole",
        "change of the hole",
        *(m.heading for m in measures),
    ]
    lines = [head + [f"gain in {m.heading}" for m in measures]]
    for part in parts:
        means = [
            f"{part['mean']['lines']:.1%}",
            *(f"{value:.4f}" for value in list(part["mean"].values())[1:]),
        ]
        gains = ["" if part is parts[0] else str(Gain(**part["gain"][m.key])) for m in measures]
        shares = [f"{part['pooled'][name]:.2f}" for name in ("precision", "recall")]
        lines.append([part["edges"], *shares, *means, *gains])
    return lines


def _title(options: argparse.Namespace, origin: Row) -> str:
    return (
        f"{options.ablation}: N = {origin['n']} photos at {options.size} px, weights {origin['weights']}, "
        f"Canny sigma {origin['canny_sigma_px']:g}; [95 % bootstrap interval]"
    )


def _pictures(rows: Sequence[Row]) -> list[Row]:
    return [{"kind": "picture", **row} for row in rows]


def _spread(paths: Sequence[Path], count: int | None) -> list[Path]:
    """All, or some evenly over the sorted folder."""
    if count is None:
        return list(paths)
    if not 0 < count <= len(paths):
        raise InputError(f"--count: expected 1 to {len(paths)} photos (as many as there are), got {count}")
    return [paths[int(i)] for i in np.linspace(0, len(paths) - 1, count)]
