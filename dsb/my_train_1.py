"""Step 1 of 3: uniform sampling, with flips and rotations.

    python dsb/my_train_1.py --dataset stage1_train.zip --weights coco --logs logs/published       # as published
    python dsb/my_train_1.py --dataset stage1_train.zip --preset small --fold 0 --logs logs/small  # from scratch

Writes config.json, log.csv, TensorBoard events and weights to <logs>/001. Run again, it resumes.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import run_main
from common.settings.config import Stage
from dsb.config import DEMO, GPU, PUBLISHED, SMALL
from dsb.training import train_step

STEP = {
    "published": PUBLISHED,
    "small": replace(SMALL, schedule=(Stage(40, 1e-3),), steps_per_epoch=400, score_every=20),
    "gpu": replace(GPU, schedule=(Stage(28, 1e-3),), steps_per_epoch=200, score_every=14),
    "demo": replace(DEMO, schedule=(Stage(2, 3e-4),), steps_per_epoch=20),
}

if __name__ == "__main__":
    run_main(lambda: train_step(__doc__, STEP, previous=None))
