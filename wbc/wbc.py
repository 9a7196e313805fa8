"""White blood cells of five classes: train on the class-folder layout, predict and score, and prepare raw images.

    python wbc/wbc.py prepare --images raw/images --masks raw/masks --dataset WBC
    python wbc/wbc.py train --dataset WBC --weights coco --logs logs/published   # as published
    python wbc/wbc.py train --dataset WBC --preset small --logs logs/small       # from scratch, on a CPU
    python wbc/wbc.py predict --dataset WBC --logs logs/small --score            # the images of val
    python wbc/wbc.py predict --dataset WBC --logs logs/small --subset detect --splash splashes

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/wbc; prediction writes a CSV of masks
with classes and scores, and with --score the confusion matrix beside it. If killed, the next run resumes.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import (
    PredictionFlags,
    choose_model,
    parse_prediction_flags,
    parse_training_flags,
    run_command,
)
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import prepare_outputs
from wbc.config import CLASS_NAMES, PUBLISHED, SMALL

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.masks.instances import Instances
    from common.predictor import Predictor

PRESETS = {"published": PUBLISHED, "small": SMALL}
DATASET = "data/WBC"


def train(arguments: Sequence[str]) -> None:
    """Train on train; validate and score on val."""
    parser = OneLineParser(__doc__)
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=parser, arguments=arguments)

    from common.scoring.evaluation import pair_predictions
    from wbc.dataset import load_cells
    from wbc.evaluation import score_report, usual_classes

    names = config.class_names
    training = load_cells(flags.dataset, "train", names, skip_bad=flags.skip_bad).first(flags.limit)
    held_out = load_cells(flags.dataset, "val", names, skip_bad=flags.skip_bad)
    usual = usual_classes(flags.dataset, names)

    def score(predictor: "Predictor", images: "ImageSet") -> float:
        report, _ = score_report(pair_predictions(images, predictor.predict), names, usual)
        return report.score

    engine.train(config, training, held_out, flags.start, score=score)


def predict(arguments: Sequence[str]) -> None:
    """Predict a subset; optionally draw and score it."""
    flags = _parse(arguments)
    config, weights = choose_model(flags, PRESETS, "wbc/wbc.py train")

    from common.predictor import Predictor
    from wbc.dataset import load_cells

    subset, names = flags.own["subset"], config.class_names
    images = load_cells(flags.dataset, subset, names, skip_bad=flags.skip_bad, reader=flags.reader)
    images = images.select(flags.choose(range(len(images))))
    prepare_outputs(flags, flags.folders(["splash"]), images.path, images.image_names)
    found = engine.predict_results(Predictor(config, weights), images, flags.output, spread=flags.spread)
    if found is None:
        return  # shards, which are still to be merged
    print(f"wrote {flags.output}: {len(images)} images")
    _draw(flags, images, found)
    if flags.score:
        _score(flags, images, found, config.class_names)


def prepare(arguments: Sequence[str]) -> None:
    """Split raw images and masks, one folder per class, into train and val."""
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, metavar="PATH", help="folder or zip of images, one folder per class")
    add("--masks", type=Path, required=True, metavar="PATH", help="folder or zip of masks, with the same names")
    add("--dataset", type=Path, default=Path(DATASET), metavar="DIR", help=f"folder to write (default: {DATASET})")
    add("--seed", type=int, default=PUBLISHED.seed, metavar="N", help="seed of the split (default: %(default)s)")
    flags = parser.parse_args(arguments)

    from common.storage.trees import open_tree
    from wbc.prepare import plan, write_layout

    if flags.seed < 0:
        raise InputError(f"--seed {flags.seed}: must be at least 0")
    images, masks = open_tree(flags.images), open_tree(flags.masks)
    planned = plan(images, masks, CLASS_NAMES, flags.seed)
    write_layout(images, masks, planned, flags.dataset)
    counts = {name: sum(one.subset == name for one in planned) for name in ("train", "val", "detect")}
    print(f"wrote {flags.dataset}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def _parse(arguments: Sequence[str]) -> PredictionFlags:
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--subset", choices=["train", "val", "detect"], default="val", help="to predict (default: val)")
    add("--splash", type=Path, metavar="DIR", help="write grey images with the cells in colour")
    flags = parse_prediction_flags(
        PRESETS, dataset=DATASET, output="submissions/wbc.csv", parser=parser, arguments=arguments
    )
    if isinstance(flags.score, Path):
        raise InputError(f"--score {flags.score}: the masks of --dataset are the ground truth; give --score alone")
    if flags.score and flags.own["subset"] == "detect":
        raise InputError("--score: the images of detect have no masks; choose --subset val or train")
    return flags


def _draw(flags: PredictionFlags, images: "ImageSet", found: Mapping[str, "Instances"]) -> None:
    from common.drawing.gallery import DRAWN_SCORE, draw_results
    from common.drawing.splash import colour_splash
    from common.images.decoding import save_image

    if flags.overlays:
        draw_results(flags.overlays, images, found, truth=images.has_objects, kind="cells")
    if folder := flags.own["splash"]:
        for index, image_id in enumerate(images.image_ids):
            seen = found[image_id].select(found[image_id].scores >= DRAWN_SCORE)
            splashed = colour_splash(images.load_image(index), seen)
            save_image(folder / f"{image_id}.png", splashed)
        print(f"wrote {folder}: each image in grey with its cells in colour")


def _score(
    flags: PredictionFlags, images: "ImageSet", found: Mapping[str, "Instances"], class_names: Sequence[str]
) -> None:
    """Print the score, and write the confusion matrix beside the CSV."""
    from common.scoring.evaluation import pair_results
    from wbc.confusion import save_confusion
    from wbc.evaluation import score_report, usual_classes

    usual = usual_classes(flags.dataset, class_names)
    report, confusion = score_report(pair_results(images, found), class_names, usual)
    path = flags.output.with_name(f"{flags.output.stem}_confusion.csv")
    save_confusion(path, confusion, class_names)
    print(f"wrote {path} and {path.with_suffix('.png').name}: the confusion matrix")
    print(report.text)


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"train": train, "predict": predict, "prepare": prepare}))
