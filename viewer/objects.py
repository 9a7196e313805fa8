"""The objects of an image in one submission as they are shown: which are hits, and what is told of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.instances import Instances
from viewer.matches import THRESHOLDS, Matches
from viewer.scenes import Scene
from viewer.study import Study

MOST_CELLS = 512  # of the region map along either side; finer ones are slow to draw

# What is drawn, in the order of drawing: the key of a layer, and what it is called.
LAYERS = {
    "true-hit": "Truth, found",
    "found-hit": "Prediction, hit",
    "missed": "Truth, missed",
    "false": "Prediction, false",
}
UNKNOWN = "found"  # the layer of predictions where no truth is known


@dataclass(frozen=True)
class Limits:
    """What counts and what is shown.

    Attributes:
        row: position of the IoU in `THRESHOLDS`.
        confidence: lowest score of a prediction.
        only_different: of two submissions, show only what they do not share.
    """

    row: int
    confidence: float
    only_different: bool = False

    @property
    def iou(self) -> float:
        """The IoU that a hit needs."""
        return float(THRESHOLDS[self.row])


@dataclass(frozen=True, eq=False)
class Panel:
    """One submission's view of an image, or that of the ground truth alone.

    Attributes:
        name: of the submission; empty for the ground truth alone.
        true_layers: (N,) str, the layer of each true object; "" for one that is not shown.
        found_layers: (M,) str, likewise of each prediction.
        matches: of the objects, if the truth is known.
    """

    name: str
    true_layers: np.ndarray
    found_layers: np.ndarray
    matches: Matches | None = None


def count_objects(count: int) -> str:
    """Return a number of objects in words.

    Example:
        >>> count_objects(1), count_objects(1200)
        ('1 object', '1,200 objects')
    """
    return f"{count:,} object{'' if count == 1 else 's'}"


def make_panel(scene: Scene, name: str, matches: Matches | None, limits: Limits) -> Panel:
    """Sort an image's objects into layers.

    Args:
        scene: the image.
        name: of the submission; empty for the ground truth alone.
        matches: of its objects, if the truth is known.
        limits: what counts.
    """
    num_true = len(scene.true) if scene.true is not None else 0
    if not name:
        return Panel(name, np.full(num_true, "missed"), np.zeros(0, "<U9"))
    kept = scene.found[name].scores >= limits.confidence
    if matches is None:
        return Panel(name, np.zeros(0, "<U9"), np.where(kept, UNKNOWN, ""))
    hits = matches.taken[limits.row] >= 0
    found = np.where(kept, np.where(hits, "found-hit", "false"), "")
    true = np.where(matches.found(limits.row, limits.confidence) | matches.crowd, "true-hit", "missed")
    return Panel(name, true, found, matches)


def keep_different(scene: Scene, panels: Sequence[Panel], limits: Limits) -> list[Panel]:
    """Return the panels of two submissions without what they share.

    They share a true object that both find or both miss, and a prediction that overlaps one of the other's by the IoU
    that a hit needs.
    """
    first, second = panels
    assert scene.shared is not None
    differs = first.true_layers != second.true_layers
    alike = (scene.shared >= limits.iou) & (first.found_layers != "")[:, None] & (second.found_layers != "")
    return [
        Panel(
            panel.name,
            np.where(differs, panel.true_layers, ""),
            np.where(shared.any(axis=1), "", panel.found_layers),
            panel.matches,
        )
        for panel, shared in ((first, alike), (second, alike.T))
    ]


def object_rows(study: Study, scene: Scene, panel: Panel) -> list[dict[str, object]]:
    """Return a row for each object of a panel that is shown: false and missed ones first, then by number."""
    rows = [*_true_rows(study, scene, panel), *_found_rows(study, scene, panel)]
    order = {"false": 0, "missed": 1}
    return sorted(rows, key=lambda row: order.get(str(row["layer"]), 2))


def make_regions(scene: Scene, panel: Panel) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return which objects lie where.

    Returns:
        A map (h, w) int32 of at most `MOST_CELLS` along either side, 0 where there is nothing, k for the k-th pair; and
        the pairs, each of a true object and a prediction, -1 for none.
    """
    step = max(1, -(-max(scene.image_shape) // MOST_CELLS))
    true = _label_map(scene.true, panel.true_layers, scene.image_shape, step)
    found = _label_map(scene.found.get(panel.name), panel.found_layers, scene.image_shape, step)
    most = int(found.max(initial=0)) + 1
    values, places = np.unique(true * most + found, return_inverse=True)
    if values[0]:  # no background
        places += 1
        values = np.append(0, values)
    pairs = [(int(value) // most - 1, int(value) % most - 1) for value in values[1:]]
    return places.reshape(true.shape).astype(np.int32), pairs


def describe(study: Study, scene: Scene, panel: Panel, pair: tuple[int, int]) -> str:
    """Return what is told of a true object, a prediction, or both that lie at a place; a line each."""
    true, found = pair
    lines = []
    if found >= 0:
        lines.append(_sentence(_found_row(study, scene, panel, found)))
    if true >= 0:
        lines.append(_sentence(_true_row(study, scene, panel, true)))
    return "\n".join(lines)


def _sentence(row: dict[str, object]) -> str:
    score = "" if row["score"] is None else f", score {row['score']:.2f}"
    match = "" if row["iou"] is None else f", IoU {row['iou']:.2f} with {row['match']}"
    return f"{row['state']} {row['number']}: {row['class']}{score}, {row['area']:,} px{match}"


def _true_rows(study: Study, scene: Scene, panel: Panel) -> list[dict[str, object]]:
    return [_true_row(study, scene, panel, i) for i in np.flatnonzero(panel.true_layers != "").tolist()]


def _found_rows(study: Study, scene: Scene, panel: Panel) -> list[dict[str, object]]:
    return [_found_row(study, scene, panel, i) for i in np.flatnonzero(panel.found_layers != "").tolist()]


def _true_row(study: Study, scene: Scene, panel: Panel, i: int) -> dict[str, object]:
    assert scene.true is not None
    layer, matches = str(panel.true_layers[i]), panel.matches
    state = "Crowd" if matches and matches.crowd[i] else {"missed": "Missed"}.get(layer, "Truth")
    row = _row(study, scene.true, i, state if panel.name else "Truth", layer)
    if matches and matches.best_of_true[i] >= 0:
        row |= {"iou": float(matches.ious_of_true[i]), "match": f"prediction {matches.best_of_true[i] + 1}"}
    return row | {"score": None, "id": f"t{i}"}


def _found_row(study: Study, scene: Scene, panel: Panel, i: int) -> dict[str, object]:
    layer, matches = str(panel.found_layers[i]), panel.matches
    state = {"found-hit": "Hit", "false": "False"}.get(layer, "Prediction")
    row = _row(study, scene.found[panel.name], i, state, layer)
    if panel.name in study.submissions and not study.has_scores(panel.name):
        row["score"] = None
    if matches and matches.best[i] >= 0:
        row |= {"iou": float(matches.ious[i]), "match": f"truth {matches.best[i] + 1}"}
    return row | {"id": f"p{i}"}


def _row(study: Study, objects: Instances, i: int, state: str, layer: str) -> dict[str, object]:
    return {
        "state": state,
        "layer": layer,
        "number": i + 1,
        "class": study.class_name(int(objects.class_ids[i])),
        "score": float(objects.scores[i]),
        "area": int(objects.areas[i]),
        "iou": None,
        "match": None,
        "box": objects.boxes[i].tolist(),
    }


def _label_map(objects: Instances | None, layers: np.ndarray, image_shape: tuple[int, int], step: int) -> np.ndarray:
    """Return every `step`-th pixel of a label image, (h, w) int64; smaller objects cover larger ones."""
    labels = np.zeros(image_shape, np.int32)
    if objects is not None:
        shown = np.flatnonzero(layers != "")
        order = shown[np.argsort(-objects.areas[shown], kind="stable")]
        boxes = objects.boxes.tolist()
        for i in order.tolist():
            y1, x1, y2, x2 = boxes[i]
            labels[y1:y2, x1:x2][objects.masks[i]] = i + 1
    return labels[step // 2 :: step, step // 2 :: step].astype(np.int64)
