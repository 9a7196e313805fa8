"""Prediction code that the three scripts share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.cli import PredictionFlags, parse_prediction_flags
from common.engine import predict_results
from common.errors import InputError
from common.flags import OneLineParser
from common.settings.config import RunConfig

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.output.results import Results
    from common.output.rows import RowMaker
    from common.predictor import Predictor


def parse_flags(
    presets: Mapping[str, RunConfig],
    *,
    dataset: str | None,
    output: str,
    parser: OneLineParser,
    arguments: Sequence[str],
) -> PredictionFlags:
    """Parse a prediction's flags, see `parse_prediction_flags`.

    Raises:
        InputError: invalid flags, or `--score` with a path.
    """
    flags = parse_prediction_flags(presets, dataset=dataset, output=output, parser=parser, arguments=arguments)
    if isinstance(flags.score, Path):
        raise InputError(f"--score {flags.score}: give --score alone; the set has its own ground truth")
    return flags


def predict_images(
    predictor: "Predictor", images: "ImageSet", flags: PredictionFlags, maker: "RowMaker | None" = None
) -> "Results | None":
    """Write the CSV, optionally draw the images, and return the results; None after `--shards`.

    Args:
        predictor: finds the objects.
        images: the set, with its objects.
        flags: the output paths.
        maker: see `predict_results`.
    """
    from common.drawing.gallery import draw_results

    found = predict_results(predictor, images, flags.output, maker=maker, spread=flags.spread)
    if found is None:
        return None
    print(f"wrote {flags.output}: {len(images)} images")
    if flags.overlays:
        draw_results(flags.overlays, images, found)
    return found
