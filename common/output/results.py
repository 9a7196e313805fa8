"""Results: objects with classes and scores in a CSV, predicted once, then scored, drawn and converted."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from common.masks.instances import Instances
from common.masks.rle import decode_instances, encode_instances
from common.output.submission import read_rows
from common.prediction.postprocess import Prediction

RESULT_COLUMNS = ("ImageId", "ClassId", "Score", "EncodedPixels")


def result_rows(prediction: Prediction) -> list[str]:
    """Return one row per object, without the image's id."""
    objects = prediction.instances()
    runs = encode_instances(objects, prediction.image_shape)
    fields = zip(objects.class_ids.tolist(), objects.scores.tolist(), runs, strict=True)
    return [f"{class_id},{score:.9g},{text}" for class_id, score, text in fields]  # nine digits: the same float32


class Results(Mapping[str, Instances]):
    """The objects of each image by its id; masks are decoded on each access.

    Args:
        path: of the CSV, for messages.
        rows: of each image, with `RESULT_COLUMNS`.
        image_shapes: (height, width) of each image.
    """

    def __init__(
        self, path: Path, rows: Mapping[str, pd.DataFrame], image_shapes: Mapping[str, tuple[int, int]]
    ) -> None:
        self._path, self._rows, self._image_shapes = path, rows, image_shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, image_id: str) -> Instances:
        """Return an image's objects in the order of their rows.

        Raises:
            InputError: malformed rows.
        """
        rows = self._rows[image_id]
        rows = rows[rows["EncodedPixels"] != ""]
        try:
            masks = decode_instances(rows["EncodedPixels"].tolist(), self._image_shapes[image_id])
            ids, scores = rows["ClassId"].astype(int).to_numpy(), rows["Score"].astype("float32").to_numpy()
            if not (np.isfinite(scores).all() and (ids > 0).all()):
                raise ValueError("a score is not finite, or a class id is below 1")
            return Instances.from_crops(masks.boxes, masks.masks, ids, scores)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{self._path}: {image_id}: {error}; predict again") from None


def read_results(path: Path, image_shapes: Mapping[str, tuple[int, int]]) -> Results:
    """Read the objects of each image, the images in the order of their rows.

    Args:
        path: CSV with `RESULT_COLUMNS`; cells are empty for an image without objects.
        image_shapes: (height, width) of every image that may occur.

    Raises:
        InputError: no such file, or an unknown image.
    """
    rows = {str(image_id): rows for image_id, rows in read_rows(path, RESULT_COLUMNS).groupby("ImageId", sort=False)}
    for image_id in rows:
        if image_id not in image_shapes:
            raise InputError(f"{path}: {image_id} is not in this set; choose the set that was predicted")
    return Results(path, rows, image_shapes)
