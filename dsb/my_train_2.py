"""Step 2 of 3: from step 1's last weights, images of rare sizes repeated.

    python dsb/my_train_2.py --dataset stage1_train.zip --logs logs/published
    python dsb/my_train_2.py --dataset stage1_train.zip --preset small --fold 0 --logs logs/small

Writes config.json, log.csv, TensorBoard events and weights to <logs>/002. Run again, it resumes.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import run_main
from common.settings.config import Stage
from dsb.config import DEMO, PUBLISHED, SMALL
from dsb.training import train_step

STEP = {
    "published": replace(
        PUBLISHED,
        name="002",
        balanced=True,
        augment=False,  # on in the author's text, off in the published code
        schedule=(Stage(10, 1e-3 / 30), Stage(40, 1e-5)),
        steps_per_epoch=332,
    ),
    # Larger crops: 2.25 times the pixels for 1.3 to 2 times the time.
    "small": replace(
        SMALL,
        name="002",
        balanced=True,
        balance="root",
        crop_size=384,
        max_instances=256,
        rpn_train_anchors=256,
        train_proposals=800,
        train_rois=128,
        schedule=(Stage(9, 5e-4),),
        steps_per_epoch=400,
        score_every=9,
    ),
    "demo": replace(DEMO, name="002", balanced=True, schedule=(Stage(1, 2e-4),), steps_per_epoch=15),
}

if __name__ == "__main__":
    run_main(lambda: train_step(__doc__, STEP, previous="001"))
