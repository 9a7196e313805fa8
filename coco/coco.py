"""COCO's 80 categories, and any other set with annotations of COCO's type "instances".

    python coco/coco.py train --dataset coco --logs logs/small                          # from scratch, on a CPU
    python coco/coco.py train --dataset coco --preset published --logs logs/published   # the library's
    python coco/coco.py predict --dataset coco --logs logs/small --score                # COCO's average precision
    python coco/coco.py predict --dataset coco --preset published --weights mask_rcnn_coco.h5 --score

The data set, a folder or zip, has annotations/instances_<subset><year>.json, and images in folders such as train2017.
Training writes config.json, log.csv, TensorBoard events and weights to <logs>/coco; prediction writes a CSV of all
objects, and COCO's results JSON beside it. If killed, the next run resumes.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import COCO_PUBLISHED, COCO_SMALL
from coco.inference import parse_flags, predict_images
from common import engine
from common.cli import choose_model, parse_training_flags, run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import prepare_outputs

PRESETS = {"small": COCO_SMALL, "published": COCO_PUBLISHED}
DATASET = "data/coco"


def train(arguments: Sequence[str]) -> None:
    """Train, and periodically score some validation images."""
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=OneLineParser(__doc__), arguments=arguments)

    from coco.evaluation import score_masks
    from coco.instances_set import open_instances_set, training_subsets, validation_subsets
    from common.storage.trees import open_tree

    tree = open_tree(flags.dataset)
    subsets = training_subsets(tree, config.year)
    known = subsets[0].file.class_names
    if "class_names" not in flags.given:
        config = replace(config, class_names=known)
    unknown = [name for name in config.class_names if name not in known]
    if unknown:
        raise InputError(f"--class-names {unknown[0]}: not a category of {subsets[0].file.name}")
    training = open_instances_set(tree, subsets, config.class_names, skip_bad=flags.skip_bad)
    watched = validation_subsets(tree, config.year)
    held_out = open_instances_set(tree, watched, config.class_names, skip_bad=flags.skip_bad)
    if watched and not len(held_out):
        raise InputError(f"{tree.path}/{watched[0].file_name}: lists no image to validate on; mend it, or move it away")
    engine.train(config, training.first(flags.limit), held_out, flags.start, score=score_masks)


def predict(arguments: Sequence[str]) -> None:
    """Predict a subset and write COCO's results file; optionally score boxes and masks."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--subset", metavar="NAME", help="to predict (default: val, or minival for 2014)")
    flags = parse_flags(PRESETS, dataset=DATASET, output="submissions/coco.csv", parser=parser, arguments=arguments)
    config, weights = choose_model(flags, PRESETS, "coco/coco.py train")

    from coco.instances_set import open_instances_set, read_subset, validation_subsets
    from coco.official import box_row_maker, convert_rows, official_report, score_results
    from common.predictor import Predictor
    from common.storage.trees import open_tree

    tree, chosen, results = open_tree(flags.dataset), flags.own["subset"], flags.output.with_suffix(".json")
    subsets = [] if chosen else validation_subsets(tree, config.year)
    subset = subsets[0] if subsets else read_subset(tree, chosen or "val", config.year)
    if results.resolve() == (tree.path / subset.file_name).resolve():
        raise InputError(f"--output {flags.output}: its JSON would replace the annotations; choose another name")
    names = config.class_names
    images = open_instances_set(tree, [subset], names, skip_bad=flags.skip_bad, reader=flags.reader)
    images = images.select(flags.choose(range(len(images))))
    prepare_outputs(flags, flags.folders(), images.path, images.image_names)
    predictor = Predictor(config, weights)
    if predict_images(predictor, images, flags, box_row_maker(predictor)) is None:
        return  # shards, which are still to be merged
    count = convert_rows(flags.output, results, subset.file, images, config.class_names)
    print(f"wrote {results}: {count} objects")
    if flags.score:
        annotations = tree.read(subset.file_name)
        evaluations = score_results(results, annotations, subset.file, images, config.class_names)
        print(official_report(evaluations, len(images)).text)


if __name__ == "__main__":
    commands = {"train": train, "predict": predict}
    run_main(lambda: run_command(__doc__, commands))
