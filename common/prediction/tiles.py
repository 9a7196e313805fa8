"""Detect large images in overlapping tiles, and join what several tiles saw of one object."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from common.masks.boxes import box_intersections
from common.masks.crops import drop_empty
from common.masks.instances import Instances, SoftInstances
from common.prediction.detections import Detections, Paintable

BORDER = 4  # pixels; an object this close to its tile's border may continue beyond it
AGREEMENT = 0.5  # lowest intersection over union, within the shared part of two tiles, of two sights of one object
OVERLAP_SHARE = 3 / 16  # of a tile's side, where a full image is split
SMALLEST_TILE = 128  # pixels as the network sees them; a smaller tile shows too little around its objects

Box = list[int]  # y1, x1, y2, x2


class Detect(Protocol):
    """From images to their detections, such as a `Detector`; shows parts of an image at the image's scale."""

    def __call__(self, images: Iterable[np.ndarray], /, scale: float | None = ...) -> Sequence[Detections]:
        """Return the detections of each image."""


@dataclass(frozen=True, eq=False)
class TiledDetections:
    """The detections in the tiles of an image; small enough to send to another process.

    Attributes:
        tiles: (T, 4) int, the tiles' boxes in the image.
        found: T detections, in the tiles' pixels; of a tile that was split, in tiles themselves.
        image_shape: (height, width) of the image.
    """

    tiles: np.ndarray
    found: Sequence[Paintable]
    image_shape: tuple[int, int]

    @property
    def full(self) -> bool:
        """Whether a tile may hold more objects than the network's limits let it return."""
        return any(tile.full for tile in self.found)

    def paint(self, threshold: float) -> Instances:
        """Return the objects of the image with masks of full resolution, thresholded at a probability."""
        return join_tiles([detections.paint(threshold) for detections in self.found], self.tiles, self.image_shape)

    def paint_soft(self, threshold: float) -> SoftInstances:
        """Return the objects of `paint`, with probability 1: sights are joined as masks."""
        objects = self.paint(threshold)
        return SoftInstances(objects.boxes, [mask.astype(np.float32) for mask in objects.masks], objects.scores)

    def resized(self, image_shape: tuple[int, int]) -> "TiledDetections":
        """Return the same objects in an image of another size, (height, width)."""
        tiles = np.rint(self.tiles * np.tile(np.array(image_shape) / self.image_shape, 2)).astype(int)
        shapes = (tiles[:, 2:] - tiles[:, :2]).tolist()
        found = [part.resized((height, width)) for part, (height, width) in zip(self.found, shapes, strict=True)]
        return TiledDetections(tiles, found, image_shape)


def detect_in_tiles(
    detect: Detect, image: np.ndarray, tile_size: int, overlap: int, *, again: bool = False
) -> TiledDetections:
    """Detect tile by tile, in the memory of one tile; all tiles have one shape.

    Args:
        detect: from images to their detections.
        image: (H, W, 3) uint8.
        tile_size: side of a tile, pixels.
        overlap: least overlap of neighbours, pixels.
        again: split full tiles, see `look_again`.
    """
    height, width = image.shape[:2]
    tiles = tile_boxes((height, width), tile_size, overlap)
    found: list[Paintable] = []
    for y1, x1, y2, x2 in tiles.tolist():
        tile = image[y1:y2, x1:x2]
        detections = detect([tile])[0]
        found.append(look_again(detect, tile, detections) if again else detections)
    return TiledDetections(tiles, found, (height, width))


def look_again(detect: Detect, image: np.ndarray, found: Detections) -> Paintable:
    """Return an image's detections, or, if it is full, those in smaller tiles of it, until none of them is full.

    Each full image or tile is split in two along its longer side, and along the shorter one if that is not much
    shorter. The network sees the tiles at the image's scale; they get no smaller than `SMALLEST_TILE`.

    Args:
        detect: from images to their detections.
        image: (H, W, 3) uint8.
        found: its detections.
    """
    tile_size = math.ceil(max(image.shape[:2]) / (2 - OVERLAP_SHARE))
    if not found.full or tile_size * found.scale < SMALLEST_TILE:
        return found
    overlap = int(OVERLAP_SHARE * tile_size)
    return detect_in_tiles(partial(detect, scale=found.scale), image, tile_size, overlap, again=True)


def tile_boxes(image_shape: tuple[int, int], tile_size: int, overlap: int) -> np.ndarray:
    """Cover an image with as few tiles of one shape as the overlap allows, evenly spaced.

    Args:
        image_shape: (height, width).
        tile_size: side of a tile, pixels; a shorter side of the image is not split.
        overlap: least overlap of neighbours, pixels, below `tile_size`.

    Returns:
        (T, 4) int, y1, x1, y2, x2, row by row.

    Example:
        >>> tile_boxes((8, 20), 10, 2).tolist()
        [[0, 0, 8, 10], [0, 5, 8, 15], [0, 10, 8, 20]]
    """
    starts = []
    for side in image_shape:
        steps = -(-max(side - tile_size, 0) // (tile_size - overlap))
        starts.append(np.arange(steps + 1) * max(side - tile_size, 0) // max(steps, 1))
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([corners, corners + np.minimum(image_shape, tile_size)], axis=1)


def join_tiles(found: Sequence[Instances], tiles: np.ndarray, image_shape: tuple[int, int]) -> Instances:
    """Join what several tiles saw of one object.

    Sights from two tiles belong to one object if their masks agree where the tiles overlap. If some tile saw the whole
    object, the whole sight with the best score is kept; otherwise the object is the union of its parts, with the best
    score. A part is dropped if another tile shows the whole object but found nothing that agrees: detections are least
    reliable at a tile's border.

    Args:
        found: the objects of T tiles, in the tiles' pixels.
        tiles: (T, 4) int, the tiles' boxes.
        image_shape: (height, width) of the image.

    Returns:
        The objects in image pixels, scores descending, none empty.
    """
    sights, owners = _gather(found, tiles)
    within = _within(sights.boxes, tiles, image_shape)  # (N, T)
    whole = within[np.arange(len(sights)), owners]
    kept, unions = [], []
    for group in _group(sights, owners, tiles):
        if whole[group].any():
            wholes = group[whole[group]]
            kept.append(wholes[sights.scores[wholes].argmax()])
        elif not within[group].any(axis=1).all():
            unions.append(_union(sights.select(group)))
    objects = _concatenate([sights.select(kept), *unions])
    return objects.select(np.argsort(-objects.scores, kind="stable"))


def _gather(found: Sequence[Instances], tiles: np.ndarray) -> tuple[Instances, np.ndarray]:
    """Return all objects in image pixels, and the tile of each, (N,) int."""
    found = [drop_empty(instances) for instances in found]
    owners = np.repeat(np.arange(len(tiles)), [len(instances) for instances in found])
    sights = _concatenate(found)
    boxes = sights.boxes + np.tile(tiles[owners, :2], 2)
    return Instances.from_crops(boxes, sights.masks, sights.class_ids, sights.scores), owners


def _within(boxes: np.ndarray, tiles: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Return which boxes lie in which tiles, away from borders beyond which the image continues, (N, T) bool."""
    lows = np.where(tiles[:, :2] > 0, tiles[:, :2] + BORDER, 0)
    highs = np.where(tiles[:, 2:] < image_shape, tiles[:, 2:] - BORDER, image_shape)
    return np.all((boxes[:, None, :2] >= lows) & (boxes[:, None, 2:] <= highs), axis=2)


def _group(sights: Instances, owners: np.ndarray, tiles: np.ndarray) -> list[np.ndarray]:
    """Return the indices of each object's sights."""
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    pairs: list[tuple[int, int]] = []
    members = [np.flatnonzero(owners == tile) for tile in range(len(tiles))]
    boxes = tiles.tolist()
    for i, j in np.argwhere(np.triu(box_intersections(tiles, tiles), 1)).tolist():
        pairs += _agreeing(sights, members[i], members[j], _shared(boxes[i], boxes[j]))
    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(sights), len(sights)))
    count, groups = connected_components(graph, directed=False)
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.searchsorted(groups[order], np.arange(1, count)))


def _agreeing(sights: Instances, mine: np.ndarray, theirs: np.ndarray, region: Box) -> list[tuple[int, int]]:
    """Return the pairs of `mine` and `theirs`, (n,) and (m,) int, that agree within the region both tiles show."""
    regions = np.array([region])
    mine, theirs = (some[box_intersections(sights.boxes[some], regions)[:, 0] > 0] for some in (mine, theirs))
    near = box_intersections(sights.boxes[mine], sights.boxes[theirs]) > 0
    near &= sights.class_ids[mine][:, None] == sights.class_ids[theirs]
    first, second = (_cut_out(sights, some, region) for some in (mine, theirs))
    agreeing = [(i, j) for i, j in np.argwhere(near).tolist() if _iou(*first[i], *second[j]) >= AGREEMENT]
    return [(int(mine[i]), int(theirs[j])) for i, j in agreeing]


def _cut_out(sights: Instances, indices: np.ndarray, region: Box) -> list[tuple[np.ndarray, Box]]:
    """Return the parts of masks within a region that all of them touch, each with its box."""
    parts = []
    for index, box in zip(indices.tolist(), sights.boxes[indices].tolist(), strict=True):
        inner = _shared(box, region)
        parts.append((_window(sights.masks[index], box, inner), inner))
    return parts


def _iou(mask: np.ndarray, box: Box, other: np.ndarray, other_box: Box) -> float:
    """Return the intersection over union of two masks with their boxes."""
    both = _shared(box, other_box)
    common = int(np.count_nonzero(_window(mask, box, both) & _window(other, other_box, both)))
    return common / max(int(np.count_nonzero(mask)) + int(np.count_nonzero(other)) - common, 1)


def _window(mask: np.ndarray, box: Box, inner: Box) -> np.ndarray:
    """Return the part of a mask with the given box that lies within `inner`."""
    return mask[inner[0] - box[0] : inner[2] - box[0], inner[1] - box[1] : inner[3] - box[1]]


def _shared(box: Box, other: Box) -> Box:
    """Return the intersection of two boxes, without area if they are disjoint."""
    y1, x1 = max(box[0], other[0]), max(box[1], other[1])
    return [y1, x1, max(min(box[2], other[2]), y1), max(min(box[3], other[3]), x1)]


def _union(parts: Instances) -> Instances:
    """Return the union of all parts, with their class and the best score."""
    top, left = parts.boxes[:, :2].min(axis=0)
    bottom, right = parts.boxes[:, 2:].max(axis=0)
    union = np.zeros((bottom - top, right - left), bool)
    for mask, (y1, x1, y2, x2) in zip(parts.masks, parts.boxes, strict=True):
        union[y1 - top : y2 - top, x1 - left : x2 - left] |= mask
    box = np.array([[top, left, bottom, right]])
    return Instances.from_crops(box, [union], parts.class_ids[:1], parts.scores.max(keepdims=True))


def _concatenate(some: Sequence[Instances]) -> Instances:
    """Concatenate objects, in order."""
    some = [Instances.empty(), *some]
    boxes, class_ids, scores = (
        np.concatenate([getattr(instances, name) for instances in some]) for name in ("boxes", "class_ids", "scores")
    )
    return Instances(boxes, [mask for instances in some for mask in instances.masks], class_ids, scores)
