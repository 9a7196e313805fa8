"""15-way test-time augmentation of 16 images, files to CSV, against one view at a time in one process.

    python benchmarks/tta.py --weights logs/003/last.h5 [--dataset stage1_train.zip]

Both sides use the same network, merging and writing. The plain side predicts each of the 15 views separately, then
merges, image by image. "Distinct" does so only with views that differ. Ours predicts distinct views in batches, two
images at a time, while another process merges. The rows need not be bit-identical, as batches round differently; the
script asserts that the masks of both agree.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table, race, readable
from common.cluster.spread import Spread
from common.engine import predict_submission
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.masks.rle import decode_instances
from common.output.submission import COLUMNS, read_rows
from common.output.writer import SubmissionWriter
from common.prediction.postprocess import Look, Masking, Prediction, run_length_rows
from common.prediction.views import VIEWS, apply_view, distinct_views
from common.predictor import Predictor
from common.scoring.dsb import score_submission
from common.settings.config import CONFIG_FILE
from common.settings.mask_rcnn import usual_scale
from dsb.config import DSBConfig
from dsb.dataset import load_dataset

AGREEMENT = 0.97  # lowest score of one side's CSV against the other's


def main() -> None:
    """Check that all sides agree, race them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", type=Path, required=True, help="of a trained network, with config.json beside them"
    )
    parser.add_argument("--dataset", type=Path, help="default: stage1_train.zip in SEGMENTATION_DATA")
    parser.add_argument("--images", type=int, default=16, help="how many, chosen at random")
    parser.add_argument("--repeats", type=int, default=2, help="turns of each side")
    flags = parser.parse_args()
    if flags.dataset is None and "SEGMENTATION_DATA" not in os.environ:
        parser.error("--dataset: give stage1_train.zip, or name the folder of all data in SEGMENTATION_DATA")
    dataset = flags.dataset or Path(os.environ["SEGMENTATION_DATA"]) / "dsb2018" / "stage1_train.zip"
    images = load_dataset(dataset, masks=False)
    images = images.select(np.sort(np.random.default_rng(5).permutation(len(images))[: flags.images]))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    predictor = load_predictor(flags.weights)
    with tempfile.TemporaryDirectory() as name:
        outputs = {side: Path(name) / f"{side}.csv" for side in ("plain", "distinct", "ours")}
        sides = {
            "plain": partial(run_plainly, predictor, images, outputs["plain"], distinct=False),
            "distinct": partial(run_plainly, predictor, images, outputs["distinct"], distinct=True),
            "ours": partial(run_ours, predictor, images, outputs["ours"]),
        }
        for run in sides.values():
            run()  # compiles, starts the worker
        for side in ("plain", "distinct"):
            agreement = score_submission(outputs["ours"], read_objects(outputs[side], images)).mean
            assert agreement >= AGREEMENT, f"ours and {side} differ: {agreement}"
        seconds = race(sides, repeats=flags.repeats)
    ratios = [f"{seconds[side] / seconds['ours']:.2f}" for side in ("plain", "distinct")]
    columns = ("images", *seconds, "ratio to plain", "ratio to distinct")
    print_table(columns, [(str(len(images)), *map(readable, seconds.values()), *ratios)])


def load_predictor(weights: Path) -> Predictor:
    """Return a predictor that makes masks as the published run, without contrast or overlap options."""
    config = DSBConfig.load(weights.parent / CONFIG_FILE)
    return Predictor(replace(config, stretch_contrast=False, mask_nms_threshold=1.0, max_whole_side=1 << 16), weights)


def run_plainly(predictor: Predictor, images: ImageSet, output: Path, *, distinct: bool) -> None:
    """Predict view by view, merge and write, image by image."""
    with SubmissionWriter(output, images.image_ids, "") as writer:
        for row, image_id in enumerate(images.image_ids):
            image, rng = images.load_image(row), np.random.default_rng(0)
            shape = (image.shape[0], image.shape[1])
            views = [(view, [i]) for i, view in enumerate(VIEWS)]
            if distinct:
                views = distinct_views(VIEWS, shape, usual_scale(shape, predictor.config.min_dim))
            looks = [Look(view, places, predictor.detect(apply_view(image, view, rng))) for view, places in views]
            masking = Masking(predictor.config.mask_threshold)
            writer.write(image_id, run_length_rows(Prediction(looks, shape, masking, "votes")))
        writer.finish()


def run_ours(predictor: Predictor, images: ImageSet, output: Path) -> None:
    """Do the same as our scripts."""
    output.unlink(missing_ok=True)
    predict_submission([predictor], images, images.image_ids, output, views="votes", spread=Spread(workers=1))


def read_objects(path: Path, images: ImageSet) -> dict[str, tuple[Instances, tuple[int, int]]]:
    """Return the objects and the (height, width) of a CSV's images."""
    texts = read_rows(path, COLUMNS).groupby("ImageId")["EncodedPixels"].apply(list)
    return {
        image_id: (decode_instances([text for text in texts[image_id] if text], shape), shape)
        for image_id, shape in images.shapes.items()
    }


if __name__ == "__main__":
    main()
