"""Balloons: the Mask R-CNN library's sample of training on polygons of one's own, and its colour splash.

    python coco/balloon.py train --dataset balloon --weights dsb/weights/small/weights.h5 --logs logs/small
    python coco/balloon.py train --dataset balloon --preset published --logs logs/published    # the library's
    python coco/balloon.py evaluate --dataset balloon --logs logs/small --overlays overlays     # scored and drawn
    python coco/balloon.py splash --logs logs/small --image party.jpg   # grey but for the balloons
    python coco/balloon.py splash --logs logs/small --video party.mp4

The data set, a folder or zip, has train and val, each with images and via_region_data.json of the VGG Image
Annotator, version 1 or 2. Training writes config.json, log.csv, TensorBoard events and weights to <logs>/balloon;
evaluation a CSV of masks with scores. Killed and started again, either goes on. The splash colours what has a score of
0.5 and more; --confidence says otherwise.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from coco.config import BALLOON_PUBLISHED, BALLOON_SMALL, BalloonConfig
from common import engine
from common.cli import (
    add_weights_flag,
    choose_model,
    parse_inference_flags,
    parse_training_flags,
    prepare_outputs,
    run_command,
)
from common.errors import InputError, run_main
from common.flags import OneLineParser, add_config_flags

if TYPE_CHECKING:
    import numpy as np

PRESETS = {"small": BALLOON_SMALL, "published": BALLOON_PUBLISHED}
DATASET = "data/balloon"
TRAINING = "coco/balloon.py train"


def train(arguments: Sequence[str]) -> None:
    """Train on the images of train, and watch and score those of val."""
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=DATASET, arguments=arguments)

    from coco.via import open_via_set
    from common.files import open_tree
    from common.runs.start import find_start
    from common.scoring.average_precision import average_precision
    from common.scoring.comparison import compare_masks

    tree = open_tree(flags.dataset)
    training = open_via_set(tree, "train", skip_bad=flags.skip_bad)
    held_out = open_via_set(tree, "val", skip_bad=flags.skip_bad)
    if find_start(flags.weights, flags.logs, config) is None:
        print("careful: a few dozen images teach little from nothing; --weights dsb/weights/small/weights.h5 helps")

    def rate(found: engine.Found) -> float:
        predicted = ((index, detections.paint(config.mask_threshold)) for index, detections in found)
        comparisons = (compare_masks(held_out.load_instances(index), objects) for index, objects in predicted)
        return average_precision(comparisons, [1], thresholds=[0.5]).mean

    engine.train(config, flags, training.select(range(len(training))[: flags.limit]), held_out, rate=rate)


def evaluate(arguments: Sequence[str]) -> None:
    """Predict the images of val, score the masks, and draw them where asked."""
    parser = OneLineParser(__doc__)
    flags = parse_inference_flags(
        PRESETS, dataset=DATASET, output="submissions/balloon.csv", submission=False, parser=parser, arguments=arguments
    )
    config, weights = choose_model(flags, PRESETS, TRAINING)

    from coco.via import open_via_set
    from common.drawing.gallery import draw_results
    from common.files import open_tree
    from common.scoring.average_precision import average_precision
    from common.scoring.comparison import compare_masks

    images = open_via_set(open_tree(flags.dataset), "val", skip_bad=flags.skip_bad)
    images = images.select(range(len(images))[: flags.limit])
    prepare_outputs(flags, images.tree.path, images.image_names)
    found = engine.predict_results(config, weights, images, flags.output, num_workers=flags.workers)
    if flags.overlays:
        draw_results(flags.overlays, images, found)
    true = map(images.load_instances, range(len(images)))
    pairs = zip(true, found.values(), strict=True)
    result = average_precision((compare_masks(*pair) for pair in pairs), [1])
    print(result.table(config.class_names))
    print(f"AP at IoU 0.5: {result.at(0.5).mean:.4f} over {len(images)} images")


def splash(arguments: Sequence[str]) -> None:
    """Turn an image or a video grey but for the balloons."""
    flags = _parse_splash_flags(arguments)
    config, weights = choose_model(flags, PRESETS, TRAINING)

    from common.drawing.gallery import DRAWN_SCORE

    if "confidence" not in flags:  # the average precision wants unsure balloons, too; the eye does not
        config = replace(config, confidence=max(config.confidence, DRAWN_SCORE))

    from coco.video import change_video, check_video_name
    from common.images.decoding import decode_image, save_image

    if flags.video:
        output = flags.output or Path(f"{flags.video.stem}_splash.avi")
        check_video_name(output)
        count = change_video(flags.video, output, _splasher(config, weights))
        print(f"wrote {output}: {count} frames")
        return
    output = flags.output or Path(f"{flags.image.stem}_splash.png")
    if not flags.image.is_file():
        raise InputError(f"--image {flags.image}: no such file; give an image")
    image = decode_image(flags.image.read_bytes(), str(flags.image))
    save_image(output, _splasher(config, weights)(image))
    print(f"wrote {output}")


def _parse_splash_flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", type=Path, metavar="PATH", help="an image")
    source.add_argument("--video", type=Path, metavar="PATH", help="a video")
    add = parser.add_argument
    add("--output", type=Path, metavar="PATH", help="the file to write (default: <its name>_splash.png, or .avi)")
    add_weights_flag(parser)
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="folder of all runs (default: logs)")
    default = next(iter(PRESETS))
    add("--preset", choices=list(PRESETS), default=default, help=f"the figures to start from (default: {default})")
    add_config_flags(parser, BalloonConfig, "figures of the model (default: config.json beside the weights)")
    return parser.parse_args(arguments)


def _splasher(config: BalloonConfig, weights: Path) -> "Callable[[np.ndarray], np.ndarray]":
    """Return a function from images (H, W, 3) uint8 to their splash."""
    from common.drawing.splash import colour_splash
    from common.network.mask_rcnn.detector import Detector
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.weights import load_weights
    from common.prediction.tiles import choose_detector

    model = MaskRCNN(config)
    load_weights(model, weights)
    detector = Detector(model)

    def splashed(image: "np.ndarray") -> "np.ndarray":
        (found,) = choose_detector(detector, image.shape[:2], config)([image])
        return colour_splash(image, found.paint(config.mask_threshold))

    return splashed


if __name__ == "__main__":
    commands = {"train": train, "evaluate": evaluate, "splash": splash}
    run_main(lambda: run_command(__doc__, commands))
