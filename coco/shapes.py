"""Generated squares, circles and triangles: the quickest proof that several classes are learnt.

    python coco/shapes.py train                  # from scratch, minutes on two cores; --preset published --weights coco
    python coco/shapes.py predict --score        # validation images, with average precision by class
    python coco/shapes.py predict --overlays overlays

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/shapes; prediction writes a CSV of masks
with classes and scores. If killed, the next run resumes. --seed chooses the images.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import SHAPES_PUBLISHED, SHAPES_SMALL
from coco.inference import parse_flags, predict_images
from common import engine
from common.cli import choose_model, parse_training_flags, run_command
from common.errors import run_main
from common.flags import OneLineParser
from common.outputs import check_outputs

PRESETS = {"small": SHAPES_SMALL, "published": SHAPES_PUBLISHED}


def train(arguments: Sequence[str]) -> None:
    """Train, and periodically score some validation images."""
    config, flags = parse_training_flags(PRESETS, dataset=None, parser=OneLineParser(__doc__), arguments=arguments)

    from coco.evaluation import score_masks
    from coco.shapes_set import generate_shapes

    training = generate_shapes(flags.limit or config.images, config.min_dim, config.seed)
    held_out = generate_shapes(config.validation_images, config.min_dim, config.seed, "validation")
    engine.train(config, training, held_out, flags.start, score=partial(score_masks, threshold=0.5))


def predict(arguments: Sequence[str]) -> None:
    """Predict the validation images; optionally draw and score them."""
    parser = OneLineParser(__doc__)
    flags = parse_flags(PRESETS, dataset=None, output="submissions/shapes.csv", parser=parser, arguments=arguments)
    config, weights = choose_model(flags, PRESETS, "coco/shapes.py train")
    check_outputs(flags, flags.folders())

    from coco.evaluation import mask_report
    from coco.shapes_set import generate_shapes
    from common.predictor import Predictor
    from common.scoring.evaluation import pair_results

    images = generate_shapes(config.validation_images, config.min_dim, config.seed, "validation")
    images = images.select(flags.choose(range(len(images))))
    found = predict_images(Predictor(config, weights), images, flags)
    if found is not None and flags.score:
        print(mask_report(pair_results(images, found), config.class_names, threshold=0.5).text)


if __name__ == "__main__":
    commands = {"train": train, "predict": predict}
    run_main(lambda: run_command(__doc__, commands))
