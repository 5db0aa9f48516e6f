"""Lines of the photo continued through the hole, from its contours at the rim alone: no network.

Contours that reach the rim are traced back; a fit gives each one's place, direction and bend at the rim, and
the photo its colours on both sides. Two ends that look at each other are joined by a curve, the others go on
straight for as long as such lines usually do. After level-line completion (Masnou & Morel, "Level lines based
disocclusion", ICIP 1998; Chan, Kang & Shen, "Euler's elastica and curvature-based inpainting", 2002).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy.spatial import cKDTree

from edgeconnect.masks.regions import hole_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

RIM_PX = 2.9  # Canny on known pixels draws nothing nearer to a hole than 2 px
TRACE_PX = 32  # how far a contour is followed away from the hole
CONTEXT_PX = TRACE_PX + 8
MIN_TRACE_PX = 4
SIDE_PX = 3  # where the colours beside a contour are read: outside Canny's blur
REACH_PX = 160  # ends further apart are not joined
CURVE_POINTS = 24
STRAIGHT_PX = 0.5  # a trace that scatters less than this is a straight line,
STRAIGHT_LENGTH_PX = 12  # if it is long enough to tell; what counts most of it is near the rim,
STRAIGHT_DECAY_PX = 8.0
RULED_LENGTH_PX = 20  # unless it is as straight over a length that only buildings, horizons and poles have
BEND_DECAY_PX = 5.0
BEND_RIDGE = 200.0
SIDE_LENGTH_PX = 12
CROWD_PX = 31
PARALLEL_PX = 16


# Log odds of being true, per feature, from boxes and irregular holes of 600 photos: by `eval.fit_lines`
JOIN_LOG_ODDS = (0.524, -0.285, -0.940, -0.372, 0.350, 0.220, 0.155, 0.167, -0.043, -0.164, -0.140, 0.242)
CHOSEN_LOG_ODDS = (0.216, 0.813, 0.882, -0.455, 0.460)
EXTENSION_LOG_ODDS = (1.393, -1.742, 0.927, -1.273, 0.382, 0.434, -0.739, 1.813, -0.187, -0.758, 1.003, 0.077)
MIN_CONFIDENCE = 0.1
LIKELY = 0.25
SURE = 0.5  # an end whose join is at least this sure does not go on alone beside it
NEAR_PX = 6  # how far from its end an extension is not yet at a junction
STRIDE_PX = 3  # an extension's confidence is constant over so many px


def continue_edges(photo: NDArray[Any], edge: NDArray[Any], mask: Mask) -> NDArray[np.float32]:
    """Continue the known edges through the hole: how sure each line is, (H,W) float32 in [0,1], 0 outside it.

    photo (H,W) or (H,W,C), unsigned integers or floats in [0,1], and edge (H,W), bool or in [0,1], are read
    outside the hole alone; mask (H,W) bool, True = hole. Lines of at least `LIKELY` are right more often than
    not within 1 px, those below `MIN_CONFIDENCE` are left out. Deterministic; takes time by the holes and
    their rims, not by the photo.
    """
    found = np.zeros(mask.shape, np.float32)
    for hole in hole_groups(mask, CONTEXT_PX):
        window = hole.grown(CONTEXT_PX, mask.shape)
        part = _continued(_unit(photo[window.slices]), edge[window.slices] > 0.5, mask[window.slices])
        inside = hole.inside(window).slices
        np.maximum(found[hole.slices], part[inside], out=found[hole.slices])
    return found


def _unit(photo: NDArray[Any]) -> Floats:
    """(H,W,C) float64 in [0,1]."""
    layers = photo if photo.ndim == 3 else photo[..., None]
    top = np.iinfo(photo.dtype).max if np.issubdtype(photo.dtype, np.unsignedinteger) else 1
    return np.asarray(layers / top, np.float64)


def _continued(photo: Floats, edge: Mask, mask: Mask) -> NDArray[np.float32]:
    """The confidence of one window's lines."""
    canvas = np.zeros(mask.shape, np.float32)
    ends = find_ends(photo, edge, mask)
    if not len(ends):
        return canvas
    joins = possible_joins(ends, mask)
    score = joins.features @ np.array(JOIN_LOG_ODDS)
    chosen, context = choose_joins(score, joins, ends)
    confidence = _logistic(context @ np.array(CHOSEN_LOG_ODDS))
    partner = np.zeros(len(ends))
    partner[joins.first[chosen]] = partner[joins.second[chosen]] = confidence
    alone = extensions(ends, mask, partner)
    certainty = np.minimum.accumulate(_logistic(alone.features @ np.array(EXTENSION_LOG_ODDS)), axis=1)
    curves = list(zip(confidence.tolist(), joins.curve[chosen], strict=True))
    _draw(canvas, curves)
    certainty *= alone.inside & (partner < SURE)[:, None] & ~_beyond_a_line(alone, certainty, canvas * mask)
    _draw(canvas, curves + _pieces(alone, certainty))
    return canvas * mask


def _draw(canvas: NDArray[np.float32], curves: list[tuple[float, Floats]]) -> None:
    """Draw x, y curves as strongly as they are sure, the surer ones on top."""
    for value, curve in sorted(curves, key=itemgetter(0)):
        if value >= MIN_CONFIDENCE:
            cv2.polylines(canvas, [np.rint(curve).astype(np.int32)], False, value)


def _beyond_a_line(alone: Extensions, certainty: Floats, lines: NDArray[np.float32]) -> Mask:
    """Where extensions (E,D) have met a surer line: they end there, as at a junction."""
    wide = cv2.dilate(lines, np.ones((3, 3), np.uint8))
    away = np.arange(certainty.shape[1]) > NEAR_PX
    return np.asarray(np.cumsum((values_at(wide, alone.path, 0) > certainty) & away, axis=1) > 0)


def _pieces(alone: Extensions, certainty: Floats) -> list[tuple[float, Floats]]:
    """The extensions cut into strides of equal confidence."""
    starts = certainty[:, :-STRIDE_PX:STRIDE_PX]
    rows, numbers = np.nonzero(starts >= MIN_CONFIDENCE)
    places = numbers[:, None] * STRIDE_PX + np.arange(STRIDE_PX + 1)
    paths = alone.path[rows[:, None], places]
    return list(zip(starts[rows, numbers].tolist(), paths, strict=True))


@dataclass(frozen=True)
class Ends:
    """Where contours reach the hole: E of them.

    point (E,2): x, y in px at the rim; heading (E,2): unit vector into the hole; bend (E,): curvature in
    1/px, positive to the right of the heading; length_px (E,): how far it was traced; scatter_px (E,): how
    far its pixels lie from a straight line (root mean square); sides (E,2,C): colours in [0,1] left and right
    of the heading; crowd (E,): share of line pixels around its trace, high in textures; hole (E,): number of
    its hole.
    """

    point: Floats
    heading: Floats
    bend: Floats
    length_px: Floats
    scatter_px: Floats
    sides: Floats
    crowd: Floats
    hole: Ints

    def __len__(self) -> int:
        return len(self.point)

    def chosen(self, which: NDArray[Any]) -> Ends:
        """Some of them, by index or by a mask (E,)."""
        return Ends(*(getattr(self, f.name)[which] for f in fields(self)))


def find_ends(photo: Floats, edge: Mask, mask: Mask) -> Ends:
    """The contours of `edge` that reach the hole: photo (H,W,C) in [0,1], edge and mask (H,W) bool."""
    known = edge & ~mask
    away_px = np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    starts = _starts(known, away_px)
    trace, count = _trace(known, away_px, starts)
    return _fitted(photo, known, mask, away_px, trace, count)


def _starts(known: Mask, away_px: NDArray[np.float32]) -> Ints:
    """(E,2) x, y of the line pixel nearest to the hole in each piece of contour at the rim."""
    at_rim = known & (away_px < RIM_PX)
    number, labels = cv2.connectedComponents(at_rim.astype(np.uint8), connectivity=8)
    y, x = np.nonzero(at_rim)
    label = np.asarray(labels)[y, x]
    order = np.lexsort((away_px[y, x], label))
    first = order[np.searchsorted(label[order], np.arange(1, number))]
    return np.stack((x[first], y[first]), axis=1).astype(np.int64)


def _steps() -> tuple[Ints, Floats, Floats]:
    """Offsets (24,2) to the neighbours within 2 px, their unit vectors, and what it costs to jump a pixel."""
    offsets = np.array([(x, y) for y in range(-2, 3) for x in range(-2, 3) if (x, y) != (0, 0)], np.int64)
    far = np.abs(offsets).max(1) == 2
    return offsets, offsets / np.linalg.norm(offsets, axis=1, keepdims=True), far * 1.0


_OFFSETS, _UNITS, _JUMPS = _steps()


def _trace(known: Mask, away_px: NDArray[np.float32], starts: Ints) -> tuple[Ints, Ints]:
    """Follow contours away from the hole: x, y (E,T,2), the last place repeated, and how many count (E,)."""
    lines, away = np.pad(known, 2), np.pad(away_px, 2, mode="edge")
    slopes = np.stack((cv2.Sobel(away, cv2.CV_64F, 1, 0), cv2.Sobel(away, cv2.CV_64F, 0, 1)), axis=2)
    place = starts + 2
    heading = slopes[place[:, 1], place[:, 0]]
    heading = heading / (np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9)
    alive, count = np.ones(len(place), bool), np.ones(len(place), np.int64)
    trace = [place]
    every = np.arange(len(place))
    for step in range(TRACE_PX):
        near = place[:, None] + _OFFSETS
        score = heading @ _UNITS.T - _JUMPS
        score[~lines[near[..., 1], near[..., 0]]] = -2
        best = score.argmax(1)
        alive = alive & (
            score[every, best] > (-0.3 if step == 0 else 0.0 if step < 4 else 0.5) - _JUMPS[best]
        )
        if not alive.any():
            break
        place = np.where(alive[:, None], place + _OFFSETS[best], place)
        count = count + alive
        trace.append(place)
        recent = place - trace[max(len(trace) - 7, 0)]
        moved = np.where(alive[:, None], recent, 0)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        heading = np.where(length > 0, moved / np.maximum(length, 1e-9), heading)
    return np.stack(trace, axis=1) - 2, count


def _fitted(
    photo: Floats, known: Mask, mask: Mask, away_px: NDArray[np.float32], trace: Ints, count: Ints
) -> Ends:
    """Least squares along each trace: a straight line where it is one, else a parabola near the rim."""
    points = trace.astype(np.float64)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
    along = np.concatenate((np.zeros((len(points), 1)), steps.cumsum(1)), axis=1)
    counts = np.arange(trace.shape[1]) < count[:, None]
    length_px = along.max(1, initial=0)
    start, straight, _ = _least_squares(points, along, counts * np.exp(-along / STRAIGHT_DECAY_PX), np.inf)
    whole, ruled, _ = _least_squares(points, along, counts * (along > 1.5), np.inf)
    scatter_px = _scatter(points, whole, ruled, counts)
    is_ruled = ((scatter_px < STRAIGHT_PX) & (length_px >= RULED_LENGTH_PX))[:, None]
    start, straight = np.where(is_ruled, whole, start), np.where(is_ruled, ruled, straight)
    near, tangent, second = _least_squares(points, along, counts * np.exp(-along / BEND_DECAY_PX), BEND_RIDGE)
    speed = np.linalg.norm(tangent, axis=1)
    bend = (tangent[:, 0] * second[:, 1] - tangent[:, 1] * second[:, 0]) / np.maximum(speed, 1e-9) ** 3
    is_straight = (scatter_px < STRAIGHT_PX) & (length_px >= STRAIGHT_LENGTH_PX)
    point = np.where(is_straight[:, None], start, near)
    tangent = np.where(is_straight[:, None], straight, tangent)
    heading = -tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    ends = Ends(
        point=point,
        heading=heading,
        # the traces run outwards: turned round, the curve has the same shape and the opposite sign twice
        bend=np.where(is_straight, 0.0, -bend),
        length_px=length_px,
        scatter_px=scatter_px,
        sides=_sides(photo, mask, points, counts & (along <= SIDE_LENGTH_PX), heading),
        crowd=_crowd(known, mask, trace, count),
        hole=_hole_numbers(mask, trace[:, 0]),
    )
    climbs = _climb(away_px, trace) > 2
    return ends.chosen((length_px >= MIN_TRACE_PX) & climbs & (ends.hole > 0))


def _least_squares(
    points: Floats, along: Floats, weight: NDArray[Any], ridge: float
) -> tuple[Floats, Floats, Floats]:
    """points ~ start + along * tangent + along^2 / 2 * second: (E,2) each; infinite ridge: straight."""
    powers = np.stack((np.ones_like(along), along, along**2 / 2), axis=2)
    if np.isinf(ridge):
        powers = powers[..., :2]
    normal = np.einsum("et,eti,etj->eij", weight, powers, powers) + 1e-6 * np.eye(powers.shape[2])
    if powers.shape[2] == 3:
        normal[:, 2, 2] += ridge
    right = np.einsum("et,eti,etk->eik", weight, powers, points)
    found = np.linalg.solve(normal, right)
    second = found[:, 2] if powers.shape[2] == 3 else np.zeros_like(found[:, 0])
    return found[:, 0], found[:, 1], second


def _scatter(points: Floats, start: Floats, tangent: Floats, counts: Mask) -> Floats:
    """Root mean square distance of each trace from its straight line, in px: (E,)."""
    unit = tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    relative = points - start[:, None]
    across = relative[..., 0] * unit[:, None, 1] - relative[..., 1] * unit[:, None, 0]
    return np.asarray(np.sqrt((across**2 * counts).sum(1) / counts.sum(1)))


def _sides(photo: Floats, mask: Mask, points: Floats, counts: Mask, heading: Floats) -> Floats:
    """Mean known colours left and right of the headings: (E,2,C)."""
    height, width = mask.shape
    right = np.stack((-heading[:, 1], heading[:, 0]), axis=1)
    found = np.empty((len(points), 2, photo.shape[2]))
    for number, sign in enumerate((-1, 1)):
        place = np.rint(points + sign * SIDE_PX * right[:, None]).astype(np.int64)
        x, y = place[..., 0].clip(0, width - 1), place[..., 1].clip(0, height - 1)
        weight = counts * ~mask[y, x] + 1e-9
        found[:, number] = np.einsum("et,etc->ec", weight, photo[y, x]) / weight.sum(1, keepdims=True)
    return found


def _crowd(known: Mask, mask: Mask, trace: Ints, count: Ints) -> Floats:
    """Share of line pixels among the known ones around the middle of each trace: (E,)."""
    size = (CROWD_PX, CROWD_PX)
    lines = cv2.boxFilter(known.astype(np.float32), -1, size, borderType=cv2.BORDER_REFLECT)
    seen = cv2.boxFilter((~mask).astype(np.float32), -1, size, borderType=cv2.BORDER_REFLECT)
    x, y = trace[np.arange(len(trace)), np.minimum(count - 1, 8)].T
    return np.asarray(lines[y, x] / np.maximum(seen[y, x], 1e-3), np.float64)


def _hole_numbers(mask: Mask, point: Ints) -> Ints:
    """The number of the 8-connected hole within 2 px of each point (E,2); 0: none."""
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1].astype(np.float32)
    spread = cv2.dilate(labels, np.ones((5, 5), np.uint8))
    return np.asarray(spread[point[:, 1], point[:, 0]], np.int64)


def _climb(away_px: NDArray[np.float32], trace: Ints) -> Floats:
    """How much further from the hole each trace gets than where it starts, in px: (E,)."""
    distances = away_px[trace[..., 1], trace[..., 0]]
    return np.asarray(distances.max(1) - distances[:, 0], np.float64)


@dataclass(frozen=True)
class Joins:
    """Curves between two ends each, K of them.

    first, second (K,): indices of the ends; curve (K,P,2): x, y in px; features (K,F): what tells a right
    join from a wrong one, see `JOIN_FEATURES`.
    """

    first: Ints
    second: Ints
    curve: Floats
    features: Floats


JOIN_FEATURES = (
    "one", "log length", "log miss", "log colour difference", "log contrast", "contrasts differ",
    "log shorter trace", "log longer trace", "larger scatter", "smaller scatter", "crowd", "outside",
)  # fmt: skip


def possible_joins(ends: Ends, mask: Mask) -> Joins:
    """Every two ends of the same hole that look at each other, and the cubic curve between them."""
    pairs = (
        cKDTree(ends.point).query_pairs(REACH_PX, output_type="ndarray") if len(ends) else np.empty((0, 2))
    )
    first, second = pairs.astype(np.int64).T
    chord = ends.point[second] - ends.point[first]
    length_px = np.maximum(np.linalg.norm(chord, axis=1), 1e-9)
    unit = chord / length_px[:, None]
    ahead = np.minimum((ends.heading[first] * unit).sum(1), -(ends.heading[second] * unit).sum(1))
    keep = (ends.hole[first] == ends.hole[second]) & (ahead > 0.3) & (length_px > 2)
    first, second, length_px, unit = first[keep], second[keep], length_px[keep], unit[keep]
    curve = _hermite(ends, first, second, length_px)
    turn_1, turn_2 = _angle(ends.heading[first], unit), _angle(unit, -ends.heading[second])
    bending = turn_1**2 + turn_2**2 - turn_1 * turn_2
    sides, exchanged = ends.sides[first], ends.sides[second][:, ::-1]
    contrast = np.stack((_contrast(sides), _contrast(exchanged))) + 0.02
    both = np.stack((first, second))
    traces_px, scatters_px = ends.length_px[both], np.minimum(ends.scatter_px[both], 3)
    features = (
        np.ones(len(first)),
        np.log(length_px / 20),
        np.log1p(length_px * np.sqrt(bending) / 2),
        np.log(np.abs(sides - exchanged).mean((1, 2)) + 0.02),
        np.log(contrast.min(0)),
        np.abs(np.log(contrast[0] / contrast[1])),
        np.log(traces_px.min(0) / 10),
        np.log(traces_px.max(0) / 10),
        scatters_px.max(0),
        scatters_px.min(0),
        ends.crowd[both].mean(0) * 10,
        _share_outside(curve, mask) * 10,
    )
    return Joins(first, second, curve, np.stack(features, axis=1))


def _contrast(sides: Floats) -> Floats:
    """How much the colours (K,2,C) on both sides differ: (K,)."""
    return np.asarray(np.abs(sides[:, 1] - sides[:, 0]).mean(1))


def _hermite(ends: Ends, first: Ints, second: Ints, length_px: Floats) -> Floats:
    """(K,P,2): from one end along its heading to the other, against that one's."""
    t = np.linspace(0, 1, CURVE_POINTS)[None, :, None]
    speed = length_px[:, None, None]
    start, stop = ends.point[first][:, None], ends.point[second][:, None]
    leave, arrive = ends.heading[first][:, None] * speed, -ends.heading[second][:, None] * speed
    t2, t3 = t**2, t**3
    return np.asarray(
        (2 * t3 - 3 * t2 + 1) * start
        + (t3 - 2 * t2 + t) * leave
        + (3 * t2 - 2 * t3) * stop
        + (t3 - t2) * arrive
    )


def _angle(one: Floats, other: Floats) -> Floats:
    """Signed angles from unit vectors (K,2) to others, in radians."""
    cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return np.asarray(np.arctan2(cross, (one * other).sum(1)))


def _share_outside(curve: Floats, mask: Mask) -> Floats:
    """Share of each curve (K,P,2) that lies more than some px outside the hole: (K,)."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return np.asarray(1 - values_at(near, curve, False).mean(1), np.float64)


def values_at(picture: NDArray[Any], place: Floats, beyond: Any) -> NDArray[Any]:
    """Values of a picture (H,W) at x, y (...,2), and `beyond` outside it."""
    x, y = np.moveaxis(np.rint(place).astype(np.int64), -1, 0)
    inside = (x >= 0) & (y >= 0) & (x < picture.shape[1]) & (y < picture.shape[0])
    found = picture[np.where(inside, y, 0), np.where(inside, x, 0)]
    return np.where(inside, found, beyond)


@dataclass(frozen=True)
class Extensions:
    """Each end's own way on, D samples of 1 px: path (E,D,2) x, y; inside (E,D): before it leaves the hole or
    the photo; features (E,D,F), see `EXTENSION_FEATURES`.
    """

    path: Floats
    inside: Mask
    features: Floats


EXTENSION_FEATURES = (
    "one", "log distance", "trace", "scatter", "log contrast", "straight", "ruled", "partner",
    "trace * log distance", "crowd * log distance", "ruled * log distance", "leaves * log distance",
)  # fmt: skip


def extensions(ends: Ends, mask: Mask, partner: Floats) -> Extensions:
    """Where each end would go alone; partner (E,): probability of its best join in [0,1]."""
    reach_px = int(min(REACH_PX, max(mask.shape)))
    distance = np.arange(reach_px, dtype=np.float64)
    right = np.stack((-ends.heading[:, 1], ends.heading[:, 0]), axis=1)
    bend = ends.bend.clip(-0.05, 0.05)[:, None] * np.minimum(distance, 16)
    sideways = bend * (distance - np.minimum(distance, 16) / 2)
    path = (
        ends.point[:, None] + distance[:, None] * ends.heading[:, None] + sideways[..., None] * right[:, None]
    )
    hole = values_at(mask, path, False)
    entered = np.cumsum(hole, axis=1) > 0
    inside = np.cumprod(hole | ~entered & (distance < 8), axis=1).astype(bool)
    log_distance = np.log1p(distance / 4)[None]
    trace, crowd = (ends.length_px / 16)[:, None], (ends.crowd * 10)[:, None]
    ruled = ((ends.bend == 0) & (ends.length_px >= RULED_LENGTH_PX))[:, None] * 1.0
    beyond = np.minimum(inside.sum(1), reach_px - 1)
    leaves = ~values_at(np.ones_like(mask), path[np.arange(len(path)), beyond], False)[:, None] * 1.0
    features = (
        1.0,
        log_distance,
        trace,
        np.minimum(ends.scatter_px, 3)[:, None],
        np.log(_contrast(ends.sides) + 0.02)[:, None],
        (ends.bend == 0)[:, None] * 1.0,
        ruled,
        partner[:, None],
        trace * log_distance,
        crowd * log_distance,
        ruled * log_distance,
        leaves * log_distance,
    )
    shape = path.shape[:2]
    return Extensions(path, inside, np.stack([np.broadcast_to(f, shape) for f in features], axis=2))


CHOSEN_FEATURES = ("one", "log odds", "parallel", "crossed", "parallel * log odds")


def choose_joins(score: Floats, joins: Joins, ends: Ends) -> tuple[Ints, Floats]:
    """The best joins with every end used once, greedily: their indices (C,), and features of each (C,F).

    score (K,): log odds of each alone. The features say what the others mean for it: the two sides of a pole
    or cable run parallel; most true lines do not cross.
    """
    free = np.ones(len(ends), bool)
    chosen = []
    for k in np.argsort(-score, kind="stable").tolist():
        i, j = joins.first[k], joins.second[k]
        if free[i] and free[j]:
            free[i] = free[j] = False
            chosen.append(k)
    picked = np.array(chosen, np.int64)
    own, start, stop = score[picked], ends.point[joins.first[picked]], ends.point[joins.second[picked]]
    chance = _logistic(own)
    parallel = (_are_parallel(start, stop) * chance).max(1, initial=0)
    crossed = (_do_cross(start, stop) * chance).sum(1)
    return picked, np.stack((np.ones(len(own)), own, parallel, crossed, parallel * own), axis=1)


def _are_parallel(start: Floats, stop: Floats) -> Mask:
    """Which of the chords (C,2) to (C,2) run beside each other all along: (C,C), False for itself."""
    same = np.linalg.norm(start - start[:, None], axis=2), np.linalg.norm(stop - stop[:, None], axis=2)
    turned = np.linalg.norm(start - stop[:, None], axis=2), np.linalg.norm(stop - start[:, None], axis=2)
    close = [
        (np.maximum(a, b) < PARALLEL_PX) & (np.abs(a - b) < 0.3 * np.maximum(a, b) + 1)
        for a, b in (same, turned)
    ]
    return np.asarray((close[0] | close[1]) & ~np.eye(len(start), dtype=bool))


def _do_cross(start: Floats, stop: Floats) -> Mask:
    """Which of the chords (C,2) to (C,2) cross: (C,C)."""
    chord = (stop - start)[:, None]

    def side(point: Floats) -> Floats:
        to = point[None] - start[:, None]
        return np.asarray(chord[..., 0] * to[..., 1] - chord[..., 1] * to[..., 0])

    apart = side(start) * side(stop) < 0
    return np.asarray(apart & apart.T)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
