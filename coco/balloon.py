"""Balloons: the Mask R-CNN library's sample of training on your own polygons, and its colour splash.

    python coco/balloon.py train --dataset balloon --weights small --logs logs/small
    python coco/balloon.py train --dataset balloon --preset published --logs logs/published          # the library's
    python coco/balloon.py predict --dataset balloon --logs logs/small --score --overlays overlays   # scored and drawn
    python coco/balloon.py splash --logs logs/small --image party.jpg   # grey except for the balloons
    python coco/balloon.py splash --logs logs/small --video party.mp4

The data set, a folder or zip, has train and val, each with images and via_region_data.json from the VGG Image
Annotator, version 1 or 2. Training writes config.json, log.csv, TensorBoard events and weights to <logs>/balloon;
prediction writes a CSV of masks with scores. If killed, the next run resumes. The splash colours balloons with a score
of at least 0.5, or --confidence.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import BALLOON_PUBLISHED, BALLOON_SMALL
from coco.inference import parse_flags, predict_images
from common import engine
from common.cli import choose_model, parse_model_flags, parse_training_flags, run_command
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import prepare_outputs

if TYPE_CHECKING:
    from common.predictor import Predictor

PRESETS = {"small": BALLOON_SMALL, "published": BALLOON_PUBLISHED}
DATASET = "data/balloon"
TRAINING = "coco/balloon.py train"


def train(arguments: Sequence[str]) -> None:
    """Train on train; validate and score on val."""
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=OneLineParser(__doc__), arguments=arguments)

    from coco.evaluation import score_masks
    from coco.via import open_via_set
    from common.runs.start import find_start
    from common.storage.trees import open_tree

    tree = open_tree(flags.dataset)
    training = open_via_set(tree, "train", skip_bad=flags.skip_bad).first(flags.limit)
    held_out = open_via_set(tree, "val", skip_bad=flags.skip_bad)
    if find_start(flags.start, config) is None:
        print("warning: a few dozen images do not suffice from scratch; try --weights small")
    engine.train(config, training, held_out, flags.start, score=partial(score_masks, threshold=0.5))


def predict(arguments: Sequence[str]) -> None:
    """Predict the images of val; optionally draw and score them."""
    parser = OneLineParser(__doc__)
    flags = parse_flags(PRESETS, dataset=DATASET, output="submissions/balloon.csv", parser=parser, arguments=arguments)
    config, weights = choose_model(flags, PRESETS, TRAINING)

    from coco.evaluation import mask_report
    from coco.via import open_via_set
    from common.predictor import Predictor
    from common.scoring.evaluation import pair_results
    from common.storage.trees import open_tree

    images = open_via_set(open_tree(flags.dataset), "val", skip_bad=flags.skip_bad, reader=flags.reader)
    images = images.select(flags.choose(range(len(images))))
    prepare_outputs(flags, flags.folders(), images.path, images.image_names)
    found = predict_images(Predictor(config, weights), images, flags)
    if found is not None and flags.score:
        print(mask_report(pair_results(images, found), config.class_names, threshold=0.5).text)


def splash(arguments: Sequence[str]) -> None:
    """Turn an image or a video grey except for the balloons."""
    parser = OneLineParser(__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", type=Path, metavar="PATH", help="an image")
    source.add_argument("--video", type=Path, metavar="PATH", help="a video")
    help = "file to write (default: <name>_splash.png, or .avi)"
    parser.add_argument("--output", type=Path, metavar="PATH", help=help)
    flags = parse_model_flags(PRESETS, parser, without=("class_names",), arguments=arguments)
    config, weights = choose_model(flags, PRESETS, TRAINING)

    from common.drawing.gallery import DRAWN_SCORE
    from common.predictor import Predictor

    if "confidence" not in flags.given:  # only average precision needs low scores
        config = replace(config, confidence=max(config.confidence, DRAWN_SCORE))
    predictor = Predictor(config, weights)
    if flags.own["video"]:
        _splash_video(predictor, flags.own["video"], flags.own["output"])
    else:
        _splash_image(predictor, flags.own["image"], flags.own["output"])


def _splash_video(predictor: "Predictor", video: Path, output: Path | None) -> None:
    from coco.video import change_video
    from common.drawing.splash import colour_splash

    output = output or Path(f"{video.stem}_splash.avi")
    count = change_video(video, output, lambda frame: colour_splash(frame, predictor.predict(frame)))
    print(f"wrote {output}: {count} frames")


def _splash_image(predictor: "Predictor", path: Path, output: Path | None) -> None:
    from common.drawing.splash import colour_splash
    from common.images.decoding import decode_image, save_image

    output = output or Path(f"{path.stem}_splash.png")
    if not path.is_file():
        raise InputError(f"--image {path}: no such file; give an image")
    image = decode_image(path.read_bytes(), str(path), upright=True)
    save_image(output, colour_splash(image, predictor.predict(image)))
    print(f"wrote {output}")


if __name__ == "__main__":
    commands = {"train": train, "predict": predict, "splash": splash}
    run_main(lambda: run_command(__doc__, commands))
