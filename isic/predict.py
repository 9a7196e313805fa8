"""Find skin lesions: a mask of every picture at its own size, boxes, overlays, and scores.

    python isic/predict.py --dataset isic.zip --logs logs/small --picture pictures              # the pictures of test/
    python isic/predict.py --dataset isic.zip --logs logs/small --labels labels_test.json --score
    python isic/predict.py --dataset isic.zip --logs logs/small --subset train --fold 0 --score    # what was held back
    python isic/predict.py --dataset folder_of_pictures --logs logs/small --masks masks

Writes a CSV of all lesions with their masks and scores, one of their boxes, and a folder of masks, one a picture.
Killed and started again, it finishes the same files.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import config_of_weights, find_weights, parse_inference_flags, refuse_among_pictures
from common.errors import InputError, run_main
from common.flags import OneLineParser
from isic.config import DATASET, LABELS_HELP, PRESETS, LesionConfig

if TYPE_CHECKING:
    from common.instances import Instances
    from isic.dataset import LesionSet

FOLDERS = ("masks",)  # flags that name one to write to


def main() -> None:
    """Predict, write masks and boxes, and draw and score where asked."""
    flags = _parse()
    name = getattr(flags, "name", PRESETS[flags.preset].name)
    weights = find_weights(flags.weights, flags.logs, [name], "isic/train.py")
    config = config_of_weights(flags, weights, PRESETS)
    _warn_of_trained_pictures(flags, weights)
    pictures = choose_pictures(flags, config)
    refuse_among_pictures(flags, FOLDERS, pictures.image_names)

    from common.results import RESULT_COLUMNS, read_results
    from isic.evaluation import LabelledResult, report
    from isic.outputs import save_boxes, save_masks

    ids = pictures.image_ids
    run = (config, weights, pictures, ids, flags.output, engine.prepare_results)
    engine.predict(*run, columns=RESULT_COLUMNS, num_workers=flags.workers)
    shapes = {image_id: (height, width) for image_id, (height, width) in zip(ids, pictures.sizes.tolist(), strict=True)}
    found = read_results(flags.output, shapes)
    boxes = flags.output.with_name(f"{flags.output.stem}_boxes.csv")
    save_boxes(boxes, found)
    save_masks(flags.masks, found, shapes, config.lesion)
    print(f"wrote {flags.output} and {boxes.name}; {flags.masks}: {len(ids)} masks")
    if flags.picture:
        draw(flags, pictures, found)
    if flags.score:
        true = map(pictures.load_instances, range(len(ids)))
        results = [LabelledResult(one, found[name], shapes[name]) for name, one in zip(ids, true, strict=True)]
        report(results, config.class_names, config.lesion)


def choose_pictures(flags: argparse.Namespace, config: LesionConfig) -> "LesionSet":
    """Return the pictures to predict, with their lesions where they are scored."""
    from isic.dataset import load_labelled, load_pictures, split

    fold = getattr(flags, "fold", "all")
    in_fold = fold not in ("same", "all")
    if in_fold and flags.subset != "train":
        raise InputError(f"--fold {fold}: the pictures of train are dealt to folds; give --subset train, too")
    if not flags.score and not in_fold:
        pictures = load_pictures(flags.dataset, flags.subset, skip_bad=flags.skip_bad)
    else:
        names = config.class_names
        pictures = load_labelled(flags.dataset, flags.subset, names, labels=flags.labels, skip_bad=flags.skip_bad)
    if in_fold:
        _, pictures = split(pictures, fold, config.fold_seed)
    if not len(pictures):
        raise InputError(f"--fold {fold}: holds none of the pictures of {flags.dataset}; leave --fold out")
    return pictures.select(range(min(len(pictures), flags.limit or len(pictures))))


def draw(flags: argparse.Namespace, pictures: "LesionSet", found: Mapping[str, "Instances"]) -> None:
    """Write each picture with its lesions, beside the truth where it is known."""
    from common.gallery import save_gallery

    rows = {image_id: row for row, image_id in enumerate(pictures.image_ids)}

    def true(image_id: str, _: tuple[int, int]) -> "Instances":
        return pictures.load_instances(rows[image_id])

    images = ((image_id, pictures.load_image(row)) for image_id, row in rows.items())
    save_gallery(flags.picture, images, lambda image_id, _: found[image_id], true if flags.score else None)
    print(f"wrote {flags.picture}: overview.png, and each picture with its lesions")


def _parse() -> argparse.Namespace:
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--subset", choices=["train", "test"], default="test", help="folder of the pictures (default: test)")
    add("--labels", type=Path, metavar="JSON", help=f"to score against, and for folds (default: {LABELS_HELP})")
    add("--score", action="store_true", help="score against the labels; other pictures are left out")
    add(
        "--masks",
        type=Path,
        default=Path("submissions/isic_masks"),
        metavar="DIR",
        help="where the masks go, <id>_segmentation.png (default: submissions/isic_masks)",
    )
    return parse_inference_flags(
        PRESETS, dataset=DATASET, output="submissions/isic.csv", submission=False, folders=FOLDERS, parser=parser
    )


def _warn_of_trained_pictures(flags: argparse.Namespace, weights: Path) -> None:
    """Say so when the pictures, or some of them, were trained on."""
    trained = config_of_weights(argparse.Namespace(preset=flags.preset), weights, PRESETS).fold
    asked = getattr(flags, "fold", "all")
    if flags.subset == "train" and (asked in ("all", "same") or asked != trained):
        print(f"careful: {weights} was trained with --fold {trained}, so it has seen pictures of these")


if __name__ == "__main__":
    run_main(main)
