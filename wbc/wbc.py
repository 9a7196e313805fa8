"""White blood cells of five classes: train on the class-folder layout, evaluate, predict, and prepare raw images.

    python wbc/wbc.py prepare --images raw/images --masks raw/masks --dataset WBC
    python wbc/wbc.py train --dataset WBC --weights coco --logs logs/published   # as published
    python wbc/wbc.py train --dataset WBC --preset small --logs logs/small       # from nothing, on a CPU
    python wbc/wbc.py evaluate --dataset WBC --logs logs/small                   # the images of val, scored
    python wbc/wbc.py predict --dataset WBC --logs logs/small --subset detect --splash splashes

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/wbc; prediction a CSV of masks with
classes and scores; evaluation the confusion matrix beside it, too. Killed and started again, they go on.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

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
from wbc.config import CLASS_NAMES, PUBLISHED, SMALL, WBCConfig

if TYPE_CHECKING:
    from common.masks.instances import Instances
    from wbc.dataset import CellSet

PRESETS = {"published": PUBLISHED, "small": SMALL}
DATASET = "data/WBC"
FOLDERS = ("splash",)  # flags that name one to write to


def train(arguments: Sequence[str]) -> None:
    """Train on the images of train, and watch and score those of val."""
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=DATASET, arguments=arguments)

    from wbc.dataset import load_cells
    from wbc.evaluation import score_masks, usual_classes

    training = load_cells(flags.dataset, "train", config.class_names, skip_bad=flags.skip_bad)
    training = training.select(range(len(training))[: flags.limit])
    held_out = load_cells(flags.dataset, "val", config.class_names, skip_bad=flags.skip_bad)
    usual = usual_classes(flags.dataset, config.class_names)

    def rate(found: engine.Found) -> float:
        predicted = ((index, detections.paint(config.mask_threshold)) for index, detections in found)
        return score_masks(((held_out.load_instances(index), objects) for index, objects in predicted), usual).mean

    engine.train(config, flags, training, held_out, rate=rate)


def predict(arguments: Sequence[str]) -> None:
    """Predict a subset, and draw it where asked."""
    _predict(arguments, "predict")


def evaluate(arguments: Sequence[str]) -> None:
    """Predict a subset with masks, score the masks, and count which classes were mistaken for which."""
    config, flags, images, found = _predict(arguments, "evaluate")

    from wbc.evaluation import report

    true = map(images.load_instances, range(len(images)))
    report(zip(true, found.values(), strict=True), flags.dataset, config.class_names, flags.output)


def prepare(arguments: Sequence[str]) -> None:
    """Split raw images and masks, a folder a class, into train and val."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, metavar="PATH", help="folder or zip of the images, a folder a class")
    add("--masks", type=Path, required=True, metavar="PATH", help="folder or zip of the masks, of the same names")
    add("--dataset", type=Path, default=Path(DATASET), metavar="DIR", help=f"folder to write (default: {DATASET})")
    add("--seed", type=int, default=PUBLISHED.seed, metavar="N", help="seed of the split (default: %(default)s)")
    flags = parser.parse_args(arguments)

    from common.files import open_tree
    from wbc.prepare import plan, write_layout

    if flags.seed < 0:
        raise InputError(f"--seed {flags.seed}: must be at least 0")
    images, masks = open_tree(flags.images), open_tree(flags.masks)
    planned = plan(images, masks, CLASS_NAMES, flags.seed)
    write_layout(images, masks, planned, flags.dataset)
    counts = {name: sum(one.subset == name for one in planned) for name in ("train", "val", "detect")}
    print(f"wrote {flags.dataset}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def _predict(
    arguments: Sequence[str], command: str
) -> tuple[WBCConfig, argparse.Namespace, "CellSet", Mapping[str, "Instances"]]:
    """Write the CSV and what else is asked for; return the images, and the objects of each in their order."""
    flags = _parse(arguments, command)
    config, weights = choose_model(flags, PRESETS, "wbc/wbc.py train")

    from wbc.dataset import load_cells

    images = load_cells(flags.dataset, flags.subset, config.class_names, skip_bad=flags.skip_bad)
    images = images.select(range(len(images))[: flags.limit])
    prepare_outputs(flags, images.tree.path, images.image_names, folders=FOLDERS)
    found = engine.predict_results(config, weights, images, flags.output, num_workers=flags.workers)
    _draw(flags, images, found)
    return config, flags, images, found


def _parse(arguments: Sequence[str], command: str) -> argparse.Namespace:
    parser = OneLineParser(__doc__)
    subsets = ["train", "val", *(["detect"] if command == "predict" else [])]
    parser.add_argument("--subset", choices=subsets, default="val", help="of the images (default: val)")
    parser.add_argument("--splash", type=Path, metavar="DIR", help="write grey images with the cells in colour")
    return parse_inference_flags(
        PRESETS,
        dataset=DATASET,
        output="submissions/wbc.csv",
        submission=False,
        folders=FOLDERS,
        parser=parser,
        arguments=arguments,
    )


def _draw(flags: argparse.Namespace, images: "CellSet", found: Mapping[str, "Instances"]) -> None:
    from common.drawing.gallery import DRAWN_SCORE, draw_results
    from common.drawing.splash import colour_splash
    from common.images.decoding import save_image

    if flags.overlays:
        draw_results(flags.overlays, images, found, truth=flags.subset != "detect", kind="cells")
    if flags.splash:
        for row, image_id in enumerate(images.image_ids):
            seen = found[image_id].select(found[image_id].scores >= DRAWN_SCORE)
            splashed = colour_splash(images.load_image(row), seen)
            save_image(flags.splash / f"{image_id}.png", splashed)
        print(f"wrote {flags.splash}: each image in grey with its cells in colour")


if __name__ == "__main__":
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "prepare": prepare}
    run_main(lambda: run_command(__doc__, commands))
