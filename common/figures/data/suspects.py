"""Objects whose masks look wrong, worst first, by each of several rules."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.figures.data.samples import crop_around, shorten
from common.figures.data.survey import Survey
from common.figures.tiles import tile_figure

RULES = {
    "parts": "in more or fewer parts than usual for its class",
    "holes": "encloses pixels that are not its own",
    "tails": "has thin arms: a slip of the pen, a hair, or two objects joined by a line",
    "large": "far larger than the others of its class, in its image if that has several",
    "small": "far smaller than those",
    "border": "lies along the border of the image: a sliver, or background painted as an object",
    "twice": "overlaps another object of its image",
}
WORDS = {
    "parts": "{row.parts} parts, {row.apart:.0%} apart",
    "tails": "{row.tail:.0%} in thin arms",
    "holes": "holes {row.hole:.1%}",
    "large": "{row.times:.2g} times the usual size",
    "small": "{row.times:.2g} times the usual size",
    "border": "{row.contact} pixels on the border",
    "twice": "IoU {row.shared:.2f} with another",
}
FEW = 5  # objects of a class in an image, whose median says what is usual there
FAR = 3.5  # robust standard deviations
ALONG = 2.5  # pixels on the border over the square root of the area; a disc cut in half has 1.6
LEAST_SHARED = 0.3  # IoU with another object
LEAST_ARM = 10  # pixels in thin arms; fewer are the steps of a contour
LEAST_TAIL, LEAST_RATIO = 0.004, 0.05  # least standard deviations: share of pixels, logarithm of sizes
LEAST_HOLE = 0.005  # of the pixels within the outline


def find_suspects(survey: Survey) -> pd.DataFrame:
    """Return objects that look wrong, one row per object and rule, the worst of each rule first.

    Returns:
        Columns rule (a key of `RULES`), image_id, image (row in the set), number (place among the image's objects),
        class_id, area, and what: why, in words.
    """
    objects, badness = survey.by_object.assign(times=np.exp(_log_ratio(survey))), _badness(survey)
    columns = ["rule", "image_id", "image", "number", "class_id", "area", "what"]
    found = [pd.DataFrame(columns=columns)]
    for rule, words in WORDS.items():
        order = badness[rule].dropna().sort_values(ascending=False, kind="stable").index
        rows = objects.loc[order]
        what = [words.format(row=row) for row in rows.itertuples()]
        image_ids = [survey.images.image_ids[image] for image in rows["image"]]
        found.append(rows.assign(rule=rule, what=what, image_id=image_ids)[columns])
    return pd.concat([one for one in found if len(one)] or found[:1], ignore_index=True)


def draw_suspects(survey: Survey, suspects: pd.DataFrame, most: int = 18) -> Figure:
    """Draw the first objects of a table of `find_suspects`, each in orange amid what is around it.

    Args:
        survey: of the set.
        suspects: rows of that table.
        most: objects drawn.
    """
    tiles, titles = [], []
    rows: Iterable[Any] = suspects.head(most).itertuples()
    for row in rows:
        image, objects = survey.images.load_image(row.image), survey.images.load_instances(row.image)
        tiles.append(crop_around(image, objects, row.number))
        titles.append(f"{shorten(row.image_id)} #{row.number}\n{row.what}, area {row.area}")
    return tile_figure(tiles, titles, columns=6)


def _badness(survey: Survey) -> pd.DataFrame:
    """Return how bad each object is by each rule, a column per rule; NaN where it is not suspicious."""
    objects = survey.by_object
    class_ids, areas = objects["class_id"], objects["area"]
    by_class = objects.groupby("class_id")
    usual_parts = by_class["parts"].transform("median").where(by_class["parts"].transform("size") >= FEW, 1)
    extra = (objects["parts"] - usual_parts).abs()
    arms = _deviation(objects["tail"] - by_class["tail"].transform("median"), class_ids, LEAST_TAIL)
    size = _deviation(_log_ratio(survey), class_ids, LEAST_RATIO)
    along = objects["contact"] / np.sqrt(areas.clip(lower=1))
    rules = {
        "parts": (extra + objects["apart"]).where(extra >= 1),
        "tails": arms.where((arms > FAR) & (objects["tail"] * areas > LEAST_ARM)),
        "holes": objects["hole"].where(objects["hole"] > LEAST_HOLE),
        "large": size.where(size > FAR),
        "small": -size.where(size < -FAR),
        "border": along.where(along > ALONG),
        "twice": objects["shared"].where(objects["shared"] > LEAST_SHARED),
    }
    return pd.DataFrame(rules)


def _log_ratio(survey: Survey) -> pd.Series:
    """Return the logarithm of each object's area over what is usual in its image, or for its class in all images."""
    objects, pixels = survey.by_object, survey.by_image["height"] * survey.by_image["width"]
    shares = np.log(objects["area"].clip(lower=1) / pixels.to_numpy()[objects["image"]])
    in_image = shares.groupby([objects["image"], objects["class_id"]])
    in_class = shares.groupby(objects["class_id"]).transform("median")
    return shares - in_image.transform("median").where(in_image.transform("size") >= FEW, in_class)


def _deviation(values: pd.Series, class_ids: pd.Series, least: float) -> pd.Series:
    """Return values in robust standard deviations of their class about 0, of at least `least`."""
    spread = 1.4826 * values.abs().groupby(class_ids).transform("median")
    return values / spread.clip(lower=least)
