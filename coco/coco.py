"""COCO's 80 categories, and any other set with annotations of COCO's kind "instances".

    python coco/coco.py train --dataset coco --logs logs/small                          # from nothing, on a CPU
    python coco/coco.py train --dataset coco --preset published --logs logs/published   # the library's
    python coco/coco.py evaluate --dataset coco --logs logs/small                       # COCO's average precision
    python coco/coco.py evaluate --dataset coco --preset published --weights mask_rcnn_coco.h5

The data set, a folder or zip, has annotations/instances_<subset><year>.json, and the images in folders such as
train2017. Training writes config.json, log.csv, TensorBoard events and weights to <logs>/coco; evaluation a CSV of all
objects and COCO's results JSON beside it. Killed and started again, either goes on.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import COCO_PUBLISHED, COCO_SMALL
from common import engine
from common.cli import (
    choose_model,
    parse_inference_flags,
    parse_training_flags,
    prepare_outputs,
    run_command,
)
from common.errors import InputError, run_main
from common.flags import OneLineParser

PRESETS = {"small": COCO_SMALL, "published": COCO_PUBLISHED}
DATASET = "data/coco"


def train(arguments: Sequence[str]) -> None:
    """Train, and score some validation images from time to time."""
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=DATASET, arguments=arguments)

    from coco.instances_set import open_instances_set, training_subsets, validation_subsets
    from common.files import open_tree
    from common.scoring.average_precision import average_precision
    from common.scoring.comparison import compare_masks

    tree = open_tree(flags.dataset)
    subsets = training_subsets(tree, config.year)
    known = subsets[0].file.class_names
    if "class_names" not in flags:
        config = replace(config, class_names=known)
    unknown = [name for name in config.class_names if name not in known]
    if unknown:
        raise InputError(f"--class-names {unknown[0]}: no category of {subsets[0].file.name}")
    training = open_instances_set(tree, subsets, config.class_names, skip_bad=flags.skip_bad)
    watched = validation_subsets(tree, config.year)
    held_out = open_instances_set(tree, watched, config.class_names, skip_bad=flags.skip_bad)

    def rate(found: engine.Found) -> float:
        predicted = ((index, detections.paint(config.mask_threshold)) for index, detections in found)
        truth = ((*held_out.load_truth(index), objects) for index, objects in predicted)
        comparisons = (compare_masks(true, objects, crowd) for true, crowd, objects in truth)
        return average_precision(comparisons, range(1, config.num_classes)).mean

    engine.train(config, flags, training.select(range(len(training))[: flags.limit]), held_out, rate=rate)


def evaluate(arguments: Sequence[str]) -> None:
    """Predict a subset, write COCO's results file, and score boxes and masks."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--subset", metavar="NAME", help="to predict (default: val, or of 2014 minival)")
    flags = parse_inference_flags(
        PRESETS, dataset=DATASET, output="submissions/coco.csv", submission=False, parser=parser, arguments=arguments
    )
    results = flags.output.with_suffix(".json")
    config, weights = choose_model(flags, PRESETS, "coco/coco.py train")

    from coco.evaluation import COLUMNS, prepare_boxes, score_rows
    from coco.instances_set import open_instances_set, read_subset, validation_subsets
    from common.drawing.gallery import draw_results
    from common.files import open_tree
    from common.output.results import read_results

    tree = open_tree(flags.dataset)
    subsets = [] if flags.subset else validation_subsets(tree, config.year)
    subset = subsets[0] if subsets else read_subset(tree, flags.subset or "val", config.year)
    if results.resolve() == (tree.path / subset.file_name).resolve():
        raise InputError(f"--output {flags.output}: its JSON would replace the annotations; choose another name")
    images = open_instances_set(tree, [subset], config.class_names, skip_bad=flags.skip_bad)
    images = images.select(range(len(images))[: flags.limit])
    prepare_outputs(flags, tree.path, images.image_names)
    run = (config, weights, images, images.image_ids, flags.output, prepare_boxes)
    engine.predict(*run, columns=COLUMNS, num_workers=flags.workers)
    print(f"wrote {flags.output}: {len(images)} images")
    if flags.overlays:
        found = read_results(flags.output, {photo.image_id: photo.image_shape for photo in images.photos})
        draw_results(flags.overlays, images, found)
    annotations = tree.read(subset.file_name)
    scores = score_rows(flags.output, results, annotations, subset.file, images, config.class_names)
    print(f"average precision {scores['bbox']:.4f} of boxes, {scores['segm']:.4f} of masks, {len(images)} images")


if __name__ == "__main__":
    commands = {"train": train, "evaluate": evaluate}
    run_main(lambda: run_command(__doc__, commands))
