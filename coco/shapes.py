"""Squares, circles and triangles, generated: the quickest proof that several classes are learnt.

    python coco/shapes.py train          # from nothing, minutes on two cores; --preset published --weights coco
    python coco/shapes.py evaluate       # predicts the validation images, and prints the average precision by class
    python coco/shapes.py predict --overlays overlays

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/shapes; prediction a CSV of masks with
classes and scores. Killed and started again, either goes on. --seed chooses the images.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import SHAPES_PUBLISHED, SHAPES_SMALL, ShapesConfig
from common import engine
from common.cli import choose_model, parse_inference_flags, parse_training_flags, run_command
from common.errors import run_main
from common.flags import OneLineParser

if TYPE_CHECKING:
    from coco.dataset import ShapesSet
    from common.masks.instances import Instances

PRESETS = {"small": SHAPES_SMALL, "published": SHAPES_PUBLISHED}


def train(arguments: Sequence[str]) -> None:
    """Train, and score some validation images from time to time."""
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=None, arguments=arguments)

    from coco.dataset import ShapesSet
    from common.scoring.average_precision import average_precision
    from common.scoring.comparison import compare_masks

    training = ShapesSet(flags.limit or config.images, config.min_dim, config.seed)
    held_out = ShapesSet(config.validation_images, config.min_dim, config.seed, "validation")

    def rate(found: engine.Found) -> float:
        predicted = ((index, detections.paint(config.mask_threshold)) for index, detections in found)
        comparisons = (compare_masks(held_out.load_instances(index), objects) for index, objects in predicted)
        return average_precision(comparisons, range(1, config.num_classes), thresholds=[0.5]).mean

    engine.train(config, flags, training, held_out, rate=rate)


def predict(arguments: Sequence[str]) -> None:
    """Predict the validation images, and draw them where asked."""
    _predict(arguments)


def evaluate(arguments: Sequence[str]) -> None:
    """Predict the validation images, and score the masks."""
    config, images, found = _predict(arguments)

    from common.scoring.average_precision import average_precision, image_average_precision
    from common.scoring.comparison import compare_masks

    true = map(images.load_instances, range(len(images)))
    comparisons = [compare_masks(*pair) for pair in zip(true, found.values(), strict=True)]
    result = average_precision(comparisons, range(1, config.num_classes))
    print(result.table(config.class_names))
    by_image = sum(map(image_average_precision, comparisons)) / len(comparisons)
    print(f"mean of the images' own average precisions at IoU 0.5, all classes together: {by_image:.4f}")
    print(f"mAP at IoU 0.5: {result.at(0.5).mean:.4f} over {len(images)} images")


def _predict(arguments: Sequence[str]) -> tuple[ShapesConfig, "ShapesSet", Mapping[str, "Instances"]]:
    """Write the CSV, and return the config, the images and the objects of each in their order."""
    parser = OneLineParser(__doc__)
    flags = parse_inference_flags(
        PRESETS, dataset=None, output="submissions/shapes.csv", submission=False, parser=parser, arguments=arguments
    )
    config, weights = choose_model(flags, PRESETS, "coco/shapes.py train")

    from coco.dataset import ShapesSet
    from common.drawing.gallery import draw_results

    count = min(flags.limit or config.validation_images, config.validation_images)
    images = ShapesSet(count, config.min_dim, config.seed, "validation")
    found = engine.predict_results(config, weights, images, flags.output, num_workers=flags.workers)
    if flags.overlays:
        draw_results(flags.overlays, images, found)
    return config, images, found


if __name__ == "__main__":
    commands = {"train": train, "predict": predict, "evaluate": evaluate}
    run_main(lambda: run_command(__doc__, commands))
