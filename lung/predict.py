"""Segment the lungs in chest radiographs: a mask of each in its own size, run lengths, panels, scores.

    python lung/predict.py --dataset my_radiographs --weights lung --overlays overlays       # the pretrained weights
    python lung/predict.py --dataset lung.zip --logs logs/small --fold 0 --score             # held out
    python lung/predict.py --dataset lung.zip --logs logs/small --fold 0 --score --views scales --largest 2
    python lung/predict.py --dataset my_radiographs --weights logs/small/lung/best.h5        # not the last epoch

Writes a CSV with the mask of each radiograph as run lengths and its mean probability as score, and a folder with the
masks as PNG files. With --score, prints Dice, Jaccard index and pixel accuracy, worst first, and writes those of every
radiograph beside the CSV. If killed, the next run resumes.
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
from lung.config import DATASET, METADATA_HELP, PRESETS, LungConfig

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.output.results import Results


def main() -> None:
    """Predict, write the masks; optionally score and draw."""
    flags = _parse()
    config, weights = choose_model(flags, PRESETS, "lung/train.py")
    images = choose_images(flags, config)
    masks = flags.own["masks"]
    prepare_outputs(flags, flags.folders(["masks"]), images.path, images.image_names, anywhere=True)

    from common.predictor import MapPredictor
    from lung.outputs import save_masks

    found = engine.predict_results(MapPredictor(config, weights), images, flags.output, spread=flags.spread)
    if found is None:
        return  # shards, which are still to be merged
    save_masks(masks, found, images.shapes)
    print(f"wrote {flags.output}; {masks}: {len(images)} masks")
    order = _score(flags.output, images, found) if flags.score else images.image_ids
    if flags.overlays:
        from lung.outputs import OVERVIEW, save_panels

        save_panels(flags.overlays, images, found, order, truth=bool(flags.score))
        print(f"wrote {flags.overlays}: {OVERVIEW}, and the panels of each radiograph")


def choose_images(flags: PredictionFlags, config: LungConfig) -> "ImageSet":
    """Return the radiographs to predict, those with masks if they are to be scored."""
    from lung.dataset import load_images, load_labelled, split

    if isinstance(flags.score, Path):
        raise InputError(f"--score {flags.score}: the masks are those of --dataset; give --score alone")
    fold, skip_bad, reader = flags.given.get("fold", "all"), flags.skip_bad, flags.reader
    if not flags.score and fold == "all":
        images = load_images(flags.dataset, skip_bad=skip_bad, reader=reader)
        return images.select(flags.choose(range(len(images))))
    metadata = flags.own["metadata"]
    images = load_labelled(flags.dataset, config.image_size, metadata=metadata, skip_bad=skip_bad, reader=reader)
    if fold != "all":
        images = split(images, fold, config.fold_seed)[1]
    if not len(images):
        raise InputError(f"--fold {fold}: holds none of the radiographs of {flags.dataset}; omit --fold")
    return images.select(flags.choose(range(len(images))))


def _score(output: Path, images: "ImageSet", found: "Results") -> list[str]:
    """Print and write the scores; return the ids of the radiographs, the worst first."""
    from common.scoring.evaluation import pair_results
    from lung.evaluation import score_pairs, score_report
    from lung.outputs import save_scores

    scores = score_pairs(pair_results(images, found))
    table = output.with_name(f"{output.stem}_scores.csv")
    save_scores(table, scores)
    print(f"wrote {table}: {len(scores)} radiographs\n{score_report(scores).text}")
    return list(scores)


def _parse() -> PredictionFlags:
    parser = OneLineParser(__doc__)
    add = parser.add_argument
    add("--metadata", type=Path, metavar="CSV", help=f"for --fold: {METADATA_HELP}")
    add(
        "--masks",
        type=Path,
        default=Path("submissions/lung_masks"),
        metavar="DIR",
        help="folder for the masks, <id>_mask.png (default: submissions/lung_masks)",
    )
    return parse_prediction_flags(PRESETS, dataset=DATASET, output="submissions/lung.csv", parser=parser)


if __name__ == "__main__":
    run_main(main)
