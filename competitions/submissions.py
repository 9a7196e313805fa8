"""The predictions of a CSV in any of the competitions' formats, as objects."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.images.image_set import ImageSet
from common.log import logger
from common.masks.instances import Instances
from common.masks.rle import decode_instances
from common.output.results import RESULT_COLUMNS, read_results
from common.output.submission import COLUMNS, as_written, check_submission, read_rows
from rsna.dataset import filled_boxes
from rsna.submission import COLUMNS as BOX_COLUMNS
from rsna.submission import Predictions, read_predictions

Shapes = Mapping[str, tuple[int, int]]


class RunLengths(Mapping[str, Instances]):
    """The objects of each image of a submission without classes and scores; decoded at each access."""

    def __init__(self, path: Path, texts: Mapping[str, list[str]], image_shapes: Shapes) -> None:
        self._path, self._texts, self._image_shapes = path, texts, image_shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, image_id: str) -> Instances:
        """Return an image's objects, numbered in the order of their rows.

        Raises:
            InputError: malformed runs.
        """
        try:
            return decode_instances(self._texts[image_id], self._image_shapes[image_id])
        except ValueError as error:
            raise InputError(f"{self._path}: {image_id}: {error}; predict again") from None


class Boxes(Mapping[str, Instances]):
    """The boxes of each image, filled."""

    def __init__(self, predictions: Mapping[str, Predictions], image_shapes: Shapes) -> None:
        self.predictions, self._image_shapes = predictions, image_shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, image_id: str) -> Instances:
        """Return an image's boxes as objects."""
        found = self.predictions[image_id]
        return filled_boxes(found.boxes, self._image_shapes[image_id], found.scores.astype(np.float32))


def read_submission(path: Path, image_shapes: Shapes) -> Mapping[str, Instances]:
    """Read a CSV with the columns of a submission, of results, or of boxes.

    A line tells of a submission that its competition would refuse, as where masks overlap.

    Args:
        path: the CSV.
        image_shapes: (height, width) of every image that may occur, pixels.

    Returns:
        The objects of each image that has a row, numbered in the order of the rows.

    Raises:
        InputError: no such file, other columns, or an image that is not in the set.
    """
    table = read_rows(path, ())
    columns = set(table.columns)
    if not any(set(known) <= columns for known in (COLUMNS, BOX_COLUMNS)):
        known = f"{', '.join(COLUMNS)}; {', '.join(RESULT_COLUMNS)}; or {', '.join(BOX_COLUMNS)}"
        raise InputError(f"{path}: has the columns {', '.join(table.columns)}; give a CSV with {known}")
    image_ids = table[BOX_COLUMNS[0] if set(BOX_COLUMNS) <= columns else COLUMNS[0]]
    for image_id in image_ids:
        if image_id not in image_shapes:
            hint = as_written(image_id, image_shapes) or "; choose the set that was predicted"
            raise InputError(f"{path}: {image_id} is not in this set{hint}")
    if set(BOX_COLUMNS) <= columns:
        return Boxes(read_predictions(path), image_shapes)
    if set(RESULT_COLUMNS) <= columns:
        return read_results(path, image_shapes)
    texts: dict[str, list[str]] = {image_id: [] for image_id in image_ids}
    for image_id, text in zip(image_ids, table["EncodedPixels"], strict=True):
        if text.strip():
            texts[image_id].append(text)
    if problems := check_submission(path, image_shapes=image_shapes):
        logger.warning(f"warning: {path}: Kaggle would refuse it: {problems[0]} ({len(problems)} problems)")
    return RunLengths(path, texts, image_shapes)


def choose_images(
    images: ImageSet, submissions: Mapping[str, Collection[str]], *, only_submitted: bool = False
) -> ImageSet:
    """Return the images to compare: all of them, or those that at least one submission has a row for.

    A line tells how many of them a submission lacks, which count as 0.

    Args:
        images: the set.
        submissions: ids of the images that each has a row for, by the submission's name.
        only_submitted: leave out images that none has a row for.

    Raises:
        InputError: none has a row for any of the images.
    """
    rows = set().union(*submissions.values())
    chosen = [image_id in rows for image_id in images.image_ids]
    if not any(chosen):
        name = next(iter(submissions))
        raise InputError(f"{name}: has no row for an image of {images.path}; give the set that was predicted")
    images = images.select(chosen) if only_submitted else images
    for name, found in submissions.items():
        missing = [image_id for image_id in images.image_ids if image_id not in found]
        if missing:
            hint = "" if only_submitted or all(chosen) else "; --only-submitted leaves out those that no submission has"
            told = f"{len(missing)} of {len(images)} images have no row and count as 0, such as {missing[0]}"
            logger.warning(f"warning: {name}: {told}{hint}")
    return images
