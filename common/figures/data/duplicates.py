"""Images that occur twice in a set, exactly or nearly, and whether their objects agree."""

import functools
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.figures.data.samples import count_objects, draw_tile, shorten
from common.figures.data.survey import Survey
from common.figures.tiles import tile_figure
from common.images.image_set import ImageSet
from common.masks.instances import Instances

NEAR_BITS = 48  # of 512 in which the looks of near duplicates differ at most; half size and JPEG change fewer
ALIKE = 0.97  # least correlation of near duplicates at `THUMBNAIL` pixels
THUMBNAIL = 64
MOST_PAIRS = 1000  # of similar looks, compared by their pixels


def find_duplicates(survey: Survey) -> pd.DataFrame:
    """Return pairs of images that are equal, or nearly so, the most alike first.

    Candidates have the same pixels or similar perceptual hashes; those of similar ones are read again and compared.

    Returns:
        Columns first and second (rows in the set), first_id, second_id, kind ("same pixels" or "near"), correlation (of
        their values, shrunk), first_objects and second_objects (how many).
    """
    digests, thumbnail = survey.by_image["digest"].to_numpy(), functools.cache(partial(_thumbnail, survey.images))
    rows = []
    for first, second in _candidates(digests, survey.looks):
        same = digests[first] == digests[second]
        alike = 1.0 if same else _correlation(thumbnail(first), thumbnail(second))
        if alike >= ALIKE:
            rows.append((first, second, "same pixels" if same else "near", alike))
    table = pd.DataFrame(rows, columns=["first", "second", "kind", "correlation"])
    for side in ("first", "second"):
        table[f"{side}_id"] = [survey.images.image_ids[row] for row in table[side]]
        table[f"{side}_objects"] = survey.by_image["objects"].to_numpy()[table[side].astype(int)]
    return table.sort_values(["kind", "correlation"], ascending=[False, False], ignore_index=True)


def draw_duplicates(survey: Survey, pairs: pd.DataFrame, most: int = 9) -> Figure:
    """Draw the first pairs of `find_duplicates` side by side with their contours."""
    tiles, titles = [], []
    rows: Iterable[Any] = pairs.head(most).itertuples()
    for pair in rows:
        for row, image_id in ((pair.first, pair.first_id), (pair.second, pair.second_id)):
            objects = survey.images.load_instances(row) if survey.images.has_objects else Instances.empty()
            tiles.append(draw_tile(survey.images.load_image(row), objects))
            titles.append(f"{shorten(image_id)}\n{pair.kind} ({pair.correlation:.3f}), {count_objects(objects)}")
    return tile_figure(tiles, titles, columns=6)


def _candidates(digests: np.ndarray, looks: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows with equal pixels, then those with similar looks, the most similar first."""
    seen: dict[str, int] = {}
    kept = []
    for row, digest in enumerate(digests.tolist()):
        first = seen.setdefault(digest, row)
        if first == row:
            kept.append(row)
        else:
            yield first, row
    found = [
        (int(distance), kept[i], kept[i + 1 + j])
        for i in range(len(kept) - 1)
        for j, distance in _near(looks[kept[i]], looks[kept[i + 1 :]])
    ]
    yield from ((first, second) for _, first, second in sorted(found)[:MOST_PAIRS])


def _near(look: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, int]]:
    distances = np.bitwise_count(look ^ others).sum(axis=1)
    near = np.flatnonzero(distances <= NEAR_BITS)
    return zip(near.tolist(), distances[near].tolist(), strict=True)


def _thumbnail(images: ImageSet, row: int) -> np.ndarray:
    """Return the values of an image, shrunk to a square, as one row of uint8."""
    return cv2.resize(images.load_image(row), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two thumbnails; 0 if one is flat."""
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else 0.0
