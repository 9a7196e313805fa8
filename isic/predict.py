"""Find skin lesions: a mask of every image in its own size, boxes, overlays, and scores.

    python isic/predict.py --dataset isic.zip --logs logs/small --overlays overlays              # the images of test/
    python isic/predict.py --dataset isic.zip --logs logs/small --score                            # with its labels
    python isic/predict.py --dataset isic.zip --logs logs/small --score labels_test.json           # with these
    python isic/predict.py --dataset isic.zip --logs logs/small --subset train --fold 0 --score    # held out
    python isic/predict.py --dataset folder_of_images --logs logs/small --masks masks

Writes a CSV of all lesions with their masks and scores, one of their boxes, and a folder with one mask per image.
If killed, the next run resumes.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import PredictionFlags, choose_model, parse_prediction_flags
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import prepare_outputs
from isic.config import DATASET, LABELS_HELP, PRESETS, LesionConfig

if TYPE_CHECKING:
    from common.images.image_set import ImageSet


def main() -> None:
    """Predict, write masks and boxes; optionally draw and score."""
    flags = _parse()
    config, weights = choose_model(flags, PRESETS, "isic/train.py")
    images = choose_images(flags, config)
    prepare_outputs(flags, flags.folders(["masks"]), images.path, images.image_names, anywhere=True)

    from common.predictor import Predictor
    from isic.outputs import save_boxes, save_masks

    found = engine.predict_results(Predictor(config, weights), images, flags.output, spread=flags.spread)
    if found is None:
        return  # shards, which are still to be merged
    print(f"wrote {flags.output}: {len(images)} images")
    boxes = flags.output.with_name(f"{flags.output.stem}_boxes.csv")
    save_boxes(boxes, found)
    masks = flags.own["masks"]
    save_masks(masks, found, images.shapes, config.lesion)
    print(f"wrote {boxes}; {masks}: {len(images)} masks")
    if flags.overlays:
        from common.drawing.gallery import draw_results

        draw_results(flags.overlays, images, found, truth=bool(flags.score), kind="lesions", lowest_score=0)
    if flags.score:
        from common.scoring.evaluation import pair_results
        from isic.evaluation import score_report

        print(score_report(pair_results(images, found), config.class_names, config.lesion).text)


def choose_images(flags: PredictionFlags, config: LesionConfig) -> "ImageSet":
    """Return the images to predict, with their lesions if they are to be scored."""
    from isic.dataset import load_images, load_labelled, split

    subset, fold = flags.own["subset"], flags.given.get("fold", "all")
    in_fold = fold not in ("same", "all")
    if in_fold and subset != "train":
        raise InputError(f"--fold {fold}: only train is split into folds; add --subset train")
    labels = _choose_labels(flags)
    if flags.score or in_fold:
        names = config.class_names
        images = load_labelled(
            flags.dataset, subset, names, labels=labels, skip_bad=flags.skip_bad, reader=flags.reader
        )
    else:
        images = load_images(flags.dataset, subset, skip_bad=flags.skip_bad, reader=flags.reader)
    if in_fold:
        _, images = split(images, fold, config.fold_seed)
    if not len(images):
        raise InputError(f"--fold {fold}: holds none of the images of {flags.dataset}; omit --fold")
    return images.select(flags.choose(range(len(images))))


def _choose_labels(flags: PredictionFlags) -> Path | None:
    """Return the label file for the split into folds and for scoring; None for the set's own."""
    labels: Path | None = flags.own["labels"]
    if not isinstance(flags.score, Path):
        return labels
    if labels:
        raise InputError(f"--score {flags.score}: --labels already names {labels}; give the file once")
    return flags.score


def _parse() -> PredictionFlags:
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--subset", choices=["train", "test"], default="test", help="folder of the images (default: test)")
    help = f"labels for --fold and --score (default: the path after --score, or {LABELS_HELP})"
    add("--labels", type=Path, metavar="JSON", help=help)
    add(
        "--masks",
        type=Path,
        default=Path("submissions/isic_masks"),
        metavar="DIR",
        help="folder for the masks, <id>_segmentation.png (default: submissions/isic_masks)",
    )
    return parse_prediction_flags(PRESETS, dataset=DATASET, output="submissions/isic.csv", parser=parser)


if __name__ == "__main__":
    run_main(main)
