"""Surveys of several parts of a set as one, to find the images that they share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from common.figures.data.survey import Survey
from common.images.joined import join_sets


def join_surveys(surveys: Mapping[str, Survey]) -> Survey:
    """Return the surveys of several sets as one; ids are preceded by the name of their set.

    Args:
        surveys: by the name of the set, at least one.
    """
    parts = list(surveys.values())
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    image_ids = [f"{name}: {image_id}" for name, part in surveys.items() for image_id in part.images.image_ids]
    images = join_sets([part.images for part in parts], image_ids)
    tables = [
        part.by_object.assign(image=part.by_object["image"] + start)
        for part, start in zip(parts, starts.tolist(), strict=False)
    ]
    return Survey(
        images,
        pd.concat([part.by_image for part in parts], ignore_index=True),
        pd.concat(tables, ignore_index=True),
        np.mean([part.levels for part in parts], axis=0),
        np.concatenate([part.looks for part in parts]),
    )
