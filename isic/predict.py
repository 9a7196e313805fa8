"""Find skin lesions: a mask of every image at its own size, boxes, overlays, and scores.

    python isic/predict.py --dataset isic.zip --logs logs/small --overlays overlays              # the images of test/
    python isic/predict.py --dataset isic.zip --logs logs/small --labels labels_test.json --score
    python isic/predict.py --dataset isic.zip --logs logs/small --subset train --fold 0 --score    # what was held back
    python isic/predict.py --dataset folder_of_images --logs logs/small --masks masks

Writes a CSV of all lesions with their masks and scores, one of their boxes, and a folder of masks, one an image.
Killed and started again, it finishes the same files.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import choose_model, parse_inference_flags, prepare_outputs
from common.errors import InputError, run_main
from common.flags import OneLineParser
from isic.config import DATASET, LABELS_HELP, PRESETS, LesionConfig

if TYPE_CHECKING:
    from isic.dataset import LesionSet

FOLDERS = ("masks",)  # flags that name one to write to


def main() -> None:
    """Predict, write masks and boxes, and draw and score where asked."""
    flags = _parse()
    config, weights = choose_model(flags, PRESETS, "isic/train.py")
    images = choose_images(flags, config)
    prepare_outputs(flags, images.tree.path, images.image_names, folders=FOLDERS, anywhere=True)

    from isic.evaluation import LabelledResult, report
    from isic.outputs import save_boxes, save_masks

    found = engine.predict_results(config, weights, images, flags.output, num_workers=flags.workers)
    ids = images.image_ids
    shapes = {image_id: (height, width) for image_id, (height, width) in zip(ids, images.sizes.tolist(), strict=True)}
    boxes = flags.output.with_name(f"{flags.output.stem}_boxes.csv")
    save_boxes(boxes, found)
    save_masks(flags.masks, found, shapes, config.lesion)
    print(f"wrote {boxes}; {flags.masks}: {len(ids)} masks")
    if flags.overlays:
        from common.drawing.gallery import draw_results

        draw_results(flags.overlays, images, found, truth=flags.score, kind="lesions", lowest_score=0)
    if flags.score:
        true = map(images.load_instances, range(len(ids)))
        results = (LabelledResult(one, found[name], shapes[name]) for name, one in zip(ids, true, strict=True))
        report(results, config.class_names, config.lesion)


def choose_images(flags: argparse.Namespace, config: LesionConfig) -> "LesionSet":
    """Return the images to predict, with their lesions where they are scored."""
    from isic.dataset import load_images, load_labelled, split

    fold = getattr(flags, "fold", "all")
    in_fold = fold not in ("same", "all")
    if in_fold and flags.subset != "train":
        raise InputError(f"--fold {fold}: the images of train are dealt to folds; give --subset train, too")
    if not flags.score and not in_fold:
        images = load_images(flags.dataset, flags.subset, skip_bad=flags.skip_bad)
    else:
        names = config.class_names
        images = load_labelled(flags.dataset, flags.subset, names, labels=flags.labels, skip_bad=flags.skip_bad)
    if in_fold:
        _, images = split(images, fold, config.fold_seed)
    if not len(images):
        raise InputError(f"--fold {fold}: holds none of the images of {flags.dataset}; leave --fold out")
    return images.select(range(len(images))[: flags.limit])


def _parse() -> argparse.Namespace:
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--subset", choices=["train", "test"], default="test", help="folder of the images (default: test)")
    add("--labels", type=Path, metavar="JSON", help=f"to score against, and for folds (default: {LABELS_HELP})")
    add("--score", action="store_true", help="score against the labels; other images are left out")
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


if __name__ == "__main__":
    run_main(main)
